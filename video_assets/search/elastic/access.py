"""Who may see a video, in Elasticsearch: a record for each video, and copies of it in the video's documents.

The record decides. Queries filter by the copies, and a search then holds what it found against the records, which are
read by id and so are never behind. A change writes the record first and then the copies; a put writes documents with
the record's copy and then reads the record again. So whoever comes last of the two sees what the other has written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import elasticsearch
from elasticsearch.helpers import scan

from video_assets.errors import TransientError
from video_assets.search.base import Access
from video_assets.search.elastic import mapping
from video_assets.search.elastic import query as asking
from video_assets.search.elastic.names import Names
from video_assets.search.elastic.server import Action, Server, stored

MOST = 2_000
"""The most passages that are changed in one request."""
TRIES = 20
"""How often copies are written if other writers come first each time."""


class Accesses:
    """The records of an index, and their copies. `index` is its name, or the alias."""

    def __init__(self, server: Server, names: Names) -> None:
        self.server = server
        self.names = names

    def read(self, index: str, video_id: int) -> Access | None:
        """The record as it is at this moment; None if there is none."""
        found = stored(self.server.client, index, mapping.access_id(video_id))
        return mapping.access(found["_source"]) if found else None

    def every(self, index: str, *, after: int = -1) -> Iterator[tuple[int, Access]]:
        """The records that were written after the sequence number `after`."""
        client = self.server.client
        client.indices.refresh(index=index)
        for each in scan(client, index=index, query={"query": asking.accesses(after=after)}, size=1000):
            if access := mapping.access(each["_source"]):
                yield each["_source"]["video_id"], access

    def note(self, video_id: int, access: Access) -> None:
        """Writes the record, unless there is one of this version or a higher one. Each index of ours gets it, so that
        one that a rebuild fills has it before it is searched."""
        record = mapping.access_record(video_id, access)
        went_to = self._note(self.names.alias, record, require_alias=True)
        for index in self.names.beside(went_to or self.names.current()):
            try:
                self._note(index, record)
            except (elasticsearch.NotFoundError, elasticsearch.BadRequestError):
                continue  # it was removed just now, or an earlier release is filling it, which knows no access

    def fill(self, index: str, records: Iterable[tuple[int, Access]]) -> None:
        """Writes many records, except where there is one of this version or a higher one."""
        self.server.write(self._action(index, *each) for each in records)

    def spread(self, index: str, video_id: int) -> None:
        """Copies the record into the video's documents: into the passages first, so that the head has it only when all
        have it."""
        for _ in range(TRIES):
            access = self.read(index, video_id)
            if access is None or (
                self._into_passages(index, video_id, access) and self._into_head(index, video_id, access)
            ):
                return
        raise TransientError(f"the access of video {video_id} is changed by too many at once")

    def forget(self, index: str, video_id: int) -> None:
        """Removes the record of a video that was removed for ever."""
        self.server.write([{"_op_type": "delete", "_index": index, "_id": mapping.access_id(video_id)}])

    def _note(self, index: str, record: dict[str, Any], *, require_alias: bool = False) -> str | None:
        """Returns the name of the index it was written to; None if it was not the highest version there."""
        try:
            answer = self.server.client.index(
                index=index,
                id=mapping.access_id(record["video_id"]),
                document=record,
                version=record["access_version"],
                version_type="external",
                require_alias=require_alias,
            )
        except elasticsearch.ConflictError:
            return None
        return str(answer["_index"])

    def _action(self, index: str, video_id: int, access: Access) -> Action:
        return {
            "_op_type": "index",
            "_index": index,
            "_id": mapping.access_id(video_id),
            "_source": mapping.access_record(video_id, access),
            "version": access.version,
            "version_type": "external",
        }

    def _into_passages(self, index: str, video_id: int, access: Access) -> bool:
        """Gives the passages this version where they have a lower one. Whether they have it now; not where another
        writer was first, or there are too many for one request."""
        client, query = self.server.client, asking.passages(video_id, access_below=access.version)
        client.indices.refresh(index=index)
        behind = client.search(
            index=index, query=query, size=MOST, source=False, seq_no_primary_term=True, track_total_hits=False
        )["hits"]["hits"]
        operations: list[dict[str, Any]] = []
        for each in behind:
            seen = {"if_seq_no": each["_seq_no"], "if_primary_term": each["_primary_term"]}
            operations += [{"update": {"_id": each["_id"]} | seen}, {"doc": mapping.access_fields(access)}]
        if not operations:
            return True
        alias = index == self.names.alias
        items = client.bulk(index=index, operations=operations, refresh=True, require_alias=alias)["items"]
        return len(behind) < MOST and all(each["update"]["status"] in (200, 404) for each in items)

    def _into_head(self, index: str, video_id: int, access: Access) -> bool:
        """Whether the head has this version or a higher one now."""
        head = stored(self.server.client, index, mapping.head_id(video_id))
        if head is None or head["_source"]["gone"]:
            return True
        changed = mapping.with_access(head["_source"], access)
        if changed == head["_source"]:
            return True
        try:
            self.server.client.index(
                index=index,
                id=mapping.head_id(video_id),
                document=changed,
                if_seq_no=head["_seq_no"],
                if_primary_term=head["_primary_term"],
                refresh=True,
            )
        except elasticsearch.ConflictError:
            return False
        return True
