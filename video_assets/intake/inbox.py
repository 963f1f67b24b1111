"""Takes files from the inbox: the two kinds of inbox, a folder of this machine and a bucket prefix."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from video_assets.errors import PermanentError, one_line
from video_assets.intake import processed_messages
from video_assets.intake.drops import Seen, look, look_at_bucket, message_id
from video_assets.intake.opened_file import NoFile, Opened, opened, version_of
from video_assets.intake.uploads import (
    CAPTION_ENDINGS,
    MAX_CAPTION_BYTES,
    AlreadyTaken,
    Arrival,
    NewVideo,
    Refused,
    captions_of,
    check_room,
    check_size,
    take_arrival,
    take_in,
)
from video_assets.intake.work_folder import intake_folder
from video_assets.storage import Full, NotFound
from video_assets.systems import Systems
from video_assets.videos import Video

if TYPE_CHECKING:
    from video_assets.intake.bucket import Dropped

REFUSED = "refused"


class Inbox(Protocol):
    """A place into which users drop files."""

    def look(self, before: Mapping[str, Seen], now: datetime) -> dict[str, Seen]:
        """The files there now, by name. `before`: what the last look saw; an unchanged file keeps its `since`."""

    def take(self, seen: Seen, beside: Mapping[str, Seen]) -> tuple[str, Seen]:
        """Takes one file in and removes it from the inbox. Returns a line about it, and its `Seen` from now on.
        `beside`: all files of the look, among which its captions may be. After a crash at any point the file is still
        taken in exactly once. A file that can never be taken in is moved to `refused/` with the reason."""


def open_inbox(systems: Systems) -> Inbox:
    """The inbox of these settings."""
    return BucketDrops(systems, systems.settings.inbox_url) if systems.settings.inbox_url else FolderDrops(systems)


class FolderDrops:
    """Files in a folder."""

    def __init__(self, systems: Systems) -> None:
        self.systems = systems
        self.folder = systems.settings.inbox_folder

    def look(self, before: Mapping[str, Seen], now: datetime) -> dict[str, Seen]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return look(self.folder, before, now)
        except OSError as error:
            what = f"the inbox {self.folder} cannot be read ({error.strerror}); give rights to it, or set"
            raise PermanentError(one_line(f"{what} VIDEO_ASSETS_INBOX")) from None

    def take(self, seen: Seen, beside: Mapping[str, Seen]) -> tuple[str, Seen]:
        name, message = one_line(seen.name, 80), message_id(str(self.folder), seen)
        try:
            # From here on we read this open file, whatever its name leads to later.
            with opened(self.folder / seen.name, follow=False) as drop, self._captions(seen.name, beside) as captions:
                if version_of(drop.stat) != seen.version:
                    return f"{name} has changed since it was looked at", seen
                try:
                    video = _in_turn(self.systems, message, lambda: self._take_in(drop, captions, message))
                except Refused as error:
                    return self._set_aside(drop, seen, one_line(error))
                return self._clear(seen, video, captions, drop)
        except NoFile:
            return f"{name} was taken away or replaced", seen
        except (PermanentError, Full) as error:  # not this file's fault: it is tried again until the cause is gone
            return f"{name} has to wait: {one_line(error)}", seen
        except OSError as error:
            return f"{name} has to wait: {one_line(error.strerror or str(error))}", seen

    @contextmanager
    def _captions(self, name: str, beside: Mapping[str, Seen]) -> Iterator[Opened | None]:
        """The caption file beside the video, opened; None where the look saw none. Links are not followed."""
        found = next((each for each in caption_names(name) if each in beside), None)
        if found is None:
            yield None
            return
        with opened(self.folder / found, follow=False) as file:
            yield file

    def _take_in(self, drop: Opened, captions: Opened | None, message: str) -> Video:
        systems, words = self.systems, None
        if captions:
            captions.must_be_whole()
            words = captions_of(captions)
            captions.must_be_whole()
        return take_in(
            drop.path,
            database=systems.database,
            storage=systems.storage,
            settings=systems.settings,
            captions=words,
            message_id=message,
            source=drop,
        )

    def _clear(self, seen: Seen, video: Video | None, captions: Opened | None, drop: Opened) -> tuple[str, Seen]:
        """Removes what was taken in. A file that was written to or replaced meanwhile stays, as a new drop."""
        line = _taken_line(one_line(seen.name, 80), video)
        try:
            for done in (drop, captions):
                if done and done.is_still_there():
                    remove_file(done.path)
        except OSError as error:
            return f"{line}; it cannot be removed from the inbox: {error.strerror}", replace(seen, left=True)
        return line, seen

    def _set_aside(self, drop: Opened, seen: Seen, reason: str) -> tuple[str, Seen]:
        line, refused = f"refused {one_line(seen.name, 80)}: {reason}", self.folder / REFUSED
        try:
            refused.mkdir(exist_ok=True)
            if refused.is_symlink():  # a link would let users make us write elsewhere
                raise OSError(0, f"{REFUSED} is a link")
            if drop.is_still_there():
                os.replace(drop.path, refused / seen.name)
            _write_anew(refused / f"{os.fsdecode(os.fsencode(seen.name)[:200])}.reason.txt", reason)
        except OSError as error:
            return f"{line}; it cannot be set aside: {error.strerror}", replace(seen, left=True)
        return line, seen


def _write_anew(path: Path, words: str) -> None:
    """Writes a small text file, replacing one of the same name; does not write through a link."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "w", encoding="utf-8") as file:
        file.write(words + "\n")


