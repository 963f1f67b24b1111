"""Claims a video id in storage: only the process with the claim writes below `videos/{id}/`.

The tables alone do not tell whether an id is free: this storage may have been used with other tables before, and its
objects must not be overwritten.
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
"""Tokens of the claims that this process is using. A claim of this process with another token was given up, but could
not be removed."""


@dataclass(frozen=True)
class Claim:
    """A video id that this process has claimed in storage."""

    video_id: int
    token: str

    def is_ours(self, storage: Storage) -> bool:
        """Whether the claim is still ours: a sweep may have removed it."""
        found = _read(storage, self.video_id)
        return found is not None and found[0] == self.token

    def release(self, storage: Storage) -> None:
        """Removes the claim from storage: the uploaded files there protect the id from now on."""
        storage.delete(claim_key(self.video_id))

    def end(self) -> None:
        """Records that this process no longer uses the claim, whether or not the upload succeeded."""
        _active.discard(self.token)


def claim_key(video_id: int) -> str:
    """The key of the claim, which exists while the video's file is being uploaded."""
    return f"{video_prefix(video_id)}claim.json"


def new_video(database: Database, storage: Storage, add: Callable[[Session], Video]) -> tuple[Video, Claim]:
    """Adds a row with an id that is free in storage, and claims it. Ids under which storage has objects are skipped and
    never used again. PermanentError where too many in a row are taken."""
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
            with suppress(Exception):  # the claim may have been written although the answer was lost
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
    """The process that has a claim."""

    holder: Holder
    given_up: bool
    """The claim is of this process, which no longer uses it."""


def held(storage: Storage, video_id: int) -> Held | None:
    """Which process has the claim of this video; None where there is no readable claim."""
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
    # Only after claiming: the process that had the claim before wrote its files before it released the claim.
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
