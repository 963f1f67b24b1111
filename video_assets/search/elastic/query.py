"""Builds the requests to Elasticsearch and reads its answers. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from video_assets.language.names import primary
from video_assets.search import words
from video_assets.search.base import Filters, Viewer, timestamp
from video_assets.search.elastic.mapping import ACCESS, PASSAGE, VIDEO
from video_assets.search.queries import Query, Term
from video_assets.search.ranking import PER_VIDEO, SPELLINGS

Json = dict[str, Any]
BEGINNINGS = 64
"""The most words that are searched for a prefix."""
SUGGESTED, SUGGESTED_UNSEEN = 10, 50
"""How many similar words are asked for: more if some may be of videos that are not seen."""


def requests(query: Query, filters: Filters, videos: int) -> list[Json]:
    """The searches for a query. The first finds the best videos, each by its best document; it also counts the
    documents with each term, and suggests spellings for words that no document has. The second finds the best passages,
    of which a video may have several. The third counts what may be seen: all documents, and those with each word."""
    clauses = [clause(term) for term in query.terms]
    scored: Json = {"must": [{"bool": {"should": clauses, "minimum_should_match": 1}}]}
    if len(clauses) > 1:
        # Passages with all terms, and with the terms close together, rank higher, so they are among the candidates.
        phrase = " ".join(part for term in query.terms for part in term.parts)
        scored["should"] = [
            {"bool": {"must": clauses}},
            {"match_phrase": {"text": {"query": phrase, "slop": 3, "boost": 2}}},
        ]
    among = _among(filters)
    return [
        {
            "query": {"bool": {**scored, "filter": among}},
            "collapse": {"field": "video_id"},
            "size": videos,
            "track_total_hits": False,
            "suggest": _suggestions(query.terms, filters.viewer),
            "aggs": {"terms": {"filters": {"filters": {str(at): each for at, each in enumerate(clauses)}}}},
        },
        {
            "query": {"bool": {**scored, "filter": [*among, {"term": {"kind": PASSAGE}}]}},
            "size": videos * PER_VIDEO,
            "track_total_hits": False,
        },
        said([term.word for term in query.terms if term.word] if filters.viewer else [], filters.viewer),
    ]


def said(words: Iterable[str], viewer: Viewer | None) -> Json:
    """The search that counts the documents which may be seen, and those of them that have exactly these words."""
    each = {word: {"multi_match": {"query": word, "fields": ["text", "title"]}} for word in words}
    search: Json = {
        "query": {"bool": {"filter": [{"terms": {"kind": [VIDEO, PASSAGE]}}, *_seen(viewer)]}},
        "size": 0,
        "track_total_hits": True,
    }
    return search | ({"aggs": {"words": {"filters": {"filters": each}}}} if each else {})


def times(answer: Mapping[str, Any]) -> dict[str, int]:
    """How many documents have each word, from the answer to `said`."""
    buckets = answer.get("aggregations", {}).get("words", {}).get("buckets", {})
    return {word: bucket["doc_count"] for word, bucket in buckets.items()}


def clause(term: Term) -> Json:
    """The query for one term: the word, its stems, other spellings, and words that begin with it if it is a prefix."""
    if not term.word:
        phrase = " ".join(term.parts)
        return {"dis_max": {"queries": [{"match_phrase": {field: phrase}} for field in ("text", "title")]}}
    ways: list[Json] = [_match(term.word)]
    ways += [{"match": {"stems": {"query": " ".join(sorted(_stems(term.word))), "boost": 0.8}}}]
    ways += [_match(word) for word in term.spelled]
    if term.prefix:
        rewrite = f"top_terms_blended_freqs_{BEGINNINGS}"
        ways += [{"prefix": {field: {"value": term.word, "rewrite": rewrite}}} for field in ("text", "title")]
    return {"dis_max": {"queries": ways, "tie_breaker": 0.3}}


def counts(answers: Sequence[Mapping[str, Any]], terms: int) -> tuple[list[int], int]:
    """For each term, how many documents have it; and how many documents there are."""
    buckets = answers[0]["aggregations"]["terms"]["buckets"]
    return [buckets[str(at)]["doc_count"] for at in range(terms)], int(answers[2]["hits"]["total"]["value"])


def similar(answer: Mapping[str, Any], missing: Sequence[Term]) -> dict[str, dict[str, int]]:
    """For each word that the index does not have, the similar words that it has, with how frequent they are."""
    found: dict[str, dict[str, int]] = {}
    for term in missing:
        most = words.edits_allowed(term.word)
        near: dict[str, int] = {}
        for entries in (answer.get("suggest", {}).get(f"{field} {term.word}", ()) for field in ("text", "title")):
            for option in (option for entry in entries for option in entry["options"]):
                if words.edits(term.word, option["text"], most) <= most:
                    near[option["text"]] = option["freq"]
        if near:
            found[term.word] = near
    return found


def spellings(similar: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[str, ...]]:
    """For each word, the most similar of its similar words: the fewest typing errors, then the most frequent."""
    found: dict[str, tuple[str, ...]] = {}
    for typed, frequencies in similar.items():
        most = words.edits_allowed(typed)
        near = sorted((words.edits(typed, word, most), -often, word) for word, often in frequencies.items() if often)
        if near:
            found[typed] = tuple(word for slips, _, word in near if slips == near[0][0])[:SPELLINGS]
    return found


def found(answers: Sequence[Mapping[str, Any]]) -> dict[int, dict[str, Json]]:
    """The passages that were found, by video id and document id. A video that was found by its head alone has none."""
    hits = [hit for answer in answers for hit in answer["hits"]["hits"]]
    by_video: dict[int, dict[str, Json]] = {}
    for hit in hits:
        passages = by_video.setdefault(hit["_source"]["video_id"], {})
        if hit["_source"]["kind"] == PASSAGE:
            passages[hit["_id"]] = hit["_source"]
    return by_video


def heads(*, after: int = -1, **terms: Any) -> Json:
    """The query for heads with these values that were written after the sequence number `after`."""
    conditions: list[Json] = [{"term": {"kind": VIDEO}}, *({"term": {key: value}} for key, value in terms.items())]
    if after >= 0:
        conditions.append({"range": {"_seq_no": {"gt": after}}})
    return {"bool": {"filter": conditions}}


def passages(video_id: int, *, up_to: str | None = None, access_below: int | None = None) -> Json:
    """The query for a video's passages: of versions up to this one, and with an access of a lower version than this."""
    conditions: list[Json] = [{"term": {"kind": PASSAGE}}, {"term": {"video_id": video_id}}]
    if up_to is not None:
        conditions.append({"range": {"version": {"lte": up_to}}})
    if access_below is not None:
        conditions.append({"bool": {"must_not": {"range": {"access_version": {"gte": access_below}}}}})
    return {"bool": {"filter": conditions}}


