"""The workbench: opens an artifact for making. It decides whether the current one is reused, provides a work folder,
uploads the finished files, and refuses an artifact that failed a check or was not checked.

It does not know Dagster: the assets, `remake_light` and tests use the same workbench.
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
    """What the making of an artifact needs to know of its run."""

    run_id: str
    fence: str
    force: bool = False
    """Make artifacts again even if they are fresh."""
    created_after: Callable[[str], bool | None] = lambda run_id: False
    """Whether this run was created after the run of this id; None if that one is unknown."""


class Heartbeat(Protocol):
    """Reports that a run is alive, and its progress. Advisory: it never raises and never blocks for long."""

    def start(self, video_id: int, run_id: str, stage: Stage) -> None:
        """The stage begins; from now on the run's heartbeat is written regularly."""

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        """The stage's progress: fraction done (0 to 1), speed as a multiple of real time, seconds left."""

    def stop(self) -> None:
        """The stage is over."""


class NoHeartbeat:
    """A heartbeat that reports nothing."""

    def start(self, video_id: int, run_id: str, stage: Stage) -> None:
        return

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        return

    def stop(self) -> None:
        return


@dataclass
class Artifact:
    """One artifact that is being made, or that is fresh and `reused`."""

    storage: Storage
    stage: Stage
    video_id: int
    run: RunInfo
    fingerprint: str
    code_version: str
    params: dict[str, Any]
    inputs: dict[str, str]
    previous: Manifest | None
    """The current artifact's manifest; None if there is none."""
    reused: bool
    """The current artifact is fresh: make nothing."""
    folder: Path
    """The work folder, for the files; removed afterwards."""
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
        """A local path of one file of an input. Never write to it."""
        return self.storage.fetch(manifest.file(name).key, self.folder)

    def read_json(self, manifest: Manifest, name: str) -> Any:
        """The content of one JSON file of an input."""
        return json.loads(self.storage.get_bytes(manifest.file(name).key))

    def unchanged(self, part: str, name: str) -> ManifestFile | None:
        """The current artifact's file of this name, if it has this part's fingerprint and is still in storage with its
        size. None under `force`."""
        if self.previous is None or self.run.force:
            return None
        for file in self.previous.files:
            if file.part == part and file.name == name and _whole(self.storage, file):
                return file
        return None

    def keep(self, file: ManifestFile) -> None:
        """Lists a file of an earlier artifact unchanged."""
        self._files[file.name] = file

    def add(self, path: Path, content_type: str, *, part: str | None = None) -> None:
        """Lists a finished file of the work folder, under its own name. Nothing may write to it afterwards."""
        self._files[path.name] = path
        self._types[path.name] = (content_type, part)

    def refer(self, name: str, key: str, path: Path, content_type: str) -> None:
        """Lists an object that is in storage already (the uploaded source) without copying it. `path`: a local path of
        its bytes."""
        self._files[name] = ManifestFile(
            name=name, key=key, bytes=path.stat().st_size, sha256=file_sha256(path), content_type=content_type
        )

    def referred(self, name: str) -> ManifestFile:
        """The file that `refer` or `keep` has listed under this name."""
        file = self._files[name]
        assert isinstance(file, ManifestFile)
        return file

    def verify(self, outcomes: Sequence[CheckOutcome]) -> None:
        """Records the outcomes of the checks. `seal` refuses an artifact without them."""
        self._checks = list(outcomes)

    def progress(self, fraction: float, speed: float | None = None, eta_seconds: float | None = None) -> None:
        """Reports the progress of the making. Cheap enough to call often."""
        self.heartbeat.progress(fraction, speed, eta_seconds)

    @property
    def outcomes(self) -> list[CheckOutcome]:
        """The outcomes of the checks: of this making, or of the reused artifact."""
        if self.reused and self.previous is not None:
            return list(self.previous.checks)
        if self._checks is None:
            raise RuntimeError(f"{self.stage.value} was not verified")
        return self._checks

    def seal(self) -> Manifest:
        """Uploads the files and returns the manifest; for a reused artifact, its existing one. Raises PermanentError if
        a check failed."""
        if self.reused and self.previous is not None:
            self.manifest = self.previous
            return self.previous
        failed = [check for check in self.outcomes if not check.passed]
        if failed:
            raise PermanentError(f"{failed[0].name}: {failed[0].summary}")
        files = tuple(self._stored(name, file) for name, file in sorted(self._files.items()))
        self.manifest = Manifest(
            artefact=self.stage,
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
        """The folder in storage for the files of this making."""
        return artifact_prefix(self.video_id, self.stage, self.fingerprint, self.run.run_id)

    def _stored(self, name: str, file: ManifestFile | Path) -> ManifestFile:
        if isinstance(file, ManifestFile):
            return file
        content_type, part = self._types[name]
        key, size, sha256 = self.prefix + name, file.stat().st_size, file_sha256(file)
        self.storage.put_file(key, file, content_type=content_type, sha256=sha256)
        return ManifestFile(name=name, key=key, bytes=size, sha256=sha256, content_type=content_type, part=part)


class Workbench:
    """Opens artifacts for making. Each process has one; it holds no state of the artifacts."""

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
        stage: Stage,
        video_id: int,
        run: RunInfo,
        *,
        inputs: Mapping[str, str],
        code_version: str,
        params: Mapping[str, Any],
    ) -> Iterator[Artifact]:
        """Opens one artifact, to make or to reuse. `inputs`: each input's content hash, by name.

        If the block raises, what it uploaded is removed. The work folder is removed in any case.
        """
        wanted = fingerprint(inputs, code_version, params)
        pointer, previous = self._previous(video_id, stage)
        folder = self.work_folder / run.run_id / f"{video_id}-{stage.value}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        artifact = Artifact(
            storage=self.storage,
            stage=stage,
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
        self.heartbeat.start(video_id, run.run_id, stage)
        try:
            yield artifact
        except BaseException:
            self.discard(artifact)
            raise
        finally:
            self.heartbeat.stop()
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # not empty: another stage of the same run is working
                folder.parent.rmdir()

    def _previous(self, video_id: int, stage: Stage) -> tuple[Pointer | None, Manifest | None]:
        """The current pointer and manifest. What is not readable counts as none: making it again repairs it."""
        pointer = None
        try:
            pointer = read_pointer(self.storage, video_id, stage)
            return pointer, manifest_of(self.storage, pointer)
        except PermanentError as error:
            log.warning("video %s, %s: %s", video_id, stage.value, error)
            return pointer, None

    def _in_turn(self, run: RunInfo, pointer: Pointer | None) -> RunInfo:
        """The run, with its fence raised above the pointer's if it was created after the pointer's run."""
        if pointer is None or pointer.fence <= run.fence:
            return run
        after = run.created_after(pointer.run_id)
        return replace(run, fence=fence_over(run.fence, run.run_id, pointer, after, self.clock()))

    def discard(self, artifact: Artifact) -> None:
        """Removes the files that this making uploaded, unless they have become current meanwhile."""
        if artifact.reused:
            return
        try:
            now = read_pointer(self.storage, artifact.video_id, artifact.stage)
        except Unreadable:  # so the pointer does not name ours: a publish would have replaced it
            now = None
        if now is None or not now.manifest_key.startswith(artifact.prefix):
            self.storage.delete_prefix(artifact.prefix)


def is_fresh(storage: Storage, manifest: Manifest | None, wanted: str) -> bool:
    """Whether the current artifact needs not be made again: it has the wanted fingerprint, its files are in storage
    with their sizes, and its checks passed."""
    return (
        manifest is not None
        and manifest.fingerprint == wanted
        and all(check.passed for check in manifest.checks)
        and all(_whole(storage, file) for file in manifest.files)
    )


def _whole(storage: Storage, file: ManifestFile) -> bool:
    stat = storage.stat(file.key)
    return stat is not None and stat.bytes == file.bytes
