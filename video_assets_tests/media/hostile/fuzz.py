"""A seeded fuzzer: small files with pieces turned over, moved, repeated, cut, or swapped for another container's.

    python -m video_assets_tests.media.hostile.fuzz FOLDER [SECONDS] [SEED]

What it finds is written to FOLDER/findings, and belongs into the corpus with its outcome.
"""

from __future__ import annotations

import random
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from video_assets.errors import PermanentError
from video_assets.speech.captions import read_captions
from video_assets.speech.transcript import Transcript, to_json, to_text, to_vtt
from video_assets_tests.media.hostile import corpus
from video_assets_tests.media.hostile.kit import Hostile, Kit
from video_assets_tests.media.hostile.mutation import mutated, nth
from video_assets_tests.media.hostile.verdicts import Court, faults, settings_in

CAPTIONS = (
    "WEBVTT\n\nNOTE x\n\n1\n00:00.200 --> 00:01.500 line:0\n<v Ann>Herons &amp; <b>gulls</b>\n\n"
    "00:01.500 --> 00:01.900\nx\n",
    "1\n00:00:00,200 --> 00:00:01,500\n{\\an8}Herons\\Nand gulls\n\n2\n00:00:01,500 --> 00:00:01,900\n<i>Flour</i>\n",
)
PIECES = (
    "-->",
    "\n\n",
    "<",
    ">",
    "<script>",
    "&#x0;",
    "{\\",
    "\0",
    "\ufeff",
    "99:99:99.999",
    "\r",
    "\u2028",
    "WEBVTT",
    "\x1b[2J",
)
CAPTION_SECONDS = 5.0
"""No small file may take longer to read."""


@dataclass
class Found:
    """How many files were tried, and what was wrong, by name."""

    tried: int = 0
    troubles: dict[str, list[str]] = field(default_factory=dict)


def run(folder: Path, *, seed: int, seconds: float) -> Found:
    """Mutates clips of every container for so long, and puts each through the real thing."""
    found, deadline = Found(), time.monotonic() + seconds
    kit = corpus.kit_in(folder)
    court = Court(folder, settings_in(folder), None)
    (folder / "findings").mkdir(exist_ok=True)
    for number in range(10**6):
        if time.monotonic() > deadline:
            break
        name, data = nth(kit, seed, number)
        verdict = court.judge(kit, Hostile(name, partial(bytes_of, data), ""))
        found.tried += 1
        if wrong := list(faults(verdict)):
            found.troubles[name] = wrong
            (folder / "findings" / name).write_bytes(data)
            print(name, wrong, flush=True)
    return found


def bytes_of(data: bytes, _: Kit) -> bytes:
    return data


def mutated_captions(choose: random.Random) -> bytes:
    """One of two small files with pieces put in, doubled and taken out, perhaps in another encoding."""
    text = choose.choice(CAPTIONS)
    for _ in range(choose.randrange(1, 12)):
        at = choose.randrange(len(text) + 1)
        how = choose.randrange(4)
        if how == 0:
            text = text[:at] + choose.choice(PIECES) * choose.choice((1, 1, 3, 2000)) + text[at:]
        elif how == 1:
            text = text[:at] + text[at + choose.randrange(1, 20) :]
        elif how == 2:
            text = text[:at] + text[max(0, at - 40) : at] * choose.choice((1, 2, 300)) + text[at:]
        else:
            text = text[:at] + chr(choose.choice((0, 0x85, 0x202E, 0xFFFF, choose.randrange(0x20, 0x2000)))) + text[at:]
        text = text[:200_000] or "x"
    data = text.encode(choose.choice(("utf-8", "utf-8", "utf-8", "utf-16-le", "utf-32", "utf-7")), "replace")
    return data if choose.random() < 0.7 else mutated(data + bytes(16), data, choose)


def captions(*, seed: int, count: int) -> Found:
    """Reads so many mutated caption files; each ends in a transcript that can be written, or in one line."""
    found = Found()
    for number in range(count):
        data = mutated_captions(random.Random(f"{seed}-{number}"))
        begun, wrong = time.process_time(), []
        try:
            transcript: Transcript = read_captions(data, f"a.{('vtt', 'srt')[number % 2]}", 2.0)
            for written in (to_json(transcript), to_vtt(transcript).encode(), to_text(transcript).encode()):
                written.decode("utf-8")
            for segment in transcript.segments:
                if not (0 <= segment.start <= segment.end <= 2.0 and segment.text.isprintable()):
                    wrong.append(f"an odd segment: {segment!r:.200}")
        except PermanentError as refused:
            if not str(refused).isprintable() or len(str(refused)) > 300:
                wrong.append(f"not one short line: {str(refused)!r:.200}")
        except Exception as error:  # whatever else comes out is a finding
            wrong.append(f"{type(error).__name__}: {error}")
        if time.process_time() - begun > CAPTION_SECONDS:
            wrong.append(f"took {time.process_time() - begun:.1f} s")
        found.tried += 1
        if wrong:
            found.troubles[f"{seed}-{number}"] = wrong
    return found


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    its_seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 240.0
    its_seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    print(captions(seed=its_seed, count=2000))
    result = run(where, seed=its_seed, seconds=its_seconds)
    print(f"{result.tried} files, {len(result.troubles)} findings")
