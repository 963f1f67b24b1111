from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from video_assets.text.extractive.summarizer import summarize, wanted_sentences
from video_assets.text.summary import Chapter, Summary, SummarySentence, chapters_to_vtt
from video_assets.text.verify import CHECKS, summary_checks
from video_assets_tests.text.talks import talk


@dataclass
class Piece:
    start: float
    end: float
    text: str


@dataclass
class Said:
    segments: list[Piece] = field(default_factory=list)
    language: str | None = None

    @property
    def duration(self) -> float:
        return self.segments[-1].end if self.segments else 0.0


def said(*texts: str, language: str | None = None) -> Said:
    return Said([Piece(at * 5.0, at * 5.0 + 4.5, text) for at, text in enumerate(texts)], language)


@pytest.mark.parametrize("seed", range(12))
def test_a_summary_has_four_to_six_whole_sentences_in_order_and_passes_its_checks(seed: int) -> None:
    synthetic = talk(seed)
    found = summarize(synthetic)
    assert 4 <= len(found.sentences) <= 6
    spoken = {segment.text: segment.start for segment in synthetic.segments}
    assert all(sentence.text in spoken for sentence in found.sentences)
    starts = [sentence.start for sentence in found.sentences]
    assert starts == sorted(starts)
    assert found.text == " ".join(sentence.text for sentence in found.sentences)
    assert len(set(spoken)) > 6
    assert len({sentence.text for sentence in found.sentences}) == len(found.sentences)
    checks = summary_checks(found, synthetic, synthetic.duration)
    assert tuple(check.name for check in checks) == CHECKS
    assert all(check.passed for check in checks)
    assert found.quality_score is not None
    assert 0 < found.quality_score <= 1


@pytest.mark.parametrize("seed", range(8))
def test_the_summary_of_three_subjects_speaks_of_each(seed: int) -> None:
    synthetic = talk(seed, topics=("harbour", "baking", "workshop"), sentences=(6, 8))
    found = summarize(synthetic)
    first, second = synthetic.boundaries
    subjects = {0 if each.start < first else 1 if each.start < second else 2 for each in found.sentences}
    assert subjects == {0, 1, 2}


def test_titles_and_tags_name_what_is_spoken_of() -> None:
    found = summarize(talk(3, topics=("harbour", "baking", "workshop"), sentences=(7, 8)))
    titles = [set(chapter.title.lower().replace(" and ", ", ").split(", ")) for chapter in found.chapters]
    harbour, baking, workshop = titles
    assert harbour & {"harbour", "lighthouse", "tide", "boats", "herons", "sailors", "ropes", "bridge"}
    assert baking & {"dough", "flour", "bread", "oven", "yeast", "milk", "water", "sugar", "salt", "butter"}
    assert workshop & {"chisel", "plane", "hammer", "saw", "bench", "oak", "pine", "wall", "table"}
    assert 3 <= len(found.tags) <= 8
    evidence = found.model_info["tag_evidence"]
    assert set(found.tags) == set(evidence)
    assert all(each["count"] >= 2 for each in evidence.values())


def test_the_same_transcript_gives_the_same_bytes() -> None:
    written = summarize(talk(5)).model_dump_json()
    assert written == summarize(talk(5)).model_dump_json()
    assert Summary.model_validate_json(written) == summarize(talk(5))


def test_nothing_said_gives_an_empty_summary_that_passes() -> None:
    for silent in (said(), said("[Music]", "♪")):
        found = summarize(silent)
        assert (found.text, found.sentences, found.chapters, found.tags, found.quality_score) == ("", (), (), (), None)
        assert all(check.passed for check in summary_checks(found, silent, 10.0))


@pytest.mark.parametrize("texts", [["Only one sentence."], ["Hello."] * 9, ["The."], ["5.", "6."], ["Ho. Ho. Ho. Ho."]])
def test_a_short_transcript_gives_a_short_summary(texts: list[str]) -> None:
    transcript = said(*texts)
    found = summarize(transcript)
    assert 1 <= len(found.sentences) <= 2
    assert all(check.passed for check in summary_checks(found, transcript, transcript.duration))


