"""Cancelling, deleting and reconciling: what waits, what was never queued, what a backfill holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from sqlalchemy import select

from video_assets.clock import utc_now
from video_assets.database.models import AttemptRow, LaunchRow
from video_assets.defs.event_log.projector import Projector
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.jobs import PROCESS_VIDEO
from video_assets.defs.operations.cancel import cancel_video
from video_assets.defs.operations.delete import delete_video
from video_assets.defs.operations.reconcile import reconcile
from video_assets.defs.operations.unfinished import end_dead_runs
from video_assets.defs.partitions import VIDEOS
from video_assets.defs.sensors import uploads as uploads_sensor
from video_assets.intake.uploads import take_in
from video_assets.runs import launches
from video_assets.runs.liveness import CREATED_SECONDS, Silences
from video_assets.settings import Settings
from video_assets.systems import LEAST_FREE_BYTES
from video_assets_tests.defs.studio import Studio


@pytest.fixture
def studio(settings: Settings, tmp_path: Path) -> Iterator[Studio]:
    with open_instance(settings) as instance:
        yield Studio(settings, instance, tmp_path)


def waiting(studio: Studio) -> int:
    """A video that waits for its run."""
    path = studio.folder / "any.mp4"
    path.write_bytes(b"nothing here looks inside")
    return take_in(path, database=studio.systems.database, storage=studio.systems.storage, settings=studio.settings).id


def look(studio: Studio) -> list[int]:
    """The videos that the uploads sensor would launch now."""
    launches, _ = uploads_sensor._look(studio.systems, studio.instance)
    return [launch.video_id for launch in launches]


def project(studio: Studio) -> None:
    Projector(studio.systems).advance(studio.instance, 0)


def test_cancelling_a_waiting_video_cancels_it(studio: Studio) -> None:
    video_id, other = waiting(studio), waiting(studio)
    assert cancel_video(studio.systems, studio.instance, video_id) == 1
    project(studio)
    assert studio.status(video_id) == ("failed", "canceled")
    assert look(studio) == [other], "a canceled video is launched all the same"


def test_a_canceled_video_is_launched_again_when_somebody_asks_for_it(studio: Studio) -> None:
    video_id = waiting(studio)
    cancel_video(studio.systems, studio.instance, video_id)
    project(studio)
    with studio.systems.database.write() as session:
        assert launches.request(session, video_id, reason="retry", now=utc_now())
    assert look(studio) == [video_id]


def test_cancelling_what_is_not_there_or_has_ended_does_nothing(studio: Studio) -> None:
    assert cancel_video(studio.systems, studio.instance, 999) == 0
    video_id = waiting(studio)
    cancel_video(studio.systems, studio.instance, video_id)
    project(studio)
    assert cancel_video(studio.systems, studio.instance, video_id) == 0


def created(studio: Studio, video_id: int, **tags: str) -> dg.DagsterRun:
    """A run as the daemon leaves it that is killed before it has queued it."""
    run = dg.DagsterRun(PROCESS_VIDEO, str(uuid4()), tags={"dagster/partition": str(video_id), **tags})
    return studio.instance.add_run(run)


def test_a_run_that_never_came_into_the_queue_is_found_and_its_video_launched_again(studio: Studio) -> None:
    video_id = waiting(studio)
    assert look(studio) == [video_id]
    with studio.systems.database.read() as session:
        key = session.scalars(select(LaunchRow.run_key)).one()
    run = created(studio, video_id, **{"video_assets/launch": key})

    moment = 0.0
    silences = Silences(lambda: moment)
    assert end_dead_runs(studio.systems, studio.instance, silences) == []
    moment = CREATED_SECONDS + 1
    (line,) = end_dead_runs(studio.systems, studio.instance, silences)
    assert "did not come into the queue" in line
    project(studio)
    found = studio.instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.is_finished
    with studio.systems.database.read() as session:
        assert [row.error_kind for row in session.scalars(select(AttemptRow))] == ["launch_lost"]
    assert studio.status(video_id)[0] == "pending"
    assert look(studio) == [video_id]


def test_deleting_a_video_leaves_the_backfill_it_is_in_its_keys(studio: Studio) -> None:
    video_id = waiting(studio)
    studio.instance.add_dynamic_partitions(VIDEOS, [str(video_id)])
    backfill = PartitionBackfill(
        "going",
        status=BulkActionStatus.REQUESTED,
        from_failure=False,
        tags={},
        backfill_timestamp=0.0,
        asset_selection=[dg.AssetKey("variants")],
        partition_names=[str(video_id)],
    )
    studio.instance.add_backfill(backfill)

    assert delete_video(studio.systems, studio.instance, video_id)
    assert studio.instance.has_dynamic_partition(VIDEOS, str(video_id)), "a key gone ends the whole backfill"
    assert not any("partition removed" in line for line in reconcile(studio.systems, studio.instance))

    done = backfill.with_status(BulkActionStatus.COMPLETED)  # type: ignore[no-untyped-call]  # Dagster leaves it untyped
    studio.instance.update_backfill(done)
    assert any("partition removed" in line for line in reconcile(studio.systems, studio.instance))
    assert not studio.instance.has_dynamic_partition(VIDEOS, str(video_id))


def test_no_run_is_launched_onto_a_full_disk(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = waiting(studio)
    sensor = next(each for each in studio.definitions.sensors or () if each.name == "uploads_sensor")
    free = LEAST_FREE_BYTES - 1
    monkeypatch.setattr(uploads_sensor, "free_bytes", lambda _: free)

    def tick() -> dg.SensorResult | dg.SkipReason:
        with dg.build_sensor_context(instance=studio.instance) as context:
            answer = sensor(context)
            assert isinstance(answer, dg.SensorResult | dg.SkipReason)
            return answer

    skipped = tick()
    assert isinstance(skipped, dg.SkipReason)
    assert "is full" in str(skipped.skip_message)
    free = LEAST_FREE_BYTES
    asked = tick()
    assert isinstance(asked, dg.SensorResult)
    assert [request.partition_key for request in asked.run_requests or ()] == [str(video_id)]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"video_ids": [1], "stages": ["variants"]}, "variants cannot be made in bulk"),
        ({"video_ids": [1], "stages": ["no such stage"]}, "no such stage cannot be made in bulk"),
        ({"video_ids": [], "stages": ["summaries"]}, "nothing is named"),
        ({"video_ids": [1], "stages": []}, "nothing is named"),
        ({"video_ids": [999]}, "there is no video 999"),
    ],
)
def test_what_cannot_be_remade_in_bulk_is_refused_with_words(
    studio: Studio, config: dict[str, object], words: str
) -> None:
    waiting(studio)
    result = studio.job("remake_light", {"ops": {"remake_videos": {"config": config}}})
    assert not result.success
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert words in str(failure.step_failure_data.user_failure_data)


def test_a_bulk_remake_leaves_a_failed_video_its_reason(studio: Studio) -> None:
    path = studio.folder / "bad.mp4"
    path.write_bytes(b"no video at all" * 100)
    video_id = studio.upload(path)
    studio.run(video_id)
    before = studio.status(video_id)
    assert before[0] == "failed"
    assert not studio.job("remake_light", {"ops": {"remake_videos": {"config": {"video_ids": [video_id]}}}}).success
    assert studio.status(video_id) == before
    assert look(studio) == []


@pytest.mark.timeout(300)
def test_a_backfills_run_makes_its_video_and_audits_nothing(studio: Studio) -> None:
    video_id = studio.video()
    studio.instance.add_dynamic_partitions(VIDEOS, [str(video_id)])
    graph = studio.definitions.resolve_implicit_global_asset_job_def()
    result = graph.execute_in_process(
        instance=studio.instance,
        partition_key=str(video_id),
        tags={"dagster/backfill": "one"},
        asset_selection=[dg.AssetKey("uploads"), dg.AssetKey("variants")],
    )
    assert result.success
    looked = {each.check_name for each in result.get_asset_check_evaluations()}
    assert looked, "the assets' own checks are looked at"
    assert not looked & {"files_whole", "index_in_step", "looks_like_its_source"}
    audited = studio.job("audit")
    assert audited.success
    assert {each.check_name for each in audited.get_asset_check_evaluations()} == {
        "files_whole",
        "index_in_step",
        "looks_like_its_source",
    }
