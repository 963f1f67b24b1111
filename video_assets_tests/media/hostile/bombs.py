"""Small files that ask for much: memory, time, streams, chapters, metadata."""

from __future__ import annotations

import struct
import zlib

from video_assets_tests.media.hostile.boxes import add, box, find, walk
from video_assets_tests.media.hostile.kit import Hostile, Kit

# Matroska.
EBML, SEGMENT, INFO, TRACKS, CLUSTER, TAGS, CHAPTERS = (
    0x1A45DFA3,
    0x18538067,
    0x1549A966,
    0x1654AE6B,
    0x1F43B675,
    0x1254C367,
    0x1043A770,
)


def element(number: int, *inner: bytes | int | str) -> bytes:
    """An EBML element; an int as eight bytes, a str as UTF-8."""
    parts = [
        part.to_bytes(8, "big") if isinstance(part, int) else part.encode() if isinstance(part, str) else part
        for part in inner
    ]
    payload = b"".join(parts)
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + (2**56 + len(payload)).to_bytes(8, "big") + payload


def matroska(*inner: bytes) -> bytes:
    """A Matroska file around these elements."""
    head = element(EBML, element(0x4282, "matroska"), element(0x4287, 4), element(0x4285, 2))
    return head + element(SEGMENT, element(INFO, element(0x2AD7B1, 1_000_000), element(0x4D80, "x")), *inner)


def sound_track(number: int, *more: bytes) -> bytes:
    """Raw sound, 8,000 samples of 16 bits a second."""
    audio = element(0xE1, element(0xB5, struct.pack(">d", 8000.0)), element(0x9F, 1), element(0x6264, 16))
    codec = element(0x86, "A_PCM/INT/LIT")
    return element(0xAE, element(0xD7, number), element(0x73C5, number), element(0x83, 2), codec, audio, *more)


def block(track: int, time: int, data: bytes) -> bytes:
    """A SimpleBlock, milliseconds into its cluster."""
    return element(0xA3, bytes([0x80 | track]), struct.pack(">hB", time, 0x80), data)


def added_to_mkv(kit: Kit, *more: bytes) -> bytes:
    """The base MKV with elements at the end of its segment."""
    data = kit.clip("mkv")
    at = data.index(SEGMENT.to_bytes(4, "big")) + 4
    size = int.from_bytes(data[at : at + 8], "big") - 2**56
    extra = b"".join(more)
    return data[:at] + (2**56 + size + len(extra)).to_bytes(8, "big") + data[at + 8 :] + extra


def packed_sound(megabytes: int, blocks: int) -> bytes:
    """Blocks of silence, each so large once unpacked, a thousandth of that in the file."""
    packing = element(0x6D80, element(0x6240, element(0x5034, element(0x4254, 0))))
    data = zlib.compress(bytes(megabytes * 2**20), 9)
    cluster = element(CLUSTER, element(0xE7, 0), *(block(1, 100 * at, data) for at in range(blocks)))
    return matroska(element(TRACKS, sound_track(1, packing)), cluster)


def chapters(count: int) -> bytes:
    """So many chapters of a millisecond."""
    atoms = b"".join(
        element(0xB6, element(0x73C4, at + 1), element(0x91, at * 10**6), element(0x80, element(0x85, f"chapter {at}")))
        for at in range(count)
    )
    return element(CHAPTERS, element(0x45B9, atoms))


def tags(count: int, size: int = 8) -> bytes:
    """So many tags, each with a name of its own and so long a value."""
    each = b"".join(element(0x67C8, element(0x45A3, f"TAG{at}"), element(0x4487, "x" * size)) for at in range(count))
    return element(TAGS, element(0x7373, element(0x63C0), each))


def title(size: int) -> bytes:
    """An iTunes title of this length."""
    text = box(b"data", struct.pack(">II", 1, 0) + b"T" * size)
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", box(b"\xa9nam", text))))


