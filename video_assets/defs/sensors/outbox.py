"""outbox_sensor: publishes what the projection and intake have put into the outbox."""

import dagster as dg

from video_assets.defs.operating import drain_outbox
from video_assets.defs.platform import Platform


def build_outbox_sensor(platform: Platform) -> dg.SensorDefinition:
    """The sensor. It needs no cursor: the outbox itself says what is still to be published."""

    @dg.sensor(
        name="outbox_sensor",
        minimum_interval_seconds=platform.settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Publishes waiting events in order, at least once. Starts no runs.",
    )
    def outbox_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        return dg.SkipReason(f"{drain_outbox(platform)} events published")

    return outbox_sensor