class BucketDrops:
    """Objects below a bucket prefix."""

    def __init__(self, systems: Systems, url: str) -> None:
        from video_assets.intake.bucket import BucketInbox

        self.systems = systems
        encryption = systems.settings.s3_encryption_words
        self.bucket = BucketInbox(systems.client_of_s3, url, encryption=encryption)
        self._there: dict[str, Dropped] = {}

    def look(self, before: Mapping[str, Seen], now: datetime) -> dict[str, Seen]:
        self._there = {}

        def noted() -> Iterator[Dropped]:
            for each in self.bucket.dropped():
                self._there[each.name] = each
                yield each

        return look_at_bucket(noted(), before, now)

    def take(self, seen: Seen, beside: Mapping[str, Seen]) -> tuple[str, Seen]:
        name, dropped = one_line(seen.name, 80), self._there[seen.name]
        message = message_id(self.bucket.name, seen)
        captions = next((self._there[c] for c in caption_names(seen.name) if c in beside), None)
        try:
            video = _in_turn(self.systems, message, lambda: self._take_in(dropped, captions, message))
        except NotFound:
            return f"{name} was taken away or replaced", seen
        except Refused as error:
            return self._set_aside(dropped, seen, one_line(error))
        except (PermanentError, Full) as error:
            return f"{name} has to wait: {one_line(error)}", seen
        try:
            for done in (dropped, captions):
                if done:
                    self.bucket.remove(done)
        except PermanentError as error:
            return f"{_taken_line(name, video)}; it cannot be removed from the inbox: {error}", replace(seen, left=True)
        return _taken_line(name, video), seen

    def _set_aside(self, dropped: Dropped, seen: Seen, reason: str) -> tuple[str, Seen]:
        line = f"refused {one_line(seen.name, 80)}: {reason}"
        try:
            self.bucket.refuse(dropped, reason)
        except (PermanentError, Full) as error:
            return f"{line}; it cannot be set aside: {error}", replace(seen, left=True)
        return line, seen

    def _take_in(self, dropped: Dropped, captions: Dropped | None, message: str) -> Video:
        systems = self.systems
        name = one_line(dropped.name, 80)
        check_size(name, dropped.bytes, systems.settings)
        check_room(
            name,
            dropped.bytes,
            systems.storage,
            systems.settings,
            through_work=systems.storage.keeps_files,
        )
        if captions and captions.bytes > MAX_CAPTION_BYTES:
            raise Refused(f"{name}: captions may have {MAX_CAPTION_BYTES:,} bytes at most")
        with intake_folder(systems.settings) as work:
            return take_arrival(
                Arrival(
                    name=dropped.name,
                    size_bytes=dropped.bytes,
                    store=lambda storage, key, kind: self.bucket.store(dropped, storage, key, kind, work),
                    captions=(captions.name, self.bucket.read(captions)) if captions else None,
                    message_id=message,
                ),
                NewVideo(),
                database=systems.database,
                storage=systems.storage,
                settings=systems.settings,
            )


def remove_file(path: Path) -> None:
    """Removes a file; no error where it is gone already."""
    path.unlink(missing_ok=True)


def caption_names(name: str) -> list[str]:
    """The possible names of the caption file of a video with this name."""
    return [f"{Path(name).stem}{ending}" for ending in CAPTION_ENDINGS]


def _in_turn(systems: Systems, message: str, take: Callable[[], Video]) -> Video | None:
    """Takes a drop in; None where it was taken in before. One process at a time, so that no other process starts the
    same copy. PermanentError where another process is taking a file in."""
    if _was_taken(systems, message):
        return None
    with systems.database.only_one("inbox") as ours:
        if not ours:
            raise PermanentError("another process takes a file in; this one comes after it")
        if _was_taken(systems, message):  # by another process, meanwhile
            return None
        try:
            return take()
        except AlreadyTaken:
            return None


def _was_taken(systems: Systems, message: str) -> bool:
    with systems.database.read() as session:
        return processed_messages.was_taken(session, message)


def _taken_line(name: str, video: Video | None) -> str:
    return f"{name} is video {video.id}" if video else f"{name} was taken in before"
