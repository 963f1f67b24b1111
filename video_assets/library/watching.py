"""What there is to watch of a video, out of the manifests that the ledger names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import select

from video_assets.artifacts import Manifest
from video_assets.artifacts.manifest import ManifestFile
from video_assets.artifacts.pointer import read_manifest
from video_assets.database.engine import Database
from video_assets.database.models import ArtifactRow
from video_assets.errors import PermanentError
from video_assets.storage import NotFound, Storage
from video_assets.videos import Stage

MANIFESTS = 512
"""Kept in memory; a manifest never changes under its key, and has some kilobytes."""


@dataclass(frozen=True)
class Watchable:
    """The current manifests of a video, as far as they can be read."""

    made: Mapping[Stage, Manifest]

    def file(self, stage: Stage, name: str) -> ManifestFile | None:
        """A file of a stage; None where it was not made."""
        manifest = self.made.get(stage)
        try:
            return manifest.file(name) if manifest else None
        except KeyError:
            return None

    @property
    def rungs(self) -> list[dict[str, Any]]:
        """The table of rungs, highest first; empty before `variants`."""
        variants = self.made.get(Stage.VARIANTS)
        return list(variants.facts.get("rungs", ())) if variants else []

    @property
    def duration(self) -> float | None:
        """Seconds, as the upload was examined."""
        uploads = self.made.get(Stage.UPLOADS)
        return float(uploads.facts["duration"]) if uploads and "duration" in uploads.facts else None

    @property
    def original(self) -> ManifestFile | None:
        """The verified upload, where current browsers play it as it is."""
        uploads = self.made.get(Stage.UPLOADS)
        return self.file(Stage.UPLOADS, "source") if uploads and uploads.facts.get("playable_progressively") else None

    @property
    def source(self) -> ManifestFile | None:
        """The verified upload."""
        return self.file(Stage.UPLOADS, "source")


class Manifests:
    """Reads manifests, and remembers the last ones."""

    def __init__(self, storage: Storage) -> None:
        self._read = lru_cache(MANIFESTS)(lambda key: read_manifest(storage, key))

    def of(self, database: Database, video_id: int) -> Watchable:
        """What is current of the video. One that storage cannot give counts as not made: the rest is still good.
        TransientError where storage is away. No session is open meanwhile: a slow storage must not use them all up."""
        query = select(ArtifactRow.artefact, ArtifactRow.manifest_key).where(ArtifactRow.video_id == video_id)
        with database.read() as session:
            keys = session.execute(query).all()
        made = {}
        for artefact, key in keys:
            try:
                made[Stage(artefact)] = self._read(key)
            except (NotFound, PermanentError):
                continue
        return Watchable(made)
