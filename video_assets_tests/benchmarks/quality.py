"""Quality and bytes of the ladder's rungs beside two presets in wide use, with the difference in bit rate (BD-rate)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from video_assets.media import encode, ladder
from video_assets.media.ladder import Rung
from video_assets.settings import Settings
from video_assets_tests.media.clips import ffmpeg
from video_assets_tests.media.conftest import read

BITS_PER_PIXEL = {2160: 0.09, 1440: 0.10, 1080: 0.11, 720: 0.13, 480: 0.15, 360: 0.17, 240: 0.20}
EVERY = 5
"""Each so many-th picture is compared."""


def quality(source: Path, folder: Path) -> dict[str, float | str]:
    """VMAF (as shown at the source's size) and kilobits a second of each rung, CPU, and the BD-rate to each peer."""
    probe = read(source)
    plan = ladder.plan(probe, Settings().heights)
    out = folder / f"quality-{source.stem}"
    out.mkdir(exist_ok=True)

    def peers(options: Callable[[Rung], Sequence[str]]) -> None:
        for rung in plan.rungs:
            _peer(source, out, rung, options(rung))

    makers: dict[str, Callable[[], object]] = {
        "ours": lambda: encode.encode(plan, probe, source, out, plan.rungs, with_stills=False),
        "veryfast with maxrate": lambda: peers(_veryfast),
        "medium crf 23": lambda: peers(lambda _: ["-preset", "medium", "-crf", "23"]),
    }
    figures: dict[str, float | str] = {}
    curves: dict[str, list[tuple[float, float]]] = {}
    cpus: dict[str, float] = {}
    for name, make in makers.items():
        before = sum(os.times()[:4])
        make()
        cpus[name] = sum(os.times()[:4]) - before
        curves[name] = [
            (
                8 * _video_bytes(out / f"{rung.name}.mp4") / probe.duration / 1000,
                _vmaf(out / f"{rung.name}.mp4", source),
            )
            for rung in plan.rungs
        ]
        for rung, (rate, score) in zip(plan.rungs, curves[name], strict=True):
            figures[f"{rung.name}, {name}: VMAF at kbit/s"] = f"{score:.1f} at {rate:.0f}"
    for name in list(makers)[1:]:
        figures[f"CPU of ours over {name}"] = round(cpus["ours"] / cpus[name], 3)
        figures[f"BD-rate of ours to {name}, % (below 0: fewer bits)"] = round(bd_rate(curves[name], curves["ours"]), 1)
    return figures


def bd_rate(theirs: Sequence[tuple[float, float]], ours: Sequence[tuple[float, float]]) -> float:
    """Percent of bit rate that ours needs more than theirs for the same quality, on average over the qualities that
    both reach; points are (rate, quality). The curves are joined by straight lines over the logarithm of the rate."""
    low = max(min(quality for _, quality in curve) for curve in (theirs, ours))
    high = min(max(quality for _, quality in curve) for curve in (theirs, ours))
    grid = np.linspace(low, high, 200)
    logs = []
    for curve in (theirs, ours):
        rising = sorted((quality, np.log(rate)) for rate, quality in curve)
        logs.append(np.interp(grid, [quality for quality, _ in rising], [rate for _, rate in rising]))
    return float(100 * (np.exp(np.mean(logs[1] - logs[0])) - 1))


def _veryfast(rung: Rung) -> list[str]:
    nearest = min(BITS_PER_PIXEL, key=lambda height: abs(height - rung.height))
    rate = int(rung.width * rung.height * rung.fps * BITS_PER_PIXEL[nearest])
    return ["-preset", "veryfast", "-crf", "23", "-maxrate", str(rate), "-bufsize", str(2 * rate)]


def _peer(source: Path, out: Path, rung: Rung, options: Sequence[str]) -> None:
    """One process for one rung, as both peers do it."""
    scale = f"scale={rung.width}:{rung.height}:flags=bicubic"
    keys = ["-force_key_frames", "expr:gte(t,n_forced*4)", "-sc_threshold", "0", "-pix_fmt", "yuv420p"]
    sound = ["-c:a", "aac", "-b:a", "128k"]
    path = str(out / f"{rung.name}.mp4")
    ffmpeg("-i", str(source), "-vf", scale, "-c:v", "libx264", *options, *keys, *sound, path, timeout=900)


def _video_bytes(path: Path) -> int:
    told = ffmpeg("-i", str(path), "-map", "0:v", "-c", "copy", "-f", "null", "-")
    return int(re.findall(r"video:\s*(\d+)KiB", told)[-1]) * 1024


def _vmaf(path: Path, source: Path) -> float:
    probe = read(source)
    assert probe.video is not None
    size = f"{probe.video.width}:{probe.video.height}"
    # Else FFmpeg converts whichever says nothing of its colours.
    same = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    ready = f"format=yuv420p,{same},settb=AVTB,setpts=PTS-STARTPTS"
    graph = f"[0:v]scale={size}:flags=bicubic,{ready}[a];[1:v]{ready}[b];[a][b]libvmaf=n_threads=2:n_subsample={EVERY}"
    told = ffmpeg("-i", str(path), "-i", str(source), "-lavfi", graph, "-f", "null", "-", timeout=900)
    return float(told.rsplit("VMAF score: ", 1)[1].split()[0])
