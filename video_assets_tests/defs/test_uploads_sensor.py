"""What the uploads sensor counts before it launches."""

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.test_utils import create_run_for_test

from video_assets.defs.sensors.uploads import _queued_beside_backfills


def test_an_upload_does_not_wait_for_runs_of_a_backfill_that_queue() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_backfill(
            PartitionBackfill(
                backfill_id="going",
                status=BulkActionStatus.REQUESTED,
                from_failure=False,
                tags={},
                backfill_timestamp=0.0,
            )
        )
        # On their way into the queue, which counts as in it.
        for _ in range(3):
            create_run_for_test(instance, tags={"dagster/backfill": "going"})
        assert _queued_beside_backfills(instance) == 0
        for _ in range(2):
            create_run_for_test(instance)
        create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED)
        assert _queued_beside_backfills(instance) == 2
