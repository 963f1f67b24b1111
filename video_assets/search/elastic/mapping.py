"""The documents in Elasticsearch: one for each video, one for each of its passages, and one for who may see it.

A passage's id contains its version, so a new version does not overwrite the passages that readers see. The video's own
document, its *head*, says which version is current. Passages of other versions are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from video_assets.language.names import primary
from video_assets.search import words
from video_assets.search.base import ABOUT, Access, Document, Passage, timestamp
from video_assets.search.documents import about, digest
from video_assets.search.hits import Details
from video_assets.search.ranking import Candidate

VERSION = 1
"""Raise it whenever documents have to be made again. `rebuild --index` then makes a new index and switches the alias to
it. Fields that are only added are added to an index that lacks them, before it is written."""

VIDEO, PASSAGE, ACCESS = "video", "passage", "access"

SETTINGS: dict[str, Any] = {
    "number_of_shards": 1,
    "auto_expand_replicas": "0-1",
    "analysis": {
        "filter": {"english_stems": {"type": "stemmer", "language": "english"}},
        "analyzer": {
            "folded": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "asciifolding"]},
            "english": {
                "type": "custom",
                "tokenizer": "standard",
                "filter": ["lowercase", "asciifolding", "english_stems"],
            },
        },
    },
}

_TEXT = {"type": "text", "analyzer": "folded", "fields": {"english": {"type": "text", "analyzer": "english"}}}
MAPPINGS: dict[str, Any] = {
    "dynamic": "strict",
    "_meta": {"mapping": VERSION},
    "properties": {
        "kind": {"type": "keyword"},
        "video_id": {"type": "long"},
        "version": {"type": "keyword"},
        "number": {"type": "integer", "index": False},
        "title": _TEXT,
        "text": _TEXT,
        # Stems of languages other than English, each with its language's name: `boot0de`.
        "stems": {"type": "text", "analyzer": "folded", "norms": False},
        "user_id": {"type": "long"},
        "language": {"type": "keyword", "ignore_above": 100},
        "created_at": {"type": "double"},
        "duration": {"type": "double"},
        # The text as it is shown. `title` and `text` hold the folded words, which are searched.
        "shown": {"type": "object", "enabled": False},
        "digest": {"type": "keyword", "index": False, "doc_values": False},
        "passages": {"type": "integer", "index": False, "doc_values": False},
        # Of passages and heads these are copies of the access record's.
        "visibility": {"type": "keyword", "ignore_above": 100},
        "access_version": {"type": "long"},
        "gone": {"type": "boolean"},
        "forever": {"type": "boolean"},
    },
}


def head_id(video_id: int) -> str:
    """The id of a video's head."""
    return str(video_id)


def passage_id(video_id: int, version: str, number: int) -> str:
    """The id of a passage of one version."""
    return f"{video_id}/{version}/{number}"


def passage_ids(head: dict[str, Any]) -> list[str]:
    """The ids of a head's passages."""
    return [passage_id(head["video_id"], head["version"], at) for at in range(head.get("passages", 0))]


def access_id(video_id: int) -> str:
    """The id of a video's access record."""
    return f"access/{video_id}"


def access_record(video_id: int, access: Access) -> dict[str, Any]:
    """Who may see a video, as a document of its own."""
    return {"kind": ACCESS, "video_id": video_id} | access_fields(access)


def access_fields(access: Access | None) -> dict[str, Any]:
    """Who may see a video, as fields of its documents."""
    return {} if access is None else {"visibility": access.visibility, "access_version": access.version}


def access(source: dict[str, Any]) -> Access | None:
    """What a document says about who may see its video."""
    return Access(source["visibility"], source["access_version"]) if "access_version" in source else None


def with_access(source: dict[str, Any], access: Access | None) -> dict[str, Any]:
    """The document with this access, unless it has the same version or a higher one."""
    newer = access is not None and access.version > source.get("access_version", -1)
    return source | access_fields(access) if newer else source


def head(document: Document, version: str, access: Access | None) -> dict[str, Any]:
    """The video's head: its description, and which version of its passages is current."""
    source = _source(document, version, about(document), VIDEO) | access_fields(access)
    source |= {"title": " ".join(words.split(document.title)), "digest": digest(document), "gone": False}
    return source | {"passages": len(document.passages), "forever": False}


def tombstone(video_id: int, version: str, *, forever: bool) -> dict[str, Any]:
    """The head of a video that was removed."""
    return {"kind": VIDEO, "video_id": video_id, "version": version, "gone": True, "forever": forever}


def passages(document: Document, version: str, access: Access | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """(id, document) of every passage."""
    for passage in document.passages:
        place = passage_id(document.video_id, version, passage.number)
        yield place, _source(document, version, passage, PASSAGE) | access_fields(access)


def candidate(source: dict[str, Any]) -> Candidate:
    """A document as a candidate for ranking."""
    title = tuple(source.get("title", "").split())
    return Candidate(source["video_id"], source["number"], source.get("language"), title, tuple(source["text"].split()))


def details(source: dict[str, Any], title: str) -> Details:
    """What is shown of a document."""
    shown = source["shown"]
    return Details(title, source.get("language"), shown["start"], shown["stop"], shown["marks"], shown["text"])


def _source(document: Document, version: str, passage: Passage, kind: str) -> dict[str, Any]:
    text = words.usable(passage.text)
    said = words.split(text)
    code = primary(document.language)
    shown = {"start": passage.start, "stop": passage.end, "marks": passage.marks, "text": text}
    source: dict[str, Any] = {
        "kind": kind,
        "video_id": document.video_id,
        "version": version,
        "number": passage.number,
        "text": " ".join(said),
        "duration": document.duration,
        "shown": shown,
    }
    if passage.number == ABOUT:
        shown["title"] = words.usable(document.title)
        said = [*words.split(document.title), *said]
    if code in words.STEMMED:
        source["stems"] = " ".join(words.tagged_stem(word, code) for word in said)
    if code:
        source["language"] = words.usable(code)
    if document.user_id is not None:
        source["user_id"] = document.user_id
    if document.created_at is not None:
        source["created_at"] = timestamp(document.created_at)
    return source
