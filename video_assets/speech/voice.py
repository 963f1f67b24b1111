"""Voice activity detection: finds where somebody speaks, in one pass over a recording of any length.

The detector (Silero's, which comes with faster-whisper) is a recurrent model. The library runs it over the whole sound
at once, which takes gigabytes for hours of it. Here it runs block by block, and its state is carried from block to
block, so that the spans are the same as the library's, to the sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

RATE = 16_000
"""Samples per second, one channel."""
SILENCE_MS, PAD_MS = 300, 200
"""Pauses shorter than `SILENCE_MS` belong to the speech around them. Spans are extended by `PAD_MS` on both sides."""

FRAME, CONTEXT, STATE = 512, 64, 128
"""Of the detector: the samples of a frame, the samples before it that it also gets, and the size of its state."""
SPEECH, NO_SPEECH = 0.5, 0.35
"""Speech begins at a probability of `SPEECH` and ends below `NO_SPEECH`."""
BREATH = RATE * 98 // 1000
"""A span that grows too long is ended in its last pause of more samples than this."""

Samples = np.ndarray[Any, np.dtype[np.float32]]
Span = tuple[int, int]
"""Begin and end, in samples."""


def speech_probabilities(blocks: Iterable[Samples]) -> Iterator[float]:
    """The probability of speech in each frame of a sound that comes in blocks. The last frame is filled up with
    silence; if nothing is left to fill up, there is a frame of silence alone, as in the library."""
    # Imported here: it takes seconds, and only this stage needs it.
    from faster_whisper.vad import get_vad_model

    session = get_vad_model().session
    hidden, cell = (np.zeros((1, 1, STATE), dtype=np.float32) for _ in range(2))
    before = np.zeros(CONTEXT, dtype=np.float32)
    rest = np.zeros(0, dtype=np.float32)

    def judge(frames: Samples) -> Iterator[float]:
        nonlocal hidden, cell, before
        seen = np.concatenate([before[None], frames[:-1, -CONTEXT:]])
        before = frames[-1, -CONTEXT:].copy()
        judged, hidden, cell = session.run(
            None, {"input": np.concatenate([seen, frames], axis=1), "h": hidden, "c": cell}
        )
        yield from judged.ravel().tolist()

    for block in blocks:
        samples = np.concatenate([rest, block])
        whole = len(samples) // FRAME * FRAME
        rest = samples[whole:]
        if whole:
            yield from judge(samples[:whole].reshape(-1, FRAME))
    last = np.zeros((1, FRAME), dtype=np.float32)
    last[0, : len(rest)] = rest
    last[0, -CONTEXT:] = 0  # a side effect in the library, which makes the context of a frame after this one
    yield from judge(last)


def speech_spans(probabilities: Iterable[float], total: int, longest: float) -> Iterator[Span]:
    """The spans in which somebody speaks, in order, each of at most `longest` seconds. `total`: samples in all."""
    most = RATE * longest - FRAME - 2 * RATE * PAD_MS / 1000
    begun: int | None = None
    # Samples, 0 for none: since when it is quiet; where a long span may end; where the next one then begins.
    quiet = pause = resumed = 0
    for number, probability in enumerate(probabilities):
        at = number * FRAME
        if probability >= SPEECH:
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
        if begun is not None and probability < NO_SPEECH:
            quiet = quiet or at
            if at - quiet > BREATH:
                pause = quiet
            if at - quiet >= RATE * SILENCE_MS / 1000:
                yield begun, quiet
                begun, quiet, pause, resumed = None, 0, 0, 0
    if begun is not None and begun < total:
        yield begun, total


def padded(spans: Iterable[Span], total: int) -> Iterator[Span]:
    """The spans, extended by `PAD_MS` on both sides. Two that are too close for that share what is between them."""
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
    """Each span, and whether it begins a new stretch. A stretch has at most `longest` seconds of speech."""
    filled = 0
    for start, end in spans:
        fresh = not filled or filled + end - start > longest * RATE
        filled = end - start + (0 if fresh else filled)
        yield (start, end), fresh
