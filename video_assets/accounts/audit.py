"""Who changed what, and when. Each row is written in the transaction of the change itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from video_assets.accounts.permissions import Principal
from video_assets.database.models import AuditRow
from video_assets.errors import one_line


def note(
    session: Session,
    principal: Principal,
    action: str,
    *,
    at: datetime,
    address: str,
    video_id: int | None = None,
    **details: Any,
) -> None:
    """Notes that somebody did something. No secrets among the details."""
    session.add(
        AuditRow(
            at=at,
            user_id=principal.user_id,
            token_id=principal.token_id,
            action=action,
            video_id=video_id,
            details=details,
            address=one_line(address, 100),
        )
    )


def newest(
    session: Session, *, before: int | None = None, video_id: int | None = None, limit: int = 100
) -> list[AuditRow]:
    """Rows, newest first; those below the id `before`."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditRow.id < before)
    return list(session.scalars(query if video_id is None else query.where(AuditRow.video_id == video_id)))
