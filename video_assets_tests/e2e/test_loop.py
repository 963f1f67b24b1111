"""The loop under the real daemon: all the way round, and what happens when parts of it are killed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dagster._core.scheduler.instigation import SensorInstigatorData
from sqlalchemy import func, select

from video_assets.database.models import ArtifactRow, AttemptRow, OutboxRow, VariantRow, VideoRow
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.operations.delete import delete_video
from video_assets.defs.operations.unfinished import unfinished_runs
from video_assets.settings import Settings
from video_assets_tests.e2e.conftest import CAPTIONS, profile
from video_assets_tests.e2e.house import House, ffmpeg_processes, house, wait_for
from video_assets_tests.e2e.videos import ALL_TOPICS, add_video, in_order, row, topics, wait_until
from video_assets_tests.media.clips import make_clip

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


SLOW_LADDER = "720,480,360,240"
PROFILES = ["embedded", pytest.param("production", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=PROFILES)
def busy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house in which an encode takes long enough to be caught in the act."""
    with profile(request, tmp_path_factory.mktemp("busy"), ladder=SLOW_LADDER) as settings, house(settings) as started:
        yield started


@pytest.fixture(params=PROFILES)
def unhoused(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Settings of a house like that one, not started yet."""
    with profile(request, tmp_path / "house", ladder=SLOW_LADDER) as settings:
        yield settings


def test_an_upload_goes_all_the_way_round(running: House, clip: Path) -> None:
    systems = running.systems
    video_id = add_video(systems, clip)

    seen = wait_until(systems, video_id, "ready")

    assert in_order(seen), seen
    found = row(systems, video_id)
    assert found is not None
    assert found.processed_at is not None
    assert topics(systems, video_id) == ALL_TOPICS
    wait_for("the events to be published", lambda: unpublished(running) == 0, 10)
    hits = systems.search.search("herons")
    assert hits
    assert hits[0].video_id == video_id
    assert hits[0].start < 2


def test_a_file_in_the_inbox_becomes_a_video_with_the_captions_beside_it(running: House, clip: Path) -> None:
    inbox = running.settings.inbox_folder
    shutil.copy(clip, inbox / "from the inbox.mp4")
    (inbox / "from the inbox.vtt").write_text(CAPTIONS.replace("herons", "cormorants"), encoding="utf-8")
    (inbox / "broken.mp4").write_bytes(b"")

    def known() -> VideoRow | None:
        with running.systems.database.read() as session:
            return session.scalar(select(VideoRow).where(VideoRow.title == "from the inbox"))

    video_id = wait_for("the file to be taken in", known, 30).id
    wait_until(running.systems, video_id, "ready")

    assert [hit.video_id for hit in running.systems.search.search("cormorants")] == [video_id]
    assert not (inbox / "from the inbox.mp4").exists()
    assert not (inbox / "from the inbox.vtt").exists()


def test_a_worker_killed_in_the_encode_is_replaced_and_nothing_is_doubled(busy: House, tmp_path: Path) -> None:
    running = busy
    video_id = add_video(running.systems, long_clip(tmp_path))
    work = str(running.settings.work_folder)
    encoder = wait_for("the encoder", lambda: encoders(work), 60)[0]
    worker = worker_of(encoder)

    worker.kill()

    wait_for("FFmpeg to be gone", lambda: not encoder.is_running(), 5)
    wait_until(running.systems, video_id, "ready", 240)
    assert topics(running.systems, video_id) == ALL_TOPICS
    states = attempt_states(running, video_id)
    assert states == ["failed", "succeeded"]
    made_once(running, video_id)


@pytest.mark.slow
def test_a_frozen_worker_is_given_up_and_changes_nothing_when_it_comes_back(busy: House, tmp_path: Path) -> None:
    running = busy
    video_id = add_video(running.systems, long_clip(tmp_path))
    encoder = wait_for("the encoder", lambda: encoders(str(running.settings.work_folder)), 60)[0]
    worker = worker_of(encoder)
    for process in (worker, encoder):
        process.suspend()

    wait_until(running.systems, video_id, "ready", 240)
    before = everything(running, video_id)
    for process in (encoder, worker):
        process.resume()
    wait_for("the zombie to end", lambda: first_run_left(running, video_id), 60)
    wait_for("its last events to be read", lambda: log_is_read(running), 20)

    assert everything(running, video_id) == before
    assert attempt_states(running, video_id) == ["failed", "succeeded"]
    made_once(running, video_id)


@pytest.mark.slow
def test_everything_killed_at_once_loses_nothing(unhoused: Settings, tmp_path: Path) -> None:
    settings = unhoused
    with house(settings) as running:
        video_id = add_video(running.systems, long_clip(tmp_path))
        wait_for("the encoder", lambda: encoders(str(settings.work_folder)), 60)
        running.kill_everything()
        wait_for("FFmpeg to be gone", lambda: not ffmpeg_processes(str(settings.work_folder)), 5)
    with house(settings) as running:
        wait_until(running.systems, video_id, "ready", 240)
        assert topics(running.systems, video_id) == ALL_TOPICS
        made_once(running, video_id)


def test_deleting_a_video_whose_run_is_going_leaves_nothing(busy: House, tmp_path: Path) -> None:
    running = busy
    settings = running.settings
    systems = running.systems
    video_id = add_video(systems, long_clip(tmp_path))
    wait_for("the encoder", lambda: encoders(str(settings.work_folder)), 60)

    with open_instance(settings) as instance:
        assert delete_video(systems, instance, video_id)
        wait_for("its run to end", lambda: not unfinished_runs(instance, video_id), 60)
        wait_for("the log to be read", lambda: log_is_read(running), 20)
        left = [
            stat.key for stat in systems.storage.list(f"videos/{video_id}/") if not stat.key.endswith("current.json")
        ]
        assert left == []
        assert row(systems, video_id) is None
        assert systems.search.read(video_id) is None
        assert not instance.has_dynamic_partition("videos", str(video_id))
    assert add_video(systems, long_clip(tmp_path)) > video_id


def long_clip(folder: Path) -> Path:
    """Long enough for its encode to be caught in the act."""
    path = folder / "long.mp4"
    return path if path.exists() else make_clip(path, seconds=20, size=(1280, 720), captions=CAPTIONS)


def encoders(work: str) -> list[psutil.Process]:
    """FFmpeg processes writing rungs below the work folder."""
    return [process for process in ffmpeg_processes(work) if any("p.mp4" in part for part in process.cmdline())]


def worker_of(encoder: psutil.Process) -> psutil.Process:
    """The process that executes the run: the nearest python above the encoder."""
    parent = encoder.parent()
    assert parent is not None
    return parent


def attempt_states(running: House, video_id: int) -> list[str]:
    with running.systems.database.read() as session:
        chosen = select(AttemptRow.state).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)
        return list(session.scalars(chosen))


def first_run_left(running: House, video_id: int) -> bool:
    """Whether whoever executed the first attempt's run has said so last: a warm worker lives on after it."""
    with running.systems.database.read() as session:
        chosen = select(AttemptRow.run_id).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)
        run_id = session.scalars(chosen).first()
    assert run_id is not None
    with open_instance(running.settings) as instance:
        return any("Process for run exited" in entry.message for entry in instance.all_logs(run_id))


