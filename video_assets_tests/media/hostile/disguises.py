"""Lists, scripts, pictures and archives that call themselves videos; most of them point at the canary."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib

from video_assets_tests.media.hostile.boxes import add, box, put
from video_assets_tests.media.hostile.kit import Hostile, Kit, chosen

NO_VIDEO = "this is no video that can be read"

TEXTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{canary}\n#EXT-X-ENDLIST\n",
    "hls-file-url": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile://{canary}\n#EXT-X-ENDLIST\n",
    "hls-http": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:{port}/a.ts\n#EXT-X-ENDLIST\n",
    "hls-key": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-KEY:METHOD=AES-128,URI="{canary}"\n#EXTINF:9,\n{canary}\n',
    "hls-map": '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXT-X-MAP:URI="{canary}"\n#EXTINF:9,\n{canary}\n#EXT-X-ENDLIST\n',
    "hls-master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nconcat:{canary}|{canary}\n",
    "hls-subfile": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsubfile,,start,0,end,9,,:{canary}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{canary}'\n",
    "concat-http": "ffconcat version 1.0\nfile 'http://127.0.0.1:{port}/a.mp4'\n",
    "concat-endless": "ffconcat version 1.0\n" + "file '{canary}'\nduration 3600\n" * 1000,
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} RTP/AVP 96\n"
    "a=rtpmap:96 H264/90000\n",
    "dash": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><Period><AdaptationSet><Representation>"
    "<BaseURL>{canary}</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "dash-entity": "<?xml version='1.0'?><!DOCTYPE MPD [<!ENTITY x SYSTEM 'file://{canary}'>]><MPD><Period>&x;"
    "</Period></MPD>",
    "imf": "<?xml version='1.0'?><CompositionPlaylist xmlns='http://www.smpte-ra.org/schemas/2067-3/2016'>"
    "<Id>urn:uuid:0</Id><SegmentList><Path>{canary}</Path></SegmentList></CompositionPlaylist>",
    "smooth": "<?xml version='1.0'?><SmoothStreamingMedia Duration='9'><StreamIndex Url='{canary}'/>"
    "</SmoothStreamingMedia>",
    "asx": "<asx version='3'><entry><ref href='{canary}'/></entry></asx>",
    "pls": "[playlist]\nFile1={canary}\nNumberOfEntries=1\n",
    "m3u": "{canary}\n{canary}\n",
    "ram": "rtsp://127.0.0.1:{port}/a.rm\n",
    "cue": 'FILE "{canary}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "vobsub": "# VobSub index file, v7 (do not modify this line!)\nsize: 720x576\nid: en, index: 0\n"
    "timestamp: 00:00:01:000, filepos: 000000000\n",
    "avisynth": 'DirectShowSource("{canary}")\n',
    "vapoursynth": "import vapoursynth as vs\nopen('{canary}').read()\n",
    "ffmetadata": ";FFMETADATA1\ntitle=x\n[CHAPTER]\nSTART=0\nEND=1\n",
    "lavfi": "movie={canary}[out0]\n",
    "webvtt": "WEBVTT\n\n00:00.000 --> 00:09.000\n<script src='file://{canary}'></script>\n",
    "subrip": "1\n00:00:00,000 --> 00:00:09,000\n{canary}\n",
    "mpsub": "FORMAT=TIME\n0 9\n{canary}\n",
    "html": "<!DOCTYPE html><html><body><video src='file://{canary}'></video><script>fetch('/')</script></body></html>",
    "svg": "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='64' height='64'>"
    "<image xlink:href='file://{canary}' width='64' height='64'/></svg>",
    "svg-http": "<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'>"
    "<image href='http://127.0.0.1:{port}/a.png' width='64' height='64'/></svg>",
    "svg-laughs": "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY a 'ha'>"
    + "".join(f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><svg xmlns='http://www.w3.org/2000/svg'><text>&i;</text></svg>",
    "svg-huge": "<svg xmlns='http://www.w3.org/2000/svg' width='99999' height='99999'><rect width='9' height='9'/>"
    "</svg>",
    "shell": "#!/bin/sh\ncat {canary}\n",
}
ENDINGS = {
    "hls": "m3u8",
    "hls-http": "m3u8",
    "hls-key": "m3u8",
    "hls-map": "m3u8",
    "hls-master": "m3u8",
    "hls-subfile": "m3u8",
    "sdp": "sdp",
    "dash": "mpd",
    "dash-entity": "mpd",
    "pls": "pls",
    "ram": "ram",
    "vobsub": "idx",
    "cue": "cue",
    "avisynth": "avs",
    "svg": "svg",
    "svg-http": "svg",
    "m3u": "m3u",
    "lavfi": "txt",
    "webvtt": "vtt",
    "subrip": "srt",
}
"""What they are called where they do not hide: FFmpeg knows some of them by their ending only."""
TELLING = {"hls", "hls-http", "concat", "sdp", "svg", "svg-laughs", "subrip"}


def text_file(kit: Kit, text: str) -> bytes:
    return text.replace("{canary}", str(kit.canary)).replace("{port}", str(kit.port)).encode()


def picture(kit: Kit, ending: str, frames: int = 1) -> bytes:
    return kit.ffmpeg(ending, "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=5", "-frames:v", str(frames))


def archive(*, inside: str = "film.mp4", size: int = 100 * 2**20) -> bytes:
    """A zip of a kilobyte for each megabyte in it."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as zipped:
        zipped.writestr(zipfile.ZipInfo(inside), b"\0" * size, zipfile.ZIP_DEFLATED, 9)
    return into.getvalue()


