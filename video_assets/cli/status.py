"""`video-assets status`: where every video stands, or the whole story of one."""

from __future__ import annotations

import dataclasses
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from video_assets.cli.output import Output, json_option, pass_output

if TYPE_CHECKING:
    from rich.console import RenderableType

    from video_assets.cli.rows import Listed
    from video_assets.defs.platform import Platform

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
    from video_assets.defs.platform import Platform
    from video_assets.settings import Settings

    platform = Platform(Settings.load())
    trouble = _trouble(platform)
    if as_json:
        output.document(_document(platform, video_id, limit) | ({"trouble": trouble} if trouble else {}))
    elif watch:
        if trouble:
            output.note(f"video-assets: {trouble}")
        _watch(output, platform, video_id, limit)
        return 0
    elif trouble and video_id is None and not _counts(platform):
        output.say(trouble)
    else:
        output.say(_picture(platform, video_id, limit))
        if trouble:
            output.note(f"video-assets: {trouble}")
    return 1 if trouble else 0


def _trouble(platform: Platform) -> str | None:
    """Why tables and storage do not belong together. Where there are videos a bucket is not asked: where every one
    stands can be told without it."""
    from video_assets.errors import TransientError
    from video_assets.lifecycle.identity import what_is_wrong

    if _counts(platform) and platform.settings.storage.startswith("s3://"):
        return None
    try:
        return what_is_wrong(platform.database, platform.storage)
    except TransientError:
        return None


def _counts(platform: Platform) -> dict[str, int]:
    from video_assets.database import reading

    with platform.database.read() as session:
        return reading.counts(session)


def _document(platform: Platform, video_id: int | None, limit: int) -> dict[str, Any]:
    from video_assets.cli import rows
    from video_assets.database import publishing, reading

    with platform.database.read() as session:
        if video_id is None:
            videos = [_video(each) for each in rows.listed(session, limit=limit)]
            waiting = reading.unpublished_count(session)
            parked = publishing.parked_count(session)
            counts = rows.counts(session)
            return {"videos": videos, "counts": counts, "unpublished_events": waiting, "parked_events": parked}
        return _video(_found(rows.one(session, video_id), video_id)) | {
            "attempts": [
                {
                    "run_id": row.run_id, "number": row.number, "reason": row.reason, "stages": row.stages,
                    "state": row.state, "error_kind": row.error_kind, "error": row.error,
                    "started_at": _iso(row.started_at), "finished_at": _iso(row.finished_at),
                }
                for row in reading.attempts(session, video_id)
            ],
            "artifacts": {
                row.artefact: {
                    "fingerprint": row.fingerprint, "prefix": row.manifest_key.rpartition("/")[0] + "/",
                    "run_id": row.run_id, "made_at": _iso(row.made_at), "bytes": row.bytes, "cost": row.cost,
                }
                for row in reading.artifacts(session, video_id)
            },
            "events": [
                {"topic": row.topic, "created_at": _iso(row.created_at), "published": row.published, "parked": parked}
                for row, parked in reading.outbox(session, video_id)
            ],
        }  # fmt: skip


def _video(video: Listed) -> dict[str, Any]:
    doing = dataclasses.asdict(video.doing) | {"beat_at": _iso(video.doing.beat_at)} if video.doing else None
    return {
        "id": video.id, "title": video.title, "status": video.status, "status_message": video.status_message,
        "created_at": _iso(video.created_at), "processed_at": _iso(video.processed_at), "progress": doing,
    }  # fmt: skip


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def _found(video: Listed | None, video_id: int) -> Listed:
    from video_assets.errors import PermanentError

    if video is None:
        raise PermanentError(f"there is no video {video_id}; `video-assets status` lists those there are")
    return video


def _watch(output: Output, platform: Platform, video_id: int | None, limit: int) -> None:
    from rich.live import Live

    from video_assets.cli.watching import Watcher

    try:
        if output.answers.is_terminal:
            with Live(_picture(platform, video_id, limit), console=output.answers, auto_refresh=False) as live:
                while True:
                    time.sleep(PAUSE_SECONDS)
                    live.update(_picture(platform, video_id, limit), refresh=True)
        watcher = Watcher(platform.database, [video_id] if video_id else [], only=video_id is not None)
        while True:
            for line in watcher.look():
                output.say(line)
            time.sleep(PAUSE_SECONDS)
    except KeyboardInterrupt:
        return  # the way to end it, not a failure


def _picture(platform: Platform, video_id: int | None, limit: int) -> RenderableType:
    from video_assets.cli import pictures, rows
    from video_assets.database import publishing, reading
    from video_assets.videos import utc_now

    with platform.database.read() as session:
        if video_id is not None:
            return pictures.story(
                _found(rows.one(session, video_id), video_id), reading.attempts(session, video_id),
                reading.artifacts(session, video_id), reading.outbox(session, video_id), utc_now(),
            )  # fmt: skip
        videos, counts = rows.listed(session, limit=limit), rows.counts(session)
        waiting, parked = reading.unpublished_count(session), publishing.parked_count(session)
        return pictures.library(videos, counts, waiting, parked, utc_now())
