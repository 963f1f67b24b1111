"""Time stamps that gap, repeat, run backwards or begin elsewhere."""

from __future__ import annotations

import re
import struct
from functools import partial

from video_assets_tests.media.hostile.boxes import box, payload, poke, put
from video_assets_tests.media.hostile.kit import Hostile, Kit

STBL = "moov/trak/mdia/minf/stbl"
HOUR = 3600


def timescale(kit: Kit, *, track: int, units: int) -> bytes:
    """The base MP4 with one track's seconds divided into so many units."""
    return poke(kit.clip("mp4"), "moov/trak/mdia/mdhd", 12, ">I", units, number=track)


def shifted(ending: str, expression: str, *, stream: str = "v") -> Hostile:
    """Every packet's times are what the expression says (in the container's units; `N` counts packets)."""
    named = re.sub(r"\W+", "-", expression.replace("-", " minus ").replace("+", " plus ")).strip("-")
    name = f"{stream}-{named}".lower()

    def make(kit: Kit) -> bytes:
        source = ending if ending in ("ts", "avi", "flv", "webm") else "mp4"
        base = kit.clip(source)
        return kit.remade(ending, base, "-c", "copy", f"-bsf:{stream}", f"setts={expression}", source=source)

    return Hostile(f"times-{name}.{ending}", make, "")


def durations(kit: Kit, entries: list[tuple[int, int]], track: int = 0, *, edits: bool = False) -> bytes:
    """The base clip with another time-to-sample table: (count, duration in the track's units) pairs.

    `edits` keeps the edit list, which shows the first two seconds only.
    """
    table = struct.pack(">II", 0, len(entries)) + b"".join(struct.pack(">II", *entry) for entry in entries)
    data = put(kit.clip("mp4"), f"{STBL}/stts", box(b"stts", table), track)
    return data if edits else put(data, "moov/trak/edts", b"", track)


def scale(kit: Kit, track: int = 0) -> int:
    """Units a second of this track."""
    (found,) = struct.unpack_from(">I", payload(kit.clip("mp4"), "moov/trak/mdia/mdhd", track), 12)
    return int(found)


def edited(kit: Kit, edits: list[tuple[int, int, int]]) -> bytes:
    """The base clip with another edit list for its picture: (duration, media time, rate) in ms, units, 16.16."""
    table = struct.pack(">II", 0, len(edits)) + b"".join(struct.pack(">IiI", *edit) for edit in edits)
    return put(kit.clip("mp4"), "moov/trak/edts/elst", box(b"elst", table), 0)


def offset_by(kit: Kit, ending: str, seconds: float, *more: str) -> bytes:
    return kit.remade(ending, kit.clip("mp4"), "-c", "copy", "-output_ts_offset", str(seconds), *more)


def late(kit: Kit, stream: str, seconds: float) -> bytes:
    """One stream begins so much later than the other."""
    path = kit.folder / "late.mp4"
    path.write_bytes(kit.clip("mp4"))
    other = "a" if stream == "v" else "v"
    inputs = ["-itsoffset", str(seconds), "-i", str(path), "-i", str(path)]
    return kit.ffmpeg("mkv", *inputs, "-map", f"0:{stream}", "-map", f"1:{other}", "-c", "copy")


