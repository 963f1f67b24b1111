"""`video-assets status`: lists videos with their status, or shows everything about one."""

from __future__ import annotations

import dataclasses
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from video_assets.cli.render.output import Output, json_option, pass_output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from video_assets.library.views import Listed
    from video_assets.systems import Systems

PAUSE_SECONDS = 1.0


@click.command()
@click.argument("video_id", metavar="[ID]", type=click.IntRange(min=1), required=False)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="Most videos listed.")
@click.option("--watch", is_flag=True, help="Stay, and show every change, until Ctrl-C.")
@json_option
@pass_output
def status(output: Output, video_id: int | None, limit: int, watch: bool, as_json: bool) -> int:
    """Show where the videos stand, newest first; with an ID the whole story of one: its runs, what was made
    of it and at what cost, and what other services were told.

    \b
    video-assets status
    video-assets status 7
    video-assets status --watch
    video-assets status --json | jq '.videos[] | select(.status == "failed")'
    """
    if watch and as_json:
        raise click.UsageError("--watch and --json do not go together: --json prints one document")
    from video_assets.settings import Settings
    from video_assets.systems import Systems

    systems = Systems(Settings.load())
    trouble = _trouble(systems)
    if as_json:
        output.document(_document(systems, video_id, limit) | ({"trouble": trouble} if trouble else {}))
    elif watch:
        if trouble:
            output.note(f"video-assets: {trouble}")
        _watch(output, systems, video_id, limit)
        return 0
    elif trouble and video_id is None and not _counts(systems):
        output.say(trouble)
    else:
        output.say(_picture(systems, video_id, limit))
        if trouble:
            output.note(f"video-assets: {trouble}")
    return 1 if trouble else 0


def _trouble(systems: Systems) -> str | None:
    """Why tables and storage do not belong together; None where they do, or storage is away. If the tables have videos
    a bucket is not asked, because their status can be shown without it."""
    from video_assets.errors import TransientError
    from video_assets.intake.identity import what_is_wrong

    if _counts(systems) and systems.settings.storage.startswith("s3://"):
        return None
    try:
        return what_is_wrong(systems.database, systems.storage)
    except TransientError:
        return None


def _counts(systems: Systems) -> dict[str, int]:
    from video_assets.library import queries

    with systems.database.read() as session:
        return queries.counts(session)


def _document(systems: Systems, video_id: int | None, limit: int) -> dict[str, Any]:
    from video_assets.library import queries, views
    from video_assets.outbox import queue

    with systems.database.read() as session:
        if video_id is None:
            videos = [_video(each) for each in views.listed(session, limit=limit)]
            waiting = queries.unpublished_count(session)
            parked = queue.parked_count(session)
            counts = views.counts(session)
            return {"videos": videos, "counts": counts, "unpublished_events": waiting, "parked_events": parked}
        return _video(_found(views.one(session, video_id), video_id)) | {
            "attempts": [
                {
                    "run_id": row.run_id,
                    "number": row.number,
                    "reason": row.reason,
                    "stages": row.stages,
                    "state": row.state,
                    "error_kind": row.error_kind,
                    "error": row.error,
                    "started_at": _iso(row.started_at),
                    "finished_at": _iso(row.finished_at),
                }
                for row in queries.attempts(session, video_id)
            ],
            "artifacts": {
                row.artefact: {
                    "fingerprint": row.fingerprint,
                    "prefix": row.manifest_key.rpartition("/")[0] + "/",
                    "run_id": row.run_id,
                    "made_at": _iso(row.made_at),
                    "bytes": row.bytes,
                    "cost": row.cost,
                }
                for row in queries.artifacts(session, video_id)
            },
            "events": [
                {"topic": row.topic, "created_at": _iso(row.created_at), "published": row.published, "parked": parked}
                for row, parked in queries.outbox(session, video_id)
            ],
        }


def _video(video: Listed) -> dict[str, Any]:
    doing = dataclasses.asdict(video.doing) | {"beat_at": _iso(video.doing.beat_at)} if video.doing else None
    return {
        "id": video.id,
        "title": video.title,
        "status": video.status,
        "status_message": video.status_message,
        "created_at": _iso(video.created_at),
        "processed_at": _iso(video.processed_at),
        "progress": doing,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _found(video: Listed | None, video_id: int) -> Listed:
    from video_assets.errors import PermanentError

    if video is None:
        raise PermanentError(f"there is no video {video_id}; `video-assets status` lists those there are")
    return video


def _watch(output: Output, systems: Systems, video_id: int | None, limit: int) -> None:
    from rich.live import Live

    from video_assets.cli.render.changes import Watcher

    try:
        if output.answers.is_terminal:
            with Live(_picture(systems, video_id, limit), console=output.answers, auto_refresh=False) as live:
                while True:
                    time.sleep(PAUSE_SECONDS)
                    live.update(_picture(systems, video_id, limit), refresh=True)
        watcher = Watcher(systems.database, [video_id] if video_id else [], only=video_id is not None)
        while True:
            for line in watcher.look():
                output.say(line)
            time.sleep(PAUSE_SECONDS)
    except KeyboardInterrupt:
        return  # the normal way to end it


def _picture(systems: Systems, video_id: int | None, limit: int) -> RenderableType:
    from video_assets.cli.render import tables
    from video_assets.clock import utc_now
    from video_assets.library import queries, views
    from video_assets.outbox import queue

    with systems.database.read() as session:
        if video_id is not None:
            return tables.story(
                _found(views.one(session, video_id), video_id),
                queries.attempts(session, video_id),
                queries.artifacts(session, video_id),
                queries.outbox(session, video_id),
                utc_now(),
            )
        videos, counts = views.listed(session, limit=limit), views.counts(session)
        waiting, parked = queries.unpublished_count(session), queue.parked_count(session)
        return tables.library(videos, counts, waiting, parked, utc_now())
