"""Honest clips of every kind that people upload, each a few seconds, made with FFmpeg and none of the code under test.

Most carry a mark near their start and one near their end: a white picture while a tone is heard, so that what was
made of them can be measured for drift with nothing but a decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from video_assets_tests.media.clips import ffmpeg

Maker = Callable[[Path], Path]
SECONDS = 4.0
MARKS = (0.8, 3.2)
"""When each mark begins, seconds; it lasts `MARK_SECONDS`."""
MARK_SECONDS = 0.4
SIZE = "320x180"
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-threads", "1")
COPYABLE = (*X264, "-profile:v", "main", "-g", "60", "-keyint_min", "60", "-sc_threshold", "0", "-bf", "2")
AAC = ("-c:a", "aac", "-b:a", "96k")


def picture(size: str = SIZE, rate: str = "30", seconds: float = SECONDS) -> list[str]:
    """A moving test picture with the marks, as an input."""
    marks = "+".join(f"between(t,{at},{at + MARK_SECONDS - 0.001})" for at in MARKS)
    graph = f"testsrc2=s={size}:r={rate}:d={seconds},drawbox=c=white:t=fill:enable='{marks}'"
    return ["-f", "lavfi", "-i", graph]


def tone(layout: str = "stereo", seconds: float = SECONDS, rate: int = 48_000) -> list[str]:
    """A tone while the marks are seen and silence between them, as an input; the same in every channel."""
    marks = "+".join(f"between(t,{at},{at + MARK_SECONDS})" for at in MARKS)
    wave = f"0.5*sin(880*2*PI*t)*({marks})"
    channels = {"mono": 1, "stereo": 2, "5.1": 6, "7.1": 8}[layout]
    return ["-f", "lavfi", "-i", f"aevalsrc='{'|'.join([wave] * channels)}':c={layout}:s={rate}:d={seconds}"]


def clip(
    name: str,
    *output: str,
    size: str = SIZE,
    rate: str = "30",
    layout: str | None = "stereo",
    seconds: float = SECONDS,
    video: Sequence[str] = COPYABLE,
    audio: Sequence[str] = AAC,
) -> Maker:
    """Picture and tone in a file of this name, with these output options after the codecs' own."""

    def make(folder: Path) -> Path:
        path = folder / name
        inputs = picture(size, rate, seconds) + (tone(layout, seconds) if layout else [])
        maps = ["-map", "0:v", *(["-map", "1:a"] if layout else [])]
        ffmpeg(*inputs, *maps, *video, *(audio if layout else ()), *output, str(path))
        return path

    return make


def remade(maker: Maker, name: str, *arguments: str, before: Sequence[str] = ()) -> Maker:
    """Another clip run through FFmpeg once more; `before` stands before its input."""

    def make(folder: Path) -> Path:
        first = maker(folder)
        path = folder / name
        ffmpeg(*before, "-i", str(first), *arguments, str(path))
        first.unlink()
        return path

    return make


PLAIN = clip("plain.mp4", "-movflags", "+faststart")


def heard(name: str, *output: str, layout: str = "stereo") -> Maker:
    """A tone alone."""

    def make(folder: Path) -> Path:
        ffmpeg(*tone(layout), *output, str(folder / name))
        return folder / name

    return make


def hdr(name: str, transfer: str) -> Maker:
    """Ten bits of BT.2020 with a high dynamic range: a third each of black, reference white (203 cd/m²), and red."""
    params = f"colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited:log-level=error:pools=1"
    # Reference white is 58 % of the signal in PQ and 75 % in HLG; black is none of it. Ten bits, limited range.
    level = 64 + round(876 * (0.58 if transfer == "smpte2084" else 0.75))
    luma = f"if(lt(X,W/3),64,if(lt(X,2*W/3),{level},250))"
    chroma = ("if(lt(X,2*W/3),512,430)", "if(lt(X,2*W/3),512,750)")

    def make(folder: Path) -> Path:
        graph = f"color=s={SIZE}:r=30:d=2,format=yuv420p10le,geq=lum='{luma}':cb='{chroma[0]}':cr='{chroma[1]}'"
        tags = ["-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv"]
        ffmpeg(
            "-f",
            "lavfi",
            "-i",
            graph,
            *tone(seconds=2),
            "-map",
            "0:v",
            "-map",
            "1:a",
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            params,
            "-tag:v",
            "hvc1",
            *tags,
            *AAC,
            str(folder / name),
        )
        return folder / name

    return make