FILES = [
    Hostile(
        "gap-encodes-for-ever.mp4", lambda kit: durations(kit, [(10, 1024), (1, 2**31 - 1), (9, 1024)]), "", quick=True
    ),
    Hostile(
        "gap-11-hours.mp4",
        lambda kit: durations(kit, [(10, 1024), (1, 11 * HOUR * scale(kit)), (9, 1024)]),
        "",
        quick=True,
    ),
    Hostile(
        "gap-11-hours-in-sound.mp4",
        lambda kit: durations(kit, [(10, 1024), (1, 11 * HOUR * scale(kit, 1)), (22, 1024)], 1),
        "",
        quick=True,
    ),
    Hostile(
        "gap-11-hours-at-the-end.mp4",
        lambda kit: durations(kit, [(10, 1024), (1, 11 * HOUR * scale(kit)), (9, 1024)], edits=True),
        "",
    ),
    Hostile("gap-10-minutes.mp4", lambda kit: durations(kit, [(10, 1024), (1, 600 * scale(kit)), (9, 1024)]), "ready"),
    Hostile("gaps-70-of-10-minutes.mp4", lambda kit: durations(kit, [(20, 600 * scale(kit))]), ""),
    Hostile("gaps-in-sound-20-of-5-minutes.mp4", lambda kit: durations(kit, [(33, 300 * scale(kit, 1))], 1), ""),
    Hostile("no-durations.mp4", lambda kit: durations(kit, [(20, 0)]), "", quick=True),
    Hostile("no-durations-in-sound.mp4", lambda kit: durations(kit, [(33, 0)], 1), ""),
    Hostile("durations-of-one-unit.mp4", lambda kit: durations(kit, [(20, 1)]), ""),
    Hostile("durations-negative.mp4", lambda kit: durations(kit, [(10, 1024), (1, 2**32 - 5000), (9, 1024)]), ""),
    Hostile("durations-too-few.mp4", lambda kit: durations(kit, [(3, 1024)]), ""),
    Hostile("durations-none.mp4", lambda kit: durations(kit, []), ""),
    Hostile("durations-count-lies.mp4", lambda kit: durations(kit, [(2**32 - 1, 1)]), "", quick=True),
    Hostile(
        "edits-empty-11-hours.mp4",
        lambda kit: edited(kit, [(11 * HOUR * 1000, -1, 1 << 16), (2000, 0, 1 << 16)]),
        "",
        quick=True,
    ),
    Hostile("edits-many.mp4", lambda kit: edited(kit, [(1, 0, 1 << 16)] * 100_000), ""),
    Hostile("edits-repeat-for-11-hours.mp4", lambda kit: edited(kit, [(2000, 0, 1 << 16)] * 19_800), "", quick=True),
    Hostile("edits-beyond-the-end.mp4", lambda kit: edited(kit, [(2000, 2**31 - 1, 1 << 16)]), ""),
    Hostile("edits-rate-zero.mp4", lambda kit: edited(kit, [(11 * HOUR * 1000, 0, 0)]), ""),
    Hostile("edits-backwards.mp4", lambda kit: edited(kit, [(1000, 10240, 1 << 16), (1000, 0, 1 << 16)]), ""),
    Hostile("edits-negative-time.mp4", lambda kit: edited(kit, [(2000, -2, 1 << 16)]), ""),
    *(
        Hostile(
            f"timescale-{track}-{units}.mp4",
            partial(timescale, track=track, units=units),
            "",
            quick=(track, units) == (0, 0),
        )
        for track in (0, 1)
        for units in (0, 1, 2**32 - 1)
    ),
    Hostile("movie-timescale-0.mp4", lambda kit: poke(kit.clip("mp4"), "moov/mvhd", 12, ">I", 0), ""),
    shifted("mkv", "pts=0:dts=0"),
    shifted("mkv", "ts=TS+gt(N\\,10)*39600000"),
    shifted("mkv", "ts=TS+gt(N\\,10)*39600000", stream="a"),
    shifted("mkv", "pts=PTS-mod(N\\,3)*500:dts=DTS"),
    shifted("mkv", "pts=20000-N*100:dts=DTS"),
    shifted("mkv", "ts=mod(N\\,5)*100"),
    shifted("ts", "ts=TS+gt(N\\,10)*3240000000"),
    shifted("ts", "ts=TS-gt(N\\,10)*90000"),
    shifted("ts", "pts=PTS:dts=DTS+900000"),
    shifted("flv", "ts=TS+gt(N\\,10)*2000000000"),
    shifted("flv", "ts=TS-gt(N\\,10)*500"),
    shifted("avi", "ts=TS+gt(N\\,10)*5000"),
    shifted("webm", "ts=TS+gt(N\\,10)*36000000"),
    shifted("webm", "ts=mod(N\\,2)*1000", stream="a"),
    Hostile("begins-negative.mkv", lambda kit: offset_by(kit, "mkv", -1.5, "-avoid_negative_ts", "disabled"), ""),
    Hostile("begins-negative.ts", lambda kit: offset_by(kit, "ts", -1.5, "-avoid_negative_ts", "disabled"), ""),
    Hostile("begins-after-years.mkv", lambda kit: offset_by(kit, "mkv", 1e9), ""),
    Hostile("begins-before-the-clock-wraps.ts", lambda kit: offset_by(kit, "ts", 95442.7), ""),
    Hostile("sound-11-hours-late.mkv", lambda kit: late(kit, "a", 11 * HOUR), "", quick=True),
    Hostile("picture-11-hours-late.mkv", lambda kit: late(kit, "v", 11 * HOUR), "", quick=True),
    Hostile("sound-1-minute-late.mkv", lambda kit: late(kit, "a", 60), "ready"),
]
