"""inbox_sensor: a file dropped into the inbox folder becomes an upload."""

import shutil
from pathlib import Path

import dagster as dg
from pydantic import TypeAdapter

from video_assets.defs.platform import Platform
from video_assets.errors import PermanentError, one_line
from video_assets.lifecycle.inbox import Seen, look, settled
from video_assets.lifecycle.intake import sidecar_of, take_in
from video_assets.videos import utc_now

_CURSOR = TypeAdapter(dict[str, Seen])
REFUSED = "refused"
TAKEN_PER_TICK = 5


def build_inbox_sensor(platform: Platform) -> dg.SensorDefinition:
    """The sensor. Its cursor is what the last look saw, so that a growing file is told from a whole one."""

    @dg.sensor(
        name="inbox_sensor",
        minimum_interval_seconds=platform.settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Takes files in that were dropped into the inbox, with captions beside them. Starts no runs.",
    )
    def inbox_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        folder = platform.settings.inbox_folder
        folder.mkdir(parents=True, exist_ok=True)
        now = utc_now()
        seen = look(folder, _CURSOR.validate_json(context.cursor) if context.cursor else {}, now)
        said = [
            take_from_inbox(platform, folder / name)
            for name in settled(seen, now, platform.settings.inbox_settle_seconds)[:TAKEN_PER_TICK]
        ]
        for line in said:
            context.log.info(line)
        context.update_cursor(_CURSOR.dump_json(seen).decode())
        return dg.SkipReason("; ".join(said) or f"{len(seen)} files waiting to stop growing")

    return inbox_sensor


def take_from_inbox(platform: Platform, path: Path) -> str:
    """Takes one file in and removes it; one that is refused goes to the `refused` folder with the reason
    beside it. Returns a line about it. A crash in between takes it in twice rather than not at all."""
    captions = sidecar_of(path)
    try:
        video = take_in(
            path, database=platform.database, storage=platform.storage, settings=platform.settings, captions=captions
        )
    except PermanentError as error:
        refused = path.parent / REFUSED
        refused.mkdir(exist_ok=True)
        shutil.move(path, refused / path.name)
        (refused / f"{path.name[:200]}.reason.txt").write_text(one_line(error) + "\n", encoding="utf-8")
        return f"refused {one_line(path.name, 80)}: {one_line(error)}"
    path.unlink(missing_ok=True)
    if captions:
        captions.unlink(missing_ok=True)
    return f"{one_line(path.name, 80)} is video {video.id}"
