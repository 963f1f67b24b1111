"""The manifest: a small record of an artifact, which the rest of the system reads instead of its files."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from video_assets.videos import Stage, video_prefix


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ManifestFile(_Record):
    """One file of an artifact."""

    name: str
    """Its name in the artifact, such as `720p.mp4`; unique in the manifest."""
    key: str
    """Its storage key. May be below an earlier run's prefix, as for a rung that stayed the same."""
    bytes: int
    sha256: str
    content_type: str
    part: str | None = None
    """The fingerprint of this file alone, if it can be made again without the others."""


class CheckOutcome(_Record):
    """The outcome of one check."""

    name: str
    passed: bool
    summary: str = ""
    """One line: what was measured, or else what is wrong."""
    metadata: dict[str, Any] = Field(default_factory=dict)


class Cost(_Record):
    """What making the artifact took. `wall_seconds` and `cpu_seconds` include child processes."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    peak_bytes: int = 0
    """Highest resident memory of this process during the making, in bytes."""
    child_peak_bytes: int = 0
    """The same of the largest child process; 0 if there was none."""


class Manifest(_Record):
    """What an artifact was made from, what files and facts it has, and what it cost. The value of every per-video
    asset."""

    artefact: Stage
    """The stage that made it. Spelled as in the stored JSON, which must not change."""
    video_id: int
    fingerprint: str
    content_hash: str
    inputs: dict[str, str]
    """Name of each input → its content hash."""
    code_version: str
    params: dict[str, Any]
    files: tuple[ManifestFile, ...]
    checks: tuple[CheckOutcome, ...]
    facts: dict[str, Any]
    """What others need to know without reading the files: the probe, the table of rungs, the language."""
    cost: Cost
    run_id: str
    fence: str
    made_at: datetime

    @property
    def prefix(self) -> str:
        """The folder of this artifact's files and manifest. Each run has its own, so its files never change."""
        return artifact_prefix(self.video_id, self.artefact, self.fingerprint, self.run_id)

    @property
    def key(self) -> str:
        """The storage key of this manifest."""
        return self.prefix + "manifest.json"

    def file(self, name: str) -> ManifestFile:
        """The file of this name. Raises KeyError if there is none."""
        for file in self.files:
            if file.name == name:
                return file
        raise KeyError(f"{self.artefact.value} of video {self.video_id} has no file {name}")

    @property
    def bytes(self) -> int:
        """Total size of all files."""
        return sum(file.bytes for file in self.files)


def artifact_prefix(video_id: int, stage: Stage, fingerprint: str, run_id: str) -> str:
    """`videos/{id}/{stage}/{fingerprint[:16]}-{run_id[:8]}/`."""
    return f"{video_prefix(video_id)}{stage.value}/{fingerprint[:16]}-{run_id[:8]}/"


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as it is stored: JSON, indented so that people can read it."""
    return (manifest.model_dump_json(indent=1) + "\n").encode()
