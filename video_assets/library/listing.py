"""Pages of videos for somebody: those that he may see, newest first, by keyset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, aliased

from video_assets.accounts import visibility
from video_assets.accounts.permissions import Sight, Visibility
from video_assets.database.models import AccessRow, ArtifactRow, VideoRow
from video_assets.library.views import Doing, doing_of
from video_assets.videos import Stage


@dataclass(frozen=True)
class Card:
    """A video, as lists and its own page show it."""

    id: int
    title: str
    description: str | None
    user_id: int | None
    user_name: str | None
    status: str
    status_message: str | None
    visibility: Visibility
    created_at: datetime
    updated_at: datetime
    processed_at: datetime | None
    duration: float | None
    """Seconds; None before the upload was examined."""
    watchable: bool
    """There are rungs, or an original that a browser plays."""
    variants_key: str | None
    """Of the manifest with poster, storyboard and rungs."""
    doing: Doing | None


@dataclass(frozen=True)
class Wish:
    """What a list is asked for."""

    before: int | None = None
    """Only videos with a lower id: where the page before ended."""
    limit: int = 50
    status: str | None = None
    user_id: int | None = None


def page(session: Session, sight: Sight, wish: Wish, default: Visibility) -> list[Card]:
    """The next videos of the list; one more than `limit`, where there are more."""
    query = _cards().where(visibility.seen(sight, default)).order_by(VideoRow.id.desc()).limit(wish.limit + 1)
    if wish.before is not None:
        query = query.where(VideoRow.id < wish.before)
    if wish.status is not None:
        query = query.where(VideoRow.status == wish.status)
    if wish.user_id is not None:
        query = query.where(VideoRow.user_id == wish.user_id)
    return _found(session, query, default)


def cards(session: Session, video_ids: Sequence[int], sight: Sight, default: Visibility) -> list[Card]:
    """Those of the videos that he may see, rising."""
    query = _cards().where(VideoRow.id.in_(video_ids), visibility.seen(sight, default)).order_by(VideoRow.id)
    return _found(session, query, default)


def visible(session: Session, video_ids: Sequence[int], sight: Sight, default: Visibility) -> set[int]:
    """Those of the videos that he may see."""
    query = select(VideoRow.id).outerjoin(AccessRow, AccessRow.video_id == VideoRow.id)
    return set(session.scalars(query.where(VideoRow.id.in_(video_ids), visibility.seen(sight, default))))


def _cards() -> Select[Any]:
    uploads, variants = aliased(ArtifactRow), aliased(ArtifactRow)
    return (
        select(
            VideoRow,
            AccessRow.visibility,
            uploads.facts["duration"].as_float(),
            uploads.facts["playable_progressively"].as_boolean(),
            variants.manifest_key,
        )
        .outerjoin(AccessRow, AccessRow.video_id == VideoRow.id)
        .outerjoin(uploads, (uploads.video_id == VideoRow.id) & (uploads.artefact == Stage.UPLOADS.value))
        .outerjoin(variants, (variants.video_id == VideoRow.id) & (variants.artefact == Stage.VARIANTS.value))
    )


def _found(session: Session, query: Select[Any], default: Visibility) -> list[Card]:
    rows = session.execute(query).all()
    doing = doing_of(session, [row.id for row, *_ in rows])
    return [
        Card(
            id=row.id,
            title=row.title,
            description=row.description,
            user_id=row.user_id,
            user_name=row.user_name,
            status=row.status,
            status_message=row.status_message,
            visibility=Visibility(seen) if seen else default,
            created_at=row.created_at,
            updated_at=row.updated_at,
            processed_at=row.processed_at,
            duration=duration,
            watchable=variants is not None or bool(playable),
            variants_key=variants,
            doing=doing.get(row.id),
        )
        for row, seen, duration, playable, variants in rows
    ]
