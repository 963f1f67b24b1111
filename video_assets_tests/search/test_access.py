"""Who finds a video, in every search index: visibility, its changes, and what races with them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from video_assets.search import Access, Document, Filters, Passage, SearchIndex, Viewer, open_index
from video_assets.search.elastic import mapping
from video_assets.search.elastic.index import ElasticIndex
from video_assets.search.sqlite.index import EmbeddedIndex
from video_assets_tests.search.indices import BACKENDS, fresh_url, opened

OWNER, OTHER = 7, 8
ANYBODY = Viewer(members=False, user_id=None, shared_video=None, default="members")
MEMBER = replace(ANYBODY, members=True, user_id=OTHER)
OWNING = replace(MEMBER, user_id=OWNER)
PRIVATE, MEMBERS, PUBLIC, NONE = 1, 2, 3, 4
OF = {PRIVATE: Access("private", 1), MEMBERS: Access("members", 1), PUBLIC: Access("public", 1)}


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with fresh_url(request.param, request, tmp_path) as found:
        yield found


@pytest.fixture
def index(url: str) -> SearchIndex:
    return open_index(url)


@pytest.fixture(scope="module", params=BACKENDS)
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SearchIndex]:
    """A video of each visibility, for tests that change nothing. `PRIVATE` says what is misspelt elsewhere."""
    with opened(request.param, request, tmp_path_factory.mktemp("access")) as found:
        said = {PRIVATE: "The thermometre hangs in the lighthuose.", PUBLIC: "The thermometer hangs in the lighthouse."}
        for video_id in (PRIVATE, MEMBERS, PUBLIC, NONE):
            found.put(video(video_id, f"The harbour sleeps. {said.get(video_id, '')}"), version="1")
        for video_id, access in OF.items():
            found.set_access(video_id, access)
        yield found


def video(video_id: int, *texts: str, title: str = "Boats", owner: int | None = OWNER) -> Document:
    spoken = tuple(Passage(at, at * 30.0, at * 30.0 + 30.0, text) for at, text in enumerate(texts))
    return Document(video_id=video_id, title=title, duration=90.0, passages=spoken, user_id=owner)


def seen(index: SearchIndex, words: str, viewer: Viewer | None) -> set[int]:
    """The videos found, which are the same by places and by videos."""
    filters = Filters(viewer=viewer)
    found = {hit.video_id for hit in index.search(words, limit=300, filters=filters)}
    assert found == {each.video_id for each in index.videos(words, limit=100, filters=filters)}
    return found


@pytest.mark.parametrize(
    ("viewer", "default", "videos"),
    [
        (ANYBODY, "private", {PUBLIC}),
        (ANYBODY, "members", {PUBLIC}),
        (ANYBODY, "public", {PUBLIC, NONE}),
        (MEMBER, "private", {MEMBERS, PUBLIC}),
        (MEMBER, "members", {MEMBERS, PUBLIC, NONE}),
        (MEMBER, "public", {MEMBERS, PUBLIC, NONE}),
        (OWNING, "private", {PRIVATE, MEMBERS, PUBLIC, NONE}),
        (replace(ANYBODY, user_id=OTHER), "private", {PUBLIC}),
        (replace(ANYBODY, user_id=OWNER), "private", {PRIVATE, MEMBERS, PUBLIC, NONE}),
        (replace(ANYBODY, shared_video=PRIVATE), "private", {PRIVATE, PUBLIC}),
        (replace(ANYBODY, shared_video=NONE), "private", {NONE, PUBLIC}),
        (replace(ANYBODY, shared_video=99), "private", {PUBLIC}),
        (None, "private", {PRIVATE, MEMBERS, PUBLIC, NONE}),
    ],
)
def test_each_viewer_finds_what_is_for_them(
    library: SearchIndex, viewer: Viewer | None, default: str, videos: set[int]
) -> None:
    asked = viewer and replace(viewer, default=default)
    assert seen(library, "harbour", asked) == videos
    assert seen(library, "boats", asked) == videos
    for video_id in (PRIVATE, MEMBERS, PUBLIC, NONE):
        owns = asked is None or asked.sees(video_id, OWNER, OF[video_id].visibility if video_id in OF else None)
        assert owns == (video_id in videos)


def test_other_filters_narrow_what_a_viewer_sees(library: SearchIndex) -> None:
    for owner, videos in ((OWNER, {PUBLIC, MEMBERS, NONE}), (OTHER, set[int]())):
        hits = library.search("harbour", filters=Filters(user_id=owner, longest=90.0, viewer=MEMBER))
        assert {hit.video_id for hit in hits} == videos
    assert library.search("harbour", filters=Filters(shortest=91.0, viewer=OWNING)) == []


@pytest.mark.parametrize("words", ["thermometre", "thermometr", "lighthuose", "lighthuos"])
def test_words_of_hidden_videos_neither_show_nor_take_the_place_of_others(library: SearchIndex, words: str) -> None:
    """What only a hidden video says is misspelt to whoever does not see it, and corrects nothing."""
    (hit,) = library.search(words, filters=Filters(viewer=ANYBODY))
    assert hit.video_id == PUBLIC
    assert "<mark>thermometer</mark>" in hit.snippet or "<mark>lighthouse</mark>" in hit.snippet
    assert PRIVATE in seen(library, words, OWNING)


def test_an_answer_is_the_same_as_if_hidden_videos_were_not_there(url: str) -> None:
    index, words = open_index(url), ("harbour", "harbor boat", "sleps", "storm", "stor", "tide harbour")
    index.put(video(1, "The harbour sleeps.", "The tide rises.", "A storm comes."), version="1")
    filters = Filters(viewer=ANYBODY)
    index.set_access(1, Access("public", 1))
    before = [index.search(each, filters=filters) for each in words]
    assert any(before)
    for video_id in range(2, 30):
        index.set_access(video_id, Access("private", 1))
        said = ["Harbor, slept, sleps, storms, stork, harbour.", "A tide in the harbour, stor."] * 3
        index.put(video(video_id, *said, title="Harbour, sleps"), version="1")
    assert [index.search(each, filters=filters) for each in words] == before


def test_a_change_takes_effect_at_once_both_ways(index: SearchIndex) -> None:
    index.put(video(1, "The harbour sleeps.", "The harbour wakes."), version="1")
    assert index.read_access(1) is None
    for version, visibility in enumerate(["public", "private", "members", "public", "private"] * 2):
        access = Access(visibility, version)
        index.set_access(1, access)
        assert index.read_access(1) == access
        assert seen(index, "harbour", ANYBODY) == ({1} if visibility == "public" else set())
        assert seen(index, "boats", MEMBER) == (set() if visibility == "private" else {1})
        assert seen(index, "harbour", OWNING) == {1}


def test_a_late_change_is_ignored(index: SearchIndex) -> None:
    index.put(video(1, "The harbour sleeps."), version="1")
    index.set_access(1, Access("private", 5))
    for late in (Access("public", 4), Access("public", 0)):
        index.set_access(1, late)
        assert index.read_access(1) == Access("private", 5)
        assert seen(index, "harbour", MEMBER) == set()


def test_access_comes_before_documents_and_outlives_them(index: SearchIndex) -> None:
    index.set_access(1, Access("private", 3))
    assert (index.count(), index.read(1), index.read_access(1)) == (0, None, Access("private", 3))
    index.put(video(1, "The harbour sleeps."), version="1")
    assert seen(index, "harbour", MEMBER) == set()
    index.put(video(1, "The harbour wakes.", "Quite another harbour."), version="2")
    assert seen(index, "harbour", MEMBER) == set()
    index.remove(1)
    assert index.read_access(1) == Access("private", 3)
    index.put(video(1, "The harbour is back."), version="3")
    assert (seen(index, "harbour", MEMBER), seen(index, "harbour", OWNING)) == (set(), {1})


def test_removal_for_ever_takes_the_access_along(index: SearchIndex) -> None:
    index.put(video(1, "The harbour sleeps."), version="1")
    for video_id in (1, 2):
        index.set_access(video_id, Access("public", 1))
        index.remove(video_id, forever=True)
        assert index.read_access(video_id) is None
        index.set_access(video_id, Access("public", 2))
        assert index.read_access(video_id) is None
    index.rebuild([], access=[(1, Access("public", 3))])
    assert index.read_access(1) is None


@pytest.mark.timeout(400)
def test_puts_and_changes_that_race_end_hidden(url: str) -> None:
    """Whichever comes first, and with puts of two versions at once: in the end nobody else finds the private video."""
    one, other, third = (open_index(url) for _ in range(3))
    rounds = 12 if url.startswith("http") else 50  # a round takes a second there
    with ThreadPoolExecutor(3) as pool:
        for video_id in range(1, rounds + 1):
            if video_id % 2:
                one.put(video(video_id, "The harbour sleeps."), version="0")
                one.set_access(video_id, Access("public", 1))
            barrier = threading.Barrier(3)

            def put(
                index: SearchIndex, version: str, video_id: int = video_id, barrier: threading.Barrier = barrier
            ) -> None:
                barrier.wait()
                index.put(video(video_id, *["The harbour wakes."] * 3), version=version)

            def hide(video_id: int = video_id, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                third.set_access(video_id, Access("private", 2))

            for each in [pool.submit(put, one, "1"), pool.submit(put, other, "2"), pool.submit(hide)]:
                each.result()
            assert one.read_access(video_id) == Access("private", 2)
            assert seen(other, "harbour", MEMBER) == set()
    assert seen(one, "harbour", OWNING) == set(range(1, rounds + 1))
    if isinstance(one, ElasticIndex):
        client, alias = one.server.client, one.names.alias
        public = {"bool": {"must_not": {"term": {"visibility": "private"}}}}
        assert client.count(index=alias, query=public)["count"] == 0, "the copies in the documents are behind"


def test_a_rebuild_keeps_access_and_takes_what_it_is_given(index: SearchIndex, url: str) -> None:
    documents = [(video(at, "The harbour sleeps."), "1") for at in range(1, 7)]
    for document, version in documents:
        index.put(document, version=version)
    for video_id, access in {1: Access("private", 2), 2: Access("private", 2), 3: Access("public", 1)}.items():
        index.set_access(video_id, access)
    other = open_index(url)

    def coming() -> Iterator[tuple[Document, str]]:
        assert seen(other, "harbour", ANYBODY) >= {3}
        assert not seen(other, "harbour", MEMBER) & {1, 2}
        yield from documents[:2]
        other.set_access(3, Access("private", 2))
        other.set_access(5, Access("public", 8))
        other.set_access(9, Access("private", 1))
        yield from documents[2:5]
        other.set_access(1, Access("public", 3))

    given = [(2, Access("public", 1)), (4, Access("private", 1)), (6, Access("public", 1)), (9, Access("public", 0))]
    assert index.rebuild(coming(), kept=[6], access=given) == 6
    assert seen(index, "harbour", ANYBODY) == {1, 5, 6}
    assert seen(index, "harbour", MEMBER) == {1, 5, 6}
    expected = {
        1: Access("public", 3),
        2: Access("private", 2),
        3: Access("private", 2),
        4: Access("private", 1),
        5: Access("public", 8),
        6: Access("public", 1),
        9: Access("private", 1),
    }
    assert {video_id: index.read_access(video_id) for video_id in expected} == expected
    index.put(video(9, "The new harbour."), version="1")
    assert seen(index, "harbour", MEMBER) == {1, 5, 6}


def test_an_index_file_of_an_earlier_release_gets_the_table(tmp_path: Path) -> None:
    index = EmbeddedIndex(tmp_path / "search.db")
    index.put(video(1, "The harbour sleeps."), version="1")
    with sqlite3.connect(index.path) as connection:
        for table in ("access", "access_private", "access_members", "access_public"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("DROP INDEX videos_owner")
    again = EmbeddedIndex(index.path)
    assert seen(again, "harbour", MEMBER) == {1}
    again.set_access(1, Access("private", 1))
    assert seen(again, "harbour", MEMBER) == set()


def test_an_index_on_a_server_of_an_earlier_release_gets_the_fields(elasticsearch_url: str) -> None:
    server, _, name = elasticsearch_url.rpartition("/")
    added = ("visibility", "access_version")
    fields = {key: each for key, each in mapping.MAPPINGS["properties"].items() if key not in added}
    with Elasticsearch(server) as client:
        client.indices.create(
            index=f"{name}-{mapping.VERSION}-000001",
            aliases={name: {"is_write_index": True}},
            mappings={**mapping.MAPPINGS, "properties": fields},
            settings=mapping.SETTINGS,
        )
        document = video(1, "The harbour sleeps.")
        for place, source in [*mapping.passages(document, "1", None), ("1", mapping.head(document, "1", None))]:
            client.index(index=name, id=place, document=source, refresh=True)
    index = ElasticIndex(elasticsearch_url)
    assert seen(index, "harbour", MEMBER) == {1}
    index.set_access(1, Access("private", 1))
    assert seen(index, "harbour", MEMBER) == set()
    assert ElasticIndex(elasticsearch_url).put(video(1, "The harbour wakes."), version="2")
    assert (seen(index, "harbour", MEMBER), seen(index, "harbour", OWNING)) == (set(), {1})


def test_a_change_that_stopped_half_way_hides_at_once_and_is_told(
    elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = ElasticIndex(elasticsearch_url)
    index.put(video(1, "The harbour sleeps."), version="1")
    index.set_access(1, Access("public", 1))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index.accesses, "spread", killed)
        with pytest.raises(KeyboardInterrupt):
            index.set_access(1, Access("private", 2))
    assert seen(index, "harbour", MEMBER) == set()
    assert index.read_access(1) == Access("public", 1)
    index.set_access(1, Access("private", 2))
    assert index.read_access(1) == Access("private", 2)


def test_a_video_made_private_during_a_rebuild_is_hidden_when_the_new_index_is_searched(
    elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last moment before the switch is after the new index has caught up with the old one for the first time."""
    index, other = ElasticIndex(elasticsearch_url), ElasticIndex(elasticsearch_url)
    index.put(video(1, "The harbour sleeps."), version="1")
    index.set_access(1, Access("public", 1))
    switch, found = index.names.switch, list[set[int]]()

    def hidden_before(name: str) -> None:
        other.set_access(1, Access("private", 2))
        switch(name)
        found.append(seen(other, "harbour", MEMBER))

    monkeypatch.setattr(index.names, "switch", hidden_before)
    index.rebuild([(video(1, "The harbour sleeps."), "1")])
    assert found == [set()]
    assert index.read_access(1) == Access("private", 2)
