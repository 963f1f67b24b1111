"""Headers that claim other durations, sizes, rates, counts and places than the file has."""

from __future__ import annotations

import struct

from video_assets_tests.media.hostile.boxes import box, find, payload, poke, put
from video_assets_tests.media.hostile.kit import Hostile, Kit

STBL = "moov/trak/mdia/minf/stbl"
ALL = 2**32 - 1


def poked(
    name: str, path: str, at: int, layout: str, *values: int | float, number: int = 0, quick: bool = False
) -> Hostile:
    """The base MP4 with this field overwritten."""
    make = lambda kit: poke(kit.clip("mp4"), path, at, layout, *values, number=number)  # noqa: E731
    return Hostile(f"lie-{name}.mp4", make, "", quick=quick)


def table(name: str, path: str, payload: bytes, *, number: int = 0, quick: bool = False) -> Hostile:
    """The base MP4 with another table in this one's place."""
    kind = path.rsplit("/", 1)[-1].encode()
    return Hostile(
        f"lie-{name}.mp4", lambda kit: put(kit.clip("mp4"), path, box(kind, payload), number), "", quick=quick
    )


def replaced(ending: str, name: str, at: bytes, skip: int, new: bytes, *, quick: bool = False) -> Hostile:
    """The base clip with bytes overwritten, so far behind the first place where `at` stands."""

    def make(kit: Kit) -> bytes:
        data = bytearray(kit.clip(ending))
        place = data.index(at) + len(at) + skip
        data[place : place + len(new)] = new
        return bytes(data)

    return Hostile(f"lie-{name}.{ending}", make, "", quick=quick)


def nested(depth: int) -> bytes:
    """Boxes in boxes in boxes."""
    inner = b""
    for _ in range(depth):
        inner = box(b"udta" if len(inner) % 3 else b"trak", inner)
    return box(b"ftyp", b"isom\0\0\2\0isom") + box(b"moov", inner)


