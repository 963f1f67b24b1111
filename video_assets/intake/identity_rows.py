"""The row of `library`, which says to which storage the tables belong; and counts of videos, by which it is checked."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from video_assets.database.models import AdoptedVideoRow, DeletedVideoRow, LibraryRow, VideoRow
from video_assets.database.upsert import table_of, upsert
from video_assets.videos import VideoStatus

_ROW = 1


@dataclass(frozen=True)
class Noted:
    """The identity in the tables."""

    identity: str
    settled: bool
    """Whether storage was seen to have the same identity."""


def noted(session: Session) -> Noted | None:
    """The identity in the tables; None where they are new, or of a release without identities."""
    row = session.get(LibraryRow, _ROW)
    return Noted(row.identity, row.settled) if row else None


def propose(session: Session, identity: str) -> Noted:
    """Writes the identity if there is none yet; returns the one in the tables. Of concurrent callers the first wins."""
    make = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = make(table_of(LibraryRow)).values(id=_ROW, identity=identity, settled=False)
    session.execute(row.on_conflict_do_nothing(index_elements=["id"]))
    found = noted(session)
    assert found is not None
    return found


def settle(session: Session) -> None:
    """Records that storage has the same identity."""
    session.execute(update(LibraryRow).values(settled=True))


def put(session: Session, identity: str) -> None:
    """Writes that the tables belong to the storage of this identity, whatever the row said before."""
    upsert(session, LibraryRow, ("id",), [{"id": _ROW, "identity": identity, "settled": True}])


def known_videos(session: Session) -> tuple[int, int]:
    """Two numbers: the videos in the tables, with deleted ones and without those still uploading; and how many of them
    must have objects in storage (a deleted one its tombstones). Videos of the services before need not."""
    whole = select(func.count()).select_from(VideoRow).where(VideoRow.status != VideoStatus.UPLOADING.value)
    ours = whole.outerjoin(AdoptedVideoRow, AdoptedVideoRow.video_id == VideoRow.id).where(
        AdoptedVideoRow.video_id.is_(None), VideoRow.key != ""
    )
    deleted = session.scalar(select(func.count()).select_from(DeletedVideoRow)) or 0
    return (session.scalar(whole) or 0) + deleted, (session.scalar(ours) or 0) + deleted
