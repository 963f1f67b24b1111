"""The graph with summaries by a language model, against the stand-in: made, reused, made again, charged, refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from video_assets.artifacts import Manifest
from video_assets.database.models import ArtifactRow, AttemptRow, SummaryRow
from video_assets.defs.bulk_remake import OP, REMAKE_LIGHT
from video_assets.defs.instance.opening import open_instance
from video_assets.settings import Settings
from video_assets.text.llm import mapreduce
from video_assets.videos import Stage
from video_assets_tests.defs.studio import Studio
from video_assets_tests.text.making import GROUNDING
from video_assets_tests.text.standin import Call, Reaction, StandIn, honest

pytestmark = pytest.mark.timeout(300)

KEY = "sk-not-to-be-seen-0815"
TALK = next(each["said"] for each in GROUNDING if each["name"] == "tides")
CAPTIONS = "WEBVTT\n\n" + "\n".join(
    f"00:{at * 0.2:06.3f} --> 00:{at * 0.2 + 0.19:06.3f}\n{text}\n" for at, text in enumerate(TALK)
)


@dataclass
class House:
    """A studio beside a stand-in whose behaviour can be changed."""

    studio: Studio
    standin: StandIn
    video_id: int

    def summaries(self, **settings: Any) -> Manifest:
        """What the summary is after a re-make with these settings."""
        config = {"video_ids": [self.video_id], "stages": ["summaries"]}
        self.studio.with_settings(**settings).job(REMAKE_LIGHT, {"ops": {OP: {"config": config}}})
        return self.studio.made(self.video_id)[Stage.SUMMARIES]

    def calls_of(self, work: Callable[[], object]) -> list[Call]:
        before = len(self.standin.calls)
        work()
        return self.standin.calls[before:]

    def last_error(self, video_id: int) -> str:
        with self.studio.systems.database.read() as session:
            rows = session.scalars(
                select(AttemptRow).where(AttemptRow.video_id == video_id).order_by(AttemptRow.number)
            )
            return str(list(rows)[-1].error)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with StandIn().running() as standin:
        settings = Settings(
            home=folder / "home",
            min_free_bytes=0,
            ladder="240",
            heartbeat_seconds=0.5,
            summarizer="openai",
            openai_base_url=standin.url,
            openai_api_key=SecretStr(KEY),
            summary_model="stand-in",
        )
        with open_instance(settings) as instance:
            studio = Studio(settings, instance, folder)
            video_id = new_video(studio)
            studio.run(video_id)
            yield House(studio, standin, video_id)


def new_video(studio: Studio) -> int:
    video_id = studio.video()
    studio.correct_captions(video_id, CAPTIONS.encode(), "talk.vtt")
    return video_id


@pytest.fixture
def behaving(house: House) -> Iterator[Callable[[Callable[[Call], Reaction]], None]]:
    def behave(how: Callable[[Call], Reaction]) -> None:
        house.standin.behave = how

    yield behave
    house.standin.behave = honest


def test_a_video_is_ready_with_a_summary_that_says_how_it_was_made(house: House) -> None:
    assert house.studio.status(house.video_id) == ("ready", None)
    manifest = house.studio.made(house.video_id)[Stage.SUMMARIES]
    assert manifest.params == {
        "summarizer": "openai",
        "model": "stand-in",
        "server": house.standin.url,
        "json": "schema",
    }
    assert manifest.code_version == mapreduce.VERSION
    assert all(check.passed for check in manifest.checks)
    info = manifest.facts["model_info"]
    assert (info["summarizer"], info["model"], info["calls"]) == ("openai", "stand-in", 2)
    with house.studio.systems.database.read() as session:
        row = session.scalars(select(SummaryRow).where(SummaryRow.video_id == house.video_id)).one()
        assert row.summary_text == manifest.facts["text"]
        assert row.model_info == {**row.model_info, **info}
        assert row.quality_score == manifest.facts["quality_score"]


def test_what_it_cost_is_in_the_manifest_and_the_ledger(house: House) -> None:
    cost = house.studio.made(house.video_id)[Stage.SUMMARIES].cost
    usage = [usage_of(call) for call in house.standin.calls[:2]]
    assert cost.tokens == sum(asked + answered for asked, answered in usage)
    assert cost.usd == pytest.approx(sum(0.15 * asked + 0.6 * answered for asked, answered in usage) / 1e6, abs=1e-6)
    with house.studio.systems.database.read() as session:
        query = select(ArtifactRow).where(ArtifactRow.video_id == house.video_id, ArtifactRow.artefact == "summaries")
        assert session.scalars(query).one().cost["tokens"] == cost.tokens


def usage_of(call: Call) -> tuple[int, int]:
    return sum(len(message["content"]) for message in call.body["messages"]) // 4, len(honest(call).content or "") // 4


def test_the_key_is_nowhere_in_what_was_written(house: House) -> None:
    files = [path for path in house.studio.folder.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert house.standin.calls[0].headers["authorization"] == f"Bearer {KEY}"


def test_nothing_is_asked_again_for_what_is_fresh_nor_where_only_the_pace_changed(house: House) -> None:
    before = house.summaries()

    def again() -> None:
        assert house.summaries() == before
        assert house.summaries(summary_concurrency=1, summary_max_usd=9.0, summary_requests_per_minute=500) == before
        assert house.summaries(openai_api_key=SecretStr("other-account")) == before

    assert house.calls_of(again) == []


def test_a_forced_run_makes_it_anew_of_the_answers_that_are_there(house: House) -> None:
    before = house.summaries()
    calls = house.calls_of(lambda: house.studio.run(house.video_id, force=True))
    after = house.studio.made(house.video_id)[Stage.SUMMARIES]
    assert calls == []
    assert after.run_id != before.run_id
    assert (after.content_hash, after.cost.usd) == (before.content_hash, before.cost.usd)


def test_another_model_prompt_or_summarizer_makes_it_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = house.summaries()
    assert len(house.calls_of(lambda: house.summaries(summary_model="better"))) == 2
    better = house.studio.made(house.video_id)[Stage.SUMMARIES]
    assert better.params["model"] == "better"
    calls = house.calls_of(lambda: house.summaries(summarizer="extractive"))
    assert calls == []
    extractive = house.studio.made(house.video_id)[Stage.SUMMARIES]
    assert extractive.params == {"summarizer": "extractive"}
    monkeypatch.setattr(mapreduce, "VERSION", "mapreduce-next")
    changed = house.summaries()
    fingerprints = {manifest.fingerprint for manifest in (first, better, extractive, changed)}
    assert len(fingerprints) == 4
    monkeypatch.undo()
    assert house.calls_of(lambda: house.summaries()) == [], "its answers are still there"


def test_another_video_with_the_same_words_costs_nothing(house: House) -> None:
    other = new_video(house.studio)
    assert house.calls_of(lambda: house.studio.run(other)) == []
    assert house.studio.status(other) == ("ready", None)
    made = house.studio.made(other)[Stage.SUMMARIES]
    assert made.facts["text"] == house.summaries().facts["text"]


def test_a_server_that_takes_too_long_is_asked_again_by_the_graph(
    house: House, behaving: Callable[[Callable[[Call], Reaction]], None]
) -> None:
    slow = iter([True])

    def once_slow(call: Call) -> Reaction:
        if next(slow, False):
            time.sleep(2.5)
        return honest(call)

    behaving(once_slow)
    hurried = house.studio.with_settings(summary_model="slow", summary_timeout_seconds=1.0)
    calls = house.calls_of(lambda: hurried.run(house.video_id))
    assert len(calls) == 3
    assert house.studio.made(house.video_id)[Stage.SUMMARIES].params["model"] == "slow"


def test_a_key_that_is_refused_fails_the_video_in_one_line(
    house: House, behaving: Callable[[Callable[[Call], Reaction]], None]
) -> None:
    behaving(lambda call: Reaction(status=401, raw=b'{"error": {"message": "Incorrect API key: %s"}}' % KEY.encode()))
    studio = house.studio.with_settings(summary_model="locked")
    video_id = new_video(studio)
    studio.run(video_id)
    status, message = studio.status(video_id)
    assert status == "failed"
    host = house.standin.url.split("/")[2]
    assert message == f"summaries: {host} refused the key (401): set VIDEO_ASSETS_OPENAI_API_KEY to a valid one"
    assert {Stage.VARIANTS, Stage.TRANSCRIPTS} <= set(studio.made(video_id)), "it can be watched all the same"


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"summary_max_tokens": 100}, "VIDEO_ASSETS_SUMMARY_MAX_TOKENS allows 100"),
        ({"summary_usd_per_million_prompt_tokens": 1e4}, "VIDEO_ASSETS_SUMMARY_MAX_USD allows 1"),
        ({"openai_base_url": "", "openai_api_key": Settings().openai_api_key}, "needs VIDEO_ASSETS_OPENAI_API_KEY"),
        ({"summary_tokens_per_minute": 50}, "VIDEO_ASSETS_SUMMARY_TOKENS_PER_MINUTE allows 50"),
    ],
)
def test_what_must_not_or_cannot_be_paid_for_is_one_line_and_no_call(
    house: House, settings: dict[str, Any], line: str
) -> None:
    before = house.summaries()
    assert house.calls_of(lambda: house.summaries(summary_model="dear", **settings)) == []
    error = house.last_error(house.video_id)
    assert line in error
    assert "\n" not in error
    assert house.studio.made(house.video_id)[Stage.SUMMARIES] == before, "what was published stays"
    assert house.studio.status(house.video_id) == ("ready", None)
