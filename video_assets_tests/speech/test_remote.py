"""The remote service, over real HTTP against a stand-in that really listens: right, slow, wrong and broken."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from video_assets.artifacts.answers import Answers
from video_assets.errors import PermanentError, TransientError
from video_assets.speech import remote
from video_assets.speech.endpoint import Endpoint
from video_assets.speech.service import AudioService
from video_assets.speech.transcript import Transcript
from video_assets.speech.verify import transcript_checks
from video_assets.speech.voice import RATE
from video_assets.storage.local import LocalStorage
from video_assets_tests.speech.conftest import Talk, recognition, write_wav
from video_assets_tests.speech.measuring import timestamp_error
from video_assets_tests.speech.standin import Call, Reaction, StandIn, error, serving

KEY = "sk-very-secret-key"


@dataclass
class Office:
    """A service, an endpoint that names it, a place for its answers, and three talks to be heard."""

    standin: StandIn
    endpoint: Endpoint
    answers: Answers
    audio: Path
    said: list[tuple[float, float, str]]
    slept: list[float]

    def hear(self, **more: Any) -> Transcript:
        endpoint = replace(self.endpoint, **more)
        service = AudioService(endpoint, sleep=self.slept.append)
        return remote.transcribe(self.audio, endpoint, partial(self.answers.once, 7), service=service)


@pytest.fixture
def office(talk: Talk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    monkeypatch.setattr(remote, "CHUNK_SECONDS", 30.0)
    pause = np.zeros(RATE * 2, dtype=np.float32)
    turn = np.concatenate([talk.samples, pause])
    audio = write_wav(tmp_path / "talks.wav", np.concatenate([turn, turn, np.zeros(RATE * 40, dtype=np.float32), turn]))
    starts = (0.0, len(turn) / RATE, 2 * len(turn) / RATE + 40)
    said = [(start + each["start"], start + each["end"], each["text"]) for start in starts for each in talk.sentences]
    with serving(recognition()) as standin:
        endpoint = Endpoint(base_url=standin.url, api_key=SecretStr(KEY), timeout=20.0)
        yield Office(standin, endpoint, Answers(LocalStorage(tmp_path / "storage")), audio, said, [])


def texts(found: Transcript) -> list[str]:
    return [segment.text for segment in found.segments]


def test_every_sentence_comes_back_at_its_own_time_whatever_chunk_it_was_in(office: Office) -> None:
    reached: list[float] = []
    service = AudioService(office.endpoint)
    once = partial(office.answers.once, 7)
    found = remote.transcribe(office.audio, office.endpoint, once, service=service, on_progress=reached.append)
    assert " ".join(texts(found)) == " ".join(text for _, _, text in office.said)
    assert (
        timestamp_error(
            [(start, end) for start, end, _ in office.said], [(each.start, each.end) for each in found.segments]
        )
        < 0.1
    )
    assert all(segment.words for segment in found.segments)
    assert (found.source, found.language, found.language_probability) == ("openai", "en", 1.0)
    assert all(check.passed for check in transcript_checks(found, found.duration_seconds, has_audio=True))
    assert reached == sorted(reached)
    assert reached[-1] == 1.0


def test_the_sound_goes_in_chunks_under_the_limit_cut_at_silence_and_silence_does_not_go(office: Office) -> None:
    office.hear(max_bytes=700_000)
    calls = office.standin.calls
    assert all(call.path == "/v1/audio/transcriptions" for call in calls)
    assert all(len(call.wav) <= 700_000 for call in calls)
    assert len(calls) >= 3
    assert sum(call.seconds for call in calls) < 100, "the forty silent seconds are mostly left out"
    assert all(call.key == f"Bearer {KEY}" for call in calls)
    assert calls[0].fields["response_format"] == "verbose_json"
    assert calls[0].fields["timestamp_granularities[]"] == ["segment", "word"]


def test_no_chunk_is_paid_for_twice_also_after_a_failure_in_between(office: Office) -> None:
    office.standin.react = lambda call: error(500, "boom") if call.number >= 2 else Reaction()
    with pytest.raises(TransientError, match="boom"):
        office.hear()
    office.standin.react = lambda call: Reaction()
    first = office.hear()
    assert office.standin.billed_over_unique == 1.0
    asked = len(office.standin.calls)
    assert office.hear() == first
    assert len(office.standin.calls) == asked
    assert texts(first) == [text for _, _, text in office.said]


def test_no_chunk_is_paid_for_twice_when_the_process_is_killed_in_between(office: Office, tmp_path: Path) -> None:
    """A process of its own, killed with the third call on its way and the first two answered."""
    code = f"""
