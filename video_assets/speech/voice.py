"""Where somebody speaks, found in one pass over a recording of any length.

The detector (Silero's, as faster-whisper brings it) remembers what it heard before. The library runs it over all of the
sound at once, which for hours takes gigabytes; here it goes block by block and its memory goes with it, so that the
spans are those that the library finds, to the sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

RATE = 16_000
"""Samples per second, one channel."""
SILENCE_MS, PAD_MS = 300, 200
"""Speech goes on across pauses shorter than this, and begins and ends a little before and after it is heard."""

FRAME, CONTEXT, STATE = 512, 64, 128
"""Of the detector, in samples: what it judges at once, and what it sees of the sound before; the size of its memory."""
SPEECH, NO_SPEECH = 0.5, 0.35
"""From this probability on somebody speaks, and goes on speaking until it is below the other."""
BREATH = RATE * 98 // 1000
"""A span that grows too long ends in its last pause of more samples than this."""

Samples = np.ndarray[Any, np.dtype[np.float32]]
Span = tuple[int, int]
"""Begin and end, in samples."""


def chances(blocks: Iterable[Samples]) -> Iterator[float]:
    """The probability of speech in each frame of a sound that comes in blocks; the last frame is filled with
    silence, and there is one of nothing else where none has to be filled."""
    # Imported here: it brings seconds of start-up that only this stage should pay.
    from faster_whisper.vad import get_vad_model

    session = get_vad_model().session
    hidden, cell = (np.zeros((1, 1, STATE), dtype=np.float32) for _ in range(2))
    before = np.zeros(CONTEXT, dtype=np.float32)
    rest = np.zeros(0, dtype=np.float32)

    def judged(frames: Samples) -> Iterator[float]:
        nonlocal hidden, cell, before
        seen = np.concatenate([before[None], frames[:-1, -CONTEXT:]])
        before = frames[-1, -CONTEXT:].copy()
        heard, hidden, cell = session.run(
            None, {"input": np.concatenate([seen, frames], axis=1), "h": hidden, "c": cell}
        )
        yield from heard.ravel().tolist()

    for block in blocks:
        samples = np.concatenate([rest, block])
        whole = len(samples) // FRAME * FRAME
        rest = samples[whole:]
        if whole:
            yield from judged(samples[:whole].reshape(-1, FRAME))
    last = np.zeros((1, FRAME), dtype=np.float32)
    last[0, : len(rest)] = rest
    last[0, -CONTEXT:] = 0  # the library does, in making the context of the frame after it
    yield from judged(last)


def heard(chances: Iterable[float], total: int, longest: float) -> Iterator[Span]:
    """Spans in which somebody speaks, in order, none longer than `longest` seconds; `total`: samples in all."""
    most = RATE * longest - FRAME - 2 * RATE * PAD_MS / 1000
    begun: int | None = None
    quiet = pause = resumed = 0  # since when it is quiet; where a long span may end, and the next begin; 0: nowhere
    for number, chance in enumerate(chances):
        at = number * FRAME
        if chance >= SPEECH:
            if quiet:
                quiet = 0
                if resumed < pause:
                    resumed = at
            if begun is None:
                begun = at
                continue
        if begun is None:
            continue
        if at - begun > most:
            yield begun, pause or at
            goes_on = bool(pause) and resumed >= pause
            begun, stopped = (resumed if goes_on else None), not pause
            quiet = pause = resumed = 0
            if stopped:
                continue
        if begun is not None and chance < NO_SPEECH:
            quiet = quiet or at
            if at - quiet > BREATH:
                pause = quiet
            if at - quiet >= RATE * SILENCE_MS / 1000:
                yield begun, quiet
                begun, quiet, pause, resumed = None, 0, 0, 0
    if begun is not None and begun < total:
        yield begun, total


def padded(spans: Iterable[Span], total: int) -> Iterator[Span]:
    """The spans with a little of what is before and after them; where two are close they share what is between."""
    pad = RATE * PAD_MS // 1000
    held: Span | None = None
    for start, end in spans:
        if held is None:
            held = max(0, start - pad), end
            continue
        between = start - held[1]
        more, less = (between // 2, between // 2) if between < 2 * pad else (pad, pad)
        yield held[0], min(total, held[1] + more)
        held = max(0, start - less), end
    if held is not None:
        yield held[0], min(total, held[1] + pad)


def packed(spans: Iterable[Span], longest: float) -> Iterator[tuple[Span, bool]]:
    """Each span, and whether it begins a new stretch: spans that together are no longer than `longest` seconds."""
    filled = 0
    for start, end in spans:
        fresh = not filled or filled + end - start > longest * RATE
        filled = end - start + (0 if fresh else filled)
        yield (start, end), fresh
