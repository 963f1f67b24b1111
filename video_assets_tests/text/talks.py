"""Synthetic talks with known changes of topic, from seeds: the same seed always gives the same talk."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

SLOTS = {
    "num": "two three four five six seven eight nine ten",
    "sea": "boats herons sailors ropes",
    "stay": "wait rest stand",
    "prep": "near under behind beside",
    "place": "harbour lighthouse bridge",
    "food": "flour sugar yeast butter salt",
    "temp": "warm cold",
    "wet": "water milk",
    "unit": "minutes hours",
    "tool": "chisel plane hammer saw",
    "stuff": "oak stone pine",
    "shop": "bench table wall",
    "adj": "old new small",
    "planet": "Mars Jupiter Saturn Venus",
    "scope": "telescope lens mirror",
    "sky": "stars galaxies comets moons",
    "plant": "tomatoes roses beans lettuce",
    "soil": "compost soil mulch",
    "pest": "slugs aphids snails",
    "part": "chain brake wheel pedal",
    "ride": "bicycle bike",
    "road": "hill road trail",
    "organ": "heart lungs liver kidneys",
    "staff": "nurse doctor surgeon",
    "drug": "medicine vaccine tablets",
    "tune": "melody chord rhythm",
    "play": "violin piano guitar flute",
    "hall": "orchestra concert choir",
    "law": "court judge jury",
    "paper": "contract verdict evidence",
    "side": "lawyer witness client",
    "code": "function variable loop",
    "bug": "error crash exception",
    "box": "server database computer",
}
TOPICS = {
    "harbour": """
        the {sea} {stay} {prep} the {place}|{num} {sea} leave the harbour at dawn|the tide rises at {num}
        the tide falls at {num}|we count {num} {sea} {prep} the {place}|the {adj} lighthouse is {prep} the {place}
        they see {num} {sea} before the storm|it is {num} {unit} from the {place} to the {place}""",
    "baking": """
        mix the {food} with {temp} {wet}|add {num} cups of {food} and {food}|the dough rests for {num} {unit}
        bake the bread in a hot oven for {num} {unit}|she mixes {temp} {wet} with the {food}
        the yeast needs {temp} {wet} and {food}|put the dough in the oven in the morning""",
    "workshop": """
        the {tool} cuts the {stuff}|put the {tool} on the {shop}|he holds the {tool} with two hands
        sharpen the {tool} on the {shop}|the {tool} is {prep} the {shop}|one {tool} and one {shop}
        clean the {shop} and the {tool} after the tide|she needs a {tool} and {num} {stuff} boards""",
    "astronomy": """
        with a good {scope} you can see {planet} and its {sky}|{planet} was the first planet we photographed
        light from those {sky} took {num} thousand years to reach the {scope}|the orbit of {planet} is not a circle
        a {scope} gathers far more light than an eye does|most {sky} are too faint to see without a {scope}
        the probe flew past {planet} and sent back pictures of its {sky}""",
    "gardening": """
        plant the {plant} in rich {soil} as soon as the frost is over|water the {plant} every evening
        too many {pest} will eat the leaves of the {plant}|spread {num} centimetres of {soil} around the {plant}
        the {plant} need sun and plenty of {soil}|pick the {pest} off the leaves by hand
        a garden with birds has fewer {pest}|prune the roses before the {plant} flower""",
    "cycling": """
        check the {part} before you ride down the {road}|a worn {part} makes the {ride} slow on every {road}
        oil the {part} of your {ride} once a month|the rider changed gear at the foot of the {road}
        my {ride} has a new {part} and new tyres|on a steep {road} keep your weight over the {part}
        she cycled {num} kilometres along the {road} without a puncture""",
    "medicine": """
        the {staff} listens to the patient's {organ}|this {drug} protects the {organ} of older patients
        ask the {staff} before you take the {drug}|the hospital treats {num} hundred patients a week
        the symptoms begin in the {organ} and spread slowly|a {staff} wrote down the dose of the {drug}
        surgery on the {organ} takes about {num} hours|the patient went home with {drug}""",
    "music": """
        the {play} takes up the {tune} in the second bar|the {hall} rehearsed the symphony {num} times
        a good {tune} stays in the listener's ear|she has played the {play} since she was {num}
        the {hall} tunes to a single note from the oboe|the {tune} is repeated by the {play} an octave higher
        the composer wrote the {tune} for {play} alone""",
    "law": """
        the {law} read the {paper} aloud|the {side} signed the {paper} in front of the {law}
        without {paper} the {law} cannot decide|the {side} may appeal within {num} weeks
        a {paper} binds the {side} even if it was not read|the {law} asked the {side} {num} questions
        the trial was moved to another {law}""",
    "programming": """
        the {code} is called {num} times and every call reads the {box}|an {bug} in the {code} stopped the {box}
        write a test before you change the {code}|the {box} logs each {bug} with its line number
        rename the {code} so that readers know what it returns|the compiler found the {bug} in a second
        the program keeps every {code} in memory until the {box} restarts""",
}
FILLERS = (
    "Now we look at something else.",
    "That is all there is to it.",
    "Let me show you.",
    "As you can see, it works.",
    "This is important.",
    "I will come back to that later.",
    "So far so good.",
)


@dataclass(frozen=True)
class Piece:
    start: float
    end: float
    text: str


@dataclass(frozen=True)
class SyntheticTalk:
    """A transcript whose changes of topic are known."""

    segments: tuple[Piece, ...]
    language: str | None
    boundaries: tuple[float, ...]
    """Seconds at which the topic changes; the talk's start is none."""
    topics: tuple[str, ...]
    duration: float


def talk(seed: int, topics: tuple[str, ...] | None = None, sentences: tuple[int, int] = (6, 16)) -> SyntheticTalk:
    """A talk about three to six topics of so many sentences each, with some words that belong to none."""
    rng = random.Random(seed)
    chosen = topics or tuple(rng.sample(sorted(TOPICS), rng.randint(3, 6)))
    pieces: list[Piece] = []
    boundaries, at = [], 0.0
    for topic in chosen:
        if pieces:
            boundaries.append(round(at, 3))
        for _ in range(rng.randint(*sentences)):
            text = rng.choice(FILLERS) if topics is None and rng.random() < 0.12 else sentence(rng, topic)
            length = round(0.3 + 0.34 * len(text.split()), 3)
            pieces.append(Piece(round(at, 3), round(at + length, 3), text))
            at += length + rng.uniform(0.1, 0.8)
    return SyntheticTalk(tuple(pieces), None, tuple(boundaries), chosen, pieces[-1].end)


def sentence(rng: random.Random, topic: str) -> str:
    templates = [each.strip() for each in re.split(r"[|\n]", TOPICS[topic]) if each.strip()]
    text = re.sub(r"\{(\w+)\}", lambda match: rng.choice(SLOTS[match[1]].split()), rng.choice(templates))
    return text[0].upper() + text[1:] + "."


def boundary_f1(found: list[float], true: tuple[float, ...], tolerance: float = 15.0) -> float:
    """F1 of boundaries, each true one met by at most one found within so many seconds."""
    if not found and not true:
        return 1.0
    left, hits = list(found), 0
    for moment in true:
        near = [each for each in left if abs(each - moment) <= tolerance]
        if near:
            left.remove(min(near, key=lambda each: abs(each - moment)))
            hits += 1
    return 2 * hits / (len(found) + len(true))