from functools import partial
from pathlib import Path
from video_assets.artifacts.answers import Answers
from video_assets.speech import remote
from video_assets.speech.endpoint import Endpoint
from video_assets.storage.local import LocalStorage
remote.CHUNK_SECONDS, remote.AT_ONCE = 30.0, 1
once = partial(Answers(LocalStorage(Path({str(tmp_path / "storage")!r}))).once, 7)
remote.transcribe(Path({str(office.audio)!r}), Endpoint(base_url={office.standin.url!r}, timeout=20.0), once)
"""
    child = subprocess.Popen([sys.executable, "-c", code])

    def kills(call: Call) -> Reaction:
        if call.number == 2:
            child.kill()
            child.wait(10)
        return Reaction()

    office.standin.react = kills
    assert child.wait(60) == -signal.SIGKILL
    office.standin.react = lambda call: Reaction()
    assert texts(office.hear()) == [text for _, _, text in office.said]
    answered = [call.digest for call in office.standin.calls if call.number < 2]
    again = [call.digest for call in office.standin.calls if call.number > 2]
    assert len(answered) == 2
    assert not set(answered) & set(again)


def test_a_busy_server_is_asked_again_after_the_pause_it_asks_for(office: Office) -> None:
    office.standin.react = lambda call: error(429, "slow down", Retry_After="7") if call.number < 2 else Reaction()
    assert len(texts(office.hear())) == len(office.said)
    assert office.slept.count(7.0) == 2
    assert office.standin.billed_over_unique == 1.0


@pytest.mark.parametrize(
    ("reaction", "kind", "says", "retry_after"),
    [
        (error(429, "rate limit", Retry_After="120"), TransientError, "asks for fewer calls", 120.0),
        (error(503, "overloaded"), TransientError, "is in trouble (503: overloaded)", None),
        (error(429, "quota", code="insufficient_quota"), PermanentError, "no credit left", None),
        (error(401, f"bad key {KEY}"), PermanentError, "set VIDEO_ASSETS_OPENAI_API_KEY", None),
        (error(404, "no such model"), PermanentError, "does not know the model whisper-1, or hears no speech", None),
        (error(413, "too large"), PermanentError, "VIDEO_ASSETS_TRANSCRIPTION_MAX_BYTES", None),
        (error(400, f"cannot hear\n\x1b[31m{KEY}"), PermanentError, "refused to transcribe with whisper-1", None),
        (Reaction(cut=0.5), TransientError, "sent no transcription", None),
        (Reaction(body=b"<html>a proxy</html>"), TransientError, "sent no transcription", None),
        (Reaction(body=b'{"error": {"message": "I am sorry"}}'), TransientError, "I am sorry", None),
        (Reaction(body=b"[" * 100_000), TransientError, "sent no transcription", None),
        (Reaction(body=b"{" + b" " * 9_000_000), PermanentError, "more than an answer", None),
    ],
)
def test_every_failure_is_one_clear_line_without_the_key(
    office: Office, talk: Talk, reaction: Reaction, kind: type[Exception], says: str, retry_after: float | None
) -> None:
    office.audio = talk.path
    office.standin.react = lambda call: reaction
    with pytest.raises(kind) as raised:
        office.hear()
    line = str(raised.value)
    assert says in line
    assert KEY not in line
    assert "\n" not in line
    assert "\x1b" not in line
    assert getattr(raised.value, "retry_after", None) == retry_after
    assert sum(office.slept) < 60


def test_a_server_that_takes_too_long_is_given_up(office: Office, talk: Talk) -> None:
    office.audio = talk.path
    office.standin.react = lambda call: Reaction(wait=1.5)
    with pytest.raises(TransientError, match=r"did not answer within 0\.5 s"):
        office.hear(timeout=0.5)
    assert office.slept == []


def test_a_server_that_is_not_there_is_said_in_one_line(office: Office) -> None:
    with pytest.raises(TransientError, match="cannot be reached") as raised:
        office.hear(base_url="http://127.0.0.1:9/v1")
    assert "\n" not in str(raised.value)


def test_a_server_without_times_gives_words_that_are_near_their_times(office: Office) -> None:
    def no_times(call: Call) -> Reaction:
        asked = call.fields["response_format"]
        return error(400, f"response_format '{asked}' is not compatible") if asked == "verbose_json" else Reaction()

    office.standin.react = no_times
    found = office.hear()
    assert texts(found) == [text for _, _, text in office.said]
    assert (
        timestamp_error(
            [(start, end) for start, end, _ in office.said], [(each.start, each.end) for each in found.segments]
        )
        < 1.0
    )
    assert found.model_info["times"] is False
    assert office.standin.billed_over_unique == 1.0


def shifted(answer: dict[str, Any], seconds: float) -> dict[str, Any]:
    for each in (*answer["segments"], *answer["words"]):
        each["start"] += seconds
        each["end"] += seconds
    return answer


@pytest.mark.parametrize(
    "changed",
    [
        partial(shifted, seconds=500.0),
        lambda answer: shifted(answer, -100.0),
        lambda answer: answer | {"segments": [each | {"end": "soon"} for each in answer["segments"]], "words": None},
        lambda answer: answer | {"segments": [each | {"start": 1e300} for each in answer["segments"]], "words": []},
        lambda answer: {"text": answer["text"], "segments": "none", "words": {"a": 1}},
    ],
    ids=["too late", "too early", "no numbers", "far out", "no lists"],
)
def test_times_that_cannot_be_are_replaced_by_those_of_the_voices(
    office: Office, changed: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    office.standin.react = lambda call: Reaction(changed=changed)
    found = office.hear()
    assert texts(found) == [text for _, _, text in office.said]
    assert (
        timestamp_error(
            [(start, end) for start, end, _ in office.said], [(each.start, each.end) for each in found.segments]
        )
        < 1.0
    )
    assert all(check.passed for check in transcript_checks(found, found.duration_seconds, has_audio=True))


def test_segments_out_of_order_are_put_in_order(office: Office) -> None:
    office.standin.react = lambda call: Reaction(changed=lambda answer: answer | {"segments": answer["segments"][::-1]})
    assert texts(office.hear()) == [text for _, _, text in office.said]


def test_what_is_said_in_silence_was_invented_and_is_left_out() -> None:
    answer = {
        "text": "The tide rises. Thanks for watching!",
        "segments": [
            {"start": 1.0, "end": 3.0, "text": "The tide rises."},
            {"start": 20.0, "end": 22.0, "text": "Thanks for watching!"},
        ],
    }
    found = remote.to_segments(answer, 30.0, [(0.8, 3.2)])
    assert [each.text for each in found] == ["The tide rises."]


def test_a_server_that_repeats_itself_is_asked_once_more_and_then_refused(office: Office) -> None:
    def loop(answer: dict[str, Any]) -> dict[str, Any]:
        return {"text": "Thank you. " * 20}

    office.standin.react = lambda call: Reaction(changed=loop)
    found = office.hear()
    assert found.segments == ()
    assert {call.fields["temperature"] for call in office.standin.calls} == {"0.0", "0.4"}
    checks = {check.name: check.passed for check in transcript_checks(found, found.duration_seconds, True)}
    assert not checks["no_stuck_repetition"]

    office.standin.react = lambda call: Reaction(changed=loop) if call.fields["temperature"] == "0.0" else Reaction()
    office.answers = Answers(LocalStorage(office.audio.parent / "another"))
    assert texts(office.hear()) == [text for _, _, text in office.said]


def test_answers_hold_nothing_of_the_key(office: Office, tmp_path: Path) -> None:
    office.hear()
    kept = [path.read_bytes() for path in (tmp_path / "storage").rglob("*") if path.is_file()]
    assert kept
    assert not any(KEY.encode() in data for data in kept)
    assert KEY not in json.dumps(office.hear().model_info) + repr(office.endpoint)


@pytest.mark.parametrize("text", ["", "今日は良い天気です。明日は雨が降る。", "word " * 200, "One. Two! Three? four"])
def test_text_is_spread_over_the_voices_whole_and_in_order(text: str) -> None:
    found = remote.spread(text, [(1.0, 5.0), (8.0, 12.0)])
    assert "".join("".join(each.text.split()) for each in found) == "".join(text.split())
    assert [each.start for each in found] == sorted(each.start for each in found)
    assert all(1.0 <= each.start <= each.end <= 12.0 for each in found)
    assert not any(5.0 < each.start < 8.0 for each in found), "nothing begins in the pause"
