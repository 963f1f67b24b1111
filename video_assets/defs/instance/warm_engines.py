"""SQLAlchemy engines that all Dagster storages of one process share.

Dagster opens an instance for nearly every sensor tick and does not always dispose of it. When each instance had its own
engines, each left four file handles behind: at the usual limit of 1,024 `video-assets up` stood still after 19 minutes.
So engines belong to the process: the same file or server has one engine, and only a limited number is kept.
"""

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable

from sqlalchemy import Engine


class SharedEngines:
    """At most `most` engines, by what they connect to; beyond that the least recently used one is closed. Get the
    engine for each connection and do not keep it, because it may be closed and made again in between."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[str, tuple[Hashable, Engine]] = OrderedDict()
        self._lock = threading.Lock()
        _registries.add(self)

    def get(self, key: str, make: Callable[[], Engine], version: Hashable = None) -> Engine:
        """The engine of this key; made by `make` if there is none, or if it was made for another `version`. The version
        of a file is its inode, which changes when the file is removed and another takes its name."""
        with self._lock:
            found = self._open.pop(key, None)
            if found is not None and found[0] != version:
                found[1].dispose()
                found = None
            self._open[key] = found or (version, make())
            while len(self._open) > self._most:
                _, (_, oldest) = self._open.popitem(last=False)
                oldest.dispose()
            return self._open[key][1]

    def has(self, key: str, version: Hashable = None) -> bool:
        """Whether there is an engine of this key and version."""
        with self._lock:
            found = self._open.get(key)
            return found is not None and found[0] == version

    def close(self, key: str) -> None:
        """Closes the engine of this key, if there is one; the next `get` makes a new one."""
        with self._lock:
            found = self._open.pop(key, None)
        if found is not None:
            found[1].dispose()

    def __len__(self) -> int:
        return len(self._open)

    def _leave_to_the_parent(self) -> None:
        """In a forked child: drops the connections, which parent and child must not both use, and the lock, which may
        be held by a thread that exists only in the parent."""
        self._lock = threading.Lock()
        for _, engine in self._open.values():
            engine.dispose(close=False)


_registries: "weakref.WeakSet[SharedEngines]" = weakref.WeakSet()


def _after_fork() -> None:
    for registry in list(_registries):
        registry._leave_to_the_parent()


# Registered once, with weak references, because a registered function cannot be removed again.
os.register_at_fork(after_in_child=_after_fork)
