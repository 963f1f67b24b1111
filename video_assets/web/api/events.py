"""What changes, as server-sent events: of one video, or of many over one connection.

A browser opens six connections to one host at most, so a page with many videos uses one stream for all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from video_assets.library import listing
from video_assets.web.api.videos import VideoId, VideoSaid, card_of
from video_assets.web.ask import Ask, Asked
from video_assets.web.live import Watcher
from video_assets.web.problems import Problem

router = APIRouter(tags=["events"])
AT_MOST = 200
LIFE_SECONDS = 300.0
"""A stream ends then. The client comes back by itself, and whether it may still see the videos is looked up again."""
QUIET_SECONDS = 15.0
"""A comment is sent then, so that proxies do not close the connection, and a client that is gone is noticed."""
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "Events named `video`; `data` is a video."}
}
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=100)]


@router.get("/videos/events", responses=STREAM, response_class=StreamingResponse, summary="Changes of many videos")
async def videos_events(
    ask: Asked,
    ids: Annotated[str, Query(max_length=3000, description="Up to 200 ids, comma separated.", examples=["7,8"])],
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    wanted = [each.strip() for each in ids.split(",") if each.strip()]
    if not wanted or len(wanted) > AT_MOST or not all(_is_id(each) for each in wanted):
        raise Problem(422, f"ids: give 1 to {AT_MOST} video ids, comma separated")
    seen = await anyio.to_thread.run_sync(_visible, ask, [int(each) for each in wanted])
    return await _stream(ask, frozenset(seen), last_event_id)


@router.get(
    "/videos/{video_id}/events", responses=STREAM, response_class=StreamingResponse, summary="Changes of one video"
)
async def video_events(ask: Asked, video_id: VideoId, last_event_id: LastEventId = None) -> StreamingResponse:
    await anyio.to_thread.run_sync(card_of, ask, video_id)
    return await _stream(ask, frozenset({video_id}), last_event_id)


def _is_id(word: str) -> bool:
    return word.isascii() and word.isdigit() and 0 < int(word) < 2**31 if len(word) <= 10 else False


def _visible(ask: Ask, video_ids: list[int]) -> set[int]:
    """Those that he may see: others are not watched for him, whatever becomes of them."""
    sight = ask.sight
    with ask.systems.database.read() as session:
        return listing.visible(session, video_ids, sight, ask.default_visibility)


async def _stream(ask: Ask, video_ids: frozenset[int], known: str | None) -> StreamingResponse:
    watcher = Watcher(video_ids, ask.sight)
    await ask.web.hub.begin(watcher)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # nginx would hold events back
    return StreamingResponse(_events(ask, watcher, known), media_type="text/event-stream", headers=headers)


async def _events(ask: Ask, watcher: Watcher, known: str | None) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    changes = ask.web.hub.changes(watcher, known)
    coming = asyncio.ensure_future(anext(changes, None))
    ends = time.monotonic() + LIFE_SECONDS
    try:
        while time.monotonic() < ends:
            done, _ = await asyncio.wait({coming}, timeout=QUIET_SECONDS)
            if not done:
                yield ": still here\n\n"
                continue
            found = coming.result()
            if found is None:  # the process stops
                return
            state, cards = found
            for card in cards:
                said = VideoSaid.of(card).model_dump_json(by_alias=True)
                # The id is of the state as a whole: only who has the last event has all of it.
                mark = f"id: {state}\n" if card is cards[-1] else ""
                yield f"{mark}event: video\ndata: {said}\n\n"
            coming = asyncio.ensure_future(anext(changes, None))
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration):
            await coming
        await changes.aclose()
