"""Speech recognised: memory that does not grow with the sound's length, errors beside the library's own.

Everything is heard by the tiny model of the fixtures, so that ratios tell something and seconds do not.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from video_assets_tests.media.clips import ffmpeg

FIXTURES = Path(__file__).parents[1] / "fixtures"
TALK, MODEL = FIXTURES / "speech" / "talk.ogg", FIXTURES / "tiny-whisper" / "model"
SENTENCES, TALK_SECONDS = 9, 19.895

_CHILD = """
import json, sys, time
from pathlib import Path
from video_assets.media.audio import extract_speech_audio
from video_assets.media.probe import probe
from video_assets.speech import whisper
from video_assets.speech.transcript import to_json, to_text, to_vtt
from video_assets.speech.model import SpeechModel
source, folder, model = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
probed = probe(source, max_streams=8, max_pixels=1, max_duration=1e6)
sound = extract_speech_audio(source, probed, folder)
started = time.process_time()
found = whisper.transcribe(sound, whisper.Recognition(SpeechModel(model, device="cpu")))
cpu = time.process_time() - started
sizes = [len(to_json(found)), len(to_vtt(found)), len(to_text(found))]
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
report = {"peak": peak, "segments": len(found.segments), "seconds": found.duration_seconds, "cpu": cpu, "sizes": sizes}
print(json.dumps(report))
"""


def heard(seconds: float, folder: Path, *, timeout: float = 880) -> dict[str, Any]:
    """A talk of so many seconds, from its file to its transcript's files, in a process of its own. Reports the peak of
    that process's resident memory (bytes), CPU seconds of recognising, and how many segments were heard."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "long.ogg"
    ffmpeg("-stream_loop", "-1", "-i", str(TALK), "-t", str(seconds), "-c", "copy", str(source), timeout=300)
    ran = subprocess.run(
        [sys.executable, "-c", _CHILD, str(source), str(folder), str(MODEL)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(ran.stderr[-2000:])
    report: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return report


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Peaks of a short and a long talk and their ratio; CPU seconds a minute of sound."""
    short = heard(180, folder / "short")
    started = time.monotonic()
    long_seconds = 900 if quick else 3 * 3600
    long = heard(long_seconds, folder / "long", timeout=2000)
    name = f"{long_seconds / 3600:g} h"
    said = long_seconds / TALK_SECONDS * SENTENCES
    return {
        "peak memory of 3 minutes, MB": round(short["peak"] / 1e6),
        f"peak memory of {name}, MB": round(long["peak"] / 1e6),
        f"peak memory, {name} over 3 minutes": round(long["peak"] / short["peak"], 3),
        f"segments heard of {name} over sentences said": round(long["segments"] / said, 4),
        "CPU seconds a minute of sound, tiny model": round(long["cpu"] / long_seconds * 60, 2),
        f"times real time, {name}, everything": round(long_seconds / (time.monotonic() - started), 1),
    }
