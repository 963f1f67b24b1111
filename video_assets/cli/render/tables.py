"""Makes tables for a terminal from rows. Titles and messages come from outside, so they are passed through `safe`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from video_assets.cli.render.format import age, done, plain, safe, size, status_text
from video_assets.database.models import ArtifactRow, AttemptRow, OutboxRow
from video_assets.library.views import SETTLED, Listed
from video_assets.outbox.queue import Parked


def table(*columns: str, title: str | None = None) -> Table:
    """A table in the house style; columns whose name starts with `>` are right-aligned."""
    made = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for name in columns:
        made.add_column(name.lstrip(">"), justify="right" if name.startswith(">") else "left", overflow="fold")
    return made


def library(
    videos: Sequence[Listed], counts: Mapping[str, int], waiting: int, parked: int, now: datetime
) -> RenderableType:
    """The list of videos and a line of counts."""
    if not videos:
        return Text(
            "no videos yet; `video-assets process FILE` takes one in, and so does the inbox of `video-assets up`"
        )
    picture = table(">id", "title", "status", ">age", "")
    for video in videos:
        picture.add_row(
            str(video.id), safe(video.title, 60), status_text(video.status), age(video.created_at, now), _remark(video)
        )
    return Group(picture, Text(count_line(counts, waiting, parked)))


def count_line(counts: Mapping[str, int], waiting: int, parked: int = 0) -> str:
    """`12 videos: 10 ready, 2 failed; 3 events waiting to be published, 1 parked (video-assets events)`."""
    total = sum(counts.values())
    parts = ", ".join(f"{count} {plain(status, 20)}" for status, count in counts.items())
    events = f"; {waiting} event{'' if waiting == 1 else 's'} waiting to be published" if waiting else ""
    held = f", {parked} of them parked (`video-assets events`)" if parked else ""
    return f"{total} video{'' if total == 1 else 's'}: {parts}{events}{held}"


def story(
    video: Listed,
    attempts: Sequence[AttemptRow],
    artifacts: Sequence[ArtifactRow],
    events: Sequence[tuple[OutboxRow, str | None]],
    now: datetime,
) -> RenderableType:
    """Everything about one video."""
    head = Text.assemble((f"video {video.id} ", "bold"), safe(video.title), "  ", status_text(video.status))
    parts: list[RenderableType] = [head]
    if remark := _remark(video).plain:
        parts.append(Text(f"  {remark}"))
    parts.append(Text(f"  taken in {age(video.created_at, now)} ago{_processed(video)}", style="dim"))
    if attempts:
        parts.append(_attempts(attempts))
    if artifacts:
        parts.append(_artifacts(artifacts))
    if events:
        parts.append(_events(events))
    return Group(*parts)


def _remark(video: Listed) -> Text:
    if video.doing is not None and video.status not in SETTLED:
        return Text(done(video.doing.stage, video.doing.fraction, video.doing.speed, video.doing.eta_seconds))
    return safe(video.status_message or "", 300)


def _processed(video: Listed) -> str:
    if video.processed_at is None:
        return ""
    return f", ready after {max((video.processed_at - video.created_at).total_seconds(), 0):.1f} s"


def _attempts(attempts: Iterable[AttemptRow]) -> Table:
    picture = table(">#", "run", "reason", "state", ">seconds", "what went wrong", title="runs")
    for row in attempts:
        took = f"{(row.finished_at - row.started_at).total_seconds():.1f}" if row.finished_at and row.started_at else ""
        wrong = f"{row.error_stage or row.error_kind}: {row.error}" if row.error else ""
        picture.add_row(str(row.number), row.run_id[:8], safe(row.reason, 30), safe(row.state), took, safe(wrong, 300))
    return picture


def _artifacts(artifacts: Iterable[ArtifactRow]) -> Table:
    picture = table("made", "fingerprint", "by run", ">size", ">seconds", ">CPU s", ">$", title="current")
    for row in artifacts:
        cost = row.cost or {}
        dollars = f"{cost['usd']:.4f}" if cost.get("usd") else ""
        picture.add_row(
            row.artefact,
            row.fingerprint[:16],
            row.run_id[:8],
            size(row.bytes),
            f"{cost.get('wall_seconds', 0):.2f}",
            f"{cost.get('cpu_seconds', 0):.2f}",
            dollars,
        )
    return picture


def _events(events: Iterable[tuple[OutboxRow, str | None]]) -> Table:
    picture = table("event", "at", "", title="told to other services")
    for row, parked in events:
        sent = "published" if row.published_at else f"given up: {parked}"
        state = sent if row.published else f"parked: {parked}" if parked else "waiting"
        picture.add_row(safe(row.topic), f"{row.created_at:%Y-%m-%d %H:%M:%S}", safe(state, 200))
    return picture


def parked_events(parked: Iterable[Parked]) -> Table:
    """The table of parked events."""
    picture = table(">video", "event", ">waiting behind it", "reason")
    for each in parked:
        picture.add_row(str(each.video_id), safe(each.topic, 60), str(each.waiting), safe(each.reason, 300))
    return picture
