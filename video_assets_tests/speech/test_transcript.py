from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from video_assets.speech.transcript import (
    LINE_COLUMNS,
    Heading,
    Segment,
    Transcript,
    Word,
    columns_of,
    covered_seconds,
    empty,
    to_json,
    to_text,
    to_vtt,
    wrapped,
)


def transcript(*segments: Segment, duration: float = 100.0) -> Transcript:
    return Transcript(segments=segments, source="captions", duration_seconds=duration)


def test_a_transcript_reads_back_from_its_json() -> None:
    first = transcript(Segment(start=1, end=2.0004, text="A", words=(Word(start=1, end=2, text="A", probability=0.5),)))
    again = Transcript.model_validate(json.loads(to_json(first)))
    assert again == first
    assert to_json(again) == to_json(first)
    assert again.segments[0].end == 2.0


def test_the_json_is_what_the_whole_tree_would_give() -> None:
    words = (Word(start=1, end=2, text="a\u2028\u0085b", probability=0.5), Word(start=2, end=3, text='"segments": []'))
    first = Transcript(
        segments=(Segment(start=1, end=3, text='"segments": []', words=words), Segment(start=4, end=5, text="B")),
        source="whisper",
        duration_seconds=9,
        model_info={"note": '"segments": []\nx', "segments": []},
        headings=(Heading(start=0, end=4, title='"segments": ['),),
    )
    for each in (first, empty(3)):
        tree = each.model_dump(mode="json", exclude_none=True)
        whole = json.dumps(tree, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
        assert to_json(each).decode() == whole


def test_the_same_transcript_gives_the_same_bytes_whatever_the_order_of_its_model_info() -> None:
    infos = ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    one, two = (Transcript(source="none", duration_seconds=1, model_info=info) for info in infos)
    assert to_json(one) == to_json(two)


@pytest.mark.parametrize("wrong", [{"start": -1.0}, {"end": float("nan")}, {"end": float("inf")}, {"text": ""}])
def test_impossible_segments_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="1 validation error"):
        Segment.model_validate({"start": 0.0, "end": 1.0, "text": "x"} | wrong)


def test_text_is_prose_with_paragraphs_at_long_pauses() -> None:
    times = {"One.": (0, 1), "Two.": (1, 2), "Three.": (9, 10)}
    found = to_text(transcript(*(Segment(start=start, end=end, text=text) for text, (start, end) in times.items())))
    assert found == "One. Two.\n\nThree.\n"
    assert to_text(empty(5)) == ""


def test_scripts_without_spaces_are_joined_without_any() -> None:
    found = to_text(transcript(Segment(start=0, end=1, text="今日は"), Segment(start=1, end=2, text="良い天気")))
    assert found == "今日は良い天気\n"


def test_long_segments_become_several_readable_cues(tmp_path: Path) -> None:
    text = " ".join(f"word{at}" for at in range(60))
    (tmp_path / "a.vtt").write_text(to_vtt(transcript(Segment(start=10, end=40, text=text))), encoding="utf-8")
    cues = webvtt.read(str(tmp_path / "a.vtt")).captions
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == text
    assert len(cues) > 3
    assert all(len(cue.lines) <= 2 and all(len(line) <= LINE_COLUMNS for line in cue.lines) for cue in cues)
    assert cues[0].start_in_seconds == 10
    assert cues[-1].end_in_seconds == 40
    assert all(before.end == after.start for before, after in pairwise(cues))


def test_long_segments_are_cut_where_their_words_are_spoken() -> None:
    starts = [at if at < 10 else at + 50 for at in range(20)]
    words = [Word(start=start, end=start + 1, text="abcdefgh") for start in starts]
    text = " ".join(word.text for word in words)
    found = to_vtt(transcript(Segment(start=0, end=70, text=text, words=tuple(words))))
    assert "00:00:08.000 --> 00:01:06.000" in found


def test_text_cannot_break_out_of_its_cue() -> None:
    found = to_vtt(transcript(Segment(start=0, end=1, text="a --> b <b> & NOTE")))
    assert "a --&gt; b &lt;b&gt; &amp; NOTE" in found
    assert found.count("-->") == 1


def test_a_cue_lasts_at_least_a_moment() -> None:
    assert "00:00:03.000 --> 00:00:03.001" in to_vtt(transcript(Segment(start=3, end=3, text="x")))


@given(st.text(max_size=300), st.integers(4, 60))
def test_wrapping_keeps_every_character_and_the_width(text: str, columns: int) -> None:
    lines = wrapped(text, columns)
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(0 < columns_of(line) <= columns or not line.strip() for line in lines if columns_of(line))


@pytest.mark.parametrize(
    ("times", "covered"), [([], 0), ([(0, 2), (1, 3)], 3), ([(0, 5), (1, 2)], 5), ([(0, 1), (4, 6)], 3)]
)
def test_overlapping_speech_counts_once(times: list[tuple[float, float]], covered: float) -> None:
    assert covered_seconds([Segment(start=start, end=end, text="x") for start, end in times]) == covered
