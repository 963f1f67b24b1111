"""Makes manifests and artifacts for these tests."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from video_assets.artifacts import Artifact, CheckOutcome, Cost, Manifest, ManifestFile, RunInfo, Workbench
from video_assets.artifacts.pointer import make_fence
from video_assets.storage.local import LocalStorage
from video_assets.videos import Stage

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
PASSED = CheckOutcome(name="plays", passed=True)


def at(seconds: float) -> datetime:
    """A moment this many seconds after the start of these tests' time."""
    return START + timedelta(seconds=seconds)


def run(number: int, *, force: bool = False) -> RunInfo:
    """The run created in this second."""
    run_id = f"{number:08x}-run"
    return RunInfo(run_id, make_fence(at(number), run_id), force)


def manifest(number: int = 1, *, made_at: datetime | None = None, **changes: Any) -> Manifest:
    """A manifest of the video 1's variants, by the run of this number."""
    by = run(number)
    values: dict[str, Any] = {
        "artefact": Stage.VARIANTS,
        "video_id": 1,
        "fingerprint": f"{number:064x}",
        "content_hash": "c",
        "inputs": {},
        "code_version": "1",
        "params": {},
        "files": (),
        "checks": (PASSED,),
        "facts": {},
        "cost": Cost(),
        "run_id": by.run_id,
        "fence": by.fence,
        "made_at": made_at or at(number),
    }
    return Manifest(**(values | changes))


def file(name: str = "a.mp4", sha256: str = "0" * 64, **changes: Any) -> ManifestFile:
    """A file of a manifest."""
    values: dict[str, Any] = {
        "name": name,
        "key": f"videos/1/x/{name}",
        "bytes": 1,
        "sha256": sha256,
        "content_type": "video/mp4",
    }
    return ManifestFile(**(values | changes))


def bench(folder: Path) -> Workbench:
    """A workbench over storage in this folder."""
    return Workbench(LocalStorage(folder / "storage"), folder / "work", clock=lambda: at(100))


def open_variants(on: Workbench, by: RunInfo, **changes: Any) -> Any:
    """The variants of video 1 on this bench: a context manager of an Artifact."""
    values: dict[str, Any] = {"inputs": {"uploads": "u"}, "code_version": "1", "params": {"crf": 23}}
    return on.artifact(Stage.VARIANTS, 1, by, **(values | changes))


def write(artifact: Artifact, name: str, data: bytes = b"data", part: str | None = None) -> None:
    """Makes one file of the artifact."""
    (artifact.folder / name).write_bytes(data)
    artifact.add(artifact.folder / name, "video/mp4", part=part)
