"""Reads the sound of a video from a WAV file in windows, so that memory does not grow with its length."""

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
from video_assets.speech.voice import (
    PAD_MS,
    RATE,
    SILENCE_MS,
    Samples,
    packed,
    padded,
    speech_probabilities,
    speech_spans,
)
from video_assets.speech.voice import Span as Place

QUIET_SEARCH_SECONDS = 20.0
"""A window is cut at the quietest moment within this many seconds of its end."""
BLOCK_SECONDS = 64
"""How much sound is read for the voice detector at once."""
SILENCE_SECONDS = 5.0
"""The most silence that a window of speech has before and after the speech."""
VOICE: dict[str, Any] = {"min_silence_duration_ms": SILENCE_MS, "speech_pad_ms": PAD_MS}

Span = tuple[float, float]


@dataclass(frozen=True)
class Window:
    """A part of the sound. `start`: seconds from the video's start."""

    start: float
    samples: Samples
    """Within ±1."""
    stretches: tuple[tuple[Place, ...], ...] = ()
    """Where somebody speaks, if that is known: spans in samples from the window's start, grouped into the stretches
    that the model is given at once."""

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
        """This window in smaller ones of at most `seconds`, cut at quiet moments."""
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
        """The whole sound in order, in windows of at most `seconds`. `cut`: given the samples of a full window, returns
        after how many it ends; None: at a quiet moment."""
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

    def speech_windows(self, longest: float, at_once: int, most: float) -> Iterator[Window]:
        """All speech in order, in windows of `at_once` stretches with at most `longest` seconds of speech each.

        Stretches are the same however the sound is divided into windows. Only a window that would extend over more than
        `most` seconds, because of the silence in it, is divided earlier.
        """
        held: list[list[Place]] = []
        reached = 0
        for span, fresh in packed(self._voice(longest), longest):
            if held and ((fresh and len(held) == at_once) or span[1] - held[0][0][0] > most * RATE):
                window, reached = self._around(held, reached, span[0])
                yield window
                held = []
            if fresh or not held:
                held.append([])
            held[-1].append(span)
        if held:
            yield self._around(held, reached, self._reader.getnframes())[0]

    def _voice(self, longest: float) -> Iterator[Place]:
        total, block = self._reader.getnframes(), BLOCK_SECONDS * RATE
        blocks = (self._read(block, begin) for begin in range(0, total, block))
        return padded(speech_spans(speech_probabilities(blocks), total, longest), total)

    def _around(self, spoken: list[list[Place]], earliest: int, latest: int) -> tuple[Window, int]:
        """The window around these stretches, and where it ends."""
        margin = int(SILENCE_SECONDS * RATE)
        begin, end = max(earliest, spoken[0][0][0] - margin), min(latest, spoken[-1][-1][1] + margin)
        places = tuple(tuple((first - begin, last - begin) for first, last in stretch) for stretch in spoken)
        return Window(begin / RATE, self._read(end - begin, begin), places), end

    def excerpts(self, count: int, seconds: float) -> Iterator[Window]:
        """`count` windows of `seconds` each, spread evenly over the sound. If the sound is no longer than all of them,
        one window with the whole of it."""
        if self.seconds <= count * seconds:
            count, seconds = 1, count * seconds
        spare = max(self.seconds - seconds, 0.0)
        for number in range(count):
            start = int(spare * (number + 0.5) / count * RATE) if count > 1 else 0
            yield Window(start / RATE, self._read(int(seconds * RATE), start))

    def _read(self, samples: int, begin: int | None = None) -> Samples:
        """This many samples from `begin`, or from the end of the last read."""
        if begin is not None:
            self._reader.setpos(begin)
        return np.frombuffer(self._reader.readframes(samples), dtype="<i2").astype(np.float32) / 32768.0


@contextmanager
def open_wav(audio: Path) -> Iterator[Sound]:
    """Opens a WAV file of 16 kHz, mono, 16 bits. Raises PermanentError if it cannot be read or is another kind."""
    try:
        reader = wave.open(str(audio), "rb")  # noqa: SIM115  (closed below)
    except (OSError, EOFError, wave.Error) as error:
        raise PermanentError(f"the audio cannot be read: {one_line(error, 200)}") from error
    with reader:
        if (reader.getframerate(), reader.getnchannels(), reader.getsampwidth()) != (RATE, 1, 2):
            raise PermanentError("the audio is not 16 kHz mono 16-bit WAV: convert it first")
        yield Sound(reader)


def quiet_cut(samples: Samples) -> int:
    """After how many samples to cut: in the middle of the quietest half second of the last third, but at most
    QUIET_SEARCH_SECONDS before the end."""
    block = RATE // 20
    tail = samples[-min(int(QUIET_SEARCH_SECONDS * RATE), max(len(samples) // 3, 10 * block)) :]
    if len(tail) < 10 * block:
        return len(samples)
    energy = np.square(tail[: len(tail) // block * block]).reshape(-1, block).sum(axis=1)
    quiet = np.convolve(energy, np.ones(10), mode="valid")
    return len(samples) - len(tail) + (int(np.argmin(quiet)) + 5) * block


def voiced(samples: Samples, longest: float = float("inf")) -> list[tuple[int, int]]:
    """Where somebody speaks, by the voice detector: spans in samples, of at most `longest` seconds each."""
    if not len(samples):
        return []
    block = BLOCK_SECONDS * RATE
    blocks = (samples[begin : begin + block] for begin in range(0, len(samples), block))
    return list(padded(speech_spans(speech_probabilities(blocks), len(samples), longest), len(samples)))


def stretch_cut(samples: Samples, longest: float) -> int:
    """After how many samples to cut so that the stretches are the same as without a cut: before the last stretch, which
    then begins the next window. Stretches are filled span by span, up to `longest` seconds of speech."""
    begins, packed = 0, 0
    for start, end in voiced(samples, longest):
        if packed + end - start > longest * RATE:
            begins, packed = start, 0
        packed += end - start
    return begins or quiet_cut(samples)
