"""Reads finished rungs packet by packet with PyAV and decodes parts of them. Runs in a limited child, never imported.

JSON in: `rungs`, a list of {`name`, `path`, `seek` (seconds to decode from), `width`, `height`}. JSON out: `rungs`, by
name: for `video` and `audio` what their packets say, and `problem`, a line, empty where all was well.
"""

from __future__ import annotations

import itertools
import json
import sys
from typing import Any

import av

ONLY_THIS_FILE = {"format_whitelist": "mov", "protocol_whitelist": "file"}
STEADY = 1.5
"""The longest step between pictures is at most so many times the shortest where they come steadily."""
SAMPLE_FRAMES = 4
"""Pictures decoded at each sampled place; from the last one on, all to the end."""


def read_stream(path: str, kind: str) -> dict[str, Any] | None:
    """Times (seconds) of all packets of the first stream of this kind; None where there is none."""
    with av.open("file:" + path, options=ONLY_THIS_FILE) as container:
        stream = next((s for s in container.streams if s.type == kind), None)
        if stream is None:
            return None
        keys, times, packets, rising, last = [], [], 0, True, None
        start, end, longest = float("inf"), float("-inf"), 0.0
        for packet in container.demux(stream):
            if not packet.size:
                continue
            if packet.dts is None or packet.pts is None or packet.is_corrupt:
                rising = False
                continue
            if last is not None and packet.dts <= last:
                rising = False
                continue
            if last is not None:
                longest = max(longest, float((packet.dts - last) * packet.time_base))
            last = packet.dts
            packets += 1
            time = float(packet.pts * packet.time_base)
            start, end = min(start, time), max(end, time + float((packet.duration or 0) * packet.time_base))
            if kind == "video":
                times.append(time)
                keys += [round(time, 6)] if packet.is_keyframe else []
        if not packets:
            return None
        return {
            "packets": packets, "rising": rising, "start": start, "end": end, "longest_step": longest, "keys": keys,
            "rate": fastest(times),
        }  # fmt: skip


def fastest(times: list[float]) -> float:
    """Pictures a second at their densest: over everything where they come steadily, else in any one second."""
    if len(times) < 2:
        return 0.0
    times = sorted(times)
    steps = [after - before for before, after in itertools.pairwise(times)]
    if max(steps) <= STEADY * min(steps):
        return round(len(steps) / (times[-1] - times[0]), 4)
    first, most = 0, 0
    for number, time in enumerate(times):
        while times[first] <= time - 1:
            first += 1
        most = max(most, number - first + 1)
    return float(most)


def decode(rung: dict[str, Any]) -> str:
    """Decodes a few pictures at each given place, and everything from the last one on. Empty, or what went wrong."""
    with av.open("file:" + rung["path"], options=ONLY_THIS_FILE) as container:
        wanted = "video" if rung["width"] else "audio"
        stream = next((s for s in container.streams if s.type == wanted), None)
        if stream is None:
            return f"there is no {wanted}"
        for place in rung["seek"]:
            container.seek(max(0, round(place / stream.time_base)), stream=stream)
            seen = 0
            for frame in container.decode(stream):
                seen += 1
                if frame.is_corrupt:
                    return f"the picture at {place:.1f} s is damaged"
                if wanted == "video" and (frame.width, frame.height) != (rung["width"], rung["height"]):
                    return f"the picture is {frame.width}x{frame.height} instead of {rung['width']}x{rung['height']}"
                if place != rung["seek"][-1] and seen >= SAMPLE_FRAMES:
                    break
            if not seen:
                return f"nothing can be decoded at {place:.1f} s"
    return ""


def look(rung: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"video": None, "audio": None, "problem": ""}
    try:
        found["video"] = read_stream(rung["path"], "video")
        found["audio"] = read_stream(rung["path"], "audio")
        found["problem"] = decode(rung)
    except (av.error.FFmpegError, MemoryError) as error:
        found["problem"] = f"it cannot be read ({type(error).__name__})"
    return found


def main() -> None:
    given = json.load(sys.stdin)
    json.dump({"rungs": {rung["name"]: look(rung) for rung in given["rungs"]}}, sys.stdout)


if __name__ == "__main__":
    main()
