"""The sound of a video, read from a WAV file a window at a time, so that its length costs no memory."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from video_assets.errors import PermanentError, one_line

RATE = 16_000
"""Samples per second, one channel."""
QUIET_SEARCH_SECONDS = 20.0
"""A window ends at the quietest moment of its last so many seconds."""
VOICE: dict[str, Any] = {"min_silence_duration_ms": 300, "speech_pad_ms": 200}
"""Speech goes on across pauses shorter than this, and begins and ends a little before and after it is heard."""

Samples = np.ndarray[Any, np.dtype[np.float32]]
Span = tuple[float, float]


@dataclass(frozen=True)
class Window:
    """A stretch of the sound. `start`: seconds from the video's start."""

    start: float
    samples: Samples
    """Within ±1."""

    @property
    def seconds(self) -> float:
        return len(self.samples) / RATE

    @property
    def end(self) -> float:
        return self.start + self.seconds

    @cached_property
    def voice(self) -> tuple[Span, ...]:
        """Where somebody speaks: spans in seconds from the window's start."""
        return tuple((start / RATE, end / RATE) for start, end in voiced(self.samples))

    @property
    def voice_seconds(self) -> float:
        return sum(end - start for start, end in self.voice)

    def pieces(self, seconds: float) -> Iterator[Window]:
        """The same in windows of at most so many seconds, cut at quiet moments."""
        size, at = int(seconds * RATE), 0
        while at < len(self.samples):
            part = self.samples[at : at + size]
            cut = quiet_cut(part) if at + size < len(self.samples) else len(part)
            yield Window(self.start + at / RATE, part[:cut])
            at += cut


class Sound:
    """A WAV file of 16 kHz, mono, 16 bits, open for reading."""

    def __init__(self, reader: wave.Wave_read) -> None:
        self._reader = reader
        self.seconds = reader.getnframes() / RATE

    def windows(self, seconds: float, cut: Callable[[Samples], int] | None = None) -> Iterator[Window]:
        """All of it, once and in order, in windows of at most so many seconds. `cut` says after how many samples of a
        full one it is to end; without it, at a quiet moment."""
        cut = cut or quiet_cut
        self._reader.setpos(0)
        size, begun = int(seconds * RATE), 0
        rest = np.zeros(0, dtype=np.float32)
        while True:
            samples = np.concatenate([rest, self._read(size - len(rest))])
            if not len(samples):
                return
            end = cut(samples) if len(samples) == size else len(samples)
            yield Window(begun / RATE, samples[:end])
            begun, rest = begun + end, samples[end:].copy()

    def excerpts(self, count: int, seconds: float) -> Iterator[Window]:
        """So many windows of so many seconds, spread evenly; all of it in one where it is no longer than they are."""
        if self.seconds <= count * seconds:
            count, seconds = 1, count * seconds
        spare = max(self.seconds - seconds, 0.0)
        for number in range(count):
            start = int(spare * (number + 0.5) / count * RATE) if count > 1 else 0
            self._reader.setpos(start)
            yield Window(start / RATE, self._read(int(seconds * RATE)))

    def _read(self, samples: int) -> Samples:
        return np.frombuffer(self._reader.readframes(samples), dtype="<i2").astype(np.float32) / 32768.0


@contextmanager
def opened(audio: Path) -> Iterator[Sound]:
    """The file, open. PermanentError where it is not of this kind."""
    try:
        reader = wave.open(str(audio), "rb")  # noqa: SIM115  (closed below)
    except (OSError, EOFError, wave.Error) as error:
        raise PermanentError(f"the audio cannot be read: {one_line(error, 200)}") from error
    with reader:
        if (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) != (RATE, 1, 2):
            raise PermanentError("the audio is not 16 kHz mono 16-bit WAV: convert it first")
        yield Sound(reader)


def quiet_cut(samples: Samples) -> int:
    """Where to cut: the middle of the quietest half second of the last third, of QUIET_SEARCH_SECONDS at most."""
    block = RATE // 20
    tail = samples[-min(int(QUIET_SEARCH_SECONDS * RATE), max(len(samples) // 3, 10 * block)) :]
    if len(tail) < 10 * block:
        return len(samples)
    energy = np.square(tail[: len(tail) // block * block]).reshape(-1, block).sum(axis=1)
    quiet = np.convolve(energy, np.ones(10), mode="valid")
    return len(samples) - len(tail) + (int(np.argmin(quiet)) + 5) * block


def voiced(samples: Samples, longest: float = float("inf")) -> list[tuple[int, int]]:
    """Where the voice detector hears somebody: spans in samples, of at most `longest` seconds each."""
    # Imported here: it brings seconds of start-up that only this stage should pay.
    from faster_whisper.vad import VadOptions, get_speech_timestamps

    if not len(samples):
        return []
    spans = get_speech_timestamps(samples, VadOptions(**VOICE, max_speech_duration_s=longest))
    return [(span["start"], span["end"]) for span in spans]


def stretch_cut(samples: Samples, longest: float) -> int:
    """Where to cut so that speech packed, span by span, into stretches of at most `longest` seconds is packed as if
    it had never been cut: where the last stretch begins, which is then the next window's first."""
    begins, packed = 0, 0
    for start, end in voiced(samples, longest):
        if packed + end - start > longest * RATE:
            begins, packed = start, 0
        packed += end - start
    return begins or quiet_cut(samples)
