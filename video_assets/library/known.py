"""What rows tell recipes of a video: enough to say what its artifacts would be made of now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Select, bindparam, null, select
from sqlalchemy.orm import Session, aliased, outerjoin

from video_assets.database.models import ArtifactRow, UploadRecordRow
from video_assets.recipes import DECIDING, RECIPES, FromRows, Ingredient, Source
from video_assets.videos import Stage

UNREADABLE: Mapping[str, Any] = {"unreadable": True}
"""The facts of an upload whose manifest could not be read."""


def known(session: Session, video_ids: Sequence[int]) -> dict[int, FromRows]:
    """What recipes look at, of these videos: all of it from rows. A video is left out where its row does not know what
    storage has of it (yet, or because storage could not tell)."""
    return {
        video_id: FromRows(Source(key, size), title, description, captions, _made(ledger))
        for video_id, key, size, title, description, captions, *ledger in session.execute(
            _OF_VIDEOS, {"ids": video_ids}
        )
    }


def _made(ledger: Sequence[Any]) -> dict[Stage, Ingredient]:
    """Out of content hash and facts of each stage, in the order of `RECIPES`. Without those whose facts are needed and
    not there."""
    made = {}
    for stage, content_hash, facts in zip(RECIPES, ledger[::2], ledger[1::2], strict=True):
        if content_hash is not None and (stage not in DECIDING or (facts and facts != UNREADABLE)):
            made[stage] = Ingredient(content_hash, facts or {})
    return made


def _of_videos() -> Select[Any]:
    """One row a video: five rows of the ledger each cost twice the time. Facts only of stages that decide by them."""
    columns: list[Any] = [
        UploadRecordRow.video_id,
        UploadRecordRow.key,
        UploadRecordRow.bytes,
        UploadRecordRow.title,
        UploadRecordRow.description,
        UploadRecordRow.captions_sha256,
    ]
    joined: Any = UploadRecordRow
    for stage in RECIPES:
        row = aliased(ArtifactRow)
        joined = outerjoin(joined, row, (row.video_id == UploadRecordRow.video_id) & (row.artefact == stage.value))
        columns += [row.content_hash, row.facts if stage in DECIDING else null()]
    named = UploadRecordRow.video_id.in_(bindparam("ids", expanding=True))
    return select(*columns).select_from(joined).where(named, UploadRecordRow.bytes.is_not(None))


_OF_VIDEOS = _of_videos()
