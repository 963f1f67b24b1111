"""What is particular to the index on an Elasticsearch server."""

from __future__ import annotations

import json
import multiprocessing
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from elasticsearch import Elasticsearch

from video_assets.errors import PermanentError, TransientError
from video_assets.search import Document, Spoken, open_index, passages
from video_assets.search.elastic import mapping
from video_assets.search.elastic.index import ElasticIndex
from video_assets.search.elastic.server import NAME, Server
from video_assets_tests.search.indices import entry

SECRET = "sesame-and-poppy"
ANSWER = {"version": {"number": "8.19.0"}, "tagline": "You Know, for Search"}


def document(video_id: int, *sentences: str, title: str = "Untitled") -> Document:
    """One passage a sentence."""
    spoken = [Spoken(at * 40.0, at * 40.0 + 39.0, text) for at, text in enumerate(sentences)]
    return Document(video_id=video_id, title=title, duration=40.0 * len(sentences), passages=passages(spoken))


@pytest.fixture
def index(elasticsearch_url: str) -> ElasticIndex:
    return ElasticIndex(elasticsearch_url)


@pytest.fixture
def held(index: ElasticIndex) -> Callable[[], list[str]]:
    """The ids of everything the server holds for the index."""

    def look() -> list[str]:
        client = index.server.client
        client.indices.refresh(index=index.names.alias)
        found = client.search(index=index.names.alias, size=1000, source=False)["hits"]["hits"]
        return sorted(each["_id"] for each in found)

    return look


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None], *, tls: tuple[Path, Path] | None = None) -> Iterator[str]:
    """An HTTP server that answers everything so; its host and port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answer(self)

        do_POST = do_PUT = do_HEAD = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def saying(status: int, body: Any, kind: str = "application/json", product: str | None = "Elasticsearch") -> Any:
    """An answer for `serving`."""
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        reply(handler, status, data, kind, product)

    return answer


def reply(
    handler: BaseHTTPRequestHandler,
    status: int,
    data: bytes,
    kind: str | None = "application/json",
    product: str | None = "Elasticsearch",
) -> None:
    handler.send_response(status)
    for name, value in (("Content-Type", kind), ("X-Elastic-Product", product), ("Content-Length", str(len(data)))):
        if value:
            handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data if handler.command != "HEAD" else b"")


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (saying(200, {"version": {"number": "7.17.9"}}), PermanentError, "is Elasticsearch 7.17.9; use version 8 or 9"),
        (saying(200, {"version": {"number": "10.0.0"}}), PermanentError, "is Elasticsearch 10.0.0; use version 8 or 9"),
        (
            saying(200, {"version": {"number": "2.11.0", "distribution": "opensearch"}}, product=None),
            PermanentError,
            "is no Elasticsearch",
        ),
        (saying(200, "<html>It works!</html>", "text/html", None), PermanentError, "is no Elasticsearch"),
        (saying(404, "<html>Not here</html>", "text/html", None), PermanentError, "is no Elasticsearch"),
        (saying(200, ["nothing", "of", "the", "kind"]), PermanentError, "is no Elasticsearch"),
        (saying(401, {"error": {"reason": f"bad password {SECRET}"}}), PermanentError, "check user, password"),
        (saying(403, {"error": "forbidden"}), PermanentError, "check user, password"),
        (saying(503, {"error": {"reason": "no master"}}), TransientError, "is not ready (503): no master"),
        (saying(429, {"error": {"reason": "slow down"}}), TransientError, "is not ready (429): slow down"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_without_the_password(answer: Any, error: type[Exception], said: str) -> None:
    with serving(answer) as place:
        index = open_index(f"http://reader:{SECRET}@{place}")
        for use in (index.ping, index.count, lambda: index.search("boats"), lambda: index.read(1)):
            with pytest.raises(error) as raised:
                use()
            assert said in str(raised.value)
            assert place in str(raised.value)
            assert SECRET not in str(raised.value)
            assert "\n" not in str(raised.value)


def test_a_server_that_is_not_there_may_be_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    index = open_index(f"http://reader:{SECRET}@{place}/films")
    for use in (index.ping, lambda: index.put(document(1, "Boats."), version="1"), lambda: index.remove(1)):
        with pytest.raises(TransientError, match=f"^the search server {place} cannot be reached$"):
            use()


def test_versions_9_are_taken() -> None:
    with serving(saying(200, {"version": {"number": "9.2.1"}})) as place:
        assert Server(f"http://{place}").version() == "9.2.1"


def test_credentials_go_to_the_server_as_they_are_meant() -> None:
    seen: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        saying(200, ANSWER)(handler)

    with serving(answer) as place:
        server = Server(f"http://re%40der:p%3Ass%2F@{place}")
        server.version()
        assert "der" not in server.shown
    assert seen == ["Basic cmVAZGVyOnA6c3Mv"]


@pytest.mark.parametrize(
    "bad", ["https://", "http://host:99999", "http://host/UPPER", "http://host/a/b", "http://host?x=1", "http://:9200"]
)
def test_addresses_that_are_none_are_refused_in_one_line(bad: str) -> None:
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_SEARCH_URL") as raised:
        open_index(bad.replace("//", f"//user:{SECRET}@", 1))
    assert SECRET not in str(raised.value)


def test_defaults_of_an_address() -> None:
    server = Server("https://search.example")
    assert (server.shown, server.alias) == ("search.example:9200", NAME)


def test_a_certificate_is_trusted_by_the_authority_that_is_named(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            key,
            "-out",
            certificate,
            "-days",
            "2",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ],
        check=True,
        capture_output=True,
    )
    with serving(saying(200, ANSWER), tls=(certificate, key)) as place:
        assert Server(f"https://{place}", ca=certificate).version() == "8.19.0"
        with pytest.raises(PermanentError, match="VIDEO_ASSETS_SEARCH_CA"):
            Server(f"https://{place}").version()
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_SEARCH_CA: there is no file"):
        Server("https://127.0.0.1", ca=tmp_path / "nothing.pem")


@contextmanager
def in_between(url: str, change: Callable[[str, bytes], tuple[int, bytes] | None]) -> Iterator[str]:
    """The URL of a server that passes everything on to the one at `url`, but where `change` (of path and answer)
    answers something else."""
    to = urlsplit(url)

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        early = change(handler.path, b"")
        if early is not None:
            reply(handler, *early)
            return
        connection = HTTPConnection(str(to.hostname), to.port)
        headers = {name: value for name, value in handler.headers.items() if name.lower() != "accept-encoding"}
        connection.request(handler.command, handler.path, body, headers)
        answered = connection.getresponse()
        data = answered.read()
        status, data = change(handler.path, data) or (answered.status, data)
        reply(handler, status, data, answered.headers["Content-Type"], answered.headers["X-Elastic-Product"])
        connection.close()

    with serving(answer) as place:
        yield f"http://{place}{to.path}"


def test_a_busy_server_is_given_time(elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends back the whole of a bulk request, and then every second document of one: none is lost."""
    pauses: list[float] = []
    monkeypatch.setattr("video_assets.retrying.tenacity.nap.time.sleep", pauses.append)
    asked = 0

    def change(path: str, answer: bytes) -> tuple[int, bytes] | None:
        nonlocal asked
        if not path.endswith("_bulk"):
            return None
        if not answer:
            asked += 1
            return (429, b'{"error": {"reason": "too many requests"}, "status": 429}') if asked == 1 else None
        if asked == 2:
            items = json.loads(answer)
            for item in items["items"][::2]:
                item["index"] = {"_id": item["index"]["_id"], "status": 429, "error": {"type": "busy"}}
            return 200, json.dumps(items).encode()
        return None

    with in_between(elasticsearch_url, change) as url:
        busy = document(1, *[f"Boat number{at} leaves." for at in range(9)])
        assert open_index(url).put(busy, version="1") is True
    assert asked == 3
    assert len(pauses) == 2
    assert all(least <= pause <= most for pause, (least, most) in zip(pauses, [(0.2, 0.25), (0.45, 0.57)], strict=True))
    assert open_index(elasticsearch_url).read(1) == open_index(elasticsearch_url).read(1)
    assert entry(open_index(elasticsearch_url), 1).passages == len(busy.passages)


