"""What the tests do with videos and look at, over the tables and storage alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import select

from video_assets.database.models import OutboxOrderRow, OutboxRow, VideoRow
from video_assets.intake.uploads import NewVideo, take_in
from video_assets.systems import Systems
from video_assets_tests.e2e.house import wait_for


def add_video(systems: Systems, clip: Path, title: str = "Herons", captions: Path | None = None, **more: Any) -> int:
    """A pending video; returns its id."""
    return take_in(
        clip,
        NewVideo(title, **more),
        database=systems.database,
        storage=systems.storage,
        settings=systems.settings,
        captions=captions,
    ).id


def row(systems: Systems, video_id: int) -> VideoRow | None:
    """The video's row."""
    with systems.database.read() as session:
        return session.get(VideoRow, video_id)


def status(systems: Systems, video_id: int) -> str:
    """The status now; `gone` where there is no row."""
    found = row(systems, video_id)
    return found.status if found else "gone"


def wait_until(systems: Systems, video_id: int, wanted: str, seconds: float = 90) -> list[str]:
    """Waits for a status; returns those seen on the way, each once in a row. Fails at `failed` if not wanted."""
    seen: list[str] = []

    def reached() -> bool:
        now = row(systems, video_id)
        if now is not None and (not seen or seen[-1] != now.status):
            seen.append(now.status)
        if now is not None and now.status == "failed" != wanted:
            raise AssertionError(f"video {video_id} failed: {now.status_message}; seen {seen}")
        return now is not None and now.status == wanted

    wait_for(f"video {video_id} to be {wanted}", reached, seconds, pause=0.05)
    return seen


def topics(systems: Systems, video_id: int) -> list[str]:
    """Topics of the video's outbox events, in their order."""
    order = (
        select(OutboxRow.topic)
        .join(OutboxOrderRow, OutboxOrderRow.event_id == OutboxRow.id)
        .where(OutboxOrderRow.video_id == video_id)
        .order_by(OutboxOrderRow.seq)
    )
    with systems.database.read() as session:
        return list(session.scalars(order))


ALL_TOPICS = ["video.uploaded", "video.transcoded", "video.transcribed", "video.summarized", "video.ready"]
ORDER = ["uploading", "pending", "transcoding", "transcribing", "summarizing", "indexing", "ready"]


def in_order(seen: list[str]) -> bool:
    """Whether the statuses seen are a subsequence of the order they should come in."""
    rest = iter(ORDER)
    return all(each in rest for each in seen)
