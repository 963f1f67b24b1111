"""What is away, or not set up as it should be, is told in one line: soon, and without names of servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from video_assets.errors import BadInput, Busy, Full, NoSuchVideo, PermanentError, TransientError
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.web.problems import problem_of
from video_assets_tests.web.serving import Site, served

pytestmark = pytest.mark.timeout(120)
NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (BadInput("choose another"), 400, True),
        (NoSuchVideo(7), 404, True),
        (Busy("too many people are signing in"), 503, True),
        (Full("the disk of /srv is full"), 507, False),
        (TransientError("postgresql://db.internal did not answer"), 503, False),
        (PermanentError("/srv/video-assets.db is damaged"), 500, False),
        (RuntimeError("secret"), 500, False),
    ],
)
def test_clients_are_told_what_is_their_business(error: Exception, status: int, told: bool) -> None:
    problem = problem_of(error)
    assert problem.status == status
    assert (str(error) in problem.detail) is told


@contextmanager
def house(tmp_path: Path, **settings: object) -> Iterator[Site]:
    with served(Systems(Settings.model_validate({"home": tmp_path / "home", **settings}))) as site:
        yield site


def is_away(answer: httpx.Response, begun: float) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    assert NOWHERE not in answer.text
    assert time.monotonic() - begun < 20


def test_without_tables_every_route_says_so_and_live_is_live(tmp_path: Path) -> None:
    with house(tmp_path, database_url=f"postgresql://u@{NOWHERE}/x") as site, site.client() as client:
        for path in ("/videos", "/videos/7", "/videos/7/watch", "/videos/events?ids=7"):
            begun = time.monotonic()
            is_away(client.get(path), begun)
        assert client.get("/health/live").status_code == 200
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert NOWHERE not in ready.text
        assert {each["name"]: each["ok"] for each in ready.json()["dependencies"]}["database"] is False


def test_without_an_index_all_but_searching_goes_on(tmp_path: Path) -> None:
    with house(tmp_path, search_url=f"http://{NOWHERE}") as site, site.as_("ada") as client:
        begun = time.monotonic()
        is_away(client.get("/videos/search", params={"q": "herons"}), begun)
        assert client.get("/videos").status_code == 200
        assert client.get("/health").json()["status"] == "unavailable"


def test_rates_are_counted_without_redis_too(tmp_path: Path) -> None:
    with house(tmp_path, rate_limits_url=f"redis://{NOWHERE}/0") as site, site.as_("ada") as client:
        assert client.get("/users/check-email", params={"email": "b@example.org"}).status_code == 200