def test_a_server_that_stays_busy_is_given_up_for_now(elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("video_assets.retrying.tenacity.nap.time.sleep", lambda _: None)

    def change(path: str, answer: bytes) -> tuple[int, bytes] | None:
        return (429, b'{"error": {"reason": "too many"}, "status": 429}') if path.endswith("_bulk") else None

    with in_between(elasticsearch_url, change) as url, pytest.raises(TransientError, match="too busy") as raised:
        open_index(url).put(document(1, "Boats."), version="1")
    assert raised.value.retry_after


def test_what_was_stopped_half_way_does_not_show_and_is_cleared(
    index: ElasticIndex, held: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    index.put(document(1, "The old harbour.", "The old boats."), version="1")

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(index, "_move_head", killed)
        with pytest.raises(KeyboardInterrupt):
            index.put(document(1, "The new harbour.", "The new boats.", "More."), version="2")
    assert held() == ["1", "1/1/0", "1/1/1", "1/2/0", "1/2/1", "1/2/2"]
    assert ["new" in hit.snippet for hit in index.search("harbour")] == [False]
    assert entry(index, 1).version == "1"
    assert index.put(document(1, "The newest harbour."), version="3")
    assert held() == ["1", "1/3/0"]


def test_whoever_is_overtaken_on_the_way_leaves_nothing(
    index: ElasticIndex, held: Callable[[], list[str]], elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, other = index.server.write, ElasticIndex(elasticsearch_url)

    def slow(actions: Any, **options: Any) -> set[str]:
        other.put(document(1, "The newer harbour."), version="2")
        return write(actions, **options)

    monkeypatch.setattr(index.server, "write", slow)
    assert index.put(document(1, "The older harbour.", "More of it."), version="1") is False
    monkeypatch.undo()
    assert held() == ["1", "1/2/0"]
    assert entry(index, 1).version == "2"


def test_a_put_during_the_switch_to_another_index_is_whole(
    index: ElasticIndex, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.put(document(2, "Some boats."), version="1")
    write, other, switched = index.server.write, ElasticIndex(elasticsearch_url), list[int]()

    def slow(actions: Any, **options: Any) -> set[str]:
        went_to = write(actions, **options)
        if not switched:
            switched.append(other.rebuild([(document(2, "Some boats."), "1")]))
        return went_to

    monkeypatch.setattr(index.server, "write", slow)
    assert index.put(document(1, "The harbour.", "More of it."), version="1") is True
    assert entry(index, 1).passages == 2
    assert [hit.video_id for hit in index.search("harbour")] == [1]


def test_a_new_layout_is_moved_to_while_searches_go_on(
    index: ElasticIndex, elasticsearch_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [(document(at, "The harbour at dawn.", "More of it."), "1") for at in range(1, 30)]
    index.rebuild(documents)
    monkeypatch.setattr(mapping, "VERSION", 2)
    properties = {**mapping.MAPPINGS["properties"], "mood": {"type": "keyword"}}
    monkeypatch.setattr(mapping, "MAPPINGS", {**mapping.MAPPINGS, "_meta": {"mapping": 2}, "properties": properties})
    newer = ElasticIndex(elasticsearch_url)
    with pytest.raises(PermanentError, match="rebuild --index"):
        newer.put(document(1, "Boats."), version="2")
    with pytest.raises(PermanentError, match="rebuild --index"):
        newer.remove(1)
    assert len(newer.videos("harbour", limit=100)) == 29

    stop, seen = threading.Event(), list[int]()

    def search() -> None:
        while not stop.is_set():
            seen.append(len(index.videos("harbour", limit=100)))

    searching = threading.Thread(target=search)
    searching.start()
    try:
        assert newer.rebuild(documents) == 29
    finally:
        stop.set()
        searching.join()
    assert set(seen) == {29}
    client = index.server.client
    (name,) = client.indices.get(index=f"{index.names.alias}*")
    assert name == f"{index.names.alias}-2-000003"
    assert newer.put(document(1, "Boats."), version="2") is True
    assert index.put(document(1, "Older release, newer boats."), version="3") is True, "it goes on beside the newer one"


def test_first_use_by_many_makes_one_index(elasticsearch_url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(6) as pool:
        assert pool.map(_first_use, [elasticsearch_url] * 6, chunksize=1) == [True] * 6
    assert open_index(elasticsearch_url).count() == 1
    server = Server(elasticsearch_url)
    assert list(server.client.indices.get(index=f"{server.alias}*")) == [f"{server.alias}-1-000001"]


def _first_use(url: str) -> bool:
    return open_index(url).put(document(1, "Boats."), version="1")


def test_an_index_removed_beneath_it_is_put_up_again(index: ElasticIndex) -> None:
    index.put(document(1, "Boats."), version="1")
    index.server.client.indices.delete(index=f"{index.names.alias}-1-000001")
    with pytest.raises(TransientError):
        index.search("boats")
    assert index.search("boats") == []
    assert index.put(document(1, "Boats."), version="1")


def test_an_index_of_somebody_elses_is_left_alone(elasticsearch_url: str) -> None:
    server, _, name = elasticsearch_url.rpartition("/")
    with Elasticsearch(server) as client:
        client.indices.create(index=name)
        with pytest.raises(PermanentError, match="is an index of somebody else's"):
            open_index(elasticsearch_url).put(document(1, "Boats."), version="1")
        assert client.count(index=name)["count"] == 0


def test_a_long_video_is_replaced_and_removed_whole(index: ElasticIndex, held: Callable[[], list[str]]) -> None:
    index.put(document(1, *["The tide rises."] * 700), version="1")
    assert entry(index, 1).passages == 700
    index.put(document(1, *["The tide falls."] * 3), version="2")
    assert held() == ["1", "1/2/0", "1/2/1", "1/2/2"]
    index.remove(1, forever=True)
    assert held() == ["1"], "what says that it stays removed"