class Bits:
    """The bits of an H.264 parameter set, read and written with Exp-Golomb codes."""

    def __init__(self, data: bytes) -> None:
        self.text = "".join(f"{byte:08b}" for byte in data)
        self.at = 0

    def fixed(self, count: int) -> str:
        self.at += count
        return self.text[self.at - count : self.at]

    def golomb(self) -> int:
        zeros = self.text.index("1", self.at) - self.at
        self.at += zeros
        return int(self.fixed(zeros + 1), 2) - 1


def golomb(value: int) -> str:
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def resized(parameters: bytes, width: int, height: int, references: int) -> bytes:
    """A baseline sequence parameter set (NAL unit, no emulation bytes) that claims this size instead."""
    bits = Bits(parameters)
    bits.fixed(8 + 24)  # NAL header, profile, constraints, level
    bits.golomb()
    bits.golomb()
    if bits.golomb() == 0:
        bits.golomb()
    head = bits.text[: bits.at]
    bits.golomb()
    gaps = bits.fixed(1)
    bits.golomb()
    bits.golomb()
    tail = bits.text[bits.at :]
    whole = head + golomb(references) + gaps + golomb(width // 16 - 1) + golomb(height // 16 - 1) + tail
    whole = whole.rstrip("0")
    whole += "0" * (-len(whole) % 8)
    data = bytes(int(whole[at : at + 8], 2) for at in range(0, len(whole), 8))
    for low in (b"\0", b"\1", b"\2", b"\3"):  # emulation prevention
        data = data.replace(b"\0\0" + low, b"\0\0\3" + low)
    return data


def claims_size(kit: Kit, width: int, height: int, references: int = 1) -> bytes:
    """The base clip whose H.264 says that its pictures are so large."""
    data = kit.clip("mp4")
    place = find(data, "moov/trak/mdia/minf/stbl/stsd")
    at = data.index(b"avcC", place.offset) + 4
    (size,) = struct.unpack_from(">H", data, at + 6)
    old = data[at + 8 : at + 8 + size]
    new = resized(old.replace(b"\0\0\3", b"\0\0"), width, height, references)
    changed = data[: at + 6] + struct.pack(">H", len(new)) + new + data[at + 8 + size :]
    grown = bytearray(changed)
    entry = place.offset + 16
    avc_box = at - 8
    around = [one.offset for one in walk(data) if one.offset <= place.offset < one.offset + one.size]
    for where in [avc_box, entry, *around]:
        (before,) = struct.unpack_from(">I", grown, where)
        struct.pack_into(">I", grown, where, before + len(new) - size)
    return bytes(grown)


def picture(kit: Kit, size: str, frames: int, *options: str, ending: str = "mp4", source: str = "color=gray") -> bytes:
    """Plain pictures of this size."""
    inputs = ["-f", "lavfi", "-i", f"{source}:size={size}:rate=30", "-frames:v", str(frames)]
    codec = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-x264-params", "threads=1"]
    return kit.ffmpeg(ending, *inputs, *codec, *options)


def hdr(kit: Kit) -> bytes:
    """4K of ten bits in high dynamic range, which is tone-mapped in floating point: the dearest of all pictures."""
    colours = "pools=none:frame-threads=1:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:log-level=1"
    named = ["-color_primaries", "bt2020", "-color_trc", "smpte2084", "-colorspace", "bt2020nc"]
    return kit.ffmpeg(
        "mp4",
        "-f",
        "lavfi",
        "-i",
        "color=gray:size=3840x2160:rate=30",
        "-frames:v",
        "14",
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-x265-params",
        colours,
        *named,
        "-pix_fmt",
        "yuv420p10le",
    )


def grows(kit: Kit, before: str, after: str) -> bytes:
    """A transport stream whose picture changes its size half-way, as its own headers say."""
    stream = picture(kit, before, 30, ending="h264") + picture(kit, after, 30, ending="h264")
    return kit.remade("ts", stream, "-c", "copy", source="h264")


def many_streams(kit: Kit, count: int, ending: str) -> bytes:
    inputs = ["-f", "lavfi", "-i", "sine=sample_rate=8000:duration=1"]
    return kit.ffmpeg(
        ending,
        *inputs,
        *["-map", "0"] * count,
        "-c:a",
        "aac" if ending != "ts" else "mp2",
        *(["-ar", "16000"]),
        "-b:a",
        "16k",
    )


def cover(kit: Kit, width: int, height: int, *options: str, keep: int | None = None) -> bytes:
    """A clip with a cover of one colour, so large unpacked; of its bytes perhaps only so many."""
    row = b"\0" * (1 + width * 3)
    packer = zlib.compressobj(9)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    art = box(b"data", struct.pack(">II", 14, 0) + image[:keep])
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    return add(
        kit.clip("mp4", *options),
        "moov",
        box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", box(b"covr", art)))),
    )


def flv_object(depth: int) -> bytes:
    """An FLV whose metadata is an object in an object in an object."""
    value = b"\x03\0\1a" * depth + b"\x05" + b"\0\0\x09" * depth
    body = b"\x02\0\x0aonMetaData" + value
    tag = b"\x12" + len(body).to_bytes(3, "big") + bytes(7) + body
    return b"FLV\1\5\0\0\0\x09\0\0\0\0" + tag + struct.pack(">I", len(tag))


def id3(size: int) -> bytes:
    """An MP3 header that claims a tag of this size."""
    length = bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\4\0\0" + length


FILES = [
    Hostile("size-16000.mp4", lambda kit: claims_size(kit, 16000, 16000), "", quick=True),
    Hostile("size-8192-with-16-references.mp4", lambda kit: claims_size(kit, 8192, 4320, 16), ""),
    Hostile("size-4096-with-16-references.mp4", lambda kit: claims_size(kit, 4096, 2304, 16), ""),
    Hostile("size-16-by-16000.mp4", lambda kit: claims_size(kit, 16, 16000), ""),
    Hostile("gray-16000.mp4", lambda kit: picture(kit, "16000x16000", 1, "-tune", "zerolatency"), "at most"),
    Hostile("gray-8192-by-8192.mp4", lambda kit: picture(kit, "8192x8192", 1), "at most"),
    Hostile("gray-3840.mp4", lambda kit: picture(kit, "3840x2160", 40), "ready"),
    Hostile("hdr-3840.mp4", hdr, "ready"),
    Hostile("references-8192.mp4", lambda kit: picture(kit, "8192x4320", 24, "-refs", "16"), ""),
    Hostile("gray-8192.mp4", lambda kit: picture(kit, "8192x4320", 5), ""),
    Hostile("gray-16384-by-16.mp4", lambda kit: picture(kit, "16384x16", 5), ""),
    Hostile("gray-16-by-16384.mp4", lambda kit: picture(kit, "16x16384", 5), ""),
    Hostile("gray-2-by-2.mp4", lambda kit: picture(kit, "2x2", 20), ""),
    Hostile(
        "gray-1-by-1.mkv",
        lambda kit: kit.ffmpeg("mkv", "-f", "lavfi", "-i", "color=size=1x1:rate=5", "-frames:v", "9", "-c:v", "ffv1"),
        "",
    ),
    Hostile("grows-to-4096.ts", lambda kit: grows(kit, "160x90", "4096x4096"), "", quick=True),
    Hostile("grows-to-320.ts", lambda kit: grows(kit, "160x90", "320x180"), ""),
    Hostile("shrinks.ts", lambda kit: grows(kit, "640x360", "16x16"), ""),
    Hostile("20000-frames.mp4", lambda kit: picture(kit, "64x64", 20_000, "-g", "250"), ""),
    Hostile(
        "1000-frames-a-second.mp4",
        lambda kit: kit.ffmpeg(
            "mp4",
            "-f",
            "lavfi",
            "-i",
            "color=size=64x64:rate=1000",
            "-frames:v",
            "2000",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-x264-params",
            "threads=1",
        ),
        "",
    ),
    Hostile("65-tracks.mkv", lambda kit: many_streams(kit, 65, "mkv"), "tracks; at most 64", quick=True),
    Hostile("200-tracks.ts", lambda kit: many_streams(kit, 200, "ts"), "tracks; at most 64"),
    Hostile(
        "5000-tracks.mkv",
        lambda kit: matroska(element(TRACKS, *(sound_track(at) for at in range(1, 5001)))),
        "",
        quick=True,
    ),
    Hostile("100000-chapters.mkv", lambda kit: added_to_mkv(kit, chapters(100_000)), "", quick=True),
    Hostile("100000-tags.mkv", lambda kit: added_to_mkv(kit, tags(100_000)), ""),
    Hostile("tag-of-20-mb.mkv", lambda kit: added_to_mkv(kit, tags(1, 20 * 2**20)), ""),
    Hostile("title-of-20-mb.mp4", lambda kit: add(kit.clip("mp4"), "moov", title(20 * 2**20)), "ready", quick=True),
    Hostile("title-of-100-mb.mp4", lambda kit: add(kit.clip("mp4"), "moov", title(100 * 2**20)), ""),
    Hostile("packed-sound-8-hours.mkv", lambda kit: packed_sound(9, 50), "", quick=True),
    Hostile("packed-sound-100-mb-blocks.mkv", lambda kit: packed_sound(100, 20), ""),
    Hostile("packed-sound-1-gb-block.mkv", lambda kit: packed_sound(1000, 1), ""),
    Hostile(
        "200000-clusters.mkv", lambda kit: added_to_mkv(kit, *[element(CLUSTER, element(0xE7, 2000))] * 200_000), ""
    ),
    Hostile(
        "200000-empty-blocks.mkv",
        lambda kit: matroska(
            element(TRACKS, sound_track(1)), element(CLUSTER, element(0xE7, 0), *[block(1, 0, b"")] * 200_000)
        ),
        "",
    ),
    Hostile(
        "200000-tiny-blocks.mkv",
        lambda kit: matroska(
            element(TRACKS, sound_track(1)), element(CLUSTER, element(0xE7, 0), *[block(1, 0, b"\1\0")] * 200_000)
        ),
        "",
    ),
    Hostile("nested-ebml.mkv", lambda kit: matroska(*[element(SEGMENT)] * 50_000), ""),
    Hostile(
        "100000-fragments.mp4",
        lambda kit: kit.clip("fragmented.mp4") + box(b"moof", box(b"mfhd", bytes(8))) * 100_000,
        "",
    ),
    Hostile(
        "100000-movie-boxes.mp4", lambda kit: kit.clip("mp4") + box(b"moov", box(b"mvhd", bytes(100))) * 100_000, ""
    ),
    Hostile(
        "500000-free-boxes.mp4",
        lambda kit: box(b"ftyp", b"isom\0\0\2\0isom") + box(b"free", b"") * 500_000 + kit.clip("mp4")[32:],
        "",
    ),
    Hostile("cover-of-30000.mp4", lambda kit: cover(kit, 30_000, 30_000), "", quick=True),
    Hostile("cover-of-5000.mp4", lambda kit: cover(kit, 5000, 5000), ""),
    Hostile("sleeve-of-30000.mp4", lambda kit: cover(kit, 30_000, 30_000, "-vn"), "ready"),
    Hostile("sleeve-of-5000.mp4", lambda kit: cover(kit, 5000, 5000, "-vn"), "ready"),
    Hostile("sleeve-cut.mp4", lambda kit: cover(kit, 500, 500, "-vn", keep=300), "ready"),
    Hostile("sleeve-of-1-by-30000.mp4", lambda kit: cover(kit, 1, 30_000, "-vn"), "ready"),
    Hostile("metadata-nested.flv", lambda kit: flv_object(20_000), "", quick=True),
    Hostile("id3-of-256-mb.mp3", lambda kit: id3(2**28 - 1) + bytes(1000), ""),
    Hostile("id3-a-thousand.mp3", lambda kit: id3(10) * 1000 + bytes(10_000), ""),
]
