"""Where somebody speaks: the library's own spans, found block by block."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import vad
from hypothesis import given, settings
from hypothesis import strategies as st

from video_assets.speech.sound import VOICE, open_wav
from video_assets.speech.voice import FRAME, RATE, packed, padded, speech_probabilities, speech_spans
from video_assets_tests.speech.conftest import Talk, write_wav

LONGEST = 30.0
runs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.34, 0.36, 0.45, 0.5, 0.9]), st.sampled_from([1, 2, 3, 5, 9, 12, 40, 900])),
    max_size=30,
)


def theirs(samples: np.ndarray) -> list[tuple[int, int]]:
    found = vad.get_speech_timestamps(samples.copy(), vad.VadOptions(**VOICE, max_speech_duration_s=LONGEST))
    return [(span["start"], span["end"]) for span in found]


@given(runs, st.integers(1, FRAME))
@settings(max_examples=200)
def test_from_the_same_probabilities_come_the_library_s_spans(runs: list[tuple[float, int]], missing: int) -> None:
    given_chances = [chance for chance, count in runs for _ in range(count)] or [0.0]
    total = len(given_chances) * FRAME - missing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad, "get_vad_model", lambda: lambda samples: np.array(given_chances))
        expected = theirs(np.zeros(total, dtype=np.float32))
    assert list(padded(speech_spans(given_chances, total, LONGEST), total)) == expected


@pytest.mark.parametrize("block", [700, RATE, RATE * 47])
@pytest.mark.parametrize("pause", [0.0, 0.25, 2.0])
def test_however_the_sound_comes_its_spans_are_those_of_the_whole(block: int, pause: float, talk: Talk) -> None:
    samples = np.tile(np.concatenate([talk.samples, np.zeros(int(RATE * pause), dtype=np.float32)]), 4)
    for sound in (samples, samples[: len(samples) // FRAME * FRAME], samples[:-70]):
        blocks = (sound[begin : begin + block] for begin in range(0, len(sound), block))
        assert list(padded(speech_spans(speech_probabilities(blocks), len(sound), LONGEST), len(sound))) == theirs(
            sound
        )


@given(st.lists(st.tuples(st.integers(0, RATE * 9), st.integers(1, int(RATE * LONGEST))), max_size=20))
def test_stretches_are_as_full_as_the_library_fills_them(pauses_and_sizes: list[tuple[int, int]]) -> None:
    spans, reached = [], 0
    for pause, size in pauses_and_sizes:
        spans.append((reached + pause, reached + pause + size))
        reached += pause + size
    stretches: list[list[tuple[int, int]]] = []
    for span, fresh in packed(spans, LONGEST):
        if fresh:
            stretches.append([])
        stretches[-1].append(span)
    dictionaries = [{"start": begin, "end": end} for begin, end in spans]
    chunks, _ = vad.collect_chunks(np.zeros(reached, dtype=np.float32), dictionaries, max_duration=LONGEST)
    assert [sum(end - begin for begin, end in each) for each in stretches] == [
        len(each) for each in chunks if len(each)
    ]


@pytest.mark.parametrize(("pause", "most"), [(0.4, 240.0), (12.0, 240.0), (12.0, 40.0), (70.0, 40.0)])
def test_windows_hold_all_that_is_spoken_and_no_long_silence(
    pause: float, most: float, talk: Talk, tmp_path: Path
) -> None:
    samples = np.tile(np.concatenate([np.zeros(int(RATE * pause), dtype=np.float32), talk.samples]), 5)
    with open_wav(write_wav(tmp_path / "talks.wav", samples)) as sound:
        windows = list(sound.speech_windows(LONGEST, 2, most))
        whole = next(sound.windows(3600.0)).samples
    spans = []
    for window in windows:
        begun = round(window.start * RATE)
        assert np.array_equal(window.samples, whole[begun : begun + len(window.samples)])
        assert 1 <= len(window.stretches) <= 2
        assert all(sum(end - begin for begin, end in stretch) <= LONGEST * RATE for stretch in window.stretches)
        inside = [span for stretch in window.stretches for span in stretch]
        spans += [(begun + begin, begun + end) for begin, end in inside]
        assert inside[-1][1] - inside[0][0] <= most * RATE
        assert inside[0][0] >= 0
        assert inside[0][0] <= 5 * RATE
        assert 0 <= len(window.samples) - inside[-1][1] <= 5 * RATE
    assert spans == theirs(whole)
    assert all(before.end <= after.start + 1e-9 for before, after in pairwise(windows))


def test_where_nobody_speaks_there_is_no_window(tmp_path: Path) -> None:
    for samples in (np.zeros(0), np.zeros(RATE * 100)):
        with open_wav(write_wav(tmp_path / "quiet.wav", samples)) as sound:
            assert list(sound.speech_windows(LONGEST, 2, 240.0)) == []
