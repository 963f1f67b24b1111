"""A judged set: talks in four languages, what people might look for in them, and how well each talk answers.

The sentences beside this module (`judged/`) were written for it. Talks are put together from them by rule, and the
rule gives the grades, so that nobody's taste and no search engine had a say in them:

- a talk given to one subject (its four sentences among small talk, its title on top): 3 for a query about it;
- an overview of a topic (two sentences a subject, with chapters): 2 for its subjects, 3 for a query about the topic;
- a live stream: 2 for the subjects it has a section on, nothing for a sentence dropped in passing;
- in all of them a third of the small talk has words in it that somebody may look for, as remarks that use them for
  something else or as mere mentions: these earn nothing;
- for a query that quotes a sentence: 3 wherever it is said, 1 for other talks on its subject.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from video_assets.search import Document, Spoken, passages

FOLDER = Path(__file__).parent / "judged"
LANGUAGES = ("en", "de", "fr", "ja")
SECONDS = 6.0
"""A sentence takes so long, and the next one follows at once."""


@dataclass(frozen=True)
class Query:
    """A query with the grades (1 to 3) of the videos that answer it."""

    language: str
    kind: str
    words: str
    grades: Mapping[int, int]


@dataclass
class _Talk:
    language: str
    title: str
    sentences: list[str]
    subject: str = ""
    """`topic/subject` of a talk given to one."""
    topic: str = ""
    """Of an overview."""
    sections: set[str] = field(default_factory=set)
    chapters: list[tuple[float, str]] = field(default_factory=list)


@lru_cache(maxsize=1)
def judged() -> tuple[tuple[Document, ...], tuple[Query, ...]]:
    """The documents and the queries, the same ones every time."""
    subjects, talks = _subjects(), list[_Talk]()
    for language in LANGUAGES:
        talks += _talks(language, subjects)
    documents = tuple(_document(number, talk) for number, talk in enumerate(talks, start=1))
    lines = (FOLDER / "queries.txt").read_text(encoding="utf-8").splitlines()
    return documents, tuple(_query(line, talks, subjects) for line in lines if not line.startswith("#"))


def halves(queries: Sequence[Query]) -> tuple[list[Query], list[Query]]:
    """(to tune on, held out): every other query of each language and kind."""
    ordered = sorted(queries, key=lambda query: (query.language, query.kind, query.words))
    return ordered[::2], ordered[1::2]


def ndcg(found: Sequence[int], grades: Mapping[int, int], depth: int = 10) -> float:
    """nDCG of a ranking of video ids: gain 2^grade - 1, discount log2(rank + 1), against the ideal ranking."""
    ideal = _gain(sorted(grades.values(), reverse=True)[:depth])
    return _gain([grades.get(video, 0) for video in found[:depth]]) / ideal


def _gain(grades: Sequence[int]) -> float:
    return sum((2.0**grade - 1) / math.log2(rank + 2) for rank, grade in enumerate(grades))


@dataclass(frozen=True)
class _Subject:
    language: str
    title: str
    sentences: tuple[str, ...]


def _subjects() -> dict[str, _Subject | str]:
    """`topic/subject` → its sentences; `topic` → the title of its overview, where it has one."""
    found: dict[str, _Subject | str] = {}
    for language in LANGUAGES:
        topic = name = ""
        for line in (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines():
            if line.startswith("## "):
                subject, _, title = line[3:].partition(": ")
                name = f"{topic}/{subject}"
                found[name] = _Subject(language, title, ())
            elif line.startswith("# "):
                topic, _, title = line[2:].partition(": ")
                if title:
                    found[topic] = title
            else:
                held = found[name]
                assert isinstance(held, _Subject)
                found[name] = _Subject(language, held.title, (*held.sentences, line))
    return found


def _section(file: str, language: str) -> list[str]:
    """The lines below `# language`."""
    text = (FOLDER / file).read_text(encoding="utf-8")
    return text.split(f"# {language}\n")[1].split("\n# ")[0].splitlines()


def _talks(language: str, every: Mapping[str, _Subject | str]) -> list[_Talk]:
    chance = random.Random(f"talks in {language}")
    subjects = {name: each for name, each in every.items() if isinstance(each, _Subject) and each.language == language}
    chatter = _Chatter(chance, language, subjects)
    talks = []
    for name, subject in subjects.items():
        said = [*chatter.some(chance.randint(4, 30)), *subject.sentences, *chatter.some(chance.randint(10, 60))]
        talks.append(_Talk(language, subject.title, said, subject=name))
    for topic in dict.fromkeys(name.partition("/")[0] for name in subjects):
        title = every.get(topic)
        if isinstance(title, str):
            said, chapters = chatter.some(3), []
            for name, subject in subjects.items():
                if name.startswith(f"{topic}/"):
                    chapters.append((len(said) * SECONDS, subject.title))
                    said += [*sorted(chance.sample(subject.sentences, 2)), *chatter.some(6)]
            talks.append(_Talk(language, title, said, topic=topic, chapters=chapters))
    return talks + [_stream(chance, language, number, subjects, chatter) for number in range(1, 2 + len(subjects) // 3)]


def _stream(
    chance: random.Random, language: str, number: int, subjects: Mapping[str, _Subject], chatter: _Chatter
) -> _Talk:
    """Half an hour of talk about everything."""
    chosen = chance.sample(sorted(subjects), min(len(subjects), 9))
    talk = _Talk(language, f"Live #{number}", [], sections=set(chosen[:3]))
    for name in chosen:
        said = chance.sample(subjects[name].sentences, 3 if name in talk.sections else 1)
        talk.sentences += [*said, *chatter.some(24)]
    return talk


class _Chatter:
    """Small talk, remarks that use words of the subjects for something else, and mere mentions of such words."""

    def __init__(self, chance: random.Random, language: str, subjects: Mapping[str, _Subject]) -> None:
        self.chance = chance
        self.small = _section("small_talk.txt", language)
        self.remarks = _section("remarks.txt", language)
        self.mentions = _section("mentions.txt", language)
        text = " ".join(sentence for subject in subjects.values() for sentence in subject.sentences)
        # Han and katakana for Japanese: what is written in hiragana is mostly endings.
        word = r"[\u30a0-\u30ff\u4e00-\u9fff]{2,}" if language == "ja" else r"[^\W\d_]{5,}"
        self.words = sorted(set(re.findall(word, text)))

    def some(self, count: int) -> list[str]:
        """So many sentences that are about nothing; every third has a word in it that somebody may look for."""
        return [self._one() for _ in range(count)]

    def _one(self) -> str:
        kind = self.chance.random()
        if kind < 0.2:
            return self.chance.choice(self.mentions).format(self.chance.choice(self.words))
        return self.chance.choice(self.remarks if kind < 0.35 else self.small)


def _document(number: int, talk: _Talk) -> Document:
    spoken = [Spoken(at * SECONDS, (at + 1) * SECONDS, text) for at, text in enumerate(talk.sentences)]
    return Document(
        video_id=number,
        title=talk.title,
        language=talk.language,
        duration=len(spoken) * SECONDS,
        passages=passages(spoken),
        chapters=tuple(talk.chapters),
    )


def _query(line: str, talks: Sequence[_Talk], subjects: Mapping[str, _Subject | str]) -> Query:
    language, kind, wanted, words = (part.strip() for part in line.split(" | "))
    name, _, sentence = wanted.partition("@")
    assert name in subjects or "/" not in name, name
    grades = {}
    for number, talk in enumerate(talks, start=1):
        if talk.language == language and (grade := _grade(talk, name)):
            grades[number] = grade
    if sentence:
        subject = subjects[name]
        assert isinstance(subject, _Subject)
        assert words.lower() in subject.sentences[int(sentence) - 1].lower(), line
        said = subject.sentences[int(sentence) - 1]
        quoting = {number: 3 for number, talk in enumerate(talks, start=1) if said in talk.sentences}
        grades = dict.fromkeys(grades, 1) | quoting
    assert 3 in grades.values(), line
    return Query(language, kind, words, grades)


def _grade(talk: _Talk, name: str) -> int:
    topic = name.partition("/")[0]
    if "/" not in name:
        section = any(each.startswith(f"{name}/") for each in talk.sections)
        return 3 if talk.topic == name else 2 if talk.subject.startswith(f"{name}/") else int(section)
    if talk.subject == name:
        return 3
    return 2 if talk.topic == topic or name in talk.sections else 0
