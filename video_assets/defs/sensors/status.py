"""status_sensor: from materialization events and run states to the status columns."""

import dagster as dg

from video_assets.defs.platform import Platform
from video_assets.defs.projecting import Projector


def build_status_sensor(platform: Platform, projector: Projector) -> dg.SensorDefinition:
    """The sensor. Its cursor is the storage id up to which every event was applied."""

    @dg.sensor(
        name="status_sensor",
        minimum_interval_seconds=platform.settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Applies the event log to status, results and outbox. Starts no runs.",
    )
    def status_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        before = int(context.cursor or 0)
        cursor, applied = projector.advance(context.instance, before)
        if cursor != before:
            context.update_cursor(str(cursor))
        return dg.SkipReason(f"{applied} events applied; the log is read up to {cursor}")

    return status_sensor
