"""Makes `harbour.mp4`, the bundled sample: three subjects, drawn, spoken and captioned.

    python -m video_assets.sample.make_sample [FILE]

Needs `espeak-ng`. The sentences are of the kind and the words that the tests' tiny speech recogniser knows, so the
sample goes through recognition as well as through its embedded captions.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from video_assets.media.sandbox.process import Limits, run_ffmpeg

SIZE = (1280, 720)
FPS = 24
GOP_SECONDS = 2
PAUSE, LONG_PAUSE = 0.45, 1.3
SAMPLE = Path(__file__).with_name("harbour.mp4")
LIMITS = Limits(4 * 2**30, cpu_seconds=1800, file_bytes=2**28, wall_seconds=1800, stall_seconds=300)

Box = tuple[float, float, float, float]


class Canvas:
    """Draws in the sample's pixels onto a picture of twice the size, which smooths the edges when it is halved."""

    def __init__(self, background: str) -> None:
        self.image = Image.new("RGB", (2 * SIZE[0], 2 * SIZE[1]), background)
        self._draw = ImageDraw.Draw(self.image)

    def box(self, box: Box, colour: str, radius: float = 0) -> None:
        self._draw.rounded_rectangle([2 * at for at in box], 2 * radius, fill=colour)

    def oval(self, box: Box, colour: str) -> None:
        self._draw.ellipse([2 * at for at in box], fill=colour)

    def shape(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        self._draw.polygon([(2 * x, 2 * y) for x, y in points], fill=colour)

    def text(self, at: tuple[float, float], text: str, size: int, colour: str) -> None:
        font = ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans-Bold.ttf", 2 * size)
        self._draw.text((2 * at[0], 2 * at[1]), text, font=font, fill=colour)

    def finished(self) -> Image.Image:
        return self.image.reduce(2)


def draw_harbour(canvas: Canvas, t: float) -> None:
    """A lighthouse with a turning beam, a boat that crosses, three rows of waves."""
    beam = 110 * math.sin(0.9 * t)
    canvas.shape([(1010, 205), (200, 250 + beam), (200, 350 + beam)], "#f6e7a8")
    canvas.box((985, 220, 1035, 480), "#f4f1ea")
    canvas.box((985, 290, 1035, 340), "#c0392b")
    canvas.box((985, 400, 1035, 440), "#c0392b")
    canvas.box((975, 185, 1045, 225), "#2c3e50")
    canvas.oval((995, 190, 1025, 220), "#ffe27a")
    x, y = 150 + 26 * t, 455 + 8 * math.sin(1.7 * t)
    canvas.shape([(x, y), (x + 190, y), (x + 150, y + 55), (x + 35, y + 55)], "#7b3f1d")
    canvas.shape([(x + 90, y - 130), (x + 90, y - 8), (x + 175, y - 8)], "#fdfdfb")
    for row, colour in enumerate(("#1f6f8b", "#17586f", "#104052")):
        base = 490 + 70 * row
        phase = t * (1.3 - 0.3 * row)
        crest = [(x, base + 12 * math.sin(x / 90 + phase)) for x in range(0, SIZE[0] + 20, 20)]
        canvas.shape([*crest, (SIZE[0], SIZE[1]), (0, SIZE[1])], colour)


def draw_baking(canvas: Canvas, t: float) -> None:
    """A loaf that rises in a glowing oven, a spoon that stirs in a bowl."""
    canvas.box((660, 200, 1160, 640), "#5d4037", 24)
    glow = round(200 + 30 * math.sin(2 * t))
    canvas.box((710, 290, 1110, 590), f"#{glow:02x}6a1f", 16)
    rise = 60 + 55 * (1 - math.exp(-t / 12))
    canvas.oval((790, 540 - rise, 1030, 540 + rise / 3), "#d9a05b")
    canvas.box((760, 545, 1060, 570), "#3e2723")
    for knob in range(4):
        canvas.oval((740 + 100 * knob, 225, 780 + 100 * knob, 265), "#efebe9")
    canvas.box((90, 620, 600, 660), "#8d6e63", 8)
    spoon = 60 * math.sin(2.2 * t)
    canvas.shape([(330 + spoon, 300), (350 + spoon, 300), (365, 520), (345, 520)], "#a1887f")
    canvas.oval((190, 430, 500, 500), "#fff3e0")
    canvas.shape([(190, 465), (500, 465), (430, 620), (260, 620)], "#78909c")


def draw_workshop(canvas: Canvas, t: float) -> None:
    """A saw that goes to and fro through a board, a hammer that falls."""
    canvas.box((120, 500, 1160, 550), "#8d5a2b", 6)
    for leg in (190, 1040):
        canvas.box((leg, 550, leg + 50, 700), "#6d4320")
    canvas.box((240, 455, 760, 500), "#d7b377", 4)
    push = 70 * math.sin(2.6 * t)
    x, y = 330 + push, 380 + min(70.0, 2.6 * t)
    canvas.shape([(x, y), (x + 340, y - 60), (x + 340, y - 10), (x, y + 12)], "#b0bec5")
    canvas.box((x + 330, y - 90, x + 400, y + 10), "#4e342e", 14)
    lift = max(0.0, math.sin(1.9 * t)) * 130
    canvas.box((915, 330 - lift, 945, 495 - lift), "#a1724a", 6)
    canvas.box((870, 300 - lift, 990, 360 - lift), "#37474f", 8)
    canvas.box((915, 470, 930, 500), "#90a4ae")


@dataclass(frozen=True)
class Subject:
    """One part of the sample."""

    title: str
    background: str
    draw: Callable[[Canvas, float], None]
    sentences: tuple[str, ...]


SUBJECTS = (
    Subject(
        "1  The harbour",
        "#9fc9d9",
        draw_harbour,
        (
            "Now we look at the harbour.",
            "The old lighthouse is near the harbour.",
            "Two sailors leave the harbour at dawn.",
            "The tide rises at six.",
            "The herons wait near the lighthouse.",
            "We count seven boats behind the bridge.",
            "Boats and herons rest after the tide.",
            "The tide falls at nine.",
            "Sailors and boats wait before the storm.",
        ),
    ),
    Subject(
        "2  Baking bread",
        "#f3d9b1",
        draw_baking,
        (
            "Now we look at the bread.",
            "Mix the flour with warm water.",
            "Add two cups of sugar and butter.",
            "The yeast needs warm milk and sugar.",
            "She mixes cold water with the flour.",
            "Add four cups of flour and salt.",
            "The dough rests for three hours.",
            "Put the dough in the oven in the morning.",
            "Bake the bread in a hot oven for ten minutes.",
        ),
    ),
    Subject(
        "3  The workshop",
        "#cfd8c4",
        draw_workshop,
        (
            "Now we look at the bench.",
            "Put the hammer on the bench.",
            "Sharpen the chisel on the bench.",
            "The saw cuts the oak.",
            "He holds the plane with two hands.",
            "She needs a saw and five oak boards.",
            "The plane cuts the pine.",
            "The hammer is under the table.",
            "Clean the bench and the saw in the morning.",
        ),
    ),
)


@dataclass(frozen=True)
class Cue:
    """A sentence in its place, seconds."""

    start: float
    end: float
    text: str


def speak(folder: Path) -> tuple[Path, list[Cue], list[float]]:
    """The whole speech as WAV, its cues, and when each subject ends."""
    cues: list[Cue] = []
    ends: list[float] = []
    path = folder / "speech.wav"
    with wave.open(str(path), "wb") as speech:
        at, rate = 0.0, 0

        def silence(seconds: float) -> float:
            frames = round(seconds * rate)
            speech.writeframes(b"\0\0" * frames)
            return frames / rate

        for subject in SUBJECTS:
            for sentence in subject.sentences:
                said = folder / "sentence.wav"
                subprocess.run(["espeak-ng", "-v", "en-us", "-s", "165", "-w", str(said), sentence], check=True)
                with wave.open(str(said)) as part:
                    if not rate:
                        rate = part.getframerate()
                        speech.setparams(part.getparams())
                        at += silence(PAUSE)
                    length = part.getnframes() / rate
                    speech.writeframes(part.readframes(part.getnframes()))
                cues.append(Cue(at, at + length, sentence))
                at += length + silence(PAUSE if sentence != subject.sentences[-1] else LONG_PAUSE)
            ends.append(at)
    return path, cues, ends


def draw(folder: Path, ends: Sequence[float]) -> str:
    """Every frame as a picture; returns their pattern."""
    start = 0.0
    number = 0
    for subject, end in zip(SUBJECTS, ends, strict=True):
        while number / FPS < end:
            canvas = Canvas(subject.background)
            subject.draw(canvas, number / FPS - start)
            canvas.box((40, 36, 700, 136), "#1d2733", 18)
            canvas.text((70, 52), subject.title, 54, "#ffffff")
            canvas.finished().save(folder / f"{number:05d}.png", compress_level=1)
            number += 1
        start = end
    return str(folder / "%05d.png")


def srt(cues: Sequence[Cue]) -> str:
    """The cues as SubRip text."""

    def clock(seconds: float) -> str:
        ms = round(seconds * 1000)
        return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"

    return "\n".join(
        f"{number}\n{clock(cue.start)} --> {clock(cue.end)}\n{cue.text}\n" for number, cue in enumerate(cues, 1)
    )


def make(path: Path = SAMPLE) -> Path:
    """Makes the sample; takes a minute or two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speech, cues, ends = speak(folder)
        (folder / "captions.srt").write_text(srt(cues), encoding="utf-8")
        pictures = draw(folder, ends)
        args = [
            "-framerate",
            str(FPS),
            "-i",
            pictures,
            "-i",
            str(speech),
            "-i",
            str(folder / "captions.srt"),
            "-map",
            "0:v",
            "-map",
            "1:a",
            "-map",
            "2:s",
            "-c:v",
            "libx264",
            "-preset",
            "slow",
            "-crf",
            "27",
            "-profile:v",
            "high",
            "-pix_fmt",
            "yuv420p",
            "-g",
            str(GOP_SECONDS * FPS),
            "-keyint_min",
            str(FPS),
            "-x264-params",
            "open-gop=0",
            "-threads",
            "2",
            "-vf",
            "scale=out_color_matrix=bt709:out_range=tv",
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
            "-c:a",
            "aac",
            "-b:a",
            "48k",
            "-ar",
            "48000",
            "-c:s",
            "mov_text",
            "-metadata:s:s:0",
            "language=eng",
            "-metadata:s:a:0",
            "language=eng",
            "-metadata",
            "title=Harbour, bread and workshop",
            "-fflags",
            "+bitexact",
            "-flags:v",
            "+bitexact",
            "-flags:a",
            "+bitexact",
            "-movflags",
            "+faststart",
            f"file:{path.absolute()}",
        ]
        run_ffmpeg(args, limits=LIMITS, reads=[folder], writes=path.parent, duration=ends[-1], what="making the sample")
    return path


if __name__ == "__main__":
    print(make(Path(sys.argv[1]) if len(sys.argv) > 1 else SAMPLE))
