"""The sensors: what makes the graph move by itself. Each decides in a pure function of the domain."""

from __future__ import annotations

import dagster as dg

from video_assets.defs.event_log.projector import Projector
from video_assets.defs.sensors.arrivals import build_arrivals_sensor
from video_assets.defs.sensors.inbox import build_inbox_sensor
from video_assets.defs.sensors.outbox import build_outbox_sensor
from video_assets.defs.sensors.reconcile import build_reconcile_sensor
from video_assets.defs.sensors.status import build_status_sensor
from video_assets.defs.sensors.uploads import build_uploads_sensor
from video_assets.systems import Platform


def build_sensors(platform: Platform) -> list[dg.SensorDefinition]:
    """All sensors, running by default."""
    projector = Projector(platform)
    return [
        build_uploads_sensor(platform),
        build_inbox_sensor(platform),
        build_arrivals_sensor(platform),
        build_status_sensor(platform, projector),
        build_outbox_sensor(platform),
        build_reconcile_sensor(platform),
    ]
