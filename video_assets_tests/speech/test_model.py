"""Finding, fetching and loading the model: offline, and against hubs that are there in body only."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from video_assets.errors import PermanentError
from video_assets.speech import model
from video_assets.speech.model import SpeechModel, load, local_folder, with_stall_limit
from video_assets_tests.speech.conftest import MODEL


def test_the_model_is_loaded_once_a_process_by_however_many_threads() -> None:
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(load(SpeechModel(str(MODEL))))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


def test_a_model_folder_is_local() -> None:
    assert local_folder(str(MODEL)) == str(MODEL)
    assert local_folder("small") is None


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"half a model")
    with pytest.raises(PermanentError, match=r"no speech model .*VIDEO_ASSETS_WHISPER_MODEL") as raised:
        load(SpeechModel(str(tmp_path)))
    assert "\n" not in str(raised.value)
    assert local_folder(str(tmp_path)) is None


def test_a_damaged_model_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x06\0\0\0 no model")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(PermanentError, match="cannot be loaded") as raised:
        load(SpeechModel(str(tmp_path)))
    assert "\n" not in str(raised.value)


def test_a_name_that_no_hub_knows_is_refused_without_asking_one() -> None:
    with pytest.raises(PermanentError, match="there is no speech model enormous"):
        load(SpeechModel("enormous"))


def test_a_compute_type_that_the_device_cannot_do_is_refused_in_one_line() -> None:
    with pytest.raises(PermanentError, match="_COMPUTE_TYPE"):
        load(SpeechModel(str(MODEL), device="cpu", compute_type="int8_bfloat16"))


@pytest.mark.parametrize("hub", ["refuses", "never answers"])
def test_without_a_hub_the_lack_is_said_within_bounded_time(hub: str, tmp_path: Path) -> None:
    """In a process of its own: the hub's client reads its address once, when it is imported."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        if hub == "never answers":
            listener.listen(16)
        code = (
            "import time; from video_assets.speech import model; model.FIRST_BYTE_SECONDS = 2.0\n"
            "started = time.monotonic()\n"
            "try: model.load(model.SpeechModel('small'))\n"
            "except Exception as error: print(type(error).__name__, round(time.monotonic() - started), error)"
        )
        environment = {
            "PATH": os.environ["PATH"],
            "HF_HOME": str(tmp_path),
            "NO_PROXY": "*",
            "PYTHONPATH": os.getcwd(),
            "HF_ENDPOINT": f"http://127.0.0.1:{listener.getsockname()[1]}",
        }
        ran = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
    kind, seconds, line = ran.stdout.split(maxsplit=2)
    assert kind == "PermanentError"
    assert int(seconds) < 20
    assert "not on this machine and not to be had" in line
    assert all(way in line for way in ("VIDEO_ASSETS_WHISPER_MODEL", "captions", "VIDEO_ASSETS_OPENAI_API_KEY"))
    assert line.count("\n") == 1


def test_a_fetch_goes_on_as_long_as_bytes_come_and_is_given_up_when_they_stop() -> None:
    arrived, go_on = [0], threading.Event()

    def slow() -> str:
        for size in range(1, 6):
            time.sleep(0.15)
            arrived[0] = size
        return "whole"

    def stalls() -> str:
        arrived[0] += 1
        go_on.wait(30)
        return "late"

    assert with_stall_limit(slow, lambda: arrived[0], first=0.6, stall=0.6) == "whole"
    with pytest.raises(TimeoutError, match="no answer from the hub"):
        with_stall_limit(stalls, lambda: arrived[0], first=5, stall=0.5)
    go_on.set()


def test_what_a_fetch_raises_is_raised() -> None:
    def refuse() -> None:
        raise OSError("no route")

    with pytest.raises(OSError, match="no route"):
        with_stall_limit(refuse, lambda: 0, first=5, stall=5)


def test_the_default_model_is_one_that_the_hub_has() -> None:
    from faster_whisper import available_models

    assert model.DEFAULT_MODEL in available_models()