def accesses(*, after: int = -1) -> Json:
    """The query for the access records that were written after the sequence number `after`."""
    conditions: list[Json] = [{"term": {"kind": ACCESS}}]
    if after >= 0:
        conditions.append({"range": {"_seq_no": {"gt": after}}})
    return {"bool": {"filter": conditions}}


def _match(word: str) -> Json:
    fields = ["title^4", "title.english^3", "text", "text.english^0.9"]
    return {"multi_match": {"query": word, "fields": fields, "type": "best_fields", "operator": "and"}}


def _stems(word: str) -> set[str]:
    return {words.tagged_stem(word, code) for code in words.STEMMED}


def _suggestions(terms: Sequence[Term], viewer: Viewer | None) -> Json:
    suggestions: Json = {}
    for term in terms:
        if not term.spelled and (most := words.edits_allowed(term.word)):
            for field in ("text", "title"):
                suggestions[f"{field} {term.word}"] = {
                    "text": term.word,
                    "term": {
                        "field": field,
                        "analyzer": "folded",
                        # To a viewer, a word that only other videos have is as missing as one that none has.
                        "suggest_mode": "missing" if viewer is None else "always",
                        **({} if viewer is None else {"max_term_freq": 2**31 - 1}),
                        "max_edits": most,
                        "prefix_length": 1,
                        "min_word_length": 4,
                        "size": SUGGESTED if viewer is None else SUGGESTED_UNSEEN,
                        "string_distance": "damerau_levenshtein",
                    },
                }
    return suggestions


def _among(filters: Filters) -> list[Json]:
    conditions: list[Json] = []
    if filters.user_id is not None:
        conditions.append({"term": {"user_id": filters.user_id}})
    if code := primary(filters.language):
        conditions.append({"term": {"language": words.usable(code)}})
    for field, bounds in (
        ("created_at", {"gte": _second(filters.created_from), "lt": _second(filters.created_before)}),
        ("duration", {"gte": filters.shortest, "lte": filters.longest}),
    ):
        if given := {end: value for end, value in bounds.items() if value is not None}:
            conditions.append({"range": {field: given}})
    return conditions + _seen(filters.viewer)


def _seen(viewer: Viewer | None) -> list[Json]:
    """`Viewer.sees` as conditions."""
    if viewer is None:
        return []
    ways: list[Json] = [{"terms": {"visibility": list(viewer.shown)}}]
    if viewer.default in viewer.shown:
        ways.append({"bool": {"must_not": {"exists": {"field": "access_version"}}}})
    if viewer.user_id is not None:
        ways.append({"term": {"user_id": viewer.user_id}})
    if viewer.shared_video is not None:
        ways.append({"term": {"video_id": viewer.shared_video}})
    return [{"bool": {"should": ways, "minimum_should_match": 1}}]


def _second(when: datetime | None) -> float | None:
    return None if when is None else timestamp(when)