def steps(name: str, *output: str, source: str = "gray", range_: str = "tv") -> Maker:
    """Four fields: black, a middle grey, white, and red. Known colours, to be found again in every rung."""
    graph = (
        f"color=black:s=80x180:r=30:d=2[a];color=0x808080:s=80x180:r=30:d=2[b];color=white:s=80x180:r=30:d=2[c];"
        f"color=red:s=80x180:r=30:d=2[d];[a][b][c][d]hstack=4,format=gbrp,"
        f"scale=out_color_matrix=bt709:out_range={range_}"
    )

    def make(folder: Path) -> Path:
        ffmpeg("-filter_complex", graph + f",{source}[v]", "-map", "[v]", *output, str(folder / name))
        return folder / name

    return make


def voices(name: str, *tracks: tuple[str, str], default: int = 0) -> Maker:
    """Several sound tracks, (language, title) each; the one that is the default is 880 Hz, the others silent."""

    def make(folder: Path) -> Path:
        inputs, outputs = picture(), ["-map", "0:v"]
        inputs += [*tone(), "-f", "lavfi", "-i", f"anullsrc=r=48000:cl=stereo:d={SECONDS}"]
        for number, (language, title) in enumerate(tracks):
            outputs += ["-map", f"{1 if number == default else 2}:a", f"-metadata:s:a:{number}", f"language={language}"]
            outputs += [f"-metadata:s:a:{number}", f"title={title}", f"-metadata:s:a:{number}", f"handler_name={title}"]
            outputs += [f"-disposition:a:{number}", "default" if number == default else "0"]
        ffmpeg(*inputs, *outputs, *COPYABLE, *AAC, str(folder / name))
        return folder / name

    return make


def surround(name: str, layout: str, *output: str) -> Maker:
    """The marks' tone in the middle channel alone, where films have their speech, and noise all round it."""
    channels = {"5.1": "FL|FR|FC|LFE|BL|BR", "7.1": "FL|FR|FC|LFE|BL|BR|SL|SR"}[layout].split("|")
    marks = "+".join(f"between(t,{at},{at + MARK_SECONDS})" for at in MARKS)
    waves = [f"0.4*sin(880*2*PI*t)*({marks})" if channel == "FC" else "0.02*(random(0)-0.5)" for channel in channels]

    def make(folder: Path) -> Path:
        source = f"aevalsrc='{'|'.join(waves)}':c={layout}:s=48000:d={SECONDS}"
        inputs = [*picture(), "-f", "lavfi", "-i", source]
        ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", *COPYABLE, *output, str(folder / name))
        return folder / name

    return make


def still(name: str, *output: str, rate: str = "1", seconds: float = 8, frames: int | None = None) -> Maker:
    """One picture that stands while a tone goes on."""

    def make(folder: Path) -> Path:
        limit = ["-frames:v", str(frames)] if frames else []
        inputs = ["-f", "lavfi", "-i", f"color=0x4060a0:s={SIZE}:r={rate}:d={seconds}", *tone(seconds=seconds)]
        ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", *limit, *X264, *AAC, *output, str(folder / name))
        return folder / name

    return make


def song_with_a_frame(name: str) -> Maker:
    """A single frame of a twenty-fifth of a second beside eight seconds of sound."""

    def make(folder: Path) -> Path:
        frame, song = folder / "frame.mkv", folder / "song.m4a"
        ffmpeg("-f", "lavfi", "-i", f"color=0x4060a0:s={SIZE}:r=25", "-frames:v", "1", *X264, str(frame))
        ffmpeg(*tone(seconds=8), *AAC, str(song))
        ffmpeg("-i", str(frame), "-i", str(song), "-map", "0:v", "-map", "1:a", "-c", "copy", str(folder / name))
        for part in (frame, song):
            part.unlink()
        return folder / name

    return make


