"""The claim of an id in storage: whoever holds it is the only one who writes below `videos/{id}/`.

The tables alone do not say whether an id is free: others may have been connected to this storage before, and
what lies there is never overwritten.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from uuid import uuid4

from sqlalchemy.orm import Session

from video_assets.database.engine import Database
from video_assets.errors import PermanentError
from video_assets.intake import upload_rows
from video_assets.intake.holder import Holder, this_process
from video_assets.intake.identity import burn_ids
from video_assets.storage import Conflict, NotFound, Storage
from video_assets.videos import Video, video_prefix

_TRIES = 20
_active: set[str] = set()
"""Tokens of the claims that this process is at work on: another of its own was given up, and could not be removed."""


@dataclass(frozen=True)
class Claim:
    """An id that is ours, in storage too."""

    video_id: int
    token: str

    def is_ours(self, storage: Storage) -> bool:
        """Whether it still is: a sweep may have taken it back."""
        found = _read(storage, self.video_id)
        return found is not None and found[0] == self.token

    def release(self, storage: Storage) -> None:
        """What lies there now speaks for itself."""
        storage.delete(claim_key(self.video_id))

    def end(self) -> None:
        """This process works on it no more, whatever came of it."""
        _active.discard(self.token)


def claim_key(video_id: int) -> str:
    """Where a claim lies while a video's file is on its way."""
    return f"{video_prefix(video_id)}claim.json"


def new_video(database: Database, storage: Storage, add: Callable[[Session], Video]) -> tuple[Video, Claim]:
    """A new row, whose id nobody else has and nothing lies under in storage. Ids under which something lies are
    passed over, for good."""
    for attempt in range(_TRIES):
        with database.write() as session:
            video = add(session)
        token = uuid4().hex
        _active.add(token)
        try:
            if _claimed(storage, video.id, token):
                return video, Claim(video.id, token)
        except BaseException:
            _active.discard(token)
            with database.write() as session:
                upload_rows.withdraw(session, video.id)
            with suppress(Exception):  # it may be there although the answer was lost
                if Claim(video.id, token).is_ours(storage):
                    storage.delete(claim_key(video.id))
            raise
        _active.discard(token)
        with database.write() as session:
            upload_rows.withdraw(session, video.id)
            upload_rows.never_again(session, video.id)
        if attempt == 0:
            burn_ids(database, storage)
    raise PermanentError(
        f"the storage has something under each of the next {_TRIES} ids; `video-assets rebuild --database` learns them"
    )


@dataclass(frozen=True)
class Held:
    """What a claim says of whoever has it."""

    holder: Holder
    given_up: bool
    """It is one of this very process, which works on it no more."""


def held(storage: Storage, video_id: int) -> Held | None:
    """Who is at work on this upload; None where nobody says so."""
    found = _read(storage, video_id)
    if found is None:
        return None
    token, holder = found
    return Held(holder, given_up=holder == this_process() and token not in _active)


def _claimed(storage: Storage, video_id: int, token: str) -> bool:
    key = claim_key(video_id)
    try:
        storage.put_if(key, json.dumps({"token": token, **asdict(this_process())}).encode(), None)
    except Conflict:
        return False
    # Looked for only now: whoever had the claim before put everything there before giving it back.
    if any(stat.key != key for stat in storage.list(video_prefix(video_id))):
        storage.delete(key)
        return False
    return True


def _read(storage: Storage, video_id: int) -> tuple[str, Holder] | None:
    try:
        said = json.loads(storage.get_bytes(claim_key(video_id)))
        token = said.pop("token")
        return str(token), Holder(**said)
    except (NotFound, ValueError, TypeError, KeyError, AttributeError):
        return None
