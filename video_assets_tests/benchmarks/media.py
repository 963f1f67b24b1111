"""The ladder against other ways to make it, and the whole stage against the bare ladder; quality beside two presets.

Every figure is a ratio of two figures of the same machine in the same state. On two cores all of it takes about an
hour and a half, most of it 4K of 60 s. `--keep FOLDER` writes there what each part took, and reads what is there
already; `--within MINUTES` ends before a part that would begin later than that: the same command again goes on.
"""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import imageio_ffmpeg
from PIL import Image, ImageDraw

from video_assets import peak_memory
from video_assets.artifacts import RunInfo, publish
from video_assets.artifacts.pointer import make_fence
from video_assets.clock import utc_now
from video_assets.defs.materialize import opened
from video_assets.intake.uploads import NewVideo, take_in
from video_assets.media import audio, encode, inspect, ladder, stills
from video_assets.media.ladder import Ladder, Rung
from video_assets.media.probe import Probe
from video_assets.media.sandbox.process import run_ffmpeg
from video_assets.recipes import Making
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets.videos import Stage
from video_assets_tests.benchmarks.quality import quality
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.media.conftest import read

Figures = dict[str, float | str]
HEIGHTS = Settings().heights


@dataclass(frozen=True)
class Spent:
    """What something took: seconds of the clock, seconds of the processor, highest memory of it and its children."""

    wall: float
    cpu: float
    peak: float


@dataclass(frozen=True)
class Size:
    """A source to measure on."""

    name: str
    width: int
    height: int
    seconds: int


QUICK = (Size("360p 4 s", 640, 360, 4),)
USUAL = (
    Size("1080p 8 s", 1920, 1080, 8),
    Size("1080p 60 s", 1920, 1080, 60),
    Size("4K 8 s", 3840, 2160, 8),
    Size("4K 60 s", 3840, 2160, 60),
)


ROUNDS = 2


class Parts:
    """What each part took, kept in a file so that the next go knows it."""

    def __init__(self, folder: Path, minutes: float) -> None:
        self._path = folder / "parts.json"
        self._kept: dict[str, Any] = json.loads(self._path.read_text()) if self._path.exists() else {}
        self._until = time.monotonic() + 60 * minutes

    def taken(self, name: str, measure: Callable[[], Any]) -> Any:
        """What `measure` gives, as plain JSON; from an earlier go where it is known."""
        if name not in self._kept:
            if time.monotonic() > self._until:
                sys.exit(f"the time is up before {name}; the same command goes on from here")
            self._kept[name] = measure()
            self._path.write_text(json.dumps(self._kept, indent=1))
            print(f"  {name}: {self._kept[name]}", file=sys.stderr, flush=True)
        return self._kept[name]