def external_data(kit: Kit) -> bytes:
    """An MP4 whose data reference names another file, as QuickTime allows: by URL and by alias."""
    path = str(kit.canary).encode()
    alias = bytearray(150)
    alias[0:8] = struct.pack(">IHH", 0, 150 + 4 + len(path), 2)
    alias += struct.pack(">hH", 18, len(path)) + path + b"\0" * (len(path) % 2) + struct.pack(">hH", -1, 0)
    references = box(b"url ", bytes(4) + path + b"\0") + box(b"alis", bytes(4) + bytes(alias))
    data = kit.clip("mp4")
    for track in (0, 1):
        data = put(data, "moov/trak/mdia/minf/dinf/dref", box(b"dref", struct.pack(">II", 0, 2) + references), track)
    return data


def reference_movie(kit: Kit) -> bytes:
    """A QuickTime movie that only says where the real one is."""
    path = str(kit.canary).encode() + b"\0"
    reference = box(b"rmda", box(b"rdrf", struct.pack(">I4sI", 0, b"url ", len(path)) + path))
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", box(b"rmra", reference))


def packed_movie(claimed: int, size: int) -> bytes:
    """A moov compressed by zlib, which claims to be so large, and is."""
    inner = zlib.compress(box(b"moov", b"\0" * size), 9)
    packed = box(b"dcom", b"zlib") + box(b"cmvd", struct.pack(">I", claimed) + inner)
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", box(b"cmov", packed)) + box(b"mdat", bytes(99))


def _text(name: str, text: str) -> Hostile:
    return Hostile(f"list-{name}.mp4", lambda kit: text_file(kit, text), NO_VIDEO, quick=name in TELLING)


def _named(name: str, ending: str) -> Hostile:
    make = lambda kit: text_file(kit, TEXTS[name])  # noqa: E731
    return Hostile(f"list-{name}.{ending}", make, NO_VIDEO, quick=name in ("hls", "hls-http", "dash", "sdp"))


FILES = [
    *(_text(name, text) for name, text in TEXTS.items()),
    *(_named(name, ending) for name, ending in ENDINGS.items()),
    Hostile("empty.mp4", lambda kit: b"", "is empty; copy it again", quick=True),
    Hostile("one-byte.mp4", lambda kit: b"\0", NO_VIDEO),
    Hostile("zeros.mp4", lambda kit: bytes(16 * 2**20), NO_VIDEO),
    Hostile("ones.mp4", lambda kit: b"\xff" * 2**20, NO_VIDEO),
    Hostile("noise.mp4", lambda kit: chosen("noise").randbytes(2**20), NO_VIDEO, quick=True),
    Hostile("letters.mp4", lambda kit: b"Dear sir or madam, " * 5000, NO_VIDEO),
    Hostile("png.mp4", lambda kit: picture(kit, "png"), NO_VIDEO, quick=True),
    Hostile("jpeg.mp4", lambda kit: picture(kit, "jpg"), NO_VIDEO),
    Hostile("gif.mp4", lambda kit: picture(kit, "gif", 9), NO_VIDEO),
    Hostile("sequence-%03d.png", lambda kit: picture(kit, "png"), NO_VIDEO),
    Hostile("sequence-*.jpg", lambda kit: picture(kit, "jpg"), NO_VIDEO),
    Hostile("bmp.mp4", lambda kit: picture(kit, "bmp"), NO_VIDEO),
    Hostile("y4m.mp4", lambda kit: picture(kit, "y4m", 9), NO_VIDEO),
    Hostile("raw-h264.mp4", lambda kit: kit.clip("mp4", "-an", "-f", "h264"), NO_VIDEO),
    Hostile("elf.mp4", lambda kit: b"\x7fELF\2\1\1" + chosen("elf").randbytes(5000), NO_VIDEO),
    Hostile("pdf.mp4", lambda kit: b"%PDF-1.7\n" + b"1 0 obj << /Type /Catalog >> endobj\n" * 99, NO_VIDEO),
    Hostile("zip-bomb.mp4", lambda kit: archive(), NO_VIDEO, quick=True),
    Hostile("gzip-bomb.mp4", lambda kit: gzip.compress(bytes(100 * 2**20), 9, mtime=0), NO_VIDEO),
    Hostile("mp4-then-zip.mp4", lambda kit: kit.clip("mp4") + archive(size=2**20), "ready", quick=True),
    Hostile("zip-then-mp4.mp4", lambda kit: archive(size=2**20) + kit.clip("mp4"), NO_VIDEO),
    Hostile("pdf-then-mp4.mp4", lambda kit: b"%PDF-1.7\n" + kit.clip("mp4"), NO_VIDEO),
    Hostile("mkv-then-elf.mkv", lambda kit: kit.clip("mkv") + b"\x7fELF\2\1\1" + bytes(5000), "ready"),
    Hostile("mp4-with-html.mp4", lambda kit: kit.clip("mp4") + box(b"free", text_file(kit, TEXTS["html"])), "ready"),
    Hostile("two-films.mp4", lambda kit: kit.clip("mp4") + kit.clip("mp4"), "ready"),
    Hostile("external-data.mov", external_data, "ready", quick=True),
    Hostile("reference-movie.mov", reference_movie, "there is neither picture nor sound", quick=True),
    Hostile("packed-movie-lies.mov", lambda kit: packed_movie(2**31 - 16, 2**10), "takes more memory"),
    Hostile(
        "packed-movie-bomb.mov", lambda kit: packed_movie(300 * 2**20 + 8, 300 * 2**20), "neither picture nor sound"
    ),
    Hostile("unknown-box.mp4", lambda kit: add(kit.clip("mp4"), "moov", box(b"h4ck", bytes(9999))), "ready"),
]
