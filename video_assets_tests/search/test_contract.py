"""What every search index has to do, whichever it is."""

from __future__ import annotations

import html
import multiprocessing
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from video_assets.errors import PermanentError
from video_assets.search import (
    Document,
    Filters,
    Hit,
    Passage,
    SearchIndex,
    Spoken,
    open_index,
    passages,
    search_checks,
)
from video_assets.search.verify import CHECKS
from video_assets_tests.search.indices import BACKENDS, entry, fresh_url, opened


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, request, tmp_path) as found:
        yield found


@pytest.fixture
def index(url: str) -> SearchIndex:
    return open_index(url)


@pytest.fixture(scope="module", params=BACKENDS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    """An index that holds HARBOUR, BAKING and CAFE, for tests that change nothing."""
    with opened(request.param, request, tmp_path_factory.mktemp("library")) as found:
        put(found, HARBOUR, BAKING, CAFE)
        yield found


def document(video_id: int, *sentences: str, title: str = "Untitled", **more: Any) -> Document:
    """A video that says one sentence every ten seconds."""
    spoken = [Spoken(at * 10.0, at * 10.0 + 9.0, text) for at, text in enumerate(sentences)]
    return Document(video_id=video_id, title=title, duration=10.0 * len(sentences), passages=passages(spoken), **more)


def day(year: int, month: int, of: int) -> datetime:
    return datetime(year, month, of, tzinfo=timezone.utc)


HARBOUR = document(
    1,
    "The herons wait near the harbour at dawn.",
    "Five boats leave before the storm.",
    "The tide rises at seven.",
    "Sailors count the ropes.",
    "The lighthouse stands behind the bridge.",
    title="A day at the sea",
    summary="Boats and herons.",
    tags=("boats", "tide"),
    language="en",
    user_id=7,
)
BAKING = document(
    2,
    "Mix the flour with warm water.",
    "The dough rests for six hours.",
    "Bake the bread in a hot oven.",
    title="Baking bread",
    description="With Zoë’s recipe",
    language="en",
    user_id=8,
)
CAFE = document(3, "Nous prenons un café au marché.", "L'Été est là.", title="Le marché", language="fr", user_id=7)


def put(index: SearchIndex, *documents: Document, version: str = "1") -> None:
    for each in documents:
        assert index.put(each, version=version)


def ids(hits: list[Hit]) -> list[int]:
    return [hit.video_id for hit in hits]


def shown(hit: Hit) -> str:
    """The snippet as a browser shows it."""
    return html.unescape(re.sub(r"</?mark>", "", hit.snippet))


def test_what_is_said_is_found_at_its_second(library: SearchIndex) -> None:
    (hit,) = library.search("storm")
    assert (hit.video_id, hit.title) == (1, "A day at the sea")
    assert abs(hit.start - 18.0) <= 2
    assert hit.start < hit.end <= 50
    assert "<mark>storm</mark>" in hit.snippet
    assert hit.score > 0


@pytest.mark.parametrize(
    ("words", "start"),
    [("herons wait", 0), ("six hours", 10), ("tide rises at seven", 20), ("lighthouse stands", 40), ("hot oven", 20)],
)
def test_every_phrase_is_found_within_two_seconds_of_where_it_is_said(
    library: SearchIndex, words: str, start: int
) -> None:
    hit = library.search(words)[0]
    sentence = next(
        each
        for document in (HARBOUR, BAKING)
        for passage in document.passages
        for each in [passage.text]
        if words in each and document.video_id == hit.video_id
    )
    assert words in sentence
    text = next(text for text in re.split(r"(?<=\.) ", sentence) if words in text)
    spoken = start + 9.0 * text.index(words) / len(text)
    assert abs(hit.start - spoken) <= 2


def test_a_hit_starts_where_the_words_stand_together(index: SearchIndex) -> None:
    put(index, document(1, "Put the dough in the oven.", "It is hot and it is late.", "Bake it in a hot oven."))
    (hit,) = index.search("hot oven")
    assert abs(hit.start - 24.0) <= 2
    assert "<mark>hot</mark> <mark>oven</mark>" in hit.snippet


@pytest.mark.parametrize(
    ("words", "videos"),
    [
        ("BOATS", [1]),
        ("boat", [1]),
        ("baking", [2]),
        ("cafe", [3]),
        ("CAFÉ marche", [3]),
        ("ete", [3]),
        ("zoe", [2]),
        ("lighth", [1]),
        ("warm wat", [2]),
        ("nothing of the kind zzz", []),
        ("", []),
        ("   ", []),
        ("?!", []),
        ("where is the bread", [2]),
        ("herons zzz", [1]),
    ],
)
def test_words_are_found_whatever_their_case_accents_and_endings(
    library: SearchIndex, words: str, videos: list[int]
) -> None:
    assert sorted(set(ids(library.search(words)))) == videos


def test_a_video_is_found_by_its_title_summary_tags_and_description_at_its_start(library: SearchIndex) -> None:
    for words, video in (("day sea", 1), ("recipe", 2)):
        (hit,) = library.search(words)
        assert (hit.video_id, hit.start) == (video, 0.0)
        assert "<mark>" in hit.snippet


def test_scripts_without_spaces_are_found_within_their_sentences(index: SearchIndex) -> None:
    put(index, document(5, "今日は港の船を見ます。", "小麦粉と水でパンを作ります。", title="港"))
    put(index, document(6, "สวัสดีชาวโลก"))
    (hit,) = index.search("小麦粉")
    assert (hit.video_id, "<mark>小麦粉</mark>" in hit.snippet) == (5, True)
    assert abs(hit.start - 10) <= 2
    assert ids(index.search("ชาวโลก")) == [6]
    assert index.search("麦小") == []


def test_whoever_says_it_as_asked_comes_first(index: SearchIndex) -> None:
    put(
        index,
        document(1, "The old bridge is near the house.", "A house of stone.", "We crossed it, old as it was."),
        document(2, "We see the stone bridge and the old house."),
        document(3, "The house is old.", "The old house burns."),
    )
    assert ids(index.search("the old house"))[0] in (2, 3)
    assert ids(index.search("old stone house bridge"))[0] == 2


def test_one_video_does_not_fill_the_list(index: SearchIndex) -> None:
    long = document(1, *["The tide rises and the tide falls."] * 60)
    put(index, long, document(2, "Once the tide was low in some other place far away from here."))
    hits = index.search("tide", limit=10)
    assert ids(hits).count(1) == 3
    assert 2 in ids(hits)
    assert len({hit.start for hit in hits if hit.video_id == 1}) == 3
    assert len(index.search("tide", limit=2)) == 2
    assert index.search("tide", limit=0) == []


def test_owner_and_language_narrow_the_search(library: SearchIndex) -> None:
    assert set(ids(library.search("the", filters=Filters(user_id=7)))) == {1}
    assert set(ids(library.search("the"))) == {1, 2}
    assert ids(library.search("marche", filters=Filters(language="fr"))) == [3]
    assert library.search("marche", filters=Filters(language="en")) == []
    assert library.search("bread", filters=Filters(user_id=7)) == []


def test_snippets_are_safe_html_and_say_what_was_said(index: SearchIndex) -> None:
    text = 'He said <script>alert("x")</script> & left the <b>harbour</b>.'
    put(index, document(1, text, title="<img src=x>"))
    (hit,) = index.search("harbour")
    assert re.findall(r"<[^>]*>", hit.snippet) == ["<mark>", "</mark>"]
    assert shown(hit) == text
    assert hit.title == "<img src=x>"


def test_markers_in_texts_are_not_taken_for_matches(index: SearchIndex) -> None:
    put(index, document(1, "one \x02two\x03 three\u200b four"))
    (hit,) = index.search("three")
    assert re.findall(r"<mark>(.*?)</mark>", hit.snippet) == ["three"]


def test_long_passages_are_shown_in_part(index: SearchIndex) -> None:
    put(index, document(1, "word " * 300 + "harbour " + "word " * 300))
    (hit,) = index.search("harbour")
    assert len(shown(hit)) < 300
    assert "<mark>harbour</mark>" in hit.snippet
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")


def test_a_document_is_replaced_whole(index: SearchIndex) -> None:
    put(index, HARBOUR)
    put(index, document(1, "Only bread now.", title="New"), version="2")
    assert index.search("herons") == []
    assert index.search("sea") == []
    assert ids(index.search("bread")) == [1]
    assert index.count() == 1


def test_a_lower_version_never_overwrites_a_higher_one(index: SearchIndex) -> None:
    put(index, BAKING, version="2")
    assert index.put(document(2, "Old words."), version="1") is False
    assert entry(index, 2).version == "2"
    assert index.put(document(2, "Same run again."), version="2") is True


def test_what_was_removed_may_come_back_unless_it_was_for_ever(index: SearchIndex) -> None:
    put(index, HARBOUR, BAKING)
    index.remove(1)
    index.remove(2, forever=True)
    index.remove(99, forever=True)
    assert (index.read(1), index.read(2), index.count(), index.search("bread")) == (None, None, 0, [])
    assert index.put(HARBOUR, version="0") is True
    assert index.put(BAKING, version="9") is False
    assert index.put(replace(BAKING, video_id=99), version="9") is False
    index.rebuild([])
    assert index.put(BAKING, version="9") is False, "an empty index is filled again from what is left in storage"


def test_what_is_read_is_what_was_put(index: SearchIndex) -> None:
    put(index, HARBOUR, version="7")
    assert entry(index, 1).passages == len(HARBOUR.passages)
    checks = search_checks(index, HARBOUR, "7")
    assert tuple(check.name for check in checks) == CHECKS
    assert all(check.passed for check in checks)


@pytest.mark.parametrize(
    ("asked", "version", "failed"),
    [
        (replace(HARBOUR, title="Other"), "7", ["index_returns_it"]),
        (HARBOUR, "8", ["index_returns_it"]),
        (replace(HARBOUR, passages=()), "7", ["index_returns_it", "passages_all_there"]),
        (BAKING, "7", ["index_returns_it", "passages_all_there"]),
    ],
)
def test_a_difference_is_found(index: SearchIndex, asked: Document, version: str, failed: list[str]) -> None:
    put(index, HARBOUR, version="7")
    assert [check.name for check in search_checks(index, asked, version) if not check.passed] == failed


def test_a_video_without_speech_is_found_by_its_title_and_passes_its_checks(index: SearchIndex) -> None:
    silent = Document(video_id=4, title="Silent film", created_at=datetime(2020, 1, 1, tzinfo=timezone.utc))
    put(index, silent)
    assert all(check.passed for check in search_checks(index, silent, "1"))
    assert ids(index.search("silent")) == [4]


def test_another_process_sees_what_was_put(index: SearchIndex, url: str) -> None:
    put(index, HARBOUR)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_count, (url,)) == 1


