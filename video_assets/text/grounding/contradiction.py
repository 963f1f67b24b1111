"""Finds sentences that contradict the transcript with its own words: a denial turned into a statement or the reverse, a
number with another unit, two things exchanged.

Each rule looks for one pattern that correct paraphrases hardly ever have, in the languages whose words are listed here.
A contradiction that no rule finds passes.
"""

# ruff: noqa: RUF001  (apostrophes of several scripts)
from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise, permutations

from video_assets.text.extractive.terms import words
from video_assets.text.grounding.numbers import NUMBER_WORDS, numbers_meant

VERSION = "contradiction-1"

Same = Mapping[str, Collection[str]]
"""For each word of a sentence, the words of the transcript that count as the same."""

_BREAK = {
    "en": "and but or because while whereas although since which who that when if so",
    "de": "und aber oder um damit weil während obwohl sondern denn die der das wenn da",
    "fr": "et mais ou pour afin parce tandis alors car qui quand si",
    "es": "y e pero o u para porque mientras aunque que cuando si",
}
_DENYING = {
    "en": "not no never nobody none nothing neither nor without cannot",
    "de": "nicht kein keine keinen keinem keiner nie niemals niemand nichts ohne weder",
    "fr": "ne pas jamais rien aucun aucune sans ni",
    "es": "no nunca jamás nadie ningún ninguna ninguno sin ni tampoco nada",
}
_PREVENTING = {
    "en": "prevent avoid",
    "de": "verhinder vermeid",
    "fr": "empêch évit",
    "es": "evit impid imped",
}
"""Beginnings of verbs that deny their object."""
_QUALIFYING = {
    "en": "hardly rarely barely seldom few little less fewer only too unlike instead rather against contrary fail "
    "keep refus lack miss ban forb prohibit reject den imposs unable wrong false myth before until except otherwise",
    "de": "kaum selten wenig nur statt gegen fehl verbot verbiet unmöglich falsch außer bevor bis erst anders sonst un",
    "fr": "sinon sauf seul rarement guère manqu contre lieu interdi refus faux avant jusqu impossible",
    "es": "si apenas solo sólo salvo rara falt contra vez prohib neg fals antes hasta imposible",
}
"""Beginnings of words with which a sentence may deny something indirectly. Then no contradiction is concluded."""
_ENDS = re.compile(r"[,;:.!?–—()]|\s-\s")
_COVERED = 0.75

_UNITS = {
    "second": "second seconds sekunde sekunden seconde secondes segundo segundos",
    "minute": "minute minutes minuten minuto minutos",
    "hour": "hour hours stunde stunden heure heures hora horas",
    "day": "day days tag tage tagen jour jours día días",
    "week": "week weeks woche wochen semaine semaines semana semanas",
    "month": "month months monat monate monaten mois mes meses",
    "year": "year years jahr jahre jahren an ans année années año años",
    "millimetre": "mm millimetre millimetres millimeter millimeters millimetern millimètre millimètres milímetro "
    "milímetros",
    "centimetre": "cm centimetre centimetres centimeter centimeters zentimeter zentimetern centimètre centimètres "
    "centímetro centímetros",
    "metre": "metre metres meter meters metern mètre mètres metro metros",
    "kilometre": "km kilometre kilometres kilometer kilometers kilometern kilomètre kilomètres kilómetro kilómetros",
    "inch": "inch inches zoll",
    "foot": "foot feet",
    "mile": "mile miles meile meilen milla millas",
    "gram": "gram grams gramm gramme grammes gramo gramos",
    "kilogram": "kg kilo kilos kilogram kilograms kilogramm kilogramme kilogrammes kilogramo kilogramos",
    "tonne": "ton tons tonne tonnes tonnen tonelada toneladas",
    "pound": "pound pounds pfund libra libras",
    "litre": "litre litres liter liters litern litro litros",
    "gallon": "gallon gallons",
    "degree": "degree degrees grad degré degrés grado grados",
    "percent": "percent prozent pourcent",
    "dollar": "dollar dollars",
    "euro": "euro euros",
    "penny": "penny pence",
}
_UNIT = {word: unit for unit, listed in _UNITS.items() for word in listed.split()}
_TIMES = frozenset(("second", "minute", "hour", "day", "week", "month", "year"))
_ONE = frozenset(["one", "ein", "eine", "einen", "einem", "einer", "un", "une", "una", "uno"])
_EACH = frozenset(["a", "an", "per", "each", "every", "pro", "je", "am", "im", "par", "chaque", "por", "cada", "al"])
_GROUPS = re.compile(r"(?<=\d)[.,](?=\d{3}(?!\d))")


