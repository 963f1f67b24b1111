"""The sensors, which start everything that happens without a command. What a sensor decides is not here, but in pure
functions of the rooms below."""

from __future__ import annotations

import dagster as dg

from video_assets.defs.event_log.projector import Projector
from video_assets.defs.sensors.arrivals import build_arrivals_sensor
from video_assets.defs.sensors.inbox import build_inbox_sensor
from video_assets.defs.sensors.outbox import build_outbox_sensor
from video_assets.defs.sensors.reconcile import build_reconcile_sensor
from video_assets.defs.sensors.status import build_status_sensor
from video_assets.defs.sensors.uploads import build_uploads_sensor
from video_assets.systems import Systems


def build_sensors(systems: Systems) -> list[dg.SensorDefinition]:
    """All sensors, running by default."""
    projector = Projector(systems)
    return [
        build_uploads_sensor(systems),
        build_inbox_sensor(systems),
        build_arrivals_sensor(systems),
        build_status_sensor(systems, projector),
        build_outbox_sensor(systems),
        build_reconcile_sensor(systems),
    ]