def test_writers_and_readers_in_several_processes_do_not_get_in_each_others_way(url: str) -> None:
    """Each reader finds any video's document whole: of one version, never of two."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        writers = [pool.apply_async(_write, (url, first)) for first in (0, 1)]
        readers = [pool.apply_async(_watch, (url,)) for _ in range(2)]
        assert [each.get(60) for each in writers] == [None, None]
        assert [each.get(60) for each in readers] == [[], []]
    assert open_index(url).count() == 4
    assert all(entry(open_index(url), video).version == "11" for video in range(4))


def _count(url: str) -> int:
    return open_index(url).count()


def _write(url: str, first: int) -> None:
    index = open_index(url)
    for version in range(12):
        for video in (first, first + 2):
            word = f"version{version}x"
            index.put(document(video, *[f"The {word} harbour {word}."] * 7), version=f"{version:02}")


def _watch(url: str) -> list[str]:
    """Whatever a search returned that is mixed of two versions."""
    index, mixed = open_index(url), []
    for _ in range(25):
        for hit in index.search("harbour"):
            if len(set(re.findall(r"version\d+x", hit.snippet))) > 1:
                mixed.append(hit.snippet)
    return mixed


hostile = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            [
                *"\"*^:()+-\x00';\\%_\ud800ﬁ港",
                "AND",
                "OR",
                "NOT",
                "NEAR(",
                "NEAR/2",
                "title:",
                "{a b}",
                "--",
                "boats",
                "boa*",
                "\u0301",
                "a" * 500,
            ]
        ),
        max_size=30,
    ).map(" ".join),
)


@given(hostile)
def test_any_text_is_a_query(library: SearchIndex, words: str) -> None:
    for hit in library.search(words):
        assert hit.video_id in (1, 2, 3)
        assert not re.sub(r"</?mark>", "", hit.snippet).count("<")


@pytest.mark.parametrize("words", ["boats " * 2000, "a" * 9999, '"' * 9999, "(" * 9999, "a* " * 3000, "\x00" * 9999])
def test_endless_queries_are_answered_soon(library: SearchIndex, words: str) -> None:
    library.search(words)


def test_operators_are_words(index: SearchIndex) -> None:
    put(index, document(1, "Salt and pepper."), document(2, "Salt or sugar."))
    assert ids(index.search('"salt" AND (pepper'))[0] == 1
    assert ids(index.search("title:salt"))[0] in (1, 2)
    assert ids(index.search("salt -pepper"))[0] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.text(max_size=80), max_size=6), st.text(max_size=40), st.text(max_size=40))
def test_any_document_can_be_put_and_passes_its_checks(
    index: SearchIndex, sentences: list[str], title: str, summary: str
) -> None:
    strange = replace(document(1, *sentences, title=title), summary=summary, tags=(title, summary))
    put(index, strange, version="1")
    assert all(check.passed for check in search_checks(index, strange, "1"))
    for words in (*sentences, title):
        index.search(words)


def test_passages_without_marks_start_at_their_beginning(index: SearchIndex) -> None:
    passage = Passage(0, 30.0, 60.0, "far along the harbour")
    put(index, Document(video_id=1, title="t", duration=60.0, passages=(passage,)))
    assert index.search("harbour")[0].start == 30.0


@pytest.mark.parametrize("bad", ["", "sqlite://", "sqlite:///", "postgresql://x/y"])
def test_other_urls_are_refused_in_one_line(bad: str) -> None:
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_SEARCH_URL"):
        open_index(bad)


TYPOS = document(
    11, "The lighthouse keeper climbs three hundred stairs.", "A thermometer hangs beside the wardrobe.", title="Towers"
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lighthuose", "lighthouse"),
        ("lighthose", "lighthouse"),
        ("lightthouse", "lighthouse"),
        ("stiars", "stairs"),
        ("thermometr", "thermometer"),
        ("termomete", "thermometer"),
        ("thermomter wardobe", "thermometer"),
        ("towrs", "Towers"),
    ],
)
def test_misspelt_words_are_found(spelling: SearchIndex, typed: str, meant: str) -> None:
    hits = spelling.search(typed)
    assert ids(hits) == [11]
    assert f"<mark>{meant}</mark>" in hits[0].snippet


@pytest.mark.parametrize("typed", ["stars", "lighthorse lamp", "xhermometer", "hang", "tiars"])
def test_a_word_that_is_said_somewhere_is_not_taken_for_a_misspelt_one(spelling: SearchIndex, typed: str) -> None:
    """Nor is one that would need more slips than its length allows, or has another first letter."""
    put(spelling, document(12, "Stars and horses.", "Lighthorse riders wear a tiara."), version="2")
    assert "<mark>stairs" not in " ".join(hit.snippet for hit in spelling.search(typed))
    assert "<mark>lighthouse" not in " ".join(hit.snippet for hit in spelling.search(typed))


@pytest.fixture(scope="module", params=BACKENDS)
def spelling(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    with opened(request.param, request, tmp_path_factory.mktemp("spelling")) as found:
        put(found, TYPOS)
        yield found


@pytest.mark.parametrize(
    ("words", "filters", "videos"),
    [
        ("bread", Filters(), {2, 21, 22, 23}),
        ("bread", Filters(user_id=8), {2, 22}),
        ("bread", Filters(language="en"), {2}),
        ("bread", Filters(language="de"), {22}),
        ("bread", Filters(created_from=day(2024, 5, 2)), {22, 23}),
        ("bread", Filters(created_before=day(2024, 5, 2)), {21}),
        ("bread", Filters(created_from=day(2024, 5, 1), created_before=day(2024, 5, 2)), {21}),
        ("bread", Filters(created_from=day(2024, 5, 1).replace(tzinfo=None)), {21, 22, 23}),
        ("bread", Filters(shortest=60), {21, 22}),
        ("bread", Filters(longest=60), {2, 21, 23}),
        ("bread", Filters(shortest=60, longest=60), {21}),
        ("bread", Filters(longest=1), set()),
        ("bread", Filters(user_id=8, shortest=31, language="de"), {22}),
        ("braed", Filters(user_id=8), {2, 22}),
    ],
)
def test_filters_narrow_the_search(filtered: SearchIndex, words: str, filters: Filters, videos: set[int]) -> None:
    assert {hit.video_id for hit in filtered.search(words, filters=filters)} == videos
    assert {found.video_id for found in filtered.videos(words, filters=filters)} == videos


@pytest.fixture(scope="module", params=BACKENDS)
def filtered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    with opened(request.param, request, tmp_path_factory.mktemp("filtered")) as found:
        bread = document(21, "We bake bread.", created_at=day(2024, 5, 1), user_id=-3)
        put(
            found,
            HARBOUR,
            BAKING,
            replace(bread, duration=60.0),
            replace(bread, video_id=22, created_at=day(2024, 5, 2), duration=61.0, user_id=8, language="de-AT"),
            replace(bread, video_id=23, created_at=day(2025, 1, 1), duration=30.0, user_id=None),
        )
        yield found


@pytest.mark.parametrize(
    ("words", "video"),
    [("Haus", 31), ("Häusern", 31), ("gebacken", 31), ("chevaux", 32), ("travaillait", 32), ("комната", 33)],
)
def test_forms_of_a_word_are_found_in_many_languages(index: SearchIndex, words: str, video: int) -> None:
    put(
        index,
        document(31, "Die alten Häuser standen leer.", "Er backte einen gebackenen Kuchen.", language="de"),
        document(32, "Le cheval travaille aux champs.", "Les chevaux travaillaient.", language="fr"),
        document(33, "Мы вошли в комнату.", language="ru"),
        HARBOUR,
    )
    hits = index.search(words)
    assert ids(hits)[0] == video
    assert "<mark>" in hits[0].snippet


def test_a_word_nobody_says_is_taken_for_the_beginning_of_a_compound(index: SearchIndex) -> None:
    put(index, document(1, "Der Komposthaufen dampft am Morgen.", language="de"))
    (hit,) = index.search("Kompost zubereiten")
    assert "<mark>Komposthaufen</mark>" in hit.snippet


def test_videos_come_with_their_three_best_places(index: SearchIndex) -> None:
    long = document(1, *["The tide rises.", *["We wait for something else to happen here."] * 3] * 30, title="Long")
    put(index, long, document(2, "Once the tide was low.", title="Short"), document(3, "Nothing of it.", title="Tide"))
    found = index.videos("tide", limit=10)
    assert {each.video_id for each in found} == {1, 2, 3}
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    by_id = {each.video_id: each for each in found}
    assert [len(by_id[video].hits) for video in (1, 2, 3)] == [3, 1, 1]
    assert by_id[3].hits[0].start == 0.0
    assert "<mark>Tide</mark>" in by_id[3].hits[0].snippet
    assert by_id[1].title == "Long"
    assert len({hit.start for hit in by_id[1].hits}) == 3
    assert len(index.videos("tide", limit=2)) == 2
    assert index.videos("tide", limit=0) == []
    assert index.videos("?!") == []


def test_a_title_helps_what_is_said_under_it(index: SearchIndex) -> None:
    """The words are found though no passage has all of them."""
    put(
        index,
        document(1, "Then it goes into the oven.", title="Baking bread"),
        document(2, "The oven of the ship was cold.", title="A day at sea"),
        document(3, "He talks of bread and of nothing else.", title="The hermit"),
    )
    hits = index.search("bread oven")
    assert ids(hits)[0] == 1
    assert hits[0].start == pytest.approx(7.0, abs=2.5)


def test_a_rebuilt_index_holds_these_documents_and_no_others(index: SearchIndex) -> None:
    put(index, HARBOUR, BAKING, CAFE, version="5")
    index.remove(77, forever=True)
    gone = document(77, "It should not come back.")
    assert index.rebuild([(HARBOUR, "5"), (replace(BAKING, title="Other"), "4"), (gone, "9")], removed=[3]) == 2
    assert (entry(index, 1).version, entry(index, 2).version, index.read(3), index.read(77)) == ("5", "4", None, None)
    assert index.search("marche") == index.search("back") == []
    assert index.search("bread")[0].title == "Other"
    assert index.put(CAFE, version="9") is False
    assert index.put(gone, version="9") is False
    assert index.put(BAKING, version="6") is True


def test_a_rebuild_keeps_what_the_index_holds_of_videos_whose_documents_cannot_be_read(index: SearchIndex) -> None:
    put(index, HARBOUR, BAKING, CAFE, version="5")
    index.remove(77, forever=True)
    before, unreadable = (index.read(2), ids(index.search("bread"))), {77: "gone for ever"}

    def documents() -> Iterator[tuple[Document, str]]:
        yield HARBOUR, "5"
        unreadable[2] = unreadable[4] = "garbage"  # 4 was never held

    assert index.rebuild(documents(), kept=unreadable) == 2
    assert (index.read(2), ids(index.search("bread"))) == before
    assert (index.read(3), index.read(4), index.read(77)) == (None, None, None)
    assert index.put(document(77, "It should not come back."), version="9") is False
    assert index.put(BAKING, version="6") is True


def test_a_rebuild_keeps_what_is_put_meanwhile(index: SearchIndex, url: str) -> None:
    put(index, HARBOUR, BAKING, CAFE, version="5")
    other = open_index(url)

    def documents() -> Iterator[tuple[Document, str]]:
        yield HARBOUR, "5"
        assert other.put(document(2, "Only the newest."), version="6")
        assert other.put(document(9, "Quite a new one."), version="6")
        other.remove(3, forever=True)
        assert ids(other.search("storm")) == [1], "searches are answered meanwhile"
        yield BAKING, "5"
        yield CAFE, "5"

    assert index.rebuild(documents()) == 3
    assert ids(index.search("newest")) == [2]
    assert ids(index.search("quite new one")) == [9]
    assert (entry(index, 2).version, index.read(3), index.search("flour")) == ("6", None, [])
    assert all(check.passed for check in search_checks(index, HARBOUR, "5"))


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("1700000000.000001/b", "1700000000.000001/c"),
        ("1700000000.000000/z", "1700000000.000001/a"),
        ("0000000000.000000/a", "1700000000.000000/a"),
        ("1", "10"),
        ("02", "1"),
        ("a", "b"),
        ("", "0"),
    ],
)
def test_versions_are_held_against_each_other_as_text(index: SearchIndex, older: str, newer: str) -> None:
    put(index, BAKING, version=newer)
    assert index.put(CAFE_AS_2, version=older) is False
    assert entry(index, 2).version == newer
    assert index.search("cafe") == []
    index.remove(2)
    put(index, CAFE_AS_2, version=older)
    put(index, BAKING, version=newer)
    assert (entry(index, 2).version, index.search("cafe")) == (newer, [])


CAFE_AS_2 = replace(CAFE, video_id=2)


def test_whoever_wins_a_race_the_highest_version_stays(url: str) -> None:
    """Eight runs of one video at once, each with a document of another length: the last version is there, whole, and
    nothing of the others."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(_race, [(url, f"1700000000.00000{at % 3}/{at}") for at in (5, 2, 7, 0, 6, 1, 4, 3)])
    index = open_index(url)
    held = index.read(1)
    assert held is not None
    assert (held.version, held.passages) == ("1700000000.000002/5", 6)
    hits = index.search("harbour", limit=100)
    assert {re.findall(r"run(\d)", hit.snippet)[0] for hit in hits} == {"5"}


def _race(url: str, version: str) -> None:
    number = int(version[-1])
    index = open_index(url)
    for _ in range(3):
        index.put(document(1, *[f"The run{number} harbour run{number}."] * (number + 1) * 3), version=version)


def test_a_usable_index_answers_the_ping(index: SearchIndex) -> None:
    index.ping()