@dataclass(frozen=True)
class Clause:
    """A clause of a sentence."""

    terms: tuple[str, ...]
    """Stems of its meaningful words, in order."""
    denied: bool
    after: frozenset[str] = frozenset()
    """The stems after the denial."""


@dataclass(frozen=True)
class Said:
    """A sentence, taken apart for comparison."""

    clauses: tuple[Clause, ...]
    qualified: bool
    """Whether it denies something, directly or perhaps indirectly."""
    amounts: tuple[tuple[frozenset[str], str], ...]
    """Each number (in all its spellings) with the word after it, which may be a unit; also with the unit that it is
    counted by, “week” in “six volumes a week”."""

    @property
    def terms(self) -> frozenset[str]:
        return frozenset(term for clause in self.clauses for term in clause.terms)


def said(text: str, language: str, stems: Callable[[str], Sequence[str]], number_words: Collection[str]) -> Said:
    """Takes a sentence apart. `stems`: returns the stems of the meaningful words of a text."""
    code = language[:2]
    denying, preventing = set(_DENYING.get(code, "").split()), tuple(_PREVENTING.get(code, "").split())
    parts = [part for part in _parted(text, set(_BREAK.get(code, "").split())) if part]
    clauses = []
    for part in parts:
        at = [number for number, word in enumerate(part) if word in denying or word.startswith(preventing or "\0")]
        counted = tuple(f"#{number}" for number in sorted(numbers_meant(" ".join(part)) - {"1"}))
        after = frozenset(stems(" ".join(part[at[0] + 1 :]))) if at else frozenset()
        clauses.append(Clause((*stems(" ".join(part)), *counted), bool(at), after))
    qualifying = tuple(_QUALIFYING.get(code, "").split())
    qualified = any(clause.denied for clause in clauses) or any(
        qualifying and word.startswith(qualifying) for part in parts for word in part
    )
    return Said(tuple(clauses), qualified, tuple(_amounts(text, number_words)))


def contradicted(claim: Said, evidence: Sequence[Said], same: Same) -> bool:
    """Whether the claim contradicts its evidence."""
    return (
        _asserts_what_was_denied(claim, evidence, same)
        or _denies_what_was_said(claim, evidence, same)
        or _exchanges(claim, evidence, same)
        or _measures_otherwise(claim, evidence)
    )


def _asserts_what_was_denied(claim: Said, evidence: Sequence[Said], same: Same) -> bool:
    """Whether a claim without denial uses a word that the evidence uses in denials only."""
    if claim.qualified:
        return False
    clauses = [clause for sentence in evidence for clause in sentence.clauses]
    for term in claim.terms:
        found = [clause for clause in clauses if _has(clause.terms, term, same)]
        if found and all(clause.denied for clause in found):
            for clause in found:
                shared = sum(_has(clause.terms, other, same) for other in claim.terms)
                if shared >= 2 and _has(clause.after, term, same):
                    return True
    return False


