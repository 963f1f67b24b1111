"""Captions beside a good clip, and text tracks within one, that are none of what they should be."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

from video_assets_tests.media.clips import make_clip
from video_assets_tests.media.hostile.bombs import CLUSTER, TRACKS, block, element, matroska, sound_track
from video_assets_tests.media.hostile.disguises import archive
from video_assets_tests.media.hostile.kit import Hostile, Kit, chosen

CUE = "WEBVTT\n\n00:00.200 --> 00:01.500\n"


def beside(
    name: str, text: bytes | str | Callable[[Kit], bytes], outcome: str, *, srt: bool = False, quick: bool = False
) -> Hostile:
    """A good clip with these captions."""

    def captions(kit: Kit) -> bytes:
        given = text(kit) if callable(text) else text
        return given.encode() if isinstance(given, str) else given

    ending = ".srt" if srt else ".vtt"
    return Hostile(f"captions-{name}.mp4", lambda kit: kit.clip("mp4"), outcome, captions, ending, quick)


def within(name: str, ending: str, text: str, outcome: str, *, quick: bool = False) -> Hostile:
    """A clip with this as its text track."""

    def make(kit: Kit) -> bytes:
        path = Path(kit.folder / f"captioned.{ending}")
        make_clip(path, seconds=2, size=(160, 90), fps=10, captions=text, video=["-cpuflags", "0"])
        return path.read_bytes()

    return Hostile(f"track-{name}.{ending}", make, outcome, quick=quick)


def track_of_one_cue(kit: Kit) -> bytes:
    """A second of silence with one cue of four megabytes."""
    subtitles = element(0xAE, element(0xD7, 2), element(0x73C5, 2), element(0x83, 17), element(0x86, "S_TEXT/UTF8"))
    cue = element(0xA1, bytes([0x82]), bytes(3), b"Herons. " * 2**19)
    cluster = element(CLUSTER, element(0xE7, 0), block(1, 0, bytes(16000)), element(0xA0, cue, element(0x9B, 900)))
    return matroska(element(TRACKS, sound_track(1), subtitles), cluster)


def many(count: int, text: str = "word") -> str:
    """So many cues within two seconds."""
    return "WEBVTT\n\n" + "".join(
        f"00:00:{at / count * 2:06.3f} --> 00:00:02.000\n{text} {at}\n\n" for at in range(count)
    )


def srt_stamp(ms: int) -> str:
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def many_srt(count: int) -> str:
    return "".join(f"{n}\n{srt_stamp(n)} --> {srt_stamp(n + 1)}\nword {n}\n\n" for n in range(count))


FILES = [
    beside("script", CUE + "<script>alert(1)</script><img src=x onerror=alert(1)>Herons.\n", "ready", quick=True),
    beside(
        "style-url",
        lambda kit: (
            f"WEBVTT\n\nSTYLE\n::cue {{ background: url(file://{kit.canary}) }}\n\n"
            f"00:00.200 --> 00:01.500\nHerons.\n".encode()
        ),
        "ready",
    ),
    beside("endless-cue", "WEBVTT\n\n00:00.200 --> 999999:59:59.999\nHerons for ever.\n", "ready", quick=True),
    beside("no-end", "WEBVTT\n\n00:00.200 --> 00:00.000\nHerons.\n", "ready"),
    beside("not-closed", CUE + "Herons " * 200_000, ""),
    beside("one-line-of-4-mb", CUE + "a" * 4 * 2**20, ""),
    beside("too-large", CUE + "Herons. " * 2**20, "captions may have 5,242,880 bytes", quick=True),
    beside("50000-cues", many(50_000), ""),
    beside("too-many-cues", many(51_000), "too many cues"),
    beside("100000-same-cues", "WEBVTT\n\n" + "00:00.100 --> 00:01.000\nx\n\n" * 100_000, ""),
    beside("1000-long-cues", "WEBVTT\n\n" + ("00:00.100 --> 00:01.000\n" + "Herons. " * 600 + "\n\n") * 1000, ""),
    beside("1000-long-words", "WEBVTT\n\n" + ("00:00.100 --> 00:01.000\n" + "heron" * 990 + "\n\n") * 1000, ""),
    beside("all-at-once", "WEBVTT\n\n" + "00:00.000 --> 00:02.000\nHerons.\n\n" * 2000, ""),
    beside("arrows", "WEBVTT\n\n" + "-->" * 10**6, ""),
    beside("arrow-lines", "WEBVTT\n\n" + "-->\n" * 10**6, ""),
    beside("dashes", "WEBVTT\n\n00:00.200 " + "-" * 10**6 + "> 00:01.500\nHerons.\n", ""),
    beside("blanks", "WEBVTT\n\n" + " " * 10**6 + "00:00.200 --> 00:01.500\nHerons.\n", ""),
    beside("digits", "WEBVTT\n\n" + "9" * 10**6 + ":00.200 --> 00:01.500\nHerons.\n", ""),
    beside("open-tags", CUE + "<b" * 500_000 + "\n", "", quick=True),
    beside("open-scripts", CUE + "<script>" * 200_000 + "\n", "", quick=True),
    beside("open-comments", CUE + "<!--" * 500_000 + "\n", ""),
    beside("open-braces", "1\n00:00:00,200 --> 00:00:01,500\n" + "{\\" * 500_000 + "\n", "", srt=True),
    beside("entities", CUE + "&amp;" * 200_000 + "&#x110000;&#0;&#xD800;\n", ""),
    beside("speaker-marks", CUE + ">>" * 500_000 + "\n", ""),
    beside("terminal", CUE + "\x1b[2J\x1b]0;owned\x07\x9b31mHerons.\u202egnp.exe\u2066\n", "ready"),
    beside("nuls", CUE + "He\0ro\0ns.\n", "ready"),
    beside("not-utf8", CUE.encode() + b"H\xe9rons \xff\xfe\xfd au port.\n", "ready", quick=True),
    beside("utf16-mark-only", b"\xff\xfe" + (CUE + "Herons.\n").encode(), "hold no cues"),
    beside("utf16-odd", b"\xff\xfe" + (CUE + "Herons.\n").encode("utf-16-le") + b"x", "ready"),
    beside("utf32", b"\xff\xfe\0\0" + (CUE + "Herons.\n").encode("utf-32-le"), "ready"),
    beside("utf7", "WEBVTT\n\n00:00.200 --> 00:01.500\n+ADw-script+AD4-alert(1)\n", "ready"),
    beside("surrogates", CUE.encode() + b"\xed\xa0\x80\xed\xbf\xbf Herons.\n", "ready"),
    beside("noise", chosen("captions").randbytes(2**20), "hold no cues", quick=True),
    beside("noise-with-head", b"WEBVTT\n\n" + chosen("head").randbytes(2**20), ""),
    beside("gzip", gzip.compress(CUE.encode() * 9, mtime=0), "hold no cues"),
    beside("zip-bomb", lambda kit: archive(inside="a.srt", size=2**30 // 8), "hold no cues", srt=True),
    beside("is-a-video", lambda kit: kit.clip("mp4"), "hold no cues"),
    beside("empty", b"", "hold no cues"),
    beside("only-a-head", "WEBVTT\n", "ready"),
    beside("after-the-end", "WEBVTT\n\n01:00:00.000 --> 01:00:09.000\nHerons.\n", "begin after the video's end"),
    beside("negative-times", "WEBVTT\n\n-00:01.000 --> 00:01.000\nHerons.\n", ""),
    beside("times-of-unicode", "WEBVTT\n\n٠٠:٠٠.٢٠٠ --> ٠٠:٠١.٥٠٠\nHerons.\n", ""),
    beside(
        "override-codes",
        "1\n00:00:00,200 --> 00:00:01,500\n{\\p1}m 0 0 l 9 9{\\p0}{\\fs99999}Herons.\n",
        "ready",
        srt=True,
    ),
    beside("a-playlist", lambda kit: f"#EXTM3U\n#EXTINF:9,\n{kit.canary}\n".encode(), "hold no cues"),
    beside("names-the-canary", lambda kit: (CUE + f"file://{kit.canary}\n").encode(), "ready"),
    within("script", "mp4", CUE + "<script>alert(1)</script>Herons.\n", "ready", quick=True),
    within("long-text", "mkv", "1\n00:00:00,200 --> 00:00:01,500\n" + "Herons. " * 20_000 + "\n", ""),
    Hostile("track-of-4-mb.mkv", track_of_one_cue, "reading the captions takes more processor time"),
    within("100000-cues", "mkv", many_srt(100_000), ""),
    within("beyond-the-end", "mkv", "1\n09:00:00,200 --> 09:00:01,500\nHerons.\n", ""),
    within("endless", "mkv", "1\n00:00:00,200 --> 99:59:59,999\nHerons.\n", ""),
]
