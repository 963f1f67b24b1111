"""outbox_sensor: publishes the messages in the outbox."""

import dagster as dg

from video_assets.defs.sensors.poll_within_tick import looks
from video_assets.systems import Systems


def build_outbox_sensor(systems: Systems) -> dg.SensorDefinition:
    """The sensor. It needs no cursor: the rows say what is not published yet."""

    @dg.sensor(
        name="outbox_sensor",
        minimum_interval_seconds=systems.settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Publishes waiting events in order, at least once. Starts no runs.",
    )
    def outbox_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        published = sum(systems.drain_outbox() for _ in looks(systems.settings.sensor_seconds))
        return dg.SkipReason(f"{published} events published")

    return outbox_sensor
