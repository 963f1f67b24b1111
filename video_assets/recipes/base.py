"""What a recipe is: what an artifact would be made of now, and how it is made.

`wanted` is pure. What it looks at is given as `Known`, which rows can answer (`FromRows`) as well as storage
(`Making`): so staleness is told for thousands of videos without a look at storage, and a run decides by the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from video_assets.artifacts import Artifact, Manifest, fingerprint
from video_assets.artifacts.captions import Captions, current_captions
from video_assets.artifacts.upload import UploadRecord, read_upload_record
from video_assets.errors import PermanentError
from video_assets.media.probe import Probe
from video_assets.media.sandbox.process import Progress
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage


@dataclass(frozen=True)
class Wanted:
    """What an artifact would be made of now."""

    inputs: Mapping[str, str]
    """Name of each input → its content hash."""
    params: Mapping[str, Any]
    """The settings, and what else decides how the artifact comes out."""
    code_version: str

    @property
    def fingerprint(self) -> str:
        """All of it as one hash. What is current and has the same is fresh."""
        return fingerprint(self.inputs, self.code_version, self.params)


@dataclass(frozen=True)
class Ingredient:
    """An artifact that another one is made from."""

    content_hash: str
    facts: Mapping[str, Any]
    """As its manifest has them. Of rows: those of `uploads` alone, as no `wanted` looks at others."""

    @cached_property
    def probe(self) -> Probe:
        """The facts of an upload, as what they were noted from."""
        return Probe.from_facts(self.facts)


@dataclass(frozen=True)
class Source:
    """The uploaded object, as storage holds it."""

    key: str
    bytes: int


class Known(Protocol):
    """What is known of a video; each part is looked up when a recipe asks for it."""

    @property
    def source(self) -> Source:
        """The uploaded object."""

    @property
    def title(self) -> str:
        """As the upload record has it."""

    @property
    def description(self) -> str | None:
        """As the upload record has it."""

    @property
    def captions_sha256(self) -> str | None:
        """Of the captions in force; None where there are none."""

    @property
    def made(self) -> Mapping[Stage, Ingredient]:
        """What is current, by stage."""


@dataclass(frozen=True)
class FromRows:
    """What the tables know of a video."""

    source: Source
    title: str
    description: str | None
    captions_sha256: str | None
    made: Mapping[Stage, Ingredient]


@dataclass(frozen=True)
class Making:
    """A making under way: what it is made from, read from storage where a recipe asks for it."""

    systems: Systems
    video_id: int
    sources: Mapping[Stage, Manifest] = field(default_factory=dict)
    """The current manifest of each artifact that this one is made from."""
    say: Callable[[Progress], None] | None = None
    """Told now and then how far an encoder is."""

    @cached_property
    def record(self) -> UploadRecord:
        """The upload record. PermanentError where there is no such video."""
        return read_upload_record(self.systems.storage, self.video_id)

    @cached_property
    def captions(self) -> Captions | None:
        """The captions in force."""
        return current_captions(self.systems.storage, self.video_id)

    @cached_property
    def source(self) -> Source:
        """The uploaded object. PermanentError where it is gone."""
        stat = self.systems.storage.stat(self.record.key)
        if stat is None:
            raise PermanentError("the uploaded file is no longer in storage; upload it again")
        return Source(stat.key, stat.bytes)

    @property
    def title(self) -> str:
        return self.record.title

    @property
    def description(self) -> str | None:
        return self.record.description

    @property
    def captions_sha256(self) -> str | None:
        return self.captions.sha256 if self.captions else None

    @cached_property
    def made(self) -> Mapping[Stage, Ingredient]:
        """The sources as ingredients."""
        return {stage: Ingredient(each.content_hash, each.facts) for stage, each in self.sources.items()}


@dataclass(frozen=True)
class Recipe:
    """How one stage's artifact is made."""

    stage: Stage
    made_from: tuple[Stage, ...]
    """The artifacts that it is made from. Captions and the upload record are side inputs of their own."""
    version: str
    """The code version that Dagster shows. A `Wanted` carries that of the code which is in use."""
    checks: Sequence[str]
    """Names of the checks that every making has to pass."""
    wanted: Callable[[Known, Settings], Wanted]
    """What would be made of now; everything in `made_from` is among what is known."""
    make: Callable[[Artifact, Making], None]
    """Makes and verifies the artifact in its folder. Raises PermanentError, TransientError."""
