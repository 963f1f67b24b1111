"""Summaries from the transcript's own sentences: no model, no network, nothing invented."""

# ruff: noqa: RUF001  (punctuation of many scripts is what this module is about)
from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from video_assets.language.sentence_ends import ends_sentence
from video_assets.text.extractive.terms import Term, is_english, terms, words
from video_assets.text.extractive.topics import topic_starts
from video_assets.text.sentences import VERSION as SENTENCES
from video_assets.text.sentences import Sentence, sentences
from video_assets.text.spoken import Spoken
from video_assets.text.summary import Chapter, Summary, SummarySentence

VERSION = f"extractive-1+{SENTENCES}"

MOST_SENTENCES = 6
MOST_TAGS = 8
TITLE_TERMS = 3
REDUNDANCY = 0.6
"""How much a sentence's similarity to those already chosen counts against it."""
NAMELESS = 0.3
"""Weight, for tags and titles, of a word that never occurs where nouns do."""
LEANING = 0.7
"""Factor for sentences that depend on the one before ("He …", "And …"): they read badly alone."""
GOOD_WORDS = (5, 40)

_LEANING_WORDS = "he she it they him her them this that these those and but so or because then well also"
_LEANS = frozenset(_LEANING_WORDS.split())
_ANNOUNCES = re.compile(
    r"(?:(?:ok|okay|so|well|and|all right|alright|right)?,? ?(?:now|next|finally|lastly|moving on|let['’]?s|let us)\b"
    r"|this is part\b|part \w+\b|chapter \w+\b|(?:first|second|third|fourth|fifth)ly\b|(?:my|the|our) next\b)",
    re.IGNORECASE,
)
"""Sentences that announce a new topic. Only English ones are recognised."""
Vector = Mapping[str, float]


def summarize(transcript: Spoken) -> Summary:
    """The summary, chapters and tags of a transcript. The same transcript always gives the same result.

    An empty transcript gives an empty summary; a short one is its own summary, with all sentences.
    """
    said = sentences(transcript)
    lines = terms([sentence.text for sentence in said], transcript.language)
    info = {"summarizer": "extractive", "version": VERSION}
    if not said:
        return Summary(model_info=info)
    stems, times = [[term.stem for term in line] for line in lines], [(each.start, each.end) for each in said]
    starts = topic_starts(stems, times, {at for at, each in enumerate(said) if _ANNOUNCES.match(each.text)})
    chosen = choose_sentences(said, lines, starts, transcript.language)
    picked = [SummarySentence(text=finished(said[at].text), start=said[at].start) for at in chosen]
    tags = tag_evidence(lines, said)
    return Summary(
        text=prose([sentence.text for sentence in picked]),
        sentences=tuple(picked),
        chapters=tuple(chapters(said, lines, starts, transcript.language)),
        tags=tuple(tags),
        quality_score=coverage(lines, chosen),
        model_info={**info, "tag_evidence": tags},
    )


def wanted_sentences(available: int) -> int:
    """How many of `available` distinct sentences the summary has: four to six, or all if there are few."""
    return min(available, 4 + (available >= 20) + (available >= 60), MOST_SENTENCES)


def distinct(texts: Sequence[str]) -> list[int]:
    """The numbers of the texts whose words differ from those of every earlier one."""
    first: dict[tuple[str, ...], int] = {}
    for at, text in enumerate(texts):
        first.setdefault(tuple(words(text)), at)
    return sorted(at for key, at in first.items() if key)


def choose_sentences(
    said: Sequence[Sentence], lines: Sequence[Sequence[Term]], starts: Sequence[int], language: str | None
) -> list[int]:
    """The numbers of the sentences for the summary, rising. Topics take turns by their length, and each gives the
    sentence that is most central to it and least similar to those chosen."""
    candidates = distinct([sentence.text for sentence in said])
    count = wanted_sentences(len(candidates))
    vectors = tf_idf(lines)
    scores = _scores(said, vectors, starts, english=is_english(language, [each.text for each in said]))
    topic_of = _topic_of(len(said), starts)
    weight = Counter(topic_of)
    chosen: list[int] = []
    taken: Counter[int] = Counter()
    while len(chosen) < count:
        # Topics take turns as parties get seats by the Sainte-Laguë method.
        topics = sorted(
            {topic_of[at] for at in candidates if at not in chosen},
            key=lambda topic: (-weight[topic] / (2 * taken[topic] + 1), topic),
        )
        here = [at for at in candidates if topic_of[at] == topics[0] and at not in chosen]

        def gain(at: int) -> tuple[float, int]:
            likeness = max((cosine(vectors[at], vectors[other]) for other in chosen), default=0.0)
            return scores[at] - REDUNDANCY * likeness, -at

        best = max(here, key=gain)
        chosen.append(best)
        taken[topic_of[best]] += 1
    return sorted(chosen)


def _scores(
    said: Sequence[Sentence], vectors: Sequence[Vector], starts: Sequence[int], *, english: bool
) -> list[float]:
    """A score for each sentence: how central it is to its topic, and how well it reads alone."""
    scores: list[float] = []
    for first, last in _spans(starts, len(said)):
        centre: Counter[str] = Counter()
        for vector in vectors[first:last]:
            centre.update(vector)
        for at in range(first, last):
            score = cosine(vectors[at], centre)
            plain = words(said[at].text)
            if not GOOD_WORDS[0] <= len(plain) <= GOOD_WORDS[1]:
                score *= 0.6
            if said[at].text.rstrip("\"'”’)").endswith("?"):
                score *= LEANING
            if english and plain and plain[0] in _LEANS:
                score *= LEANING
            scores.append(score)
    return scores


