"""Which requests the Dagster UI takes: the decision, case by case."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from video_assets.defs.instance.gate import Asked, Gate, loopback_hosts, refusal

HERE = "127.0.0.1:3000"
HOSTS = loopback_hosts(3000)
JSON = {"content-type": "application/json"}
MUTATION = "query=mutation%7BterminateRun(runId%3A%22x%22)%7B__typename%7D%7D"
UI = {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"}
LINK = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
FOREIGN = {"origin": "https://evil.example"}


def status(
    method: str = "GET", path: str = "/", query: str = "", *, kind: str = "http", host: str = HERE, **headers: str
) -> int:
    """What is answered; 0 where the request passes. `_` stands for `-` in headers' names."""
    said = {"host": [host]} | {name.replace("_", "-"): [value] for name, value in headers.items()}
    found = refusal(Asked(kind, method, path, query, said), HOSTS)
    assert found is None or ("\n" not in found.line and found.line)
    return found.status if found else 0


def given(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


@pytest.mark.parametrize("host", ["127.0.0.1:3000", "localhost:3000", "LocalHost:3000", "[::1]:3000"])
def test_programs_that_say_nothing_of_where_they_come_from_are_taken(host: str) -> None:
    assert status("POST", "/graphql", host=host, **given(JSON)) == 0
    assert status("POST", "/graphql", host=host, content_type="application/json; charset=utf-8") == 0
    assert status("GET", "/graphql", "query=%7B__typename%7D", host=host) == 0
    assert status("GET", "/server_info", host=host) == 0
    assert status("POST", "/report_asset_materialization/uploads", host=host) == 0
    assert status(path="/graphql", kind="websocket", host=host) == 0


@pytest.mark.parametrize(
    "host", ["evil.example:3000", "127.0.0.1", "127.0.0.1:3001", "localhost.evil.example:3000", "0.0.0.0:3000", ""]
)
def test_a_name_that_is_not_this_machine_s_is_refused(host: str) -> None:
    assert status(host=host) == 421
    assert status("POST", "/graphql", host=host, **given(JSON | UI | {"origin": f"http://{host}"})) == 421
    assert status(path="/graphql", kind="websocket", host=host, origin=f"http://{host}") == 421


def test_no_host_or_two_of_them_are_refused() -> None:
    for hosts in ([], [HERE, HERE], [HERE, "evil.example"]):
        found = refusal(Asked("http", "GET", "/", "", {"host": hosts}), HOSTS)
        assert found is not None
        assert found.status == 421


def test_the_ui_s_own_requests_are_taken() -> None:
    own = given(UI | {"origin": f"http://{HERE}"})
    assert status("POST", "/graphql", **own, **given(JSON)) == 0
    assert status("POST", "/graphql", **own, content_type="multipart/form-data; boundary=x") == 0
    assert status(path="/graphql", kind="websocket", **own) == 0
    assert status(path="/assets/main.js", **given(UI)) == 0
    assert status(path="/runs", sec_fetch_site="none", sec_fetch_mode="navigate", sec_fetch_dest="document") == 0


def test_a_link_from_elsewhere_may_be_followed_and_nothing_more() -> None:
    assert status(path="/runs/1", **given(LINK)) == 0
    assert status(path="/runs/1", **given(LINK | {"sec-fetch-site": "same-site"})) == 0
    assert status("POST", "/graphql", **given(LINK | JSON)) == 403
    assert status(path="/runs/1", **given(LINK | {"sec-fetch-dest": "iframe"})) == 403
    assert status(path="/graphql", query=MUTATION, **given(LINK)) == 405


@pytest.mark.parametrize(
    "where",
    [
        FOREIGN,
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"origin": f"https://{HERE}"},
        {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "anything"},
        FOREIGN | {"sec-fetch-site": "same-origin"},
    ],
)
def test_what_a_page_of_another_site_sends_is_refused(where: dict[str, str]) -> None:
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert status("POST", "/graphql", **given(where), content_type=kind) == 403
    assert status("POST", "/report_asset_materialization/uploads", **given(where)) == 403
    assert status("OPTIONS", "/graphql", **given(where)) == 403
    assert status("GET", "/graphql", "query=%7B__typename%7D", **given(where)) == 403
    assert status("GET", "/graphql", MUTATION, **given(where)) == 403
    assert status(path="/graphql", kind="websocket", **given(where)) == 403


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "multipart/form-data; boundary=x",
        "application/jsonp",
    ],
)
def test_graphql_is_taken_as_json_alone(kind: str | None) -> None:
    headers = {} if kind is None else {"content_type": kind}
    assert status("POST", "/graphql", **headers) == 415
    assert status("POST", "/graphql", MUTATION, **headers) == 415


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_changes_nothing(method: str) -> None:
    assert status(method, "/graphql", MUTATION) == 405
    assert status(method, "/graphql/", MUTATION) == 405
    assert status(method, "/graphql", "query=%7B__typename%7D&" + MUTATION) == 405
    assert status(method, "/graphql", "query=query%20a%7B__typename%7Dmutation%20b%7Bx%7D&operationName=b") == 405
    assert status(method, "/graphql", "query=%23mutation%0A%7B__typename%7D") == 0
    assert status(method, "/graphql", "query=mutation%20%7B") == 0  # no GraphQL: Dagster says so
    assert status(method, "/graphql", "query=" + "%7Ba" * 5000) == 0  # neither


def test_what_is_refused_never_reaches_the_app_and_what_passes_is_framed_by_nobody_else() -> None:
    reached: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})

    def asked(path: str, host: bytes) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            raise AssertionError("the body is read by nobody")

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", host)]}
        asyncio.run(Gate(app, HOSTS)(scope, receive, send))
        return sent

    assert asked("/a", b"evil.example")[0]["status"] == 421
    passed = asked("/b", HERE.encode())[0]
    assert (b"x-frame-options", b"SAMEORIGIN") in passed["headers"]
    assert (b"a", b"b") in passed["headers"]
    assert reached == ["/b"]
