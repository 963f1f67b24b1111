"""How close a finished rung looks to its source: VMAF of a short excerpt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from video_assets.media.ladder import Ladder, Rung
from video_assets.media.probe import Probe
from video_assets.media.sandbox.process import Limits, input_args, run_ffmpeg

SECONDS = 2.0
"""Length of the excerpt that is compared."""
_LOG = "vmaf.json"


def comparable(plan: Ladder, probe: Probe, rung: Rung) -> bool:
    """Whether VMAF can compare the rung with its source: it is encoded, and its frames are the source's, one for one.

    VMAF would count tone mapping, deinterlacing, a changed frame rate and moved frames as damage.
    """
    return probe.video is not None and not (
        rung.copy or plan.tone_map or plan.deinterlace or plan.change_fps or plan.pad_start
    )


def moments(starts: Sequence[float], fps: float, count: int = 2) -> list[float]:
    """Where to compare, in seconds: just before the first frames of `count` segments, spread over the video."""
    chosen = sorted({starts[number * len(starts) // count] for number in range(count)})
    return [max(0.0, start - 0.4 / max(fps, 1.0)) for start in chosen]


def vmaf(source: Path, probe: Probe, made: Path, rung: Rung, folder: Path, *, at: float) -> float:
    """Mean VMAF (0 to 100) of `SECONDS` of a rung from second `at` on, against the source scaled to the rung's size.

    `made`: the rung's file. `folder`: where FFmpeg may write its log. Raises PermanentError if one of the files cannot
    be decoded there.
    """
    assert probe.video is not None
    # Both are labelled with the same colours. Else FFmpeg converts the one without a label, and every pixel differs.
    same = "setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
    # Both begin at 0 in the same time base, so that libvmaf pairs the frames.
    ready = f"format=yuv420p,{same},settb=AVTB,setpts=PTS-STARTPTS"
    size = f"{rung.width}:{rung.height}:flags=bicubic:out_range=tv"
    size += ":out_color_matrix=bt709" if probe.video.color_space == "gbr" else ""
    graph = (
        f"[0:v:0]{ready}[made];"
        f"[1:{probe.video.index}]scale={size},setsar=1,{ready}[source];"
        f"[made][source]libvmaf=n_threads=1:shortest=1:log_fmt=json:log_path={_LOG}"
    )
    moment = ["-ss", f"{at:.6f}", "-t", f"{SECONDS:g}"]  # before -i: seeks in the input, decodes from there
    log = folder / _LOG
    log.unlink(missing_ok=True)
    # -f null: no output, the score is in the filter's log.
    args = [*moment, *input_args(made), *moment, *input_args(source), "-filter_complex", graph, "-f", "null", "-"]
    args[args.index(graph)] = graph.replace(_LOG, _escaped(log))
    pixels = probe.video.width * probe.video.height
    limits = Limits(
        address_space_bytes=3 * 2**30 + 600 * pixels,
        cpu_seconds=600,
        file_bytes=16 * 2**20,
        wall_seconds=900,
        stall_seconds=300,
    )
    run_ffmpeg(args, limits=limits, reads=[made, source], writes=folder, what="comparing a rung with its source")
    found = json.loads(log.read_text(encoding="utf-8"))
    return float(found["pooled_metrics"]["vmaf"]["mean"])


def _escaped(path: Path) -> str:
    """A path escaped as an option in a filter graph: FFmpeg unescapes it twice, for the graph and for the filter."""
    text = str(path.absolute())
    for special in ("\\'[],;:", "\\'[],;"):
        text = "".join(f"\\{c}" if c in special else c for c in text)
    return text
