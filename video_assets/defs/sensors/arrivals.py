"""arrivals_sensor: takes in files that other services uploaded and announced over Kafka."""

import threading
from collections import Counter

import dagster as dg

from video_assets.clock import utc_now
from video_assets.intake.arrival import arrive
from video_assets.intake.kafka import UploadedReader
from video_assets.systems import Systems

TAKEN_PER_TICK = 200


def build_arrivals_sensor(systems: Systems) -> dg.SensorDefinition:
    """The sensor. It keeps no cursor: the broker keeps the group's offsets, which are committed after the rows."""
    settings = systems.settings
    configured = bool(settings.kafka_bootstrap_servers)
    reader = UploadedReader(settings)
    one_tick = threading.Lock()

    @dg.sensor(
        name="arrivals_sensor",
        minimum_interval_seconds=settings.sensor_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if configured else dg.DefaultSensorStatus.STOPPED,
        description="Takes in what others say over Kafka that they uploaded. Starts no runs.",
    )
    def arrivals_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if not configured:
            return dg.SkipReason("VIDEO_ASSETS_KAFKA_BOOTSTRAP_SERVERS is not set")
        outcomes: Counter[str] = Counter()
        with one_tick:
            reader.take(
                lambda received: outcomes.update(
                    [
                        arrive(
                            received,
                            database=systems.database,
                            storage=systems.storage,
                            settings=settings,
                            now=utc_now(),
                        )
                    ]
                ),
                TAKEN_PER_TICK,
            )
        if outcomes["refused"]:
            context.log.warning(f"{outcomes['refused']} messages were set aside; see the table unapplied_events")
        return dg.SkipReason(", ".join(f"{count} {what}" for what, count in outcomes.items()) or "nothing came")

    return arrivals_sensor
