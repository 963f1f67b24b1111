"""Share links: one video for whoever has the address, until it expires or is revoked."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from video_assets.accounts import secrets
from video_assets.database.models import AccountRow, ShareLinkRow

LIFE = timedelta(days=30)
LONGEST = timedelta(days=3650)


def add(
    session: Session, video_id: int, *, by: int | None, now: datetime, expires_at: datetime
) -> tuple[ShareLinkRow, str]:
    """A new link, and the word that stands in its address; it is told only now."""
    word = secrets.new(secrets.SHARE)
    row = ShareLinkRow(
        hash=secrets.hash_of(word), video_id=video_id, created_by=by, created_at=now, expires_at=expires_at
    )
    session.add(row)
    session.flush()
    return row, word


def opened_by(session: Session, word: str, *, now: datetime) -> tuple[int, datetime] | None:
    """The video that the word opens now, and until when. None too where its maker is let in no more."""
    query = (
        select(ShareLinkRow.video_id, ShareLinkRow.expires_at)
        .outerjoin(AccountRow, AccountRow.user_id == ShareLinkRow.created_by)
        .where(ShareLinkRow.hash == secrets.hash_of(word), AccountRow.disabled.is_not(True))
        .where(ShareLinkRow.revoked_at.is_(None), ShareLinkRow.expires_at > now)
    )
    row = session.execute(query).one_or_none()
    return (row.video_id, row.expires_at) if row else None


def of_video(session: Session, video_id: int) -> list[ShareLinkRow]:
    """The video's links that are not revoked, newest first; expired ones too."""
    query = select(ShareLinkRow).where(ShareLinkRow.video_id == video_id, ShareLinkRow.revoked_at.is_(None))
    return list(session.scalars(query.order_by(ShareLinkRow.id.desc()).limit(500)))


def revoke(session: Session, video_id: int, link_id: int, *, now: datetime) -> bool:
    """Closes a link of the video; False where there is none to close."""
    query = update(ShareLinkRow).where(ShareLinkRow.id == link_id, ShareLinkRow.video_id == video_id)
    result = session.execute(query.where(ShareLinkRow.revoked_at.is_(None)).values(revoked_at=now))
    return bool(result.rowcount)  # type: ignore[attr-defined]
