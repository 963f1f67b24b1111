"""Answers that were paid for, kept by what was asked: no question is put twice, whatever dies in between.

An answer lies in the folder of the video it was asked for (`videos/{id}/answers/{digest}.json`), so that it goes
when the video is deleted. `answers/{digest}.json` names that place and holds nothing of the answer itself: another
video with the same question finds it there, and takes a copy.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from video_assets.artifacts.fingerprint import canonical, digest
from video_assets.storage import NotFound, Storage
from video_assets.videos import video_prefix


class Answers:
    """Everything asked of paid services, through one storage. Share one among the threads of a process: of
    those that ask the same at the same time, one asks and the others wait for its answer."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._guard = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}

    def once(
        self, video_id: int, question: Mapping[str, Any], ask: Callable[[], Mapping[str, Any]]
    ) -> tuple[dict[str, Any], bool]:
        """The answer to the question, and whether it was there already.

        `question`: all that decides the answer (server, model, prompt, the content hash of what is sent), as JSON.
        `ask` is called only where nobody has the answer, and returns it as JSON; what it raises is raised, and
        nothing is kept. The answer is in storage before it is returned.
        """
        name = digest(question)
        with self._turn(name):
            found = self._find(video_id, name)
            if found is not None:
                return found, True
            data = canonical({"answer": dict(ask())})
            self._keep(video_id, name, data)
            return _answer(data) or {}, False

    def forget(self, video_id: int, question: Mapping[str, Any]) -> None:
        """Drops an answer that proved to be useless, so that the question is put anew the next time."""
        name = digest(question)
        with self._turn(name):
            self.storage.delete(_place(video_id, name))
            self.storage.delete(_shared(name))

    def _find(self, video_id: int, name: str) -> dict[str, Any] | None:
        own = _place(video_id, name)
        try:
            return _answer(self.storage.get_bytes(own))
        except NotFound:
            pass
        try:
            data = self.storage.get_bytes(_named(self.storage.get_bytes(_shared(name))))
        except NotFound:  # nobody asked yet, or the video it was asked for was deleted
            return None
        found = _answer(data)
        if found is not None:
            self.storage.put_bytes(own, data, content_type="application/json")
        return found

    def _keep(self, video_id: int, name: str, data: bytes) -> None:
        own = _place(video_id, name)
        self.storage.put_bytes(own, data, content_type="application/json")
        self.storage.put_bytes(_shared(name), canonical({"key": own}), content_type="application/json")

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """One at a time for each question."""
        with self._guard:
            lock, waiting = self._turns.get(name, (threading.Lock(), 0))
            self._turns[name] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._guard:
                lock, waiting = self._turns[name]
                if waiting == 1:
                    del self._turns[name]
                else:
                    self._turns[name] = (lock, waiting - 1)


def _answer(data: bytes) -> dict[str, Any] | None:
    """What is kept; None where it is not readable, and so has to be asked again."""
    try:
        answer = json.loads(data)["answer"]
    except (ValueError, KeyError, TypeError):
        return None
    return answer if isinstance(answer, dict) else None


def _named(data: bytes) -> str:
    try:
        return str(json.loads(data)["key"])
    except (ValueError, KeyError, TypeError):
        raise NotFound("unreadable") from None


def _place(video_id: int, name: str) -> str:
    return f"{video_prefix(video_id)}answers/{name}.json"


def _shared(name: str) -> str:
    return f"answers/{name[:2]}/{name}.json"
