"""The connection to an Elasticsearch server: address, client, bulk writes, and our errors for its failures."""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import elastic_transport
import elasticsearch
from elasticsearch.helpers import parallel_bulk

from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.retrying import Policy

SETTING = "VIDEO_ASSETS_SEARCH_URL"
NAME = "video-assets"
"""The alias, if the URL names no other."""
TIMEOUT_SECONDS = 30
MAJORS = (8, 9)
BUSY = (429, 503)
"""Statuses of a server that is too busy at the moment."""
PATIENCE = Policy(tries=6, first=0.2, growth=2.25, longest=5.0)
"""How often a busy server is asked again: for about nine seconds."""
CHUNK, CHUNK_BYTES, THREADS = 500, 8 * 2**20, 2

_ALIAS = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
Action = dict[str, Any]


class IndexGone(TransientError):
    """The index was removed meanwhile. The next use creates it again."""


class Server:
    """One server, or one address of a cluster. Threads may share it, and it works after a fork.

    Raises PermanentError on creation if the URL or the certificate file is wrong.
    """

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        parts = urlsplit(url)
        try:
            host, port = parts.hostname, parts.port or 9200
        except ValueError:
            host, port = None, 0
        self.alias = parts.path.strip("/") or NAME
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
            raise PermanentError(
                f"{SETTING} is no address of a search server: give http(s)://[user:password@]host:9200"
            )
        if not _ALIAS.fullmatch(self.alias):
            raise PermanentError(f"{SETTING}: {one_line(self.alias, 50)} is no name of an index: use a-z, 0-9, - and _")
        if ca is not None and not ca.is_file():
            raise PermanentError(f"VIDEO_ASSETS_SEARCH_CA: there is no file {one_line(str(ca), 200)}")
        self.shown = f"{host}:{port}"
        """The address without credentials, for messages."""
        self._address = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        self._credentials = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._ca = ca
        self._lock = threading.Lock()
        self._client: elasticsearch.Elasticsearch | None = None
        self._owner = 0

    @property
    def client(self) -> elasticsearch.Elasticsearch:
        """This process's client. Use it inside `speaking`."""
        with self._lock:
            if self._client is None or self._owner != os.getpid():
                secure: Any = {"ca_certs": str(self._ca)} if self._ca and self._address.startswith("https") else {}
                self._client = elasticsearch.Elasticsearch(
                    self._address,
                    basic_auth=self._credentials,
                    request_timeout=TIMEOUT_SECONDS,
                    max_retries=2,
                    retry_on_status=(502, 504),
                    serializer=elasticsearch.OrjsonSerializer(),
                    **secure,
                )
                self._owner = os.getpid()
            return self._client

    def version(self) -> str:
        """The server's version. Raises PermanentError if the version is not supported, or it is no Elasticsearch."""
        with self.speaking():
            try:
                number = str(self.client.info()["version"]["number"])
            except (elasticsearch.NotFoundError, elasticsearch.BadRequestError, KeyError, TypeError):
                raise self._no_such_thing() from None
        if not number.partition(".")[0].isdigit() or int(number.partition(".")[0]) not in MAJORS:
            raise PermanentError(
                f"the search server {self.shown} is Elasticsearch {one_line(number, 20)}; use version 8 or 9"
            )
        return number

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turns exceptions of the client into PermanentError or TransientError, with one line each."""
        try:
            yield
        except (elasticsearch.UnsupportedProductError, elastic_transport.SerializationError) as error:
            raise self._no_such_thing() from error
        except elastic_transport.TlsError as error:
            raise PermanentError(
                f"the search server {self.shown} shows a certificate that is not trusted: "
                "name its authority's file in VIDEO_ASSETS_SEARCH_CA"
            ) from error
        except elastic_transport.ConnectionTimeout as error:
            raise TransientError(f"the search server {self.shown} did not answer in {TIMEOUT_SECONDS} s") from error
        except elastic_transport.TransportError as error:
            raise TransientError(f"the search server {self.shown} cannot be reached") from error
        except elasticsearch.ApiError as error:
            raise self._refusal(error) from error

    def check(self, answer: dict[str, Any]) -> None:
        """Raises if this answer, one of several in a response, is a failure."""
        if "error" in answer:
            status = int(answer.get("status", 500))
            said = one_line(_reason(answer["error"]), 200)
            if status == 404:
                raise IndexGone(f"the search index {self.alias} was removed just now")
            if status in (408, 429) or status >= 500:
                raise TransientError(f"the search server {self.shown} is not ready ({status}): {said}")
            raise PermanentError(f"the search server {self.shown} refuses ({status}): {said}")

    def write(self, actions: Iterable[Action], **options: Any) -> set[str]:
        """Sends many documents. Those that a busy server refuses are sent again after a pause. Returns the names of the
        indices that they were written to. Deleting a document that does not exist is no failure, nor is writing an
        external version that is not higher than the one there."""
        written = set[str]()
        left: Iterable[Action] = actions

        def all_taken() -> bool:
            nonlocal left
            left = self._sent(left, written, options)
            return not left

        with self.speaking():
            if not PATIENCE.until(all_taken):
                raise TransientError(f"the search server {self.shown} is too busy", retry_after=PATIENCE.longest)
        return written

    def _sent(self, actions: Iterable[Action], written: set[str], options: dict[str, Any]) -> list[Action]:
        """Sends the actions once. Returns those that a busy server refused."""
        back: list[Action] = []
        waiting: deque[Action] = deque()

        def passing() -> Iterator[Action]:
            for action in actions:
                waiting.append(action)
                yield action

        # Answers come in the order of the actions, so each answer belongs to the first action that waits.
        for ok, answer in parallel_bulk(
            self.client,
            passing(),
            thread_count=THREADS,
            chunk_size=CHUNK,
            max_chunk_bytes=CHUNK_BYTES,
            raise_on_error=False,
            raise_on_exception=False,
            **options,
        ):
            action, (kind, item) = waiting.popleft(), next(iter(answer.items()))
            if ok:
                written.add(item["_index"])
            elif item["status"] in BUSY:
                back.append(action)
            elif isinstance(item.get("exception"), Exception):
                raise item["exception"]
            elif not _is_settled(action, kind, item["status"]):
                raise PermanentError(
                    f"the search server {self.shown} refuses a document: {one_line(_reason(item.get('error')), 200)}"
                )
        return back

    def _refusal(self, error: elasticsearch.ApiError) -> PermanentError | TransientError:
        status = error.status_code
        if status in (401, 403):
            return PermanentError(
                f"the search server {self.shown} refuses us ({status}): check user, password ({SETTING}) and rights"
            )
        if status in (408, 429) or status >= 500:
            return TransientError(f"the search server {self.shown} is not ready ({status}): {_said(error)}")
        return PermanentError(f"the search server {self.shown} refuses ({status}): {_said(error)}")

    def _no_such_thing(self) -> PermanentError:
        return PermanentError(f"what answers at {self.shown} is no Elasticsearch: check {SETTING}")


def stored(client: elasticsearch.Elasticsearch, index: str, name: str) -> Any:
    """The document with this id at this moment, with its version and sequence number; None if there is none."""
    try:
        return client.get(index=index, id=name)
    except elasticsearch.NotFoundError as error:
        if isinstance(error.body, dict) and error.body.get("found") is False:
            return None
        raise


def _is_settled(action: Action, kind: str, status: int) -> bool:
    """Whether what the server refused needs no doing any more."""
    return (kind == "delete" and status == 404) or (status == 409 and action.get("version_type") == "external")


def _said(error: elasticsearch.ApiError) -> str:
    body = error.body.get("error") if isinstance(error.body, dict) else None
    return one_line(_reason(body) or error.message, 200)


def _reason(error: Any) -> str:
    if not isinstance(error, dict):
        return str(error or "")
    cause = error.get("caused_by")
    return str((cause.get("reason") if isinstance(cause, dict) else None) or error.get("reason") or error.get("type"))
