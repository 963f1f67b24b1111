"""A running `up`, and who may ask it for what: over plain HTTP, over WebSockets, and from a page in a real browser."""

from __future__ import annotations

import functools
import http.client
import http.server
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from video_assets_tests.cli.upped import Up, upped
from video_assets_tests.e2e.conftest import house_settings
from video_assets_tests.media.test_browser import FLAGS, SCRIPT

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

ADD = """mutation Add($key: String!) { addDynamicPartition(
  partitionsDefName: "videos" partitionKey: $key
  repositorySelector: { repositoryLocationName: "video_assets", repositoryName: "__repository__" }
) { __typename } }"""
KEYS = """{ assetNodeOrError(assetKey: {path: ["uploads"]}) {
  ... on AssetNode { partitionKeys } } }"""
FORGED = httpx.URL("/graphql", params={"query": ADD, "variables": '{"key": "forged"}'})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with upped(house_settings(tmp_path_factory.mktemp("up") / "home")) as started:
        yield started


def keys(running: Up) -> list[str]:
    """Where the mutation shows."""
    found: list[str] = running.graphql(KEYS)["assetNodeOrError"]["partitionKeys"]
    return found


def ask(
    running: Up, method: str, path: str, headers: dict[str, str], body: str | None = None
) -> http.client.HTTPResponse:
    """One request with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    given = {"Host": f"127.0.0.1:{running.port}"} | headers
    if body is not None:
        given["Content-Length"] = str(len(body))
    for name, value in given.items():
        connection.putheader(name, value)
    connection.endheaders(None if body is None else body.encode())
    return connection.getresponse()


def mutation(key: str) -> str:
    return json.dumps({"query": ADD, "variables": {"key": key}})


def test_a_program_may_do_what_it_could(running: Up) -> None:
    for host in (f"127.0.0.1:{running.port}", f"localhost:{running.port}", f"[::1]:{running.port}"):
        answer = ask(running, "POST", "/graphql", {"Host": host, "Content-Type": "application/json"}, mutation(host))
        assert answer.status == 200
        assert json.load(answer)["data"]["addDynamicPartition"]["__typename"] == "AddDynamicPartitionSuccess"
        assert host in keys(running)
    assert ask(running, "GET", "/", {}).status == 200
    large = json.dumps({"query": "{ __typename }", "variables": {"x": "y" * 5_000_000}})
    assert ask(running, "POST", "/graphql", {"Content-Type": "application/json"}, large).status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "text/plain", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "application/json", "Origin": "https://evil.example"}, 403),
        ({"Content-Type": "application/json", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Content-Type": "application/json", "Origin": "null"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "text/plain; application/json"}, 415),
        ({"Content-Type": "application/json", "Host": "rebound.example:3000"}, 421),
    ],
)
def test_a_mutation_from_elsewhere_does_nothing(running: Up, headers: dict[str, str], status: int) -> None:
    answer = ask(running, "POST", "/graphql", headers, mutation("forged"))
    line = answer.read().decode()
    assert answer.status == status
    assert line.count("\n") == 1
    assert "forged" not in keys(running)


def test_a_get_with_a_mutation_does_nothing(running: Up) -> None:
    answer = ask(running, "GET", str(FORGED), {})
    assert answer.status == 405
    assert "by POST" in answer.read().decode()
    assert "forged" not in keys(running)


def subscribed(running: Up, **headers: str) -> Any:
    """What a subscription says first."""
    url = f"ws://127.0.0.1:{running.port}/graphql"
    protocol = Subprotocol("graphql-ws")
    with connect(url, subprotocols=[protocol], additional_headers=headers, proxy=None) as socket:
        socket.send('{"type": "connection_init"}')
        assert json.loads(socket.recv(timeout=20))["type"] == "connection_ack"
        start = {"type": "start", "id": "1", "payload": {"query": "subscription { nothing }"}}
        socket.send(json.dumps(start))
        return json.loads(socket.recv(timeout=20))


def test_websockets_pass_for_the_ui_and_for_programs_alone(running: Up) -> None:
    for headers in ({}, {"Origin": running.address}):
        # An error about the subscription: Dagster itself has answered.
        assert subscribed(running, **headers)["type"] == "error"
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        with pytest.raises(InvalidStatus) as refused:
            subscribed(running, **headers)
        assert refused.value.response.status_code == 403


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    ran = subprocess.run([SCRIPT], capture_output=True, text=True, timeout=360)
    if ran.returncode:
        message = f"no browser: {(ran.stderr.strip() or 'the script failed').splitlines()[-1]}"
        if os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    with sync_playwright() as playwright:
        # A name of somebody's own that leads here: DNS rebinding.
        rebound = "--host-resolver-rules=MAP rebound.example 127.0.0.1"
        started = playwright.chromium.launch(executable_path=ran.stdout.strip(), headless=True, args=[*FLAGS, rebound])
        yield started
        started.close()


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page of another site: its address."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text("<!doctype html><title>elsewhere</title>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


ATTACK = """
async ([address, body, get]) => {
  const done = [];
  for (const type of ['text/plain', 'text/plain;application/json', 'application/x-www-form-urlencoded']) {
    await fetch(address + '/graphql', {method: 'POST', mode: 'no-cors', headers: {'Content-Type': type}, body})
      .then(() => done.push('sent'), () => done.push('failed'));
  }
  await fetch(address + '/graphql', {method: 'POST', headers: {'Content-Type': 'application/json'}, body})
    .then(() => done.push('sent'), () => done.push('failed'));
  const image = new Image();
  await new Promise(end => { image.onload = image.onerror = end; image.src = address + get; });
  const frame = document.createElement('iframe');
  await new Promise(end => { frame.onload = end; frame.src = address + '/'; document.body.append(frame); });
  const socket = new WebSocket(address.replace('http', 'ws') + '/graphql', 'graphql-ws');
  const opened = await new Promise(end => { socket.onopen = () => end(true); socket.onerror = () => end(false); });
  return [done, opened];
}
"""


def test_a_page_of_another_site_reaches_nothing(running: Up, browser: Browser, elsewhere: str) -> None:
    page = browser.new_page()
    page.goto(elsewhere)
    answers: list[int] = []
    page.on("response", lambda answer: answers.append(answer.status) if running.address in answer.url else None)

    done, opened = page.evaluate(ATTACK, [running.address, mutation("forged"), str(FORGED)])

    assert len(done) == 4
    assert opened is False
    assert set(answers) == {403}, answers
    assert "forged" not in keys(running)
    page.close()


def test_a_domain_that_leads_here_reaches_nothing(running: Up, browser: Browser) -> None:
    page = browser.new_page()
    answer = page.goto(f"http://rebound.example:{running.port}/")
    assert answer is not None
    assert answer.status == 421
    page.close()


def test_the_ui_works_in_a_browser_with_its_subscriptions(running: Up, browser: Browser, elsewhere: str) -> None:
    page = browser.new_page()
    refused: list[str] = []
    sockets: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status in (403, 405, 415, 421) else None)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: sockets.append(str(frame))))
    page.goto(elsewhere)
    page.set_content(f'<a href="{running.address}/assets">there</a>')  # a link from elsewhere may be followed
    page.click("a")
    page.get_by_text("search_documents").first.wait_for(timeout=60_000)
    assert refused == []
    page.goto(f"{running.address}/overview/activity")
    page.wait_for_function("() => document.body.innerText.length > 100", timeout=60_000)
    assert refused == []
    assert any("connection_ack" in frame for frame in sockets), "the UI's WebSocket"
    page.close()
