"""The workbench an asset works on: decides reuse, gives it a folder, publishes nothing unverified.

No orchestrator in here. The same bench serves the assets, the bulk re-make and tests.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from video_assets.artifacts.fingerprint import content_hash, file_sha256, fingerprint
from video_assets.artifacts.manifest import CheckOutcome, Manifest, ManifestFile, artifact_prefix
from video_assets.artifacts.meter import Meter
from video_assets.artifacts.pointer import Pointer, Unreadable, fence_over, manifest_of, read_pointer
from video_assets.clock import utc_now
from video_assets.errors import PermanentError
from video_assets.storage import Storage
from video_assets.videos import Stage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunInfo:
    """What a making needs to know of the run it happens in."""

    run_id: str
    fence: str
    force: bool = False
    """Make again even what is fresh."""
    created_after: Callable[[str], bool | None] = lambda run_id: False
    """Whether this run was created after the run of this id; None where that one is not known."""


class Heartbeat(Protocol):
    """Says that a run lives, and how far it is. Advisory: it never raises and never blocks for long."""

    def start(self, video_id: int, run_id: str, stage: Stage) -> None:
        """The stage begins; from now on the run's heartbeat is written regularly."""

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        """How far the stage is: 0 to 1, times real time, seconds left."""

    def stop(self) -> None:
        """The stage is over."""


class NoHeartbeat:
    """A heartbeat that nobody listens to."""

    def start(self, video_id: int, run_id: str, stage: Stage) -> None:
        return

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        return

    def stop(self) -> None:
        return


@dataclass
class Artifact:
    """One artifact in the making (or found fresh: `reused`)."""

    storage: Storage
    artefact: Stage
    video_id: int
    run: RunInfo
    fingerprint: str
    code_version: str
    params: dict[str, Any]
    inputs: dict[str, str]
    previous: Manifest | None
    """What is current now; None on the first making."""
    reused: bool
    """The current artifact is just what would be made: make nothing."""
    folder: Path
    """Where to write files; removed afterwards."""
    heartbeat: Heartbeat
    meter: Meter
    clock: Callable[[], datetime]
    facts: dict[str, Any] = field(default_factory=dict)
    tokens: int = 0
    usd: float = 0.0
    manifest: Manifest | None = None
    _files: dict[str, ManifestFile | Path] = field(default_factory=dict)
    _types: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    _checks: list[CheckOutcome] | None = None

    def fetch(self, manifest: Manifest, name: str) -> Path:
        """A local path of one file of an input. Read only."""
        return self.storage.fetch(manifest.file(name).key, self.folder)

    def read_json(self, manifest: Manifest, name: str) -> Any:
        """One JSON file of an input."""
        return json.loads(self.storage.get_bytes(manifest.file(name).key))

    def unchanged(self, part: str, name: str) -> ManifestFile | None:
        """The file of this name in what is current, if it was made from just this and is still there whole."""
        if self.previous is None or self.run.force:
            return None
        for file in self.previous.files:
            if file.part == part and file.name == name and _whole(self.storage, file):
                return file
        return None

    def keep(self, file: ManifestFile) -> None:
        """Takes a file of an earlier making over as it is."""
        self._files[file.name] = file

    def add(self, path: Path, content_type: str, *, part: str | None = None) -> None:
        """Takes a finished file from the folder, under its own name. Nothing may write to it any more."""
        self._files[path.name] = path
        self._types[path.name] = (content_type, part)

    def refer(self, name: str, key: str, path: Path, content_type: str) -> None:
        """Lists an object that lies in storage already (the uploaded source) without copying it."""
        self._files[name] = ManifestFile(
            name=name, key=key, bytes=path.stat().st_size, sha256=file_sha256(path), content_type=content_type
        )

    def referred(self, name: str) -> ManifestFile:
        """What is listed under this name of what lies in storage already."""
        file = self._files[name]
        assert isinstance(file, ManifestFile)
        return file

    def verify(self, outcomes: Sequence[CheckOutcome]) -> None:
        """Notes what the checks of the finished files found. Without a verification nothing is published."""
        self._checks = list(outcomes)

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        """Reports how far the making is; cheap enough to call often."""
        self.heartbeat.progress(fraction, speed, eta_seconds)

    @property
    def outcomes(self) -> list[CheckOutcome]:
        """What the checks found, now or when the reused artifact was made."""
        if self.reused and self.previous is not None:
            return list(self.previous.checks)
        if self._checks is None:
            raise RuntimeError(f"{self.artefact.value} was not verified")
        return self._checks

    def seal(self) -> Manifest:
        """Uploads the files and returns the manifest; a reused artifact's own. Refuses what failed a check."""
        if self.reused and self.previous is not None:
            self.manifest = self.previous
            return self.previous
        failed = [check for check in self.outcomes if not check.passed]
        if failed:
            raise PermanentError(f"{failed[0].name}: {failed[0].summary}")
        files = tuple(self._stored(name, file) for name, file in sorted(self._files.items()))
        self.manifest = Manifest(
            artefact=self.artefact,
            video_id=self.video_id,
            fingerprint=self.fingerprint,
            content_hash=content_hash(files, self.facts),
            inputs=self.inputs,
            code_version=self.code_version,
            params=self.params,
            files=files,
            checks=tuple(self.outcomes),
            facts=self.facts,
            cost=self.meter.cost(tokens=self.tokens, usd=self.usd),
            run_id=self.run.run_id,
            fence=self.run.fence,
            made_at=self.clock(),
        )
        return self.manifest

    @property
    def prefix(self) -> str:
        """Where the files of this making go."""
        return artifact_prefix(self.video_id, self.artefact, self.fingerprint, self.run.run_id)

    def _stored(self, name: str, file: ManifestFile | Path) -> ManifestFile:
        if isinstance(file, ManifestFile):
            return file
        content_type, part = self._types[name]
        key, size, sha256 = self.prefix + name, file.stat().st_size, file_sha256(file)
        self.storage.put_file(key, file, content_type=content_type, sha256=sha256)
        return ManifestFile(name=name, key=key, bytes=size, sha256=sha256, content_type=content_type, part=part)