def unpublished(running: House) -> int:
    with running.systems.database.read() as session:
        return session.scalar(select(func.count()).select_from(OutboxRow).where(~OutboxRow.published)) or 0


def made_once(running: House, video_id: int) -> None:
    """Each artifact is current once, each rung is one row, and no other making's files are left."""
    with running.systems.database.read() as session:
        keys = list(session.scalars(select(ArtifactRow.manifest_key).where(ArtifactRow.video_id == video_id)))
        rungs = list(session.scalars(select(VariantRow.quality).where(VariantRow.video_id == video_id)))
    assert len(keys) == 5
    assert len(rungs) == len(set(rungs)) > 0
    stored = {
        stat.key for stat in running.systems.storage.list(f"videos/{video_id}/") if stat.key.endswith("manifest.json")
    }
    assert stored == set(keys)


def everything(running: House, video_id: int) -> object:
    """All that the system says of a video."""
    with running.systems.database.read() as session:
        found = session.get_one(VideoRow, video_id)
        ledger = session.execute(
            select(ArtifactRow.artefact, ArtifactRow.fence, ArtifactRow.content_hash)
            .where(ArtifactRow.video_id == video_id)
            .order_by(ArtifactRow.artefact)
        ).all()
        return found.status, found.processed_at, found.updated_at, ledger, topics(running.systems, video_id)


def log_is_read(running: House) -> bool:
    """Whether the projection has come to the end of the event log."""
    from video_assets.defs.event_log.records import newest_storage_id

    with open_instance(running.settings) as instance:
        states = [state for state in instance.all_instigator_state() if state.instigator_name == "status_sensor"]
        read = states[0].instigator_data if states else None
        return int((isinstance(read, SensorInstigatorData) and read.cursor) or 0) >= newest_storage_id(instance)