def wave(rate: int, channels: int, bits: int, size: int, data: bytes) -> bytes:
    """A WAV file with just these claims."""
    block = channels * bits // 8
    fmt = struct.pack("<HHIIHH", 1, channels, rate, min(ALL, rate * block), block & 0xFFFF, bits)
    return (
        b"RIFF"
        + struct.pack("<I", ALL)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + fmt
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def codec_size(kit: Kit, width: int, height: int) -> bytes:
    """The sample entry's size, which players go by until the first picture."""
    at = find(kit.clip("mp4"), f"{STBL}/stsd").offset + 16 + 8 + 24
    data = bytearray(kit.clip("mp4"))
    struct.pack_into(">HH", data, at, width, height)
    return bytes(data)


def sound_entry(kit: Kit, at: int, layout: str, value: int) -> bytes:
    """The sound's sample entry with a field overwritten."""
    data = bytearray(kit.clip("mp4"))
    struct.pack_into(layout, data, find(bytes(data), f"{STBL}/stsd", 1).offset + 16 + 8 + at, value)
    return bytes(data)


def own_offsets(kit: Kit, value: int) -> bytes:
    """Every chunk of the picture lies here."""
    table = payload(kit.clip("mp4"), f"{STBL}/stco")
    (count,) = struct.unpack_from(">I", table, 4)
    return put(kit.clip("mp4"), f"{STBL}/stco", box(b"stco", table[:8] + struct.pack(">I", value) * count))


FILES = [
    poked("movie-duration-all", "moov/mvhd", 16, ">I", ALL),
    poked("movie-duration-0", "moov/mvhd", 16, ">I", 0),
    poked("duration-all", "moov/trak/mdia/mdhd", 16, ">I", ALL, quick=True),
    poked("duration-0", "moov/trak/mdia/mdhd", 16, ">I", 0),
    poked("track-duration-all", "moov/trak/tkhd", 20, ">I", ALL),
    poked("track-size-65535", "moov/trak/tkhd", 76, ">II", 65535 << 16, 65535 << 16, quick=True),
    poked("track-size-0", "moov/trak/tkhd", 76, ">II", 0, 0),
    poked("track-matrix-0", "moov/trak/tkhd", 40, ">9i", *[0] * 9),
    poked("track-matrix-odd", "moov/trak/tkhd", 40, ">9i", 1 << 16, 9 << 15, 0, -(5 << 15), 1 << 16, 0, 0, 0, 1 << 30),
    poked("track-id-0", "moov/trak/tkhd", 12, ">I", 0),
    poked("same-track-ids", "moov/trak/tkhd", 12, ">I", 1, number=1),
    Hostile("lie-codec-size-65535.mp4", lambda kit: codec_size(kit, 65535, 65535), ""),
    Hostile("lie-codec-size-0.mp4", lambda kit: codec_size(kit, 0, 0), ""),
    Hostile("lie-codec-size-8x8.mp4", lambda kit: codec_size(kit, 8, 8), ""),
    Hostile("lie-sound-channels-65535.mp4", lambda kit: sound_entry(kit, 16, ">H", 65535), ""),
    Hostile("lie-sound-channels-0.mp4", lambda kit: sound_entry(kit, 16, ">H", 0), ""),
    Hostile("lie-sound-bits-65535.mp4", lambda kit: sound_entry(kit, 18, ">H", 65535), ""),
    Hostile("lie-sound-rate-0.mp4", lambda kit: sound_entry(kit, 24, ">I", 0), ""),
    Hostile("lie-sound-rate-all.mp4", lambda kit: sound_entry(kit, 24, ">I", ALL), ""),
    Hostile("lie-sound-is-raw.mp4", lambda kit: sound_entry(kit, -4, ">I", int.from_bytes(b"sowt", "big")), ""),
    Hostile("lie-sound-is-opus.mp4", lambda kit: sound_entry(kit, -4, ">I", int.from_bytes(b"Opus", "big")), ""),
    poked("sample-count-all", f"{STBL}/stsz", 8, ">I", ALL, quick=True),
    poked("sample-count-1", f"{STBL}/stsz", 8, ">I", 1),
    table("sample-size-all", f"{STBL}/stsz", struct.pack(">III", 0, ALL, 20), quick=True),
    table("samples-50-million-of-1", f"{STBL}/stsz", struct.pack(">III", 0, 1, 50_000_000), quick=True),
    table("samples-1-million-of-0", f"{STBL}/stsz", struct.pack(">III", 0, 0, 1_000_000)),
    table("samples-per-chunk-all", f"{STBL}/stsc", struct.pack(">IIIII", 0, 1, 1, ALL, 1)),
    table("samples-per-chunk-0", f"{STBL}/stsc", struct.pack(">IIIII", 0, 1, 1, 0, 1)),
    table("chunks-count-all", f"{STBL}/stsc", struct.pack(">II", 0, ALL)),
    table("chunks-backwards", f"{STBL}/stsc", struct.pack(">II", 0, 2) + struct.pack(">IIIIII", 9, 1, 1, 1, 1, 1)),
    table("description-99", f"{STBL}/stsc", struct.pack(">IIIII", 0, 1, 1, 1, 99)),
    table("chunk-offsets-count-all", f"{STBL}/stco", struct.pack(">II", 0, ALL)),
    table("key-frames-count-all", f"{STBL}/stss", struct.pack(">II", 0, ALL)),
    table("key-frames-none", f"{STBL}/stss", struct.pack(">II", 0, 0), quick=True),
    table("descriptions-count-all", f"{STBL}/stsd", struct.pack(">II", 0, ALL)),
    table("descriptions-none", f"{STBL}/stsd", struct.pack(">II", 0, 0)),
    table("edits-count-all", "moov/trak/edts/elst", struct.pack(">II", 0, ALL)),
    Hostile("lie-chunks-beyond-the-end.mp4", lambda kit: own_offsets(kit, 2**31), "cannot be decoded", quick=True),
    Hostile("lie-chunks-in-the-header.mp4", lambda kit: own_offsets(kit, 0), ""),
    Hostile("lie-chunks-all-the-same.mp4", lambda kit: own_offsets(kit, 48), ""),
    Hostile("lie-data-box-huge.mp4", lambda kit: poke(kit.clip("mp4"), "mdat", -8, ">I", ALL), ""),
    Hostile("lie-data-box-to-the-end.mp4", lambda kit: poke(kit.clip("mp4"), "mdat", -8, ">I", 0), ""),
    Hostile("lie-data-box-of-7.mp4", lambda kit: poke(kit.clip("mp4"), "mdat", -8, ">I", 7), ""),
    Hostile(
        "lie-data-box-of-2-to-the-63.mp4",
        lambda kit: poke(kit.clip("mp4"), "mdat", -8, ">I4sQ", 1, b"mdat", 2**63 - 1),
        "",
    ),
    Hostile("lie-movie-box-huge.mp4", lambda kit: poke(kit.clip("mp4"), "moov", -8, ">I", ALL), ""),
    Hostile(
        "lie-handlers-swapped.mp4",
        lambda kit: poke(
            poke(kit.clip("mp4"), "moov/trak/mdia/hdlr", 8, ">4s", b"soun"),
            "moov/trak/mdia/hdlr",
            8,
            ">4s",
            b"vide",
            number=1,
        ),
        "",
    ),
    Hostile("lie-nested-10000.mp4", lambda kit: nested(10_000), "neither picture nor sound", quick=True),
    Hostile(
        "lie-fragment-of-2-to-the-32.mp4",
        lambda kit: poke(kit.clip("fragmented.mp4"), "moof/traf/trun", 4, ">I", ALL),
        "",
    ),
    Hostile(
        "lie-fragment-time.mp4",
        lambda kit: poke(kit.clip("fragmented.mp4"), "moof/traf/tfdt", 4, ">Q", 2**62, number=2),
        "",
    ),
    replaced("avi", "frames-all", b"avih", 4 + 16, struct.pack("<I", ALL)),
    replaced("avi", "frame-time-0", b"avih", 4, bytes(4)),
    replaced("avi", "rate-0", b"vidsFMP4", 12, struct.pack("<II", 0, 0), quick=True),
    replaced("avi", "rate-slow", b"vidsFMP4", 12, struct.pack("<II", 2**31 - 1, 1)),
    replaced("avi", "rate-fast", b"vidsFMP4", 12, struct.pack("<II", 1, 2**31 - 1)),
    replaced("avi", "index", b"idx1", 4 + 8, struct.pack("<II", ALL, ALL)),
    replaced("avi", "size-65535", b"strf", 4 + 4, struct.pack("<ii", 65535, 65535)),
    replaced("mkv", "duration", b"\x44\x89\x88", 0, struct.pack(">d", 1e300), quick=True),
    replaced("mkv", "duration-nan", b"\x44\x89\x88", 0, b"\x7f\xf8" + bytes(6)),
    replaced("mkv", "time-unit-0", b"\x2a\xd7\xb1", 1, bytes(3)),
    replaced("mkv", "time-unit-huge", b"\x2a\xd7\xb1", 1, b"\xff\xff\xff"),
    replaced("mkv", "width", b"\xb0\x81", 0, b"\x01"),
    replaced("flv", "width", b"width", 1, struct.pack(">d", 1e9)),
    replaced("flv", "frame-rate", b"framerate", 1, struct.pack(">d", 1e-9)),
    replaced("wmv", "packets", bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"), 8 + 32, b"\xff" * 8),
    Hostile("lie-wave-size.wav", lambda kit: wave(8000, 1, 16, ALL, bytes(16000)), "", quick=True),
    Hostile("lie-wave-rate-1.wav", lambda kit: wave(1, 1, 16, 2**20, bytes(2**20)), "", quick=True),
    Hostile("lie-wave-rate-all.wav", lambda kit: wave(ALL, 1, 16, 2**16, bytes(2**16)), ""),
    Hostile("lie-wave-channels.wav", lambda kit: wave(8000, 65535, 16, 2**20, bytes(2**20)), "", quick=True),
    Hostile("lie-wave-channels-512.wav", lambda kit: wave(8000, 512, 16, 2**20, bytes(2**20)), ""),
    Hostile("lie-wave-bits-0.wav", lambda kit: wave(8000, 1, 0, 2**16, bytes(2**16)), ""),
]