def _denies_what_was_said(claim: Said, evidence: Sequence[Said], same: Same) -> bool:
    """Whether a clause with a denial has nearly all its words from one sentence that denies nothing."""
    for clause in claim.clauses:
        if not clause.denied or len(clause.terms) < 2:
            continue
        for sentence in evidence:
            covered = sum(_has(sentence.terms, term, same) for term in clause.terms)
            if not sentence.qualified and covered >= max(2, _COVERED * len(clause.terms)):
                return True
    return False


def _exchanges(claim: Said, evidence: Sequence[Said], same: Same) -> bool:
    """Whether two clauses of the claim have exchanged words between two clauses of the evidence."""
    places = [clause.terms for sentence in evidence for clause in sentence.clauses if clause.terms]
    parts = [
        part.terms
        for part in claim.clauses
        if len(part.terms) >= 2 and not any(all(_has(place, term, same) for term in part.terms) for place in places)
    ]
    return any(
        _exchanged(one, first, second, same) and _exchanged(other, second, first, same)
        for one, other in combinations(parts, 2)
        for first, second in permutations(places, 2)
    )


def _exchanged(part: Sequence[str], here: Sequence[str], there: Sequence[str], same: Same) -> bool:
    """Whether most of the clause's words are in `here`, and the others in `there`."""
    own = [term for term in part if _has(here, term, same)]
    lacking = [term for term in part if not _has(here, term, same)]
    return (
        0 < len(lacking) <= len(own)
        and all(_has(there, term, same) for term in lacking)
        and not all(_has(there, term, same) for term in own)
    )


def _has(where: Collection[str], term: str, same: Same) -> bool:
    """Whether the term, or a word that counts as the same, is in `where`."""
    return term in where or any(other in where for other in same.get(term, ()))


def _measures_otherwise(claim: Said, evidence: Sequence[Said]) -> bool:
    """Whether the claim has a number with a unit, and the evidence has that number with other units only."""
    held = [each for sentence in evidence for each in sentence.amounts]
    for numbers, word in claim.amounts:
        units = {_UNIT.get(other, "") for known, other in held if known & numbers}
        others = {other for known, other in held if known & numbers}
        if units and "" not in units and word not in others and _UNIT.get(word, "") not in units:
            return True
    return False


def _parted(text: str, breaks: Collection[str]) -> list[list[str]]:
    """The words of each clause."""
    found: list[list[str]] = [[]]
    for part in _ENDS.split(text):
        found.append([])
        for word in words(part.replace("n’t", " not").replace("n't", " not").replace("’", "'").replace("'", " ")):
            if word in breaks:
                found.append([])
            else:
                found[-1].append(word)
    return found


def _amounts(text: str, number_words: Collection[str]) -> list[tuple[frozenset[str], str]]:
    """Each number with the word after it."""
    found: list[tuple[frozenset[str], str]] = []
    run: list[str] = []
    spoken = words(_GROUPS.sub("", text).replace("%", " percent"))
    for at, word in enumerate([*spoken, ""]):
        following = spoken[at + 1] if at + 1 < len(spoken) else ""
        counts = word.isdigit() or word in NUMBER_WORDS or word in number_words
        if counts or (run and word == "and" and (following in NUMBER_WORDS)):
            run.append(word)
            continue
        if run and word:
            counted = numbers_meant(" ".join(run)) | (frozenset(number_words) & frozenset(run))
            found.append((counted, word))
            found += [
                (frozenset(f"{number} each" for number in counted), unit) for unit in _each(spoken[at + 1 : at + 4])
            ]
        elif word in _UNIT and at >= 1 and spoken[at - 1] in _ONE and _UNIT[word] not in _TIMES:
            found.append((frozenset({"1"}), word))
        elif word in _UNIT and at >= 2 and spoken[at - 2] == "half":
            found.append((frozenset({"half"}), word))
        run = []
    return found


def _each(following: Sequence[str]) -> list[str]:
    """The unit that something is counted by, in the words that follow the number: “week” in “volumes a week”."""
    return [unit for each, unit in pairwise(following) if each in _EACH and unit in _UNIT][:1]
