"""Addresses of a video's files, and the files themselves.

A bucket gives signed addresses of its own, and its bytes never pass through here. Of a folder the files are served
here: to whoever may see the video by his session or token, or by what the address carries: the word of a share link, or
a signature for programs that send no header with it (players, `ffmpeg`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from fastapi.responses import FileResponse, RedirectResponse, Response

from video_assets.artifacts.manifest import ManifestFile
from video_assets.clock import utc_now
from video_assets.library.listing import Card
from video_assets.library.watching import Watchable
from video_assets.storage import NotFound
from video_assets.web.ask import SHARE_PARAMETER, Ask
from video_assets.web.problems import Problem

SIGNATURE = "sig"
LEAST_LIFE = 6 * 3600
"""Seconds that an address is good for at least; else twice as long as the video. A player reads playlists once."""
LONGEST_LIFE = 7 * 24 * 3600
"""S3 signs for no longer."""
CHUNK = 2**20


@dataclass(frozen=True)
class Addresses:
    """Makes the addresses of one video's files, for one request."""

    ask: Ask
    video_id: int
    until: int
    """Second since 1970 at which they end."""
    query: str
    """What lets the bearer of an address in; empty where his session does, or anybody may."""

    @classmethod
    def of(cls, ask: Ask, card: Card) -> Addresses:
        """For a request that may see the video."""
        life = min(LONGEST_LIFE, max(LEAST_LIFE, round(2 * (card.duration or 0))))
        until = int(utc_now().timestamp()) + life
        # No longer than what let the request in.
        for end in (ask.principal.shared_until, _end_of(ask.request.query_params.get(SIGNATURE))):
            until = min(until, end) if end is not None else until
        return cls(ask, card.id, until, _query(ask, card, until))

    def page(self, path: str) -> str:
        """Of something that is rendered here, below the video."""
        return f"{self.base}/{path}{self.query}"

    def file(self, file: ManifestFile) -> str:
        """Of a stored file: the bucket's own, or one here."""
        found = self.ask.systems.storage.url(file.key, seconds=max(1, self.until - int(utc_now().timestamp())))
        # The hash stands in it, so that an address means the same bytes for ever and browsers may keep them.
        return found or f"{self.base}/media/{file.sha256[:16]}/{quote(file.name)}{self.query}"

    @property
    def base(self) -> str:
        """Where the video is, without the host: so that it is right behind every proxy."""
        return f"/api/v1/videos/{self.video_id}"


def _query(ask: Ask, card: Card, until: int) -> str:
    given = ask.request.query_params
    if SIGNATURE in given:
        return "?" + urlencode({SIGNATURE: given[SIGNATURE]})
    if ask.principal.shared_video == card.id:
        return "?" + urlencode({SHARE_PARAMETER: given.get(SHARE_PARAMETER) or ask.request.headers["x-share-token"]})
    if ask.principal.user_id is not None and not ask.principal.is_session and card.visibility.value != "public":
        return "?" + urlencode({SIGNATURE: ask.web.signer.sign(f"watch:{card.id}", until)})
    return ""


def _end_of(signature: str | None) -> int | None:
    until = (signature or "").partition(".")[0]
    return int(until) if until.isascii() and until.isdigit() and len(until) < 16 else None


def may_watch(ask: Ask, video_id: int) -> None:
    """Problem 404 where the request may not see the video, and its address carries no signature that lets it."""
    signature = ask.request.query_params.get(SIGNATURE)
    if signature and ask.web.signer.holds(f"watch:{video_id}", signature, utc_now().timestamp()):
        return
    with ask.systems.database.read() as session:
        ask.visible(session, video_id)


def file_of(watchable: Watchable, content: str, name: str) -> ManifestFile:
    """The file that a media address names: one of the current manifests, and no other object. Problem 404."""
    for manifest in watchable.made.values():
        for file in manifest.files:
            if file.name == name and file.sha256[:16] == content:
                return file
    raise Problem(404, "this file is not there, or no longer; read the video's `watch` again")


class _File(FileResponse):
    chunk_size = CHUNK  # 64 KiB, the library's, take twice as long


def send(ask: Ask, file: ManifestFile, *, name: str | None = None) -> Response:
    """The file's bytes, by ranges; or the way to them, where a bucket has them. `name`: what a browser keeps it as."""
    address = ask.systems.storage.url(file.key, seconds=LEAST_LIFE, download_as=name)
    if address is not None:
        return RedirectResponse(address, 307, headers={"Cache-Control": "private, no-store"})
    try:
        path = ask.systems.storage.fetch(file.key, Path())
    except NotFound:
        raise Problem(404, "this file is lost; `video-assets reconcile --thorough` makes it again") from None
    if path.stat().st_size != file.bytes:
        raise Problem(503, "this file is damaged; `video-assets reconcile --thorough` makes it again")
    more: dict[str, Any] = {"filename": name, "content_disposition_type": "attachment"} if name else {}
    # A file never changes under its key. Shown in a page it could run script: so never as a page.
    headers = {
        "Cache-Control": "private, no-cache" if name else "private, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return _File(path, media_type=_harmless(file.content_type), headers=headers, **more)


def _harmless(content_type: str) -> str:
    """What an uploader calls his file must not make a browser take it for a page."""
    kind = content_type.partition(";")[0].strip().lower()
    fine = kind.startswith(("video/", "audio/")) or kind in ("image/jpeg", "text/vtt", "text/plain", "application/json")
    return content_type if fine else "application/octet-stream"
