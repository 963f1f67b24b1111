"""The audit by the clock: when it goes, what it finds, and that it is nobody's run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from video_assets.defs.event_log.projector import Projector
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.schedules import AUDIT_SCHEDULE, build_schedules
from video_assets.errors import PermanentError
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage
from video_assets_tests.defs.studio import Studio

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    folder = tmp_path_factory.mktemp("studio")
    settings = Settings(home=folder / "home", min_free_bytes=0, ladder="240,144", heartbeat_seconds=0.5)
    with open_instance(settings) as instance:
        yield Studio(settings, instance, folder)


@pytest.fixture(scope="module")
def ready(studio: Studio) -> int:
    video_id = studio.video()
    studio.run(video_id)
    return video_id


def found_damaged(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Asset → what its failed check of the files says."""
    return {
        each.asset_key.to_user_string(): str(each.metadata["damaged"].value)
        for each in result.get_asset_check_evaluations()
        if each.check_name == "files_whole" and not each.passed
    }


def test_an_audit_goes_every_day_by_itself_in_utc(settings: Settings) -> None:
    (schedule,) = build_schedules(settings)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    start = datetime(2026, 3, 28, tzinfo=timezone.utc)  # a night that some places have no 3 o'clock in
    times = schedule_times(schedule, start)
    assert [later - earlier for earlier, later in pairwise(times)] == [timedelta(days=1)] * 3


def schedule_times(schedule: dg.ScheduleDefinition, start: datetime) -> list[datetime]:
    from dagster._utils.schedules import schedule_execution_time_iterator

    assert isinstance(schedule.cron_schedule, str)
    times = schedule_execution_time_iterator(start.timestamp(), schedule.cron_schedule, schedule.execution_timezone)
    return [next(times) for _ in range(4)]


def test_the_schedule_is_in_the_map_and_asks_for_the_audit(studio: Studio) -> None:
    schedule = studio.definitions.resolve_schedule_def(AUDIT_SCHEDULE)
    now = datetime.now(timezone.utc)
    with (
        studio.settings.exported(),
        dg.build_schedule_context(instance=studio.instance, scheduled_execution_time=now) as at,
    ):
        asked = schedule.evaluate_tick(at)
    assert len(asked.run_requests or ()) == 1
    assert schedule.job_name == "audit"


def test_there_is_none_where_the_setting_is_empty(settings: Settings) -> None:
    assert build_schedules(settings.model_copy(update={"audit_cron": ""})) == []


@pytest.mark.parametrize("cron", ["daily", "1 2 3", "99 3 * * *", "0 0 31 2 x", "* * * * *; rm"])
def test_a_cron_line_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, cron: str) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_AUDIT_CRON", cron)
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_AUDIT_CRON") as refused:
        build_schedules(Settings.load())
    assert "\n" not in str(refused.value)


def test_what_is_damaged_is_named_with_what_puts_it_right(studio: Studio, ready: int) -> None:
    storage = studio.systems.storage
    good: dict[str, bytes] = {}
    made = studio.made(ready)
    altered = made[Stage.VARIANTS].file("144p.mp4").key
    missing = made[Stage.TRANSCRIPTS].file("transcript.vtt").key
    pointer = f"videos/{ready}/summaries/current.json"
    for key in (altered, missing, pointer):
        good[key] = storage.get_bytes(key)
    storage.put_bytes(altered, good[altered][:-1] + b"\x01")
    storage.delete(missing)
    storage.put_bytes(pointer, b"\xff garbage")
    try:
        result = studio.job("audit")
    finally:
        for key, data in good.items():
            storage.put_bytes(key, data)
    said = found_damaged(result)
    assert set(said) == {"variants", "transcripts", "summaries"}
    assert all(f"process --video {ready}" in words for words in said.values())
    assert "144p.mp4 was altered" in said["variants"]
    assert "reconcile --thorough" in said["variants"]
    assert "transcript.vtt is missing" in said["transcripts"]
    assert "reconcile" in said["summaries"]
    assert found_damaged(studio.job("audit")) == {}


def test_an_audit_is_no_run_of_any_video(studio: Studio, ready: int) -> None:
    before, attempts = studio.status(ready), studio.tables()["attempts"]
    result = studio.job("audit")
    Projector(Systems(studio.settings)).replay(studio.instance)
    assert studio.status(ready) == before
    assert studio.tables()["attempts"] == attempts
    assert not any(result.run_id in repr(rows) for rows in studio.tables().values())


def test_what_was_altered_is_removed_and_just_that_is_made_again(studio: Studio, ready: int, tmp_path: Path) -> None:
    from video_assets.defs.operations.reconcile import reconcile_thoroughly

    storage, before = studio.systems.storage, studio.made(ready)
    file = before[Stage.VARIANTS].file("144p.mp4")
    good = storage.get_bytes(file.key)
    storage.put_bytes(file.key, good[:-1] + bytes([good[-1] ^ 1]))
    assert reconcile_thoroughly(studio.systems, studio.instance).trouble == [], "sizes alone do not tell"
    found = reconcile_thoroughly(studio.systems, studio.instance, hashes=True)
    assert found.trouble == [
        f"video {ready}, variants: 144p.mp4 was altered and is removed; "
        f"`video-assets process --video {ready}` makes it again"
    ]
    assert storage.stat(file.key) is None
    studio.run(ready)
    after = studio.made(ready)
    assert after[Stage.VARIANTS].file("144p.mp4").key != file.key
    assert studio.status(ready) == ("ready", None)
    kept = {each.name for each in before[Stage.VARIANTS].files} - {"144p.mp4", "144p.m3u8"}
    assert {after[Stage.VARIANTS].file(name) for name in kept} == {before[Stage.VARIANTS].file(name) for name in kept}
    assert all(after[stage] == before[stage] for stage in Stage if stage is not Stage.VARIANTS)
    assert reconcile_thoroughly(studio.systems, studio.instance, hashes=True).trouble == []
