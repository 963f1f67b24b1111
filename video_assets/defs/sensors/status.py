"""status_sensor: applies materializations and run states from the event log to the tables."""

import dagster as dg

from video_assets.defs.event_log.projector import Projector
from video_assets.defs.sensors.poll_within_tick import looks
from video_assets.systems import Systems


def build_status_sensor(systems: Systems, projector: Projector) -> dg.SensorDefinition:
    """The sensor. Its cursor is the storage id up to which every event was applied."""

    @dg.sensor(
        name="status_sensor",
        minimum_interval_seconds=systems.settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Applies the event log to status, results and outbox. Starts no runs.",
    )
    def status_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        cursor, applied = int(context.cursor or 0), 0
        for _ in looks(systems.settings.sensor_seconds):
            cursor, more = projector.advance(context.instance, cursor)
            applied += more
        context.update_cursor(str(cursor))
        return dg.SkipReason(f"{applied} events applied; the log is read up to {cursor}")

    return status_sensor