@pytest.mark.parametrize(("available", "wanted"), [(0, 0), (3, 3), (4, 4), (19, 4), (20, 5), (60, 6), (9000, 6)])
def test_how_many_sentences_a_summary_has(available: int, wanted: int) -> None:
    assert wanted_sentences(available) == wanted


def test_captions_without_punctuation_become_prose() -> None:
    transcript = said(*(f"so today we talk about boat number {at} and the wide harbour" for at in range(12)))
    found = summarize(transcript)
    assert all(each.text[0].isupper() and each.text.endswith(".") for each in found.sentences)
    assert all(check.passed for check in summary_checks(found, transcript, transcript.duration))


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        (
            "de",
            [
                "Die Boote liegen im Hafen.",
                "Der Hafen ist alt.",
                "Ein Boot fährt aus dem Hafen.",
                "Das Brot ist warm.",
                "Wir backen Brot.",
                "Das Mehl für das Brot ist fein.",
            ],
        ),
        (
            "ja",
            [
                "今日は港の船を見ます。",
                "船は港にあります。",
                "パンを焼きます。",
                "小麦粉と水です。",
                "パンは温かいです。",
            ],
        ),
        (None, ["Лодки стоят в гавани.", "Гавань старая.", "Мы печём хлеб.", "Хлеб тёплый.", "Мука для хлеба белая."]),
    ],
)
def test_other_languages_are_summarised_too(language: str | None, texts: list[str]) -> None:
    transcript = said(*texts, language=language)
    found = summarize(transcript)
    assert len(found.sentences) == 4
    assert found.tags
    assert " and " not in found.chapters[0].title
    assert all(check.passed for check in summary_checks(found, transcript, transcript.duration))


def test_questions_and_sentences_that_lean_on_others_are_taken_last() -> None:
    texts = ["Oak boards need a sharp plane.", "He needs a sharp plane and oak boards.", "Do oak boards need a plane?"]
    rest = ["The sharp plane cuts oak boards.", "Sharp tools are safe tools.", "Oak boards are hard boards."]
    chosen = [each.text for each in summarize(said(*texts, *rest)).sentences]
    assert not {texts[1], texts[2]} & set(chosen)


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"sentences": (SummarySentence(text="The moon is made of cheese.", start=1),) * 4}, "grounded"),
        ({"sentences": (), "text": ""}, "sentence_count"),
        ({"chapters": (Chapter(start=0, end=9999, title="x"),)}, "chapters_inside"),
        ({"chapters": (Chapter(start=5, end=9, title="x"), Chapter(start=0, end=5, title="y"))}, "chapters_inside"),
    ],
)
def test_a_bad_summary_is_found_out(change: dict[str, Any], check: str) -> None:
    synthetic = talk(2)
    bad = summarize(synthetic).model_copy(update=change)
    assert [each.name for each in summary_checks(bad, synthetic, synthetic.duration) if not each.passed] == [check]


def test_chapters_are_written_for_players(tmp_path: Path) -> None:
    chapters = (Chapter(start=0, end=61.5, title="Boats & <nets>"), Chapter(start=61.5, end=61.5, title="End"))
    (tmp_path / "chapters.vtt").write_text(chapters_to_vtt(chapters))
    assert "Boats &amp; &lt;nets&gt;" in chapters_to_vtt(chapters)
    assert [cue.start for cue in webvtt.read(str(tmp_path / "chapters.vtt")).captions] == [
        "00:00:00.000",
        "00:01:01.500",
    ]


pieces = st.lists(st.text(max_size=60).filter(lambda text: text.strip() == text and text), max_size=15)


@given(pieces, st.sampled_from([None, "en", "de", "zh", "xx"]))
def test_whatever_is_said_the_summary_passes_its_checks(texts: list[str], language: str | None) -> None:
    transcript = said(*texts, language=language)
    assert all(check.passed for check in summary_checks(summarize(transcript), transcript, transcript.duration))
