"""Reads finished rungs packet by packet with PyAV and decodes parts of them. Runs as a confined child, never imported.

JSON in: `rungs`, a list of {`name`, `path`, `seek` (seconds to decode from), `end`, `width`, `height`}. JSON out:
`rungs`, by name: what was measured of the packets of `video` and `audio`, and `problem`, a line that is empty if
everything could be read and decoded.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import av

ONLY_THIS_FILE = {"format_whitelist": "mov", "protocol_whitelist": "file"}
STEADY = 1.5
"""A frame rate counts as constant if the longest step between frames is at most this many times the shortest."""
NO_DEBLOCKING = {"skip_loop_filter": "all"}
"""Decoding without the deblocking filter finds the same damage faster: the filter runs after every bit is read."""
LAST_SECONDS = 0.5
SAMPLE_FRAMES = 4
"""Frames decoded at each sampled place. From the last place on, all frames to the end are decoded."""


@dataclass
class Packets:
    """What is measured of the packets of one stream. Times in seconds."""

    count: int = 0
    rising: bool = True
    start: float = float("inf")
    end: float = float("-inf")
    longest_step: float = 0.0
    times: list[float] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)
    _last: int | None = None
    _latest: float = float("-inf")

    def add(self, packet: Any) -> None:
        """Counts a packet. One without times, corrupt or out of order only clears `rising`."""
        if packet.dts is None or packet.pts is None or packet.is_corrupt:
            self.rising = False
            return
        if self._last is not None and packet.dts <= self._last:
            self.rising = False
            return
        base = packet.time_base
        if self._last is not None:
            self.longest_step = max(self.longest_step, float((packet.dts - self._last) * base))
        self._last = packet.dts
        self.count += 1
        time = float(packet.pts * base)
        self.start = min(self.start, time)
        if time >= self._latest:  # packets are in decoding order: with B-frames the last one is not shown last
            self._latest, self.end = time, time + float((packet.duration or 0) * base)
        self.times.append(time)
        if packet.is_keyframe:
            self.keys.append(round(time, 6))

    def to_json(self, kind: str) -> dict[str, Any] | None:
        """The stream's entry in the answer; None if it has no packet."""
        if not self.count:
            return None
        return {
            "packets": self.count,
            "rising": self.rising,
            "start": self.start,
            "end": self.end,
            "longest_step": self.longest_step,
            "keys": self.keys if kind == "video" else [],
            "rate": peak_frame_rate(self.times) if kind == "video" else 0.0,
        }


def read_streams(path: str) -> dict[str, dict[str, Any] | None]:
    """What is measured of the first video and the first audio stream; None for one that is not there."""
    with av.open("file:" + path, options=ONLY_THIS_FILE) as container:
        firsts = {kind: next((s for s in container.streams if s.type == kind), None) for kind in ("video", "audio")}
        found = {stream.index: Packets() for stream in firsts.values() if stream is not None}
        for packet in container.demux([stream for stream in firsts.values() if stream is not None]):
            if packet.size:
                found[packet.stream_index].add(packet)
        return {kind: found[stream.index].to_json(kind) if stream else None for kind, stream in firsts.items()}


def peak_frame_rate(times: list[float]) -> float:
    """The frame rate if it is constant, else the most frames within one second."""
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
    """Decodes a few frames at each sampled place, and all from the last place on. Returns the problem, or nothing."""
    with av.open("file:" + rung["path"], options=ONLY_THIS_FILE) as container:
        kind = "video" if rung["width"] else "audio"
        stream = next((s for s in container.streams if s.type == kind), None)
        if stream is None:
            return f"there is no {kind}"
        stream.codec_context.options = NO_DEBLOCKING
        stream.codec_context.thread_count = 1
        for place in rung["seek"]:
            container.seek(max(0, round(place / stream.time_base)), stream=stream)
            seen = 0
            for frame in decoded(container, stream, rung["end"] - LAST_SECONDS):
                seen += 1
                if frame.is_corrupt:
                    return f"the picture at {place:.1f} s is damaged"
                if kind == "video" and (frame.width, frame.height) != (rung["width"], rung["height"]):
                    return f"the picture is {frame.width}x{frame.height} instead of {rung['width']}x{rung['height']}"
                if place != rung["seek"][-1] and seen >= SAMPLE_FRAMES:
                    break
            if not seen:
                return f"nothing can be decoded at {place:.1f} s"
    return ""


def decoded(container: Any, stream: Any, all_from: float) -> Iterator[Any]:
    """The decoded frames from here on. Frames that no other frame refers to are decoded only among the first few, and
    from the second `all_from` on: they are half of the work, and damage in them reaches no other frame."""
    for number, packet in enumerate(container.demux(stream)):
        if stream.type == "video":
            near_end = packet.pts is None or float(packet.pts * packet.time_base) >= all_from
            stream.codec_context.skip_frame = "DEFAULT" if near_end or number <= SAMPLE_FRAMES else "NONREF"
        yield from packet.decode()


def inspect_rung(rung: dict[str, Any]) -> dict[str, Any]:
    """One rung's part of the answer."""
    found: dict[str, Any] = {"video": None, "audio": None, "problem": ""}
    try:
        found |= read_streams(rung["path"])
        found["problem"] = decode(rung)
    except (av.error.FFmpegError, MemoryError) as error:
        found["problem"] = f"it cannot be read ({type(error).__name__})"
    return found


def main() -> None:
    request = json.load(sys.stdin)
    json.dump({"rungs": {rung["name"]: inspect_rung(rung) for rung in request["rungs"]}}, sys.stdout)


if __name__ == "__main__":
    main()
