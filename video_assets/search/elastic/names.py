"""The index behind the alias: creating it, finding it, and switching to another."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import elasticsearch

from video_assets.errors import PermanentError, TransientError
from video_assets.search.elastic import mapping
from video_assets.search.elastic.server import PATIENCE, IndexGone, Server

FRESH = {"refresh_interval": "-1", "number_of_replicas": 0, "auto_expand_replicas": False}
"""Settings of an index while it is filled, before anybody searches it."""


class Names:
    """The alias of a server's index, and the versioned names behind it: `ALIAS-MAPPING-NUMBER`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.alias = server.alias
        self._lock = threading.Lock()
        self._known: tuple[int, int] | None = None
        """(process id, version of the mapping), once the alias has been found; None before."""
        self._lacking: dict[str, Any] = {}
        """The fields that its index lacks, since an earlier release has made it."""

    @contextmanager
    def using(self, *, writing: bool) -> Iterator[elasticsearch.Elasticsearch]:
        """The client, after making sure that the alias exists. If the index is removed meanwhile, IndexGone is raised,
        and the next use creates it again. Raises PermanentError if an index of an earlier release is to be written."""
        with self.server.speaking():
            if self._mapping() < mapping.VERSION and writing:
                self._known = None  # the index may have been rebuilt since
            if self._mapping() < mapping.VERSION and writing:
                raise PermanentError(
                    f"the search index {self.alias} is laid out for an earlier release: "
                    "run video-assets rebuild --index; searches are answered meanwhile"
                )
            if writing and self._lacking:
                self.server.client.indices.put_mapping(index=self.alias, properties=self._lacking)
                self._lacking = {}
            try:
                yield self.server.client
            except (elasticsearch.NotFoundError, IndexGone) as error:
                self._known = None
                raise IndexGone(f"the search index {self.alias} was removed just now") from error

    def current(self) -> str | None:
        """The name of the index behind the alias; None if there is none yet."""
        try:
            names = list(self.server.client.indices.get_alias(name=self.alias))
        except elasticsearch.NotFoundError:
            return None
        if len(names) > 1:
            raise PermanentError(f"the alias {self.alias} on {self.server.shown} names {len(names)} indices: leave one")
        return names[0]

    def beside(self, name: str | None) -> list[str]:
        """The indices of ours beside this one, such as one that a rebuild fills."""
        return [each for each in self._all() if each != name]

    def ready(self) -> str:
        """The name of the index behind the alias. Creates both if there are none."""
        self.server.version()
        if self.server.client.indices.exists(index=self.alias) and not self.current():
            raise PermanentError(
                f"{self.alias} on {self.server.shown} is an index of somebody else's, not an alias: "
                "name another in VIDEO_ASSETS_SEARCH_URL, as in https://host:9200/name"
            )
        for number in range(1, 1000):
            if name := self.current():
                return name
            try:
                self._create(self._name(number), aliases={self.alias: {"is_write_index": True}})
            except elasticsearch.BadRequestError as error:
                if error.error != "resource_already_exists_exception":
                    raise
        raise TransientError(f"no index could be made on {self.server.shown}")

    def create(self) -> str:
        """Creates an empty index, without the alias, and returns its name."""
        number = max(self._numbers(), default=0) + 1
        name = self._name(number)
        try:
            self._create(name, settings=FRESH)
        except elasticsearch.BadRequestError as error:
            if error.error == "resource_already_exists_exception":
                raise TransientError("the search index is being rebuilt by somebody else") from error
            raise
        return name

    def written(self, name: str) -> int:
        """The sequence number up to which every write to an index can be read after a refresh; -1 if nothing was
        written."""
        shards = self.server.client.indices.stats(index=name, metric="docs", level="shards")["indices"][name]["shards"]
        copies = [copy for copies in shards.values() for copy in copies if copy["routing"]["primary"]]
        return int(copies[0]["seq_no"]["local_checkpoint"])

    def settle(self, name: str) -> None:
        """Prepares a filled index for searches."""
        client = self.server.client
        settings = {"refresh_interval": None, "auto_expand_replicas": mapping.SETTINGS["auto_expand_replicas"]}
        client.indices.put_settings(index=name, settings=settings)
        client.indices.refresh(index=name)

    def switch(self, name: str) -> None:
        """Makes the alias name this index and no other, in one step."""
        others = [each for each in self._all() if each != name]
        actions: list[dict[str, Any]] = [{"add": {"index": name, "alias": self.alias, "is_write_index": True}}]
        actions += [{"remove": {"index": each, "alias": self.alias, "must_exist": False}} for each in others]
        try:
            self.server.client.indices.update_aliases(actions=actions)
        except elasticsearch.NotFoundError as error:
            raise TransientError("the search index was rebuilt by somebody else meanwhile") from error
        self._known = None

    def drop(self, name: str) -> None:
        """Removes an index that the alias no longer names, and indices with lower numbers, which interrupted rebuilds
        have left."""
        numbers = {self._number(each): each for each in self._all()}
        mine = self._number(name)
        for number, each in numbers.items():
            if number <= mine:
                self.server.client.indices.delete(index=each, ignore_unavailable=True)

    def _mapping(self) -> int:
        known = self._known
        if known is not None and known[0] == os.getpid():
            return known[1]
        with self._lock:
            name = self.ready()
            self._wait_for(name)
            found = self.server.client.indices.get_mapping(index=name)[name]["mappings"]
            version = int(found.get("_meta", {}).get("mapping", 0))
            fields: dict[str, Any] = mapping.MAPPINGS["properties"]
            self._lacking = {each: fields[each] for each in fields if each not in found.get("properties", {})}
            self._known = (os.getpid(), version)
            return version

    def _wait_for(self, name: str) -> None:
        """Waits until the index can be read: another process may be creating it."""

        def can_be_read() -> bool:
            try:
                self.server.client.exists(index=name, id="0")
            except elasticsearch.ApiError as error:
                if error.status_code != 503:
                    raise
                return False
            return True

        PATIENCE.until(can_be_read)  # if it never can be read, its first use raises

    def _create(self, name: str, *, aliases: Any = None, settings: Any = None) -> None:
        self.server.client.indices.create(
            index=name, aliases=aliases, mappings=mapping.MAPPINGS, settings={**mapping.SETTINGS, **(settings or {})}
        )

    def _name(self, number: int) -> str:
        return f"{self.alias}-{mapping.VERSION}-{number:06}"

    def _number(self, name: str) -> int:
        return int(name.rpartition("-")[2])

    def _numbers(self) -> list[int]:
        return [self._number(name) for name in self._all()]

    def _all(self) -> list[str]:
        found = self.server.client.indices.get(index=f"{self.alias}-*", allow_no_indices=True)
        ours = (name.removeprefix(f"{self.alias}-").split("-") for name in found)
        return [
            f"{self.alias}-{'-'.join(parts)}" for parts in ours if len(parts) == 2 and all(p.isdigit() for p in parts)
        ]