def run(folder: Path, *, quick: bool) -> Figures:
    """The figures of every size, those of quality, and those of three hours."""
    folder = Path(_option("--keep") or folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts = Parts(folder, float(_option("--within") or 1e6))
    seconds = 300 if quick else 3 * 3600
    figures: Figures = parts.taken("three hours", lambda: three_hours(folder, seconds=seconds))
    for size in QUICK if quick else USUAL:
        source = folder / f"{size.width}-{size.seconds}.mp4"
        if not source.exists():
            make_source(source, size)
        figures |= {f"{size.name}: {what}": figure for what, figure in compare(source, folder, size, parts).items()}
        if size.seconds <= 8:
            told = parts.taken(f"{size.name}: quality", lambda: quality(source, folder))  # noqa: B023
            figures |= {f"{size.name}: {what}": figure for what, figure in told.items()}
    return figures


def _option(name: str) -> str | None:
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else None


def make_source(path: Path, size: Size) -> Path:
    """A camera moving over a still, with grain, as cameras and editors hand it over: H.264 High with CABAC, at the
    rate that video sites ask of an upload (8 Mbit/s of 1080p30, 40 of 4K); in open groups, so that it is not copied.

    The rate counts: eight seconds of 1080p took 0.6 s of the processor to decode at `ultrafast` and 4 Mbit/s, and 1.9 s
    at this; a film of 6 Mbit/s and 24 pictures a second took 1.7 s.
    """
    still = path.with_suffix(".png")
    leaves(size.width * 5 // 4, size.height * 5 // 4).save(still, compress_level=1)
    move = f"crop={size.width}:{size.height}:x='(iw-ow)/2*(1+sin(t*0.9))':y='(ih-oh)/2*(1+cos(t*0.7))'"
    inputs = ["-loop", "1", "-framerate", "30", "-t", str(size.seconds), "-i", str(still)]
    inputs += ["-f", "lavfi", "-i", f"aevalsrc='0.3*sin(880*t)|0.3*sin(1320*t)':s=48000:d={size.seconds}"]
    rate = 40_000_000 if size.height > 1080 else 8_000_000
    x264 = ["-c:v", "libx264", "-preset", "superfast", "-b:v", str(rate), "-maxrate", str(rate), "-bufsize", str(rate)]
    x264 += ["-x264-params", "open-gop=1:keyint=60:bframes=2"]
    filters = ["-vf", f"{move},noise=alls=3:allf=t,format=yuv420p"]
    ffmpeg(*inputs, "-map", "0:v", "-map", "1:a", *filters, *x264, "-c:a", "aac", str(path), timeout=900)
    still.unlink()
    return path


def leaves(width: int, height: int) -> Image.Image:
    """A picture with edges and areas of every size, as photographs have them: discs that cover each other, the number
    of those of a radius falling with its cube ("dead leaves"), each in a pale colour of its own with shades."""
    chance = random.Random(4)
    picture = Image.new("RGB", (width, height), "#505860")
    pen = ImageDraw.Draw(picture)
    for _ in range(9000):
        radius = 0.004 * height / math.sqrt(max(1e-4, chance.random()))
        x, y = chance.random() * width, chance.random() * height
        grey = chance.randrange(45, 200)
        colour = [grey + chance.randrange(-40, 41) for _ in range(3)]
        for step in range(4):
            shade = tuple(max(0, min(255, value + 6 * step)) for value in colour)
            inner = radius * (1 - step / 5)
            pen.ellipse((x - inner, y - inner, x + inner, y + inner), fill=shade)
    return picture


def compare(source: Path, folder: Path, size: Size, parts: Parts) -> Figures:
    """Ratios of processor and clock for one source."""
    probe = read(source)
    plan = ladder.plan(probe, HEIGHTS)
    out = folder / "out"
    out.mkdir(exist_ok=True)
    compatible = make_compatible(source, plan.rungs[0])
    other = read(compatible)
    copied = ladder.plan(other, HEIGHTS)
    assert copied.rungs[0].copy, copied.encoded_because

    def apart() -> None:
        for rung in plan.rungs:
            bare_ladder(plan, probe, source, out, [rung])

    works: dict[str, Callable[[], object]] = {
        "bare": lambda: bare_ladder(plan, probe, source, out, plan.rungs),
        "tuned": lambda: hand_tuned(plan, probe, source, out),
        "stage": lambda: whole_stage(source, folder),
        "apart": apart,
        "copied": lambda: bare_ladder(copied, other, compatible, out, copied.rungs),
    }
    if size.seconds <= 8:
        works["speech"] = lambda: audio.extract_speech_audio(source, probe, out)
        works["together"] = lambda: with_speech(plan, probe, source, out)
    took = {what: Spent(*each) for what, each in _best(size, works, parts).items()}
    bare = took["bare"]
    figures = _ratios("ladder over a hand-tuned command (goal 1.02)", bare, took["tuned"])
    figures |= _ratios("ladder over one process a rung (goal 0.75)", bare, took["apart"])
    figures |= _ratios("compatible source over one process a rung (goal 0.40)", took["copied"], took["apart"])
    figures |= _ratios("whole stage over the bare ladder (goal 1.08)", took["stage"], bare)
    for piece in ("encoding, stills included", "verification"):
        figures[f"  of which {piece}, CPU over the bare ladder"] = round(took[piece].cpu / bare.cpu, 3)
    figures["peak memory of the worker and its children, MB"] = round(took["stage"].peak / 1e6)
    if "speech" in took:
        more = took["together"].cpu - bare.cpu
        figures["speech sound in its own pass, CPU over the bare ladder"] = round(took["speech"].cpu / bare.cpu, 4)
        figures["speech sound in the ladder's pass, more CPU over it"] = round(more / bare.cpu, 4)
    return figures


def _best(size: Size, works: dict[str, Callable[[], object]], parts: Parts) -> dict[str, list[float]]:
    """Least clock, least processor and highest memory of each over some rounds: what took longer was held up by
    something else. In rounds, so that a busy minute is not all one thing's."""
    best: dict[str, list[float]] = {}
    for at in range(ROUNDS if size.seconds <= 8 else 1):
        for what, work in works.items():
            measured = parts.taken(f"{size.name}: {what}, {at + 1}", partial(_measured, what, work))
            for name, (wall, cpu, peak) in measured.items():
                before = best.setdefault(name, [wall, cpu, peak])
                best[name] = [min(before[0], wall), min(before[1], cpu), max(before[2], peak)]
    return best


def _measured(what: str, work: Callable[[], object]) -> dict[str, list[float]]:
    """What it took, and its pieces where it tells of some."""
    told: list[object] = []
    whole = spent(lambda: told.append(work()))
    pieces = told[0] if what == "stage" and isinstance(told[0], dict) else {}
    return {what: [*astuple(whole)], **pieces}  # the stage begins with an upload that is none of it, and times itself


def make_compatible(source: Path, top: Rung) -> Path:
    """The source as one that can be copied: closed groups, no more bits than the top rung may have."""
    path = source.with_name(f"compatible-{source.name}")
    if not path.exists():
        closed = ["-c:v", "libx264", "-preset", "superfast", "-b:v", str(top.maxrate), "-g", "60", "-bf", "2"]
        capped = ["-maxrate", str(top.maxrate), "-bufsize", str(top.bufsize)]
        ffmpeg("-i", str(source), *closed, *capped, "-c:a", "copy", str(path), timeout=900)
    return path


def bare_ladder(plan: Ladder, probe: Probe, source: Path, out: Path, rungs: list[Rung] | tuple[Rung, ...]) -> None:
    """Our own command and nothing beside it."""
    args = encode.command(plan, probe, source, out, rungs, with_stills=False)
    limits = encode.limits_for(plan, probe, rungs)
    run_ffmpeg(args, limits=limits, reads=[source], writes=out, what="the benchmark")


def with_speech(plan: Ladder, probe: Probe, source: Path, out: Path) -> None:
    """Our command with one more output, the sound for speech recognition."""
    args = encode.command(plan, probe, source, out, plan.rungs, with_stills=False)
    args += ["-map", f"0:{probe.audio[0].index}", "-ac", "1", "-ar", str(audio.RATE), "-c:a", "pcm_s16le", "-f", "wav"]
    limits = encode.limits_for(plan, probe, plan.rungs)
    run_ffmpeg([*args, str(out / "speech.wav")], limits=limits, reads=[source], writes=out, what="the benchmark")


def hand_tuned(plan: Ladder, probe: Probe, source: Path, out: Path) -> None:
    """What somebody who knows FFmpeg well writes for these very rungs: one decode, one cascade, nothing around it."""
    graph, chain = [], "0:v"
    for number, rung in enumerate(plan.rungs):
        last = number == len(plan.rungs) - 1
        same = probe.video is not None and rung.height == probe.video.height
        scale = "null" if same else f"scale={rung.width}:{rung.height}:flags=bicubic"
        graph.append(f"[{chain}]{scale}" + (f"[v{number}]" if last else f",split=2[v{number}][n{number}]"))
        chain = f"n{number}"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-i", str(source)]
    command += ["-filter_complex", ";".join(graph)]
    for number, rung in enumerate(plan.rungs):
        command += [
            "-map",
            f"[v{number}]",
            "-map",
            "0:a",
            "-c:v",
            "libx264",
            "-preset",
            "veryfast",
            "-crf",
            str(rung.crf),
        ]
        command += ["-maxrate", str(rung.maxrate), "-bufsize", str(rung.bufsize), "-threads:v", "4", "-g", "120"]
        command += ["-keyint_min", "120", "-sc_threshold", "0", "-c:a", "aac", "-b:a", "128k"]
        command += ["-movflags", "+frag_keyframe+delay_moov+default_base_moof", str(out / f"tuned-{rung.name}.mp4")]
    subprocess.run(command, check=True)


def whole_stage(source: Path, folder: Path) -> dict[str, list[float]]:
    """Everything `variants` does, from a stored upload to published files, and what the pieces took."""
    home = folder / f"home-{source.stem}"
    shutil.rmtree(home, ignore_errors=True)
    settings = Settings(home=home, min_free_bytes=0)
    systems = Systems(settings)
    video = take_in(
        source,
        NewVideo(claimed_by="bench"),
        database=systems.database,
        storage=systems.storage,
        settings=settings,
    )
    run_info = RunInfo("bench-run", make_fence(utc_now(), "bench-run"))
    with opened(Stage.UPLOADS, Making(systems, video.id), run_info) as artifact:
        manifest = artifact.seal()
        publish(systems.storage, manifest)

    def make() -> None:
        making = Making(systems, video.id, {Stage.UPLOADS: manifest})
        with opened(Stage.VARIANTS, making, run_info) as artifact:
            publish(systems.storage, artifact.seal())

    taken: dict[str, Spent] = {}

    @contextmanager
    def noted(module: object, name: str, what: str) -> Iterator[None]:
        original: Callable[..., object] = getattr(module, name)

        def noting(*args: object, **kwargs: object) -> object:
            found: list[object] = []
            taken[what] = timed(lambda: found.append(original(*args, **kwargs)))
            return found[0]

        setattr(module, name, noting)
        try:
            yield
        finally:
            setattr(module, name, original)

    with (
        noted(encode, "encode", "encoding, stills included"),
        noted(inspect, "variants", "verification"),
    ):
        taken["stage"] = spent(make)
    shutil.rmtree(home)
    return {name: [*astuple(each)] for name, each in taken.items()}


def three_hours(folder: Path, *, seconds: int) -> Figures:
    """Memory of reading and encoding a long source of a low rate, over that of a tenth of it."""
    peaks: dict[int, Spent] = {}
    for length in (seconds // 10, seconds):
        source, out = folder / f"long-{length}.mp4", folder / f"long-{length}"
        out.mkdir(exist_ok=True)
        inputs = ["-f", "lavfi", "-i", f"testsrc2=s=160x90:r=1:d={length}"]
        inputs += ["-f", "lavfi", "-i", f"anoisesrc=a=0.1:d={length}:r=22050"]
        x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "4", "-c:a", "aac", "-b:a", "24k"]
        ffmpeg(*inputs, *x264, str(source), timeout=600)

        def make(source: Path = source, out: Path = out) -> None:
            probe = read(source)
            assert probe.video is not None
            plan = ladder.plan(replace(probe, video=replace(probe.video, clean=False)), (90, 48))
            encode.encode(plan, probe, source, out, plan.rungs)
            stills.finish(out, probe)
            outcomes, _ = inspect.variants(out, plan, probe)
            assert all(outcome.passed for outcome in outcomes), outcomes

        peaks[length] = spent(make)
        source.unlink()
    short, long = peaks[seconds // 10], peaks[seconds]
    return {
        f"{seconds / 3600:g} h at a low rate: peak memory, MB": round(long.peak / 1e6),
        f"{seconds / 3600:g} h at a low rate: peak memory over that of a tenth": round(long.peak / short.peak, 3),
        f"{seconds / 3600:g} h at a low rate: times real time": round(seconds / long.wall),
    }


def spent(work: Callable[[], object]) -> Spent:
    """Does the work. Its memory is the peak of this process and that of its largest child, together: the door notes
    them as it goes, where a watch of our own would count as work."""
    peak_memory.start()
    took = timed(work)
    return replace(took, peak=peak_memory.own() + peak_memory.largest_child())


def timed(work: Callable[[], object]) -> Spent:
    """Does the work, as a piece of something whose memory is measured."""
    wall, cpu = time.monotonic(), sum(os.times()[:4])
    work()
    return Spent(time.monotonic() - wall, sum(os.times()[:4]) - cpu, 0)


def _ratios(what: str, ours: Spent, theirs: Spent) -> Figures:
    return {f"{what}, CPU": round(ours.cpu / theirs.cpu, 3), f"{what}, wall": round(ours.wall / theirs.wall, 3)}
