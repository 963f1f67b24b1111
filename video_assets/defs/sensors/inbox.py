"""inbox_sensor: a file dropped into the inbox, a folder or a bucket prefix, becomes an upload."""

import dagster as dg
from pydantic import TypeAdapter

from video_assets.defs.inboxes import open_inbox
from video_assets.defs.platform import Platform
from video_assets.lifecycle.inbox import Seen, settled
from video_assets.videos import utc_now

_CURSOR = TypeAdapter(dict[str, Seen])
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
        inbox, now = open_inbox(platform), utc_now()
        seen = inbox.look(_CURSOR.validate_json(context.cursor) if context.cursor else {}, now)
        said = []
        for name in settled(seen, now, platform.settings.inbox_settle_seconds)[:TAKEN_PER_TICK]:
            line, seen[name] = inbox.take(seen[name], seen)
            said.append(line)
            context.log.info(line)
        context.update_cursor(_CURSOR.dump_json(seen).decode())
        return dg.SkipReason("; ".join(said) or f"{len(seen)} files waiting to stop growing")

    return inbox_sensor
