"""Answers of paid services, stored by a hash of the question: no question is paid for twice, also after a crash.

An answer is stored with the video that it was asked for (`videos/{id}/answers/{digest}.json`), so that it is deleted
with the video. `answers/{digest}.json` holds only the key of that object: another video with the same question finds
the answer by it, and copies it.
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
    """The stored answers in one storage. The threads of a process should share one object: of several that ask the same
    at the same time, one asks and the others wait for its answer."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._guard = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}

    def once(
        self, video_id: int, question: Mapping[str, Any], ask: Callable[[], Mapping[str, Any]]
    ) -> tuple[dict[str, Any], bool]:
        """The answer to the question, and whether it was stored already.

        `question`: everything that decides the answer (server, model, prompt, content hash of what is sent), as JSON.
        `ask`: called only if the answer is not stored; returns it as JSON. If it raises, the exception passes through
        and nothing is stored. The answer is in storage before it is returned.
        """
        name = digest(question)
        with self._turn(name):
            found = self._find(video_id, name)
            if found is not None:
                return found, True
            data = canonical({"answer": dict(ask())})
            self._store(video_id, name, data)
            return _answer(data) or {}, False

    def forget(self, video_id: int, question: Mapping[str, Any]) -> None:
        """Deletes an answer that proved to be useless, so that the question is asked again the next time."""
        name = digest(question)
        with self._turn(name):
            self.storage.delete(_answer_key(video_id, name))
            self.storage.delete(_reference_key(name))

    def _find(self, video_id: int, name: str) -> dict[str, Any] | None:
        """The stored answer, copied to this video if it was another's; None if there is none."""
        own = _answer_key(video_id, name)
        try:
            return _answer(self.storage.get_bytes(own))
        except NotFound:
            pass
        try:
            data = self.storage.get_bytes(_referenced_key(self.storage.get_bytes(_reference_key(name))))
        except NotFound:  # nobody has asked yet, or the video that it was asked for was deleted
            return None
        found = _answer(data)
        if found is not None:
            self.storage.put_bytes(own, data, content_type="application/json")
        return found

    def _store(self, video_id: int, name: str, data: bytes) -> None:
        own = _answer_key(video_id, name)
        self.storage.put_bytes(own, data, content_type="application/json")
        self.storage.put_bytes(_reference_key(name), canonical({"key": own}), content_type="application/json")

    @contextmanager
    def _turn(self, name: str) -> Iterator[None]:
        """Lets one thread at a time ask a question."""
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
    """The stored answer; None if it is not readable, so that it is asked again."""
    try:
        answer = json.loads(data)["answer"]
    except (ValueError, KeyError, TypeError):
        return None
    return answer if isinstance(answer, dict) else None


def _referenced_key(data: bytes) -> str:
    """The key that a reference holds. NotFound if it is not readable."""
    try:
        return str(json.loads(data)["key"])
    except (ValueError, KeyError, TypeError):
        raise NotFound("unreadable") from None


def _answer_key(video_id: int, name: str) -> str:
    return f"{video_prefix(video_id)}answers/{name}.json"


def _reference_key(name: str) -> str:
    return f"answers/{name[:2]}/{name}.json"
