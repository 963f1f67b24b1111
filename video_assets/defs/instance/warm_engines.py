"""SQLAlchemy engines that the storages of one process share, however often Dagster opens an instance.

Dagster opens one for nearly every tick of a sensor, and not every place that opens one disposes of it. With engines
of its own each opening left four file handles behind: at the usual limit of 1,024 `video-assets up` stood still after
19 minutes. So an engine belongs to the process, not to an instance: whoever connects asks here, the same file or
server gives the same engine, and only so many are kept.
"""

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable

from sqlalchemy import Engine


class SharedEngines:
    """At most `most` engines by what they connect to; beyond that the one not used for longest is closed. Ask for the
    engine at each connection and do not keep it: one that was closed meanwhile is made anew."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[str, tuple[Hashable, Engine]] = OrderedDict()
        self._lock = threading.Lock()
        _registries.add(self)

    def get(self, key: str, make: Callable[[], Engine], version: Hashable = None) -> Engine:
        """The engine of this key, made by `make` where there is none. Another `version` than the one it was made for
        (of a file its inode: somebody removed it and another took its name) closes the old one and makes another."""
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
        """Closes the engine of this key, if there is one; the next who asks gets a new one."""
        with self._lock:
            found = self._open.pop(key, None)
        if found is not None:
            found[1].dispose()

    def __len__(self) -> int:
        return len(self._open)

    def _leave_to_the_parent(self) -> None:
        """In a child after a fork: a connection must not be used on both sides. The lock too may be held by a thread
        that only the parent has."""
        self._lock = threading.Lock()
        for _, engine in self._open.values():
            engine.dispose(close=False)


_registries: "weakref.WeakSet[SharedEngines]" = weakref.WeakSet()


def _after_fork() -> None:
    for registry in list(_registries):
        registry._leave_to_the_parent()


# Once, and over weak references: what is registered here is called at every fork and never forgotten.
os.register_at_fork(after_in_child=_after_fork)
