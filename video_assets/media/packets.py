"""What the probing child learns from the packets of a stream without decoding them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

IDR = 5
"""H.264's NAL unit type of an IDR picture."""
PAUSE = 2.0
"""Seconds. A longer step between two audio packets is a pause: no packet of sound lasts as long."""
REORDERED = 16
"""The most frames that H.264 and HEVC decode before a frame that is shown before them."""


@dataclass
class Track:
    """What is counted of one stream. Times are seconds from the file's start."""

    priming: float = 0.0
    """Seconds before the start that an edit list may cut off without the stream counting as edited: an audio encoder's
    priming."""
    start: float | None = None
    end: float = 0.0
    """When the packet that is shown last ends."""
    latest: float | None = None
    packets: int = 0
    bytes: int = 0
    clean: bool = True
    """Every packet has its times, decoding times rise, no packet is marked as corrupt or cut off by an edit list."""
    longest_step: float = 0.0
    """Longest time from one packet to the next."""
    paused: float = 0.0
    """The sum of all steps longer than `PAUSE`."""
    last_dts: int | None = None
    steps: set[int] = field(default_factory=set)
    unstamped: float = 0.0
    """Total length in seconds of the packets at the start that had no time stamp."""
    stamped: int = 0
    """Packets that have a time stamp."""

    @property
    def begins(self) -> float:
        """When the first packet is shown. Matroska has no times before 0: a packet that belongs there has no time
        stamp. Such packets count as shown one after the other, just before the first packet that has one."""
        return max(0.0, self.start - self.unstamped) if self.start and self.unstamped else self.start or 0.0

    def add(self, packet: Any, origin: float) -> float | None:
        """Counts a packet. Returns its presentation time; None if it has none or is never shown."""
        stamp = packet.pts if packet.pts is not None else packet.dts
        time = None if stamp is None else float(stamp * packet.time_base) - origin
        if packet.is_discard and (time is None or time < -self.priming):
            self.clean = False  # cut off by an edit list: only there because later packets refer to it, never shown
            return None
        self.packets += 1
        self.bytes += packet.size
        # Matroska stores no decoding times. Those that libavformat makes up begin after the first reordered frames.
        if packet.is_corrupt or packet.pts is None or (packet.dts is None and self.last_dts is not None):
            self.clean = False
        if packet.dts is not None:
            if self.last_dts is not None:
                step = packet.dts - self.last_dts
                seconds = float(step * packet.time_base)
                self.longest_step = max(self.longest_step, seconds)
                self.paused += seconds if seconds > PAUSE else 0.0
                if step <= 0:
                    self.clean = False
                elif len(self.steps) < 100:
                    self.steps.add(step)
            self.last_dts = packet.dts
        lasts = float((packet.duration or 0) * packet.time_base)
        if time is None:
            self.unstamped += lasts if self.stamped < REORDERED else 0.0
            return None
        self.stamped += 1
        self.start = time if self.start is None else min(self.start, time)
        self.longest_step = max(self.longest_step, lasts)
        if self.latest is None or time >= self.latest:  # packets are in decoding order: the last is not shown last
            self.latest, self.end = time, max(0.0, time + lasts)
        return time


@dataclass
class Keys:
    """The key frames of a video stream, and where segments of at least `segment_seconds` can begin."""

    segment_seconds: float
    count: int = 0
    closed: bool = True
    last: float | None = None
    longest: float = 0.0
    starts: list[float] = field(default_factory=list)
    peak: float = 0.0
    """Highest bit rate over a whole segment, bit/s."""
    _bytes_before: int = 0

    def add(self, time: float, closed: bool, bytes_before: int) -> None:
        """Counts a key frame. `closed`: whether it is an IDR. `bytes_before`: of the stream's packets before it."""
        self.count += 1
        self.closed = self.closed and closed
        if self.last is not None:
            self.longest = max(self.longest, time - self.last)
        self.last = time
        if not self.starts:
            self.starts.append(round(time, 6))
        elif time - self.starts[-1] >= self.segment_seconds - 0.001:
            self.end_segment(time, bytes_before)
            self.starts.append(round(time, 6))

    def end_segment(self, time: float, bytes_before: int) -> None:
        """Counts the bit rate of the segment that ends here. One of a few frames does not count for the peak."""
        length = time - self.starts[-1]
        if length >= self.segment_seconds / 2 or len(self.starts) == 1:
            self.peak = max(self.peak, 8 * (bytes_before - self._bytes_before) / max(length, 0.01))
        self._bytes_before = bytes_before


def is_idr(packet: Any, length_size: int) -> bool:
    """Whether an H.264 key frame is an IDR: no later frame refers to one before it.

    `length_size`: from `nal_length_size`; 0 for Annex B."""
    data = bytes(packet)
    if not length_size:
        pieces = data.split(b"\x00\x00\x01")[1:]
        return any(piece and piece[0] & 0x1F == IDR for piece in pieces)
    at = 0
    while at + length_size < len(data):
        size = int.from_bytes(data[at : at + length_size], "big")
        if data[at + length_size] & 0x1F == IDR:
            return True
        at += length_size + size
    return False


def nal_length_size(extradata: bytes | None) -> int:
    """Bytes of the length field before each NAL unit; 0 if the units are separated by start codes (Annex B)."""
    return (extradata[4] & 3) + 1 if extradata and len(extradata) > 4 and extradata[0] == 1 else 0
