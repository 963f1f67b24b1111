"""The whole asset on a real film: what is heard is what the library hears, and nothing of it needs a network."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import webvtt
from faster_whisper import BatchedInferencePipeline

from video_assets.artifacts import Manifest, RunInfo
from video_assets.artifacts.pointer import make_fence
from video_assets.clock import utc_now
from video_assets.defs.materialize import opened
from video_assets.errors import PermanentError
from video_assets.intake.uploads import take_in
from video_assets.recipes import Making
from video_assets.settings import Settings
from video_assets.speech import whisper
from video_assets.speech.model import load
from video_assets.speech.transcript import Transcript
from video_assets.systems import Systems
from video_assets.videos import Stage
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.speech.conftest import FIXTURES, MODEL, recognition
from video_assets_tests.speech.measuring import timestamp_error, word_error_rate
from video_assets_tests.speech.standin import error, serving


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two talks with a pause, as AAC at 48 kHz in stereo beside a picture, beginning half a second in."""
    path = tmp_path_factory.mktemp("film") / "talks.mp4"
    sound = "[1:a]apad=pad_dur=0.4,aloop=loop=1:size=1e9,adelay=500:all=1,aresample=48000[a]"
    ffmpeg(
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=64x36:rate=5:duration=42",
        "-i",
        str(FIXTURES / "speech" / "talk.ogg"),
        "-filter_complex",
        sound,
        "-map",
        "0:v",
        "-map",
        "[a]",
        "-ac",
        "2",
        "-c:a",
        "aac",
        "-b:a",
        "128k",
        str(path),
    )
    return path


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """No connection leads out; those that were tried."""
    tried: list[Any] = []
    connect = socket.socket.connect

    def refuse(self: socket.socket, address: Any) -> None:
        if self.family == socket.AF_UNIX:
            return connect(self, address)
        tried.append(address)
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return tried


def made(settings: Settings, film: Path, **more: Any) -> tuple[Manifest, Systems]:
    """The transcript's manifest, made by the assets' own recipes."""
    systems = Systems(settings)
    video = take_in(film, database=systems.database, storage=systems.storage, settings=settings, **more)
    run = RunInfo("run-of-test", make_fence(utc_now(), "run-of-test"))
    with opened(Stage.UPLOADS, Making(systems, video.id), run) as artifact:
        source = artifact.seal()
    with opened(Stage.TRANSCRIPTS, Making(systems, video.id, {Stage.UPLOADS: source}), run) as artifact:
        return artifact.seal(), systems


def read(manifest: Manifest, systems: Systems) -> Transcript:
    return Transcript.model_validate_json(systems.storage.get_bytes(manifest.file("transcript.json").key))


def samples_of(film: Path) -> np.ndarray:
    """The film's sound, by FFmpeg alone."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", film, "-map", "0:a", "-ac", "1", "-ar", "16000"]
    raw = subprocess.run([*command, "-f", "s16le", "-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, dtype="<i2").astype(np.float32) / 32768.0


def test_errors_in_words_and_times_through_the_whole_asset_are_the_library_s_own(
    film: Path, settings: Settings, offline: list[Any], tmp_path: Path
) -> None:
    manifest, systems = made(settings.model_copy(update={"whisper_model": str(MODEL)}), film)
    ours = read(manifest, systems)
    assert offline == []

    raw, _ = BatchedInferencePipeline(load(recognition().model)).transcribe(
        samples_of(film), language="en", batch_size=2, **whisper.batch_options()
    )
    theirs = list(raw)
    talk = json.loads((FIXTURES / "speech" / "talk.json").read_text())["sentences"]
    period = 19.895 + 0.4
    said = [
        (0.5 + period * turn + each["start"], 0.5 + period * turn + each["end"], each["text"])
        for turn in range(2)
        for each in talk
    ]
    words = " ".join(text for _, _, text in said)
    heard = " ".join(each.text for each in ours.segments)
    assert word_error_rate(words, heard) == word_error_rate(words, " ".join(each.text for each in theirs)) == 0
    times = [(start, end) for start, end, _ in said]
    our_error = timestamp_error(times, [(each.start, each.end) for each in ours.segments])
    their_error = timestamp_error(times, [(each.start, each.end) for each in theirs])
    assert our_error == pytest.approx(their_error, abs=0.005)
    assert our_error < 0.1

    assert manifest.facts["source"] == "whisper"
    assert manifest.params == {
        "source": "whisper",
        "model": str(MODEL),
        "compute_type": "default",
        "language": "",
        "batch_size": 0,
    }
    assert all(check.passed for check in manifest.checks)
    vtt = tmp_path / "words.vtt"
    vtt.write_bytes(systems.storage.get_bytes(manifest.file("transcript.vtt").key))
    cues = webvtt.read(str(vtt)).captions
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == heard
    assert all(len(line) <= 42 for cue in cues for line in cue.lines)


def test_without_a_network_and_a_model_the_three_ways_out_are_named(
    film: Path, settings: Settings, offline: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no cache"))
    with pytest.raises(PermanentError, match="not to be had") as raised:
        made(settings, film)
    assert all(way in str(raised.value) for way in ("_WHISPER_MODEL", ".vtt or .srt", "_OPENAI_API_KEY"))


def test_a_key_sends_the_sound_to_the_service_whose_answers_are_kept(film: Path, settings: Settings) -> None:
    with serving(recognition()) as standin:
        remote = Settings(**(settings.model_dump() | {"openai_api_key": "sk-test", "openai_base_url": standin.url}))
        manifest, systems = made(remote, film)
        found = read(manifest, systems)
        calls = len(standin.calls)
        again, _ = made(remote, film)
        assert len(standin.calls) == calls == 1, "the same sound of another video is not paid for again"
    assert again.content_hash == manifest.content_hash
    assert (found.source, len(found.segments)) == ("openai", 18)
    assert manifest.params["server"] == standin.url
    stored = [path.read_bytes() for path in (settings.home / "storage").rglob("*") if path.is_file()]
    assert not any(b"sk-test" in data for data in stored)


def test_a_key_that_is_refused_is_one_clear_line(film: Path, settings: Settings) -> None:
    with serving(recognition()) as standin:
        standin.react = lambda call: error(401, "Incorrect API key provided: sk-test")
        remote = Settings(**(settings.model_dump() | {"openai_api_key": "sk-test", "openai_base_url": standin.url}))
        with pytest.raises(PermanentError, match="set VIDEO_ASSETS_OPENAI_API_KEY") as raised:
            made(remote, film)
        assert "sk-test" not in str(raised.value)


def test_captions_that_came_along_win_and_need_neither_model_nor_network(
    film: Path, settings: Settings, offline: list[Any], tmp_path: Path
) -> None:
    captions = tmp_path / "talks.de.srt"
    captions.write_bytes("1\n00:00:01,000 --> 00:00:03,000\nDie Boote fahren früh hinaus.\n".encode("cp1252"))
    manifest, systems = made(settings, film, captions=captions)
    found = read(manifest, systems)
    assert [each.text for each in found.segments] == ["Die Boote fahren früh hinaus."]
    assert (found.source, found.language) == ("captions", "de")
    assert offline == []
