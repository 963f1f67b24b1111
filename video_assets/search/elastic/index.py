"""The search index in Elasticsearch 8 or 9, behind an alias.

A put writes the passages first, under ids of their version, and then the video's head, whose version only rises.
Writing the head switches readers from the old passages to the new ones; if the put stops before, they still see the old
ones. A hit counts only if the head names its version. So neither an unfinished put, nor one that lost against a newer
run, is seen.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import elasticsearch
from elasticsearch.helpers import scan

from video_assets.errors import TransientError
from video_assets.search import hits, queries, ranking
from video_assets.search.base import ABOUT, EVERYTHING, Access, Document, Filters, Found, Hit, Indexed, Viewer
from video_assets.search.elastic import mapping, versions
from video_assets.search.elastic import query as asking
from video_assets.search.elastic.access import Accesses
from video_assets.search.elastic.names import Names
from video_assets.search.elastic.server import Action, Server, stored
from video_assets.search.matching import Matcher

TRIES = 20
"""How often a head is written if other writers come first each time. More than this many in a row are not expected."""
MOST_PLACES = 10_000
"""The most hits that Elasticsearch returns in one answer."""
Json = dict[str, Any]


class ElasticIndex:
    """A `SearchIndex` on a server."""

    def __init__(self, url: str, *, ca: Path | None = None) -> None:
        self.server = Server(url, ca=ca)
        self.names = Names(self.server)
        self.accesses = Accesses(self.server, self.names)

    def put(self, document: Document, *, version: str) -> bool:
        with self._ready(writing=True) as client:
            tried = False
            for _ in range(TRIES):
                access = self.accesses.read(self.names.alias, document.video_id)
                head = mapping.head(document, version, access)
                before = self._head(client, document.video_id)
                if _is_higher(before, version):
                    if tried:
                        self._delete(mapping.passage_ids(head))
                    return False
                tried = True
                went_to = self.server.write(
                    self._action(name, source) for name, source in mapping.passages(document, version, access)
                )
                landed = self._move_head(client, head, before)
                # None: another writer was first. Another index than that of the passages: the alias was switched in
                # between. In both cases try again, if this version may still replace the one that is there.
                if landed is not None and went_to <= {landed}:
                    self._clear(client, head, before)
                    if self.accesses.read(self.names.alias, document.video_id) != access:
                        self.accesses.spread(self.names.alias, document.video_id)
                    return True
        raise TransientError(f"video {document.video_id} is put by too many at once")

    def remove(self, video_id: int, *, forever: bool = False) -> None:
        with self._ready(writing=True) as client:
            for _ in range(TRIES):
                before = self._head(client, video_id)
                if before is None and not forever:
                    return
                stone = mapping.tombstone(video_id, before["_source"]["version"] if before else "", forever=forever)
                if before and before["_source"].get("forever"):
                    stone["forever"] = True
                if self._move_head(client, stone, before) is not None:
                    self._clear(client, stone, before)
                    if stone["forever"]:
                        self.accesses.forget(self.names.alias, video_id)
                    return
        raise TransientError(f"video {video_id} is put by too many at once")

    def read(self, video_id: int) -> Indexed | None:
        with self._ready() as client:
            found = self._head(client, video_id)
            if found is None or found["_source"]["gone"]:
                return None
            head = found["_source"]
            there, ids = 0, mapping.passage_ids(head)
            for at in range(0, len(ids), 1000):
                docs = client.mget(index=self.names.alias, ids=ids[at : at + 1000], source=False)["docs"]
                there += sum(bool(each.get("found")) for each in docs)
            return Indexed(version=head["version"], passages=there, digest=head["digest"])

    def set_access(self, video_id: int, access: Access) -> None:
        with self._ready(writing=True) as client:
            for _ in range(TRIES):
                head = self._head(client, video_id)
                if head is not None and head["_source"].get("forever"):
                    self.accesses.forget(self.names.alias, video_id)
                    return
                self.accesses.note(video_id, access)
                if head is not None or self._head(client, video_id) is not None:
                    self.accesses.spread(self.names.alias, video_id)
                # It is missing if the video was removed for ever meanwhile, or the alias was switched in between.
                held = self.accesses.read(self.names.alias, video_id)
                if held is not None and held.version >= access.version:
                    return
        raise TransientError(f"the access of video {video_id} is changed by too many at once")

    def read_access(self, video_id: int) -> Access | None:
        with self._ready() as client:
            record, head = self.accesses.read(self.names.alias, video_id), self._head(client, video_id)
            # The copy in the head, where a change stopped before it came there: by that, the video may not be found.
            return record if head is None or head["_source"]["gone"] else mapping.access(head["_source"])

    def search(self, words: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> list[Hit]:
        ranked, matcher, read_details = self._ranked(words, limit, filters)
        return hits.best_places(ranked, limit, matcher, read_details)

    def videos(self, words: str, *, limit: int = 10, filters: Filters = EVERYTHING) -> list[Found]:
        ranked, matcher, read_details = self._ranked(words, limit, filters)
        return hits.best_videos(ranked, limit, matcher, read_details)

    def rebuild(
        self,
        documents: Iterable[tuple[Document, str]],
        *,
        removed: Iterable[int] = (),
        kept: Collection[int] = (),
        access: Iterable[tuple[int, Access]] = (),
    ) -> int:
        with self.server.speaking():
            old = self.names.ready()
            seen = self.names.written(old)
            gone = {head["video_id"] for head in self._heads(old, forever=True)} | set(removed)
            new = self.names.create()
            self.server.write(self._tombstones(new, gone))
            noted = dict(self.accesses.every(old))
            for video_id, given in access:
                if video_id not in noted or noted[video_id].version < given.version:
                    noted[video_id] = given
            self.accesses.fill(new, (each for each in noted.items() if each[0] not in gone))
            self.server.write(self._whole(new, (each for each in documents if each[0].video_id not in gone), noted))
            for video_id in set(kept) - gone:
                self._carry_over(old, new, video_id)
            self.names.settle(new)
            # What was put or removed meanwhile went to the old index. It is copied twice: before the switch, when there
            # may be much of it, and after the switch, from which on writers use the new index.
            seen = self._catch_up(old, new, seen)
            self.names.switch(new)
            self._catch_up(old, new, seen)
            self.names.drop(old)
        return self.count()

    def count(self) -> int:
        with self._ready() as client:
            return int(client.count(index=self.names.alias, query=asking.heads(gone=False))["count"])

    def ping(self) -> None:
        with self._ready() as client:
            client.search(index=self.names.alias, size=0, track_total_hits=False)

    def _ready(self, *, writing: bool = False) -> AbstractContextManager[elasticsearch.Elasticsearch]:
        """The client, after making sure that the alias exists. Creates the index on first use."""
        return self.names.using(writing=writing)

    def _ranked(
        self, text: str, videos: int, filters: Filters
    ) -> tuple[list[ranking.Ranked], Matcher, hits.ReadDetails]:
        query = queries.parse(text)
        if not query.terms or videos <= 0:
            return [], Matcher(query), lambda _: {}
        wide = min(max(ranking.VIDEOS, videos + videos // 2), MOST_PLACES)
        with self._ready() as client:
            answers = self._search(client, query, filters, wide)
            counts, total = asking.counts(answers, len(query.terms))
            missing = [term for term, count in zip(query.terms, counts, strict=True) if not count]
            widened = query.widened(missing, self._spellings(client, answers, missing, filters.viewer))
            if widened != query:
                query = widened
                answers = self._search(client, query, filters, wide)
                counts, total = asking.counts(answers, len(query.terms))
            sources = self._current(client, asking.found(answers), filters.viewer)
        matcher = Matcher(query)
        candidates = [mapping.candidate(source) for source in sources.values()]
        ranked = ranking.ranked(candidates, query, matcher=matcher, counts=counts, total=total)
        titles = {video_id: sources[video_id, ABOUT]["shown"]["title"] for video_id, at in sources if at == ABOUT}

        def read_details(places: Iterable[hits.Place]) -> dict[hits.Place, hits.Details]:
            return {place: mapping.details(sources[place], titles[place[0]]) for place in places}

        return ranked, matcher, read_details

    def _search(
        self, client: elasticsearch.Elasticsearch, query: queries.Query, filters: Filters, videos: int
    ) -> list[Json]:
        searches: list[Json] = []
        for each in asking.requests(query, filters, videos):
            searches += [{}, each]
        answers = client.msearch(index=self.names.alias, searches=searches)["responses"]
        for each in answers:
            self.server.check(each)
        return list(answers)

    def _spellings(
        self,
        client: elasticsearch.Elasticsearch,
        answers: Sequence[Json],
        missing: Sequence[queries.Term],
        viewer: Viewer | None,
    ) -> dict[str, tuple[str, ...]]:
        """Other spellings of missing words. For a viewer those count that are said in what the viewer sees."""
        if viewer is None:
            return asking.spellings(asking.similar(answers[0], missing))
        known = asking.times(answers[2])
        similar = asking.similar(answers[0], [term for term in missing if not known.get(term.word)])
        if not similar:
            return {}
        every = {word for words in similar.values() for word in words}
        seen = asking.times(client.search(index=self.names.alias, **asking.said(every, viewer)).body)
        return asking.spellings({typed: {word: seen[word] for word in words} for typed, words in similar.items()})

    def _current(
        self, client: elasticsearch.Elasticsearch, found: dict[int, dict[str, Json]], viewer: Viewer | None
    ) -> dict[hits.Place, Json]:
        """The heads of the videos found, and those passages found that are of the version that the head names. Without
        videos that the viewer must not see. Heads and access records are read by id, which is never behind the last
        write, as a search can be."""
        if not found:
            return {}
        ids = [mapping.head_id(video_id) for video_id in found]
        if viewer is not None:
            ids += [mapping.access_id(video_id) for video_id in found]
        read = [each["_source"] for each in client.mget(index=self.names.alias, ids=ids)["docs"] if each.get("found")]
        heads = [each for each in read if each["kind"] == mapping.VIDEO]
        noted = {each["video_id"]: each["visibility"] for each in read if each["kind"] == mapping.ACCESS}
        sources: dict[hits.Place, Json] = {}
        for head in heads:
            video_id = head["video_id"]
            if viewer is not None and not viewer.sees(video_id, head.get("user_id"), noted.get(video_id)):
                continue
            if not head["gone"]:
                sources[video_id, ABOUT] = head
                for source in found[video_id].values():
                    if source["version"] == head["version"]:
                        sources[video_id, source["number"]] = source
        return sources

    def _head(self, client: elasticsearch.Elasticsearch, video_id: int, *, index: str | None = None) -> Any:
        """The video's head at this moment, with its version and sequence number; None if there is none."""
        return stored(client, index or self.names.alias, mapping.head_id(video_id))

    def _move_head(
        self, client: elasticsearch.Elasticsearch, head: Json, before: Any, *, index: str | None = None
    ) -> str | None:
        """Writes the head in place of the one seen before. Returns the name of the index it was written to; None if
        another writer was first.

        If the version's number is higher than the one seen, the server decides by number. If it is not (fences that
        differ only towards their end, the same run again, a removal), the write is conditional on the head that was
        seen, whose version was compared as text. A stored number is never below that of its text, so a write by number
        never replaces a version that is higher as text.
        """
        number = versions.FOREVER if head["forever"] else versions.number(head["version"])
        how: Json = {"version": number, "version_type": "external"}
        if before is not None and number <= before["_version"]:
            how = {"if_seq_no": before["_seq_no"], "if_primary_term": before["_primary_term"]}
        try:
            answer = client.index(
                index=index or self.names.alias,
                id=mapping.head_id(head["video_id"]),
                document=head,
                require_alias=index is None,
                refresh=index is None,
                **how,
            )
        except elasticsearch.ConflictError:
            return None
        return str(answer["_index"])

    def _clear(self, client: elasticsearch.Elasticsearch, head: Json, before: Any) -> None:
        """Removes passages that are no longer needed: those of the head before, and those that unfinished puts of older
        versions have left. Passages of newer versions stay."""
        stale = set(mapping.passage_ids(before["_source"])) if before else set[str]()
        query = asking.passages(head["video_id"], up_to=None if head["forever"] else head["version"])
        answer = client.search(
            index=self.names.alias, query=query, size=MOST_PLACES, source=False, track_total_hits=False
        )
        stale.update(each["_id"] for each in answer["hits"]["hits"])
        self._delete(sorted(stale.difference(mapping.passage_ids(head))))

    def _delete(self, ids: Sequence[str]) -> None:
        self.server.write({"_op_type": "delete", "_index": self.names.alias, "_id": each} for each in ids)

    def _action(self, name: str, source: Json, index: str | None = None) -> Action:
        action = {"_op_type": "index", "_index": index or self.names.alias, "_id": name, "_source": source}
        return action if index else {**action, "require_alias": True}

    def _whole(
        self, index: str, documents: Iterable[tuple[Document, str]], noted: Mapping[int, Access]
    ) -> Iterator[Action]:
        for document, version in documents:
            access = noted.get(document.video_id)
            for name, source in mapping.passages(document, version, access):
                yield self._action(name, source, index)
            yield self._head_action(index, mapping.head(document, version, access))

    def _tombstones(self, index: str, removed: Iterable[int]) -> Iterator[Action]:
        for video_id in removed:
            yield self._head_action(index, mapping.tombstone(video_id, "", forever=True))

    def _head_action(self, index: str, head: Json) -> Action:
        number = versions.FOREVER if head["forever"] else versions.number(head["version"])
        action = self._action(mapping.head_id(head["video_id"]), head, index)
        return {**action, "version": number, "version_type": "external_gte"}

    def _heads(self, index: str, *, after: int = -1, **terms: Any) -> Iterator[Json]:
        """Id, version and state of the heads in an index that were written after the sequence number `after`."""
        client = self.server.client
        client.indices.refresh(index=index)
        query = {"query": asking.heads(after=after, **terms), "_source": ["video_id", "version", "gone", "forever"]}
        for each in scan(client, index=index, query=query, size=1000):
            yield each["_source"]

    def _catch_up(self, old: str, new: str, seen: int) -> int:
        """Copies what was written to the old index after the sequence number `seen` into the new one, removals for ever
        and access included. Returns the sequence number up to which it has copied."""
        client, written = self.server.client, self.names.written(old)
        for listed in self._heads(old, after=seen):
            self._carry_over(old, new, listed["video_id"], listed)
        for video_id, access in self.accesses.every(old, after=seen):
            self.accesses.fill(new, [(video_id, access)])
            self.accesses.spread(new, video_id)
        client.indices.refresh(index=new)
        return written

    def _carry_over(self, old: str, new: str, video_id: int, listed: Json | None = None) -> None:
        """Copies a video from the old index into the new one, unless that holds a newer version. `listed`: the head as
        `_heads` gave it, used if it has been removed by now."""
        client = self.server.client
        found = self._head(client, video_id, index=old)
        head = found["_source"] if found else listed
        if head is None or (head["gone"] and not head["forever"]):
            return
        held = self._head(client, video_id, index=new)
        if _is_higher(held, head["version"]):
            return
        access, ids = self.accesses.read(new, video_id), mapping.passage_ids(head)
        for at in range(0, len(ids), 1000):
            docs = client.mget(index=old, ids=ids[at : at + 1000])["docs"]
            self.server.write(
                self._action(each["_id"], mapping.with_access(each["_source"], access), new)
                for each in docs
                if each.get("found")
            )
        self._move_head(client, head if head["gone"] else mapping.with_access(head, access), held, index=new)
        if head["gone"]:  # for ever
            self.accesses.forget(new, video_id)


def _is_higher(held: Any, version: str) -> bool:
    """Whether a head must not be replaced by this version: it has a higher one, or the video was removed for ever."""
    if held is None:
        return False
    head = held["_source"]
    return bool(head.get("forever")) or (not head["gone"] and head["version"] > version)
