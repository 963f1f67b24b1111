"""The two kinds of inbox: a folder of this machine, and a bucket prefix."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from video_assets.database import inbound
from video_assets.defs.platform import Platform
from video_assets.errors import PermanentError, one_line
from video_assets.lifecycle.inbox import Seen, look, look_at_bucket, message_id, version_of
from video_assets.lifecycle.intake import (
    CAPTION_ENDINGS,
    MAX_CAPTION_BYTES,
    AlreadyTaken,
    Arrival,
    Refused,
    check_room,
    check_size,
    sidecar_of,
    take_arrival,
    take_in,
)
from video_assets.lifecycle.working import intake_folder
from video_assets.storage import NotFound
from video_assets.videos import Video

if TYPE_CHECKING:
    from video_assets.storage.s3_inbox import Dropped

REFUSED = "refused"


class Inbox(Protocol):
    """Where files are dropped."""

    def look(self, before: Mapping[str, Seen], now: datetime) -> dict[str, Seen]:
        """What lies there now, by name; what is as the look `before` saw it keeps its `since`."""

    def take(self, seen: Seen, beside: Mapping[str, Seen]) -> tuple[str, Seen]:
        """Takes one file in and away; returns a line about it, and what is known of it from now on. Captions
        are looked for `beside` it. A crash anywhere takes it in once all the same; what cannot be taken in is
        set aside with the reason."""


def open_inbox(platform: Platform) -> Inbox:
    """The inbox of these settings."""
    return BucketDrops(platform, platform.settings.inbox_url) if platform.settings.inbox_url else FolderDrops(platform)


class FolderDrops:
    """Files in a folder."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.folder = platform.settings.inbox_folder

    def look(self, before: Mapping[str, Seen], now: datetime) -> dict[str, Seen]:
        self.folder.mkdir(parents=True, exist_ok=True)
        return look(self.folder, before, now)

    def take(self, seen: Seen, beside: Mapping[str, Seen]) -> tuple[str, Seen]:
        path, name = self.folder / seen.name, one_line(seen.name, 80)
        platform, message = self.platform, message_id(str(self.folder), seen)
        captions = sidecar_of(path)
        video: Video | None = None
        try:
            if not _was_taken(platform, message):
                video = take_in(
                    path, database=platform.database, storage=platform.storage, settings=platform.settings,
                    captions=captions, message_id=message,
                )  # fmt: skip
        except AlreadyTaken:
            pass
        except Refused as error:
            refused = self.folder / REFUSED
            refused.mkdir(exist_ok=True)
            if path.exists():
                shutil.move(path, refused / path.name)
            (refused / f"{path.name[:200]}.reason.txt").write_text(one_line(error) + "\n", encoding="utf-8")
            return f"refused {name}: {one_line(error)}", seen
        except PermanentError as error:  # not this file's fault: it waits until that is put right
            return f"{name} has to wait: {one_line(error)}", seen
        try:
            for done in (path, captions):
                # What was written to meanwhile is another drop.
                if done and (done != path or _version(done) == seen.version):
                    remove_file(done)
        except OSError as error:
            left = f"; it cannot be removed from the inbox: {error.strerror}"
            return _told(name, video) + left, replace(seen, left=True)
        return _told(name, video), seen


class BucketDrops:
    """Objects below a bucket prefix."""

    def __init__(self, platform: Platform, url: str) -> None:
        from video_assets.storage.s3_inbox import BucketInbox

        self.platform = platform
        encryption = platform.settings.s3_encryption_words
        self.bucket = BucketInbox(platform.client_of_s3, url, encryption=encryption)
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
        video: Video | None = None
        try:
            if not _was_taken(self.platform, message):
                video = self._take_in(dropped, captions, message)
        except AlreadyTaken:
            pass
        except NotFound:
            return f"{name} was taken away or replaced", seen
        except Refused as error:
            return self._set_aside(dropped, seen, one_line(error))
        except PermanentError as error:
            return f"{name} has to wait: {one_line(error)}", seen
        try:
            for done in (dropped, captions):
                if done:
                    self.bucket.remove(done)
        except PermanentError as error:
            return f"{_told(name, video)}; it cannot be removed from the inbox: {error}", replace(seen, left=True)
        return _told(name, video), seen

    def _set_aside(self, dropped: Dropped, seen: Seen, reason: str) -> tuple[str, Seen]:
        line = f"refused {one_line(seen.name, 80)}: {reason}"
        try:
            self.bucket.refuse(dropped, reason)
        except PermanentError as error:
            return f"{line}; it cannot be set aside: {error}", replace(seen, left=True)
        return line, seen

    def _take_in(self, dropped: Dropped, captions: Dropped | None, message: str) -> Video:
        platform = self.platform
        name = one_line(dropped.name, 80)
        check_size(name, dropped.bytes, platform.settings)
        check_room(
            name, dropped.bytes, platform.storage, platform.settings,
            through_work=platform.storage.keeps_files,
        )  # fmt: skip
        if captions and captions.bytes > MAX_CAPTION_BYTES:
            raise Refused(f"{name}: captions may have {MAX_CAPTION_BYTES:,} bytes at most")
        with intake_folder(platform.settings) as work:
            return take_arrival(
                Arrival(
                    name=dropped.name, size_bytes=dropped.bytes,
                    store=lambda storage, key, kind: self.bucket.store(dropped, storage, key, kind, work),
                    captions=(captions.name, self.bucket.read(captions)) if captions else None, message_id=message,
                ),
                database=platform.database, storage=platform.storage, settings=platform.settings,
            )  # fmt: skip


def remove_file(path: Path) -> None:
    """Takes a file away; one that is gone already is no error."""
    path.unlink(missing_ok=True)


def _version(path: Path) -> str | None:
    try:
        return version_of(path.stat())
    except FileNotFoundError:
        return None


def caption_names(name: str) -> list[str]:
    """The caption files that may lie beside a video of this name."""
    return [f"{Path(name).stem}{ending}" for ending in CAPTION_ENDINGS]


def _was_taken(platform: Platform, message: str) -> bool:
    with platform.database.read() as session:
        return inbound.was_taken(session, message)


def _told(name: str, video: Video | None) -> str:
    return f"{name} is video {video.id}" if video else f"{name} was taken in before"
