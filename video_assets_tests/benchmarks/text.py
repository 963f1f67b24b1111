"""Words: how long a map-reduce of forty chunks takes, what is billed twice, and how chapters and grounding fare."""

from __future__ import annotations

import json
import time
from pathlib import Path

from video_assets.text.extractive import summarizer
from video_assets.text.grounding.support import GROUNDED, Evidence
from video_assets.text.llm.mapreduce import summarize
from video_assets.text.llm.pace import Pace, Rate
from video_assets.text.llm.tokens import count_tokens, most_tokens
from video_assets.text.sentences import sentences
from video_assets_tests.text.making import GROUNDING, UNSEEN, asker, lecture, model
from video_assets_tests.text.standin import StandIn
from video_assets_tests.text.talks import boundary_f1, talk

TOKENS = json.loads((Path(__file__).parents[1] / "fixtures" / "tokens" / "texts.json").read_text())


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Ratios to what the latency alone would take, and shares of what is right."""
    return {**_waiting(folder, quick), **_paced(folder, quick), **_chapters(quick), **_grounding(), **_tokens()}


def _waiting(folder: Path, quick: bool) -> dict[str, float | str]:
    latency = 0.5 if quick else 3.0
    spoken = lecture(400)
    with StandIn(latency=latency).running() as standin:
        # The library takes a second to load, once a process.
        asker(standin, folder / "warm").model.reply(
            {"model": "m", "messages": [{"role": "user", "content": "x"}] * 2}, tokens=1, idempotency_key=""
        )
        before, begun = len(standin.calls), time.monotonic()
        summarize(spoken, asker(standin, folder / "a"), chunk_tokens=170)
        wall = time.monotonic() - begun
        calls = standin.calls[before:]
        calling = max(call.ended for call in calls) - min(call.began for call in calls)
        summarize(spoken, asker(standin, folder / "a"), chunk_tokens=170)
        billed = sum(standin.billed.values()) / len(standin.billed)
    return {
        f"40 chunks, 5 at a time, {latency:g} s a call: calls, in latencies (goal 11)": round(calling / latency, 3),
        "the same with dividing, chapters and checks, in latencies": round(wall / latency, 3),
        "billed calls over unique prompts, summarised twice (goal 1)": round(billed, 3),
    }


def _paced(folder: Path, quick: bool) -> dict[str, float | str]:
    """The fastest plan under a rate of 20 calls in a window: 49 calls need the third window."""
    window = 2.0 if quick else 8.0
    with StandIn(latency=window / 40).running() as standin:
        asking = asker(standin, folder / "paced")
        asking.model = model(standin, pace=Pace(Rate(requests=20), window=window))
        asking.model.reply(
            {"model": "m", "messages": [{"role": "user", "content": "x"}] * 2}, tokens=1, idempotency_key=""
        )
        asking.model.pace = Pace(Rate(requests=20), window=window)
        summarize(lecture(400), asking, chunk_tokens=170, at_once=0)
        began = [call.began for call in standin.calls[1:]]
    return {
        "49 calls at 20 a window, over the two windows nobody can save": round(
            (max(began) - min(began)) / (2 * window), 3
        )
    }


def _chapters(quick: bool) -> dict[str, float | str]:
    seeds = range(500, 510) if quick else range(500, 540)
    scores = []
    for seed in seeds:
        spoken = talk(seed)
        starts = [chapter.start for chapter in summarizer.summarize(spoken).chapters][1:]
        scores.append(boundary_f1(starts, spoken.boundaries))
    return {
        f"chapters of {len(seeds)} held-out talks, boundary F1 within 15 s (goal 0.8)": round(
            sum(scores) / len(scores), 3
        ),
        "the worst of them": round(min(scores), 3),
    }


def _grounding() -> dict[str, float | str]:
    honest, invented = [], []
    for each in GROUNDING:
        evidence = Evidence(each["said"], each["language"])
        honest += [evidence.support(text).score for text in each["honest"]]
        invented += [evidence.support(text).score for text in each["invented"]]
    kept, caught = [], []
    for each in UNSEEN:
        evidence = Evidence(each["said"], each["language"])
        kept += [evidence.support(text).grounded for text in each["honest"]]
        caught += [not evidence.support(invention["text"]).grounded for invention in each["invented"]]
    chosen = [talk(seed) for seed in range(500, 520)]
    verbatim = [
        sentence.text in {each.text for each in sentences(spoken)}
        for spoken in chosen
        for sentence in summarizer.summarize(spoken).sentences
    ]
    return {
        f"honest paraphrases kept, of {len(honest)}": round(
            sum(score >= GROUNDED for score in honest) / len(honest), 3
        ),
        f"inventions caught, of {len(invented)} (goal 1)": round(
            sum(s < GROUNDED for s in invented) / len(invented), 3
        ),
        f"honest paraphrases kept, of {len(kept)} more": _share(kept),
        f"inventions caught, of {len(caught)} more made of the talk's own words (goal 1)": _share(caught),
        "lowest score of an honest one, highest of an invented one": f"{min(honest):.2f} {max(invented):.2f}",
        "extractive sentences that stand in the transcript (goal 1)": _share(verbatim),
    }


def _share(found: list[bool]) -> float:
    return round(sum(found) / len(found), 3)


def _tokens() -> dict[str, float | str]:
    exact = [count_tokens(each["text"]) == each["o200k_base"] for each in TOKENS]
    ratios = sorted(most_tokens(each["text"]) / max(each["o200k_base"], each["tekken"]) for each in TOKENS)
    return {
        f"texts of {len(TOKENS)} whose count is o200k_base's own (goal 1)": _share(exact),
        "tokens held against a ceiling over real ones, least": round(ratios[0], 3),
        "the same, middle": round(ratios[len(ratios) // 2], 3),
    }
