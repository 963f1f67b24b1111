"""`search` with its options, and the index on a server."""

from __future__ import annotations

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from video_assets.clock import utc_now
from video_assets_tests.cli.conftest import say

TODAY = utc_now().date()


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ([], True),
        (["--owner", "987654"], False),
        (["--language", "de"], False),
        (["--since", f"{TODAY - timedelta(days=2)}"], True),
        (["--since", f"{TODAY + timedelta(days=2)}"], False),
        (["--until", f"{TODAY + timedelta(days=2)}"], True),
        (["--until", f"{TODAY - timedelta(days=2)}"], False),
        (["--longest", "1"], True),
        (["--shortest", "1"], False),
        (["--longest", "0.01"], False),
    ],
)
def test_options_say_which_videos_are_searched(library: Path, options: list[str], found: bool) -> None:
    said = say("search", "herons", *options, "--json")
    assert bool(said.json["hits"]) is found


@pytest.mark.parametrize("options", [["--since", "yesterday"], ["--longest", "-1"], ["--owner", "me"]])
def test_an_option_that_makes_no_sense_is_refused(library: Path, options: list[str]) -> None:
    said = say("search", "herons", *options)
    assert said.code == 2
    assert options[0] in said.err


def test_a_misspelt_word_is_found(library: Path) -> None:
    (hit, *_) = say("search", "hebrour", "harbuor", "--json").json["hits"]
    assert "harbour" in hit["snippet"]


def test_the_index_is_rebuilt_on_a_server(
    library: Path, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded = say("search", "herons", "--json").json["hits"]
    monkeypatch.setenv("VIDEO_ASSETS_SEARCH_URL", elasticsearch_url)
    assert say("search", "herons", "--json").json == {"hits": []}
    for _ in range(2):
        said = say("rebuild", "--index")
        assert (said.code, said.out.strip()) == (0, "search index: 1 videos")
        hits = say("search", "herons", "--json").json["hits"]
        assert [{**hit, "score": 0} for hit in hits] == [{**hit, "score": 0} for hit in embedded]
    assert say("delete", "1", "--yes").code == 0
    assert say("search", "herons", "--json").json == {"hits": []}
    assert say("rebuild", "--index").out.strip() == "search index: 0 videos"


def test_a_server_that_is_not_there_is_said_in_one_line(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    monkeypatch.setenv("VIDEO_ASSETS_SEARCH_URL", f"http://reader:sesame-and-poppy@{place}")
    for command in (["search", "herons"], ["rebuild", "--index"], ["doctor"]):
        said = say(*command)
        assert said.code != 0
        assert f"the search server {place} cannot be reached" in said.out + said.err
        assert "sesame" not in said.out + said.err
        assert "Traceback" not in said.out + said.err