def chapters(
    said: Sequence[Sentence], lines: Sequence[Sequence[Term]], starts: Sequence[int], language: str | None
) -> list[Chapter]:
    """A chapter for each topic, without gaps between them. The first begins with the video."""
    spans = list(_spans(starts, len(said)))
    english = is_english(language, [sentence.text for sentence in said])
    blocks = [[term for line in lines[first:last] for term in line] for first, last in spans]
    titles = chapter_titles(blocks, last_joint=" and " if english else ", ")
    begins = [0.0] + [said[first].start for first, _ in spans[1:]]
    ends = [*begins[1:], max(sentence.end for sentence in said)]
    return [
        Chapter(start=begin, end=max(begin, end), title=title or f"Part {number}")
        for number, (begin, end, title) in enumerate(zip(begins, ends, titles, strict=True), 1)
    ]


def chapter_titles(blocks: Sequence[Sequence[Term]], *, last_joint: str = " and ") -> list[str]:
    """A title for each block, of the words that distinguish it from the others; empty if it has none."""
    written = spellings([term for block in blocks for term in block])
    in_blocks = Counter(stem for block in blocks for stem in {term.stem for term in block})
    titles = []
    for block in blocks:
        weights = naming_weights(block)
        ranked = sorted(weights, key=lambda stem: -weights[stem] * math.log(1 + len(blocks) / in_blocks[stem]))
        named = [written[stem] for stem in ranked[:TITLE_TERMS]]
        title = ", ".join(named[:-1]) + last_joint + named[-1] if len(named) > 1 else "".join(named)
        titles.append(title[:1].upper() + title[1:])
    return titles


def tag_evidence(lines: Sequence[Sequence[Term]], said: Sequence[Sentence]) -> dict[str, dict[str, float]]:
    """The tags, the strongest first, each with how often it is said, and the second at which it is said first."""
    every = [term for line in lines for term in line]
    counts, weights = Counter(term.stem for term in every), naming_weights(every)
    least = 2 if any(count > 1 for count in counts.values()) else 1
    written = spellings(every)
    first: dict[str, float] = {}
    for line, sentence in zip(lines, said, strict=True):
        for term in line:
            first.setdefault(term.stem, sentence.start)
    ranked = sorted((stem for stem, count in counts.items() if count >= least), key=lambda stem: -weights[stem])
    return {written[stem]: {"count": counts[stem], "start": first[stem]} for stem in ranked[:MOST_TAGS]}


def naming_weights(every: Sequence[Term]) -> dict[str, float]:
    """How well each folded word names what the text is about, in the order of their first use. It counts how often the
    word is said, and how often it is where nouns are."""
    counts = Counter(term.stem for term in every)
    named = Counter(term.stem for term in every if term.names)
    return {stem: count * (NAMELESS + (1 - NAMELESS) * named[stem] / count) for stem, count in counts.items()}


def spellings(every: Sequence[Term]) -> dict[str, str]:
    """The most frequent spelling of each folded word."""
    counts = Counter((term.stem, term.written) for term in every)
    return {stem: written for (stem, written), _ in sorted(counts.items(), key=lambda each: (each[1], each[0]))}


def coverage(lines: Sequence[Sequence[Term]], chosen: Sequence[int]) -> float | None:
    """The share of all meaningful words that the chosen lines mention; None if there are no meaningful words."""
    counts = Counter(term.stem for line in lines for term in line)
    mentioned = {term.stem for at in chosen for term in lines[at]}
    return round(sum(counts[stem] for stem in mentioned) / counts.total(), 3) if counts else None


def tf_idf(lines: Sequence[Sequence[Term]]) -> list[Vector]:
    """The TF-IDF vector of each line: how often it has each word, with more weight for rare words."""
    documents = Counter(stem for line in lines for stem in {term.stem for term in line})
    vectors: list[Vector] = []
    for line in lines:
        counts = Counter(term.stem for term in line)
        vectors.append(
            {stem: count * (1 + math.log((1 + len(lines)) / (1 + documents[stem]))) for stem, count in counts.items()}
        )
    return vectors


def cosine(left: Vector, right: Vector) -> float:
    """The cosine similarity of two vectors, 0 to 1."""
    if len(left) > len(right):
        left, right = right, left
    dot = sum(value * right.get(stem, 0.0) for stem, value in left.items())
    norms = math.sqrt(sum(v * v for v in left.values()) * sum(v * v for v in right.values()))
    return dot / norms if norms else 0.0


def finished(text: str) -> str:
    """The sentence with a capital letter at its start and a full stop at its end, which captions often lack."""
    capital = text[:1].upper()
    if capital.lower() == text[:1]:  # not so for "ß" and ligatures, with which no word begins
        text = capital + text[1:]
    if ends_sentence(text) or not text[-1:].isascii():
        return text
    return text.rstrip(",;:-– ") + "."


def prose(parts: Sequence[str]) -> str:
    """Sentences as one paragraph."""
    text = ""
    for part in parts:
        text += part if not text or text[-1] in "。！？｡" else " " + part
    return text


def _spans(starts: Sequence[int], total: int) -> list[tuple[int, int]]:
    return list(zip(starts, [*starts[1:], total], strict=True))


def _topic_of(total: int, starts: Sequence[int]) -> list[int]:
    return [topic for topic, (first, last) in enumerate(_spans(starts, total)) for _ in range(first, last)]
