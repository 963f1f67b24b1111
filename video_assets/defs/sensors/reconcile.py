"""reconcile_sensor: ends dead runs, cleans up after deletions and interrupted uploads, purges old runs."""

import dagster as dg

from video_assets.defs.operations.reconcile import reconcile
from video_assets.runs.liveness import Silences
from video_assets.systems import Systems


def build_reconcile_sensor(systems: Systems) -> dg.SensorDefinition:
    """The sensor. Between ticks it remembers how long each run has been silent."""
    silences = Silences()

    @dg.sensor(
        name="reconcile_sensor",
        minimum_interval_seconds=systems.settings.reconcile_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Fails runs whose worker is gone, sweeps after deletions, purges old runs. Starts no runs.",
    )
    def reconcile_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        repaired = reconcile(systems, context.instance, silences=silences)
        for line in repaired:
            context.log.info(line)
        return dg.SkipReason("; ".join(repaired)[:500] or "nothing to repair")

    return reconcile_sensor