def with_cover(name: str, codec: Sequence[str], *, cover: str = "cover.png", damaged: bool = False) -> Maker:
    """A tone with a picture on its sleeve, orange at its left and blue at its right."""

    def make(folder: Path) -> Path:
        picture = folder / cover
        graph = "color=orange:s=150x300[a];color=blue:s=150x300[b];[a][b]hstack,noise=alls=20"
        ffmpeg("-filter_complex", graph, "-frames:v", "1", "-q:v", "2", "-update", "1", str(picture))
        if damaged:
            data = bytearray(picture.read_bytes())
            data[len(data) // 3 : len(data) // 3 + 400] = bytes(400)
            picture.write_bytes(bytes(data[: len(data) // 2]))
        outputs = ["-map", "0:a", "-map", "1:v", "-c:v", "copy", "-disposition:v", "attached_pic", *codec]
        ffmpeg(*tone(), "-i", str(picture), *outputs, str(folder / name))
        picture.unlink()
        return folder / name

    return make


def with_bitmap_subtitles(name: str) -> Maker:
    """A Blu-ray subtitle track (PGS) of one empty picture, copied in as it is."""

    def make(folder: Path) -> Path:
        track = folder / "track.sup"
        track.write_bytes(b"".join(_pgs(at, at == 1.0) for at in (1.0, 2.0)))
        outputs = ["-map", "0:v", "-map", "1:a", "-map", "2:s", *COPYABLE, *AAC, "-c:s", "copy"]
        ffmpeg(*picture(), *tone(), "-i", str(track), *outputs, "-metadata:s:s:0", "language=fre", str(folder / name))
        track.unlink()
        return folder / name

    return make


def _pgs(at: float, shown: bool) -> bytes:
    """A display set at this second: an 8x8 block of one colour, or its removal."""
    width, height = (int(part) for part in SIZE.split("x"))
    segments = [(0x16, struct.pack(">HHBHBBBB", width, height, 0x10, 1 - shown, 0x80 * shown, 0, 0, int(shown)))]
    if shown:
        segments[0] = (0x16, segments[0][1] + struct.pack(">HBBHH", 0, 0, 0, 10, 10))
        line = bytes([1] * 8) + b"\0\0"
        picture = struct.pack(">HH", 8, 8) + line * 8
        segments.append((0x14, b"\0\0" + bytes([1, 235, 128, 128, 255])))
        segments.append((0x15, struct.pack(">HBB", 0, 0, 0xC0) + len(picture).to_bytes(3, "big") + picture))
    segments.append((0x17, b"\1" + struct.pack(">BHHHH", 0, 10, 10, 8, 8)))
    segments.append((0x80, b""))
    stamp = round(at * 90_000)
    return b"".join(struct.pack(">2sIIBH", b"PG", stamp, 0, kind, len(data)) + data for kind, data in segments)


def with_text(name: str, codec: str) -> Maker:
    """A text track in a container's own format."""

    def make(folder: Path) -> Path:
        text = folder / "text.srt"
        text.write_text("1\n00:00:00,500 --> 00:00:02,000\nHerons at the harbour.\n", encoding="utf-8")
        video = (
            COPYABLE if not name.endswith(".webm") else ("-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8")
        )
        audio = AAC if not name.endswith(".webm") else ("-c:a", "libopus")
        outputs = ["-map", "0:v", "-map", "1:a", "-map", "2:s", *video, *audio, "-c:s", codec]
        ffmpeg(*picture(), *tone(), "-i", str(text), *outputs, "-metadata:s:s:0", "language=eng", str(folder / name))
        text.unlink()
        return folder / name

    return make


def with_chapters(name: str) -> Maker:
    """Two chapters with titles."""

    def make(folder: Path) -> Path:
        notes = folder / "notes.txt"
        chapters = ((0, 1500, "The harbour"), (1500, 4000, "Bread; = # \\"))
        escaped = [(a, b, "".join(f"\\{c}" if c in "=;#\\" else c for c in title)) for a, b, title in chapters]
        lines = [f"[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={end}\ntitle={t}\n" for start, end, t in escaped]
        notes.write_text(";FFMETADATA1\n" + "".join(lines), encoding="utf-8")
        outputs = ["-map", "0:v", "-map", "1:a", "-map_chapters", "2", *COPYABLE, *AAC]
        ffmpeg(*picture(), *tone(), "-f", "ffmetadata", "-i", str(notes), *outputs, str(folder / name))
        notes.unlink()
        return folder / name

    return make


def two_sizes(name: str) -> Maker:
    """A broadcast whose picture changes its size half-way."""

    def make(folder: Path) -> Path:
        sizes = ("320x180", "640x360")
        for number, size in enumerate(sizes):
            inputs = ["-f", "lavfi", "-i", f"testsrc2=s={size}:r=30:d=2", "-f", "lavfi", "-i", "sine=d=2"]
            ffmpeg(*inputs, *X264, *AAC, str(folder / f"part{number}.ts"))
        parts = [folder / f"part{number}.ts" for number in range(len(sizes))]
        listed = folder / "parts.txt"
        listed.write_text("".join(f"file '{part}'\n" for part in parts), encoding="utf-8")
        ffmpeg("-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(folder / name))
        for part in (*parts, listed):
            part.unlink()
        return folder / name

    return make
