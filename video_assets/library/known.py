"""What rows tell recipes of a video: enough to say what its artifacts would be made of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from video_assets.database.models import ArtifactRow, UploadRecordRow
from video_assets.recipes import DECIDING, FromRows, Ingredient, Source
from video_assets.videos import Stage

UNREADABLE: Mapping[str, Any] = {"unreadable": True}
"""The facts of an upload whose manifest could not be read."""


def known(session: Session, video_ids: Sequence[int]) -> dict[int, FromRows]:
    """What recipes look at, of these videos: all of it from rows. A video is left out where its row does not know what
    storage has of it (yet, or because storage could not tell)."""
    made: dict[int, dict[Stage, Ingredient]] = {}
    wanted = (ArtifactRow.video_id, ArtifactRow.artefact, ArtifactRow.content_hash, ArtifactRow.facts)
    for video_id, artefact, content_hash, facts in session.execute(
        select(*wanted).where(ArtifactRow.video_id.in_(video_ids))
    ):
        stage = Stage(artefact)
        if stage not in DECIDING or (facts and facts != UNREADABLE):
            made.setdefault(video_id, {})[stage] = Ingredient(content_hash, facts or {})
    columns = (
        UploadRecordRow.video_id,
        UploadRecordRow.key,
        UploadRecordRow.bytes,
        UploadRecordRow.title,
        UploadRecordRow.description,
        UploadRecordRow.captions_sha256,
    )
    rows = session.execute(
        select(*columns).where(UploadRecordRow.video_id.in_(video_ids), UploadRecordRow.bytes.is_not(None))
    )
    return {
        video_id: FromRows(Source(key, size), title, description, captions, made.get(video_id, {}))
        for video_id, key, size, title, description, captions in rows
    }
