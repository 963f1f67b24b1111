"""The row of `library`: to which storage the tables belong. And what else tells that they belong to one."""

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
    """The identity that the tables note."""

    identity: str
    settled: bool
    """The storage was seen to have it too."""


def noted(session: Session) -> Noted | None:
    """What the tables note; None where they are new, or of a release that did not note it."""
    row = session.get(LibraryRow, _ROW)
    return Noted(row.identity, row.settled) if row else None


def propose(session: Session, identity: str) -> Noted:
    """Notes the identity where there is none; returns the one that is there. Of several at once one is first."""
    make = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = make(table_of(LibraryRow)).values(id=_ROW, identity=identity, settled=False)
    session.execute(row.on_conflict_do_nothing(index_elements=["id"]))
    found = noted(session)
    assert found is not None
    return found


def settle(session: Session) -> None:
    """The storage has the identity too."""
    session.execute(update(LibraryRow).values(settled=True))


def put(session: Session, identity: str) -> None:
    """The tables belong to the storage of this identity, whatever was noted before."""
    upsert(session, LibraryRow, ("id",), [{"id": _ROW, "identity": identity, "settled": True}])


def known_videos(session: Session) -> tuple[int, int]:
    """How many videos the tables know, deleted ones too but none that is still being uploaded; and how many of them
    must have left something in storage (a deleted one its tombstones), as those of the services before need not."""
    whole = select(func.count()).select_from(VideoRow).where(VideoRow.status != VideoStatus.UPLOADING.value)
    ours = whole.outerjoin(AdoptedVideoRow, AdoptedVideoRow.video_id == VideoRow.id).where(
        AdoptedVideoRow.video_id.is_(None), VideoRow.key != ""
    )
    deleted = session.scalar(select(func.count()).select_from(DeletedVideoRow)) or 0
    return (session.scalar(whole) or 0) + deleted, (session.scalar(ours) or 0) + deleted