class Workbench:
    """Opens artifacts for making. One a process; holds no state of any making."""

    def __init__(
        self,
        storage: Storage,
        work_folder: Path,
        *,
        heartbeat: Heartbeat | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.storage = storage
        self.work_folder = work_folder
        self.heartbeat: Heartbeat = heartbeat or NoHeartbeat()
        self.clock = clock

    @contextmanager
    def artifact(
        self,
        artefact: Stage,
        video_id: int,
        run: RunInfo,
        *,
        inputs: Mapping[str, str],
        code_version: str,
        params: Mapping[str, Any],
    ) -> Iterator[Artifact]:
        """One artifact to make, or to find fresh. `inputs`: name → content hash.

        An exception inside removes what was uploaded for it; the work folder goes in any case.
        """
        wanted = fingerprint(inputs, code_version, params)
        pointer, previous = self._previous(video_id, artefact)
        folder = self.work_folder / run.run_id / f"{video_id}-{artefact.value}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        artifact = Artifact(
            storage=self.storage,
            artefact=artefact,
            video_id=video_id,
            run=self._in_turn(run, pointer),
            fingerprint=wanted,
            code_version=code_version,
            params=dict(params),
            inputs=dict(inputs),
            previous=previous,
            reused=not run.force and is_fresh(self.storage, previous, wanted),
            folder=folder,
            heartbeat=self.heartbeat,
            meter=Meter(),
            clock=self.clock,
        )
        self.heartbeat.start(video_id, run.run_id, artefact)
        try:
            yield artifact
        except BaseException:
            self.discard(artifact)
            raise
        finally:
            self.heartbeat.stop()
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # another stage of the same run works beside this one
                folder.parent.rmdir()

    def _previous(self, video_id: int, artefact: Stage) -> tuple[Pointer | None, Manifest | None]:
        """What is current. Garbage is as good as nothing: making it again is what puts it right."""
        pointer = None
        try:
            pointer = read_pointer(self.storage, video_id, artefact)
            return pointer, manifest_of(self.storage, pointer)
        except PermanentError as error:
            log.warning("video %s, %s: %s", video_id, artefact.value, error)
            return pointer, None

    def _in_turn(self, run: RunInfo, pointer: Pointer | None) -> RunInfo:
        """The run with a fence above what it replaces, where it came after that."""
        if pointer is None or pointer.fence <= run.fence:
            return run
        after = run.created_after(pointer.run_id)
        return replace(run, fence=fence_over(run.fence, run.run_id, pointer, after, self.clock()))

    def discard(self, artifact: Artifact) -> None:
        """Removes what this making uploaded, unless it has become current meanwhile."""
        if artifact.reused:
            return
        try:
            now = read_pointer(self.storage, artifact.video_id, artifact.artefact)
        except Unreadable:  # it was so before, as ours is not published
            now = None
        if now is None or not now.manifest_key.startswith(artifact.prefix):
            self.storage.delete_prefix(artifact.prefix)


def is_fresh(storage: Storage, manifest: Manifest | None, wanted: str) -> bool:
    """Whether what is current is just what would be made: same fingerprint, files whole, checks passed."""
    return (
        manifest is not None
        and manifest.fingerprint == wanted
        and all(check.passed for check in manifest.checks)
        and all(_whole(storage, file) for file in manifest.files)
    )


def _whole(storage: Storage, file: ManifestFile) -> bool:
    stat = storage.stat(file.key)
    return stat is not None and stat.bytes == file.bytes
