"""The manifest: the small record that stands for an artifact everywhere else."""

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
    """What the artifact calls it: `720p.mp4`; unique within the manifest."""
    key: str
    """Where it lies, from the storage's root. May be below an earlier run's prefix (an unchanged rung)."""
    bytes: int
    sha256: str
    content_type: str
    part: str | None = None
    """The fingerprint of this file alone, where parts are re-made apart."""


class CheckOutcome(_Record):
    """What one check found."""

    name: str
    passed: bool
    summary: str = ""
    """One line: what was measured, or what is wrong."""
    metadata: dict[str, Any] = Field(default_factory=dict)


class Cost(_Record):
    """What making the artifact took. `wall_seconds` and `cpu_seconds` include child processes."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    peak_bytes: int = 0
    """Highest resident memory of this process while it was made, bytes."""
    child_peak_bytes: int = 0
    """The same of the largest child process, bytes; 0 where there was none."""


class Manifest(_Record):
    """What an artifact is, was made from, holds and cost. The value of every per-video asset."""

    artefact: Stage
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
    """What the artifact says of itself that others read: probe facts, the table of rungs, the language."""
    cost: Cost
    run_id: str
    fence: str
    made_at: datetime

    @property
    def prefix(self) -> str:
        """The folder of this making: run-unique, never written to again."""
        return artifact_prefix(self.video_id, self.artefact, self.fingerprint, self.run_id)

    @property
    def key(self) -> str:
        """Where this manifest lies."""
        return self.prefix + "manifest.json"

    def file(self, name: str) -> ManifestFile:
        """The file of this name; KeyError where there is none."""
        for file in self.files:
            if file.name == name:
                return file
        raise KeyError(f"{self.artefact.value} of video {self.video_id} has no file {name}")

    @property
    def bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.bytes for file in self.files)


def artifact_prefix(video_id: int, artefact: Stage, fingerprint: str, run_id: str) -> str:
    """`videos/{id}/{artifact}/{fingerprint[:16]}-{run_id[:8]}/`."""
    return f"{video_prefix(video_id)}{artefact.value}/{fingerprint[:16]}-{run_id[:8]}/"


def manifest_bytes(manifest: Manifest) -> bytes:
    """The manifest as it is stored: indented JSON, for people too."""
    return (manifest.model_dump_json(indent=1) + "\n").encode()
