"""Damage: cut at every box's edge, cut anywhere, bits turned over, pieces swapped, in every container."""

from __future__ import annotations

from video_assets_tests.media.hostile.boxes import walk
from video_assets_tests.media.hostile.kit import CONTAINERS, Hostile, Kit, chosen, flipped

EDGES = 43
"""Boxes of the base clip with its moov first; a test holds this number against the clip."""
FLIPS = (1, 8, 64)


def faststart(kit: Kit) -> bytes:
    return kit.clip("mp4", "-movflags", "+faststart")


def edges(kit: Kit) -> list[int]:
    """Where boxes begin or end in the faststart clip, its own start and end left out."""
    data = faststart(kit)
    places = {place for box in walk(data) for place in (box.offset, box.offset + box.size)}
    return sorted(places - {0, len(data)})


def cut(number: int, *, early: int = 0) -> Hostile:
    def make(kit: Kit) -> bytes:
        places = edges(kit)
        return faststart(kit)[: places[number] - early]

    return Hostile(f"cut-at-edge-{number:02d}{'-early' if early else ''}.mp4", make, "", quick=number % 12 == 0)


def part(ending: str, share: float) -> Hostile:
    def make(kit: Kit) -> bytes:
        data = kit.clip(ending)
        return data[: int(len(data) * share)]

    return Hostile(f"cut-{round(100 * share)}.{ending}", make, "")


SOUNDS = {
    "mp3": ["-c:a", "libmp3lame", "-b:a", "64k"],
    "flac": [],
    "wav": [],
    "opus": ["-c:a", "libopus"],
    "wma": ["-c:a", "wmav2"],
}


def half_heard(ending: str) -> Hostile:
    """Half a recording."""

    def make(kit: Kit) -> bytes:
        data = kit.ffmpeg(ending, "-f", "lavfi", "-i", "anoisesrc=sample_rate=48000:duration=9:seed=1", *SOUNDS[ending])
        return data[: len(data) // 2]

    return Hostile(f"half.{ending}", make, "breaks off")


def flips(ending: str, bits: int) -> Hostile:
    name = f"flipped-{bits}.{ending}"
    return Hostile(name, lambda kit: flipped(kit.clip(ending), name, bits), "")


def swapped(ending: str) -> Hostile:
    """Sixteen pieces of the file in another order, the first one kept."""

    def make(kit: Kit) -> bytes:
        data = kit.clip(ending)
        size = len(data) // 16
        pieces = [data[at : at + size] for at in range(size, len(data), size)]
        chosen(ending).shuffle(pieces)
        return data[:size] + b"".join(pieces)

    return Hostile(f"swapped.{ending}", make, "")


FILES = [
    *(cut(number) for number in range(EDGES)),
    *(part(ending, share) for ending in CONTAINERS for share in (0.2, 0.7)),
    *(half_heard(ending) for ending in SOUNDS),
    *(flips(ending, bits) for ending in CONTAINERS for bits in FLIPS),
    *(swapped(ending) for ending in CONTAINERS),
]
