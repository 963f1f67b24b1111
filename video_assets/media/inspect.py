"""Verification of finished rungs, before they are published.

A confined child (`inspect_child`) measures them. Pure functions here decide what the measurements mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from video_assets.artifacts import CheckOutcome
from video_assets.media import hls
from video_assets.media.hls import Playlist
from video_assets.media.ladder import Ladder, Rung, outlasting, padding, source_rate
from video_assets.media.probe import Probe
from video_assets.media.sandbox.process import Limits, run_python

CHECKS = ("every_segment_there", "decodes", "duration_matches", "audio_video_drift", "key_frames_aligned")
DURATION_TOLERANCE = 0.005
"""How far a rung's duration may differ from the source's, as a part of it."""
DRIFT_TOLERANCE = 0.040
"""How far sound and picture may be apart, in seconds, beyond what they are apart in the source."""
_AAC_FRAME = 0.025
"""Length of an AAC frame, rounded up, in seconds. Sound can only end at the end of a frame."""


@dataclass(frozen=True)
class FinishedRung:
    """A rung of the plan, and what was measured of its file."""

    rung: Rung
    bytes: int
    playlist: Playlist | None
    actual: Playlist | None
    """The playlist that the file itself gives; `playlist` must be equal to it."""
    codecs: str
    starts: tuple[float, ...]
    """When its segments begin, in seconds."""
    measured: Mapping[str, Any]
    """The child's answer for this rung: `video`, `audio`, `problem`."""

    @property
    def leading(self) -> Mapping[str, Any] | None:
        """What was measured of the video track, or of the audio track if there is no video."""
        leading: Mapping[str, Any] | None = self.measured["video"] or self.measured["audio"]
        return leading


def variants(
    folder: Path, plan: Ladder, probe: Probe, names: Mapping[str, Path] | None = None
) -> tuple[list[CheckOutcome], list[dict[str, Any]]]:
    """Verifies every rung of the plan. `names`: paths of files that are not in the folder, by name (`720p.mp4`).

    Returns an outcome for each of `CHECKS`, and a table with a row for each rung, top one first: name, width, height,
    bytes, bandwidth and average_bandwidth (bit/s), codecs, fps, duration (s), copied. A rung without a readable
    playlist has no row. Raises what `run_python` raises.
    """
    paths = {rung.name: _path_of(folder, names, f"{rung.name}.mp4") for rung in plan.rungs}
    lists = {rung.name: _path_of(folder, names, f"{rung.name}.m3u8") for rung in plan.rungs}
    playlists = {rung.name: _read_playlist(lists[rung.name]) for rung in plan.rungs}
    payload = {
        "rungs": [
            {
                "name": rung.name,
                "path": str(paths[rung.name].absolute()),
                "width": rung.width,
                "height": rung.height,
                "seek": sampled(playlists[rung.name]),
                "end": playlist.duration if (playlist := playlists[rung.name]) else 0.0,
            }
            for rung in plan.rungs
            if paths[rung.name].exists()
        ]
    }
    limits = Limits(
        address_space_bytes=3 * 2**29,
        cpu_seconds=300 + int(probe.duration),
        file_bytes=0,
        wall_seconds=900 + 2 * probe.duration,
        stall_seconds=900,
    )
    reads = list(paths.values())
    found = run_python("video_assets.media.inspect_child", payload, limits=limits, reads=reads)["rungs"]
    all_finished = [
        _finished_rung(plan, rung, paths[rung.name], playlists[rung.name], found.get(rung.name)) for rung in plan.rungs
    ]
    return judge(all_finished, plan, probe), [row(finished) for finished in all_finished if finished.playlist]


def judge(all_finished: Sequence[FinishedRung], plan: Ladder, probe: Probe) -> list[CheckOutcome]:
    """The outcome of each check. Its summary is the first problem of any rung, or else what was measured."""
    apart = f"{1000 * max((drift(finished, plan, probe) for finished in all_finished), default=0.0):.0f} ms"
    return [
        _outcome(
            "every_segment_there",
            all_finished,
            lambda finished: segments_problem(finished, probe),
            _counted(all_finished),
        ),
        _outcome(
            "decodes",
            all_finished,
            lambda finished: finished.measured["problem"],
            "start, end and samples of each rung",
        ),
        _outcome(
            "duration_matches",
            all_finished,
            lambda finished: duration_problem(finished, probe),
            f"{probe.duration:.2f} s",
        ),
        _outcome("audio_video_drift", all_finished, lambda finished: drift_problem(finished, plan, probe), apart),
        _outcome(
            "key_frames_aligned",
            all_finished,
            lambda finished: alignment_problem(finished, all_finished[0]),
            "on the same times",
        ),
    ]


def row(finished: FinishedRung) -> dict[str, Any]:
    """The rung's row in the table of rungs."""
    assert finished.playlist is not None
    return {
        "name": finished.rung.name,
        "width": finished.rung.width,
        "height": finished.rung.height,
        "bytes": finished.bytes,
        "bandwidth": finished.playlist.bandwidth,
        "average_bandwidth": finished.playlist.average_bandwidth,
        "codecs": finished.codecs,
        "fps": frame_rate(finished),
        "duration": round(finished.playlist.duration, 3),
        "copied": finished.rung.copy,
    }


def frame_rate(finished: FinishedRung) -> float:
    """The highest frame rate that was measured: what a master playlist must declare. 0 without video."""
    picture = finished.measured["video"]
    return float(picture["rate"] or finished.rung.fps) if picture else 0.0


def sampled(playlist: Playlist | None) -> list[float]:
    """Where decoding is tried, in seconds: the start, two places in between, the last segment."""
    if playlist is None:
        return [0.0]
    starts = playlist.starts
    chosen = {0, len(starts) // 3, 2 * len(starts) // 3, len(starts) - 1}
    return [round(starts[number] + 0.001, 3) for number in sorted(chosen)]


def segments_problem(finished: FinishedRung, probe: Probe) -> str:
    """What is missing of a rung; empty if nothing is."""
    if finished.playlist is None or finished.actual is None or finished.leading is None:
        return "it is not there, or not whole"
    if finished.playlist.init_size != finished.actual.init_size or len(finished.playlist.segments) != len(
        finished.actual.segments
    ):
        return "its playlist does not fit its file"
    for number, (listed, actual) in enumerate(zip(finished.playlist.segments, finished.actual.segments, strict=True)):
        same_bytes = (listed.offset, listed.size) == (actual.offset, actual.size)
        if not same_bytes or abs(listed.duration - actual.duration) > 0.001:
            return f"segment {number} is not where the playlist says"
    if not all(stream["rising"] for stream in (finished.measured["video"], finished.measured["audio"]) if stream):
        return "its time stamps do not rise"
    if probe.audio and probe.sound and probe.sound.channels and finished.measured["audio"] is None:
        return "its sound is missing"
    video = probe.video
    if video is None:
        return ""
    if finished.measured["video"] is None:
        return "its picture is missing"
    expected = video.frames * min(1.0, finished.rung.fps / max(source_rate(video), 0.001))
    least = expected * (0.99 if video.clean else 0.9) - 2
    frames = finished.measured["video"]["packets"]
    return f"{frames} pictures of {expected:.0f} are there" if frames < least else ""


def duration_problem(finished: FinishedRung, probe: Probe) -> str:
    """Both durations, if a rung's differs too much from the source's; else empty."""
    if finished.leading is None:
        return "it is not there"
    source = probe.video or probe.sound
    if source is None:
        return ""
    start = source.start - (padding(probe.video) if probe.video else 0.0)
    expected, actual = source.end - start + outlasting(probe), finished.leading["end"] - finished.leading["start"]
    frame = 2 / max(min(probe.video.avg_fps, finished.rung.fps), 0.5) if probe.video else 2 * _AAC_FRAME
    if abs(actual - expected) <= max(DURATION_TOLERANCE * expected, frame):
        return ""
    return f"it lasts {actual:.2f} s, the source {expected:.2f} s"


def drift(finished: FinishedRung, plan: Ladder, probe: Probe) -> float:
    """By how many seconds the rung has moved sound against picture, compared with the source: at the start or at the
    end, whichever is more."""
    video, sound = probe.video, probe.sound
    picture, heard = finished.measured["video"], finished.measured["audio"]
    if video is None or sound is None or picture is None or heard is None or plan.audio is None:
        return 0.0
    # Encoded sound is padded to begin at 0; before that is only the encoder's priming, which players cut off.
    sound_start = sound.start if plan.audio.copy else min(0.0, max(-_AAC_FRAME, heard["start"]))
    at_start = abs((heard["start"] - sound_start) - (picture["start"] - video.start + padding(video)))
    at_end = abs((heard["end"] - sound.end) - (picture["end"] - plan.pad_end - video.end))
    return float(max(at_start, at_end - _AAC_FRAME - 1 / max(video.avg_fps, 0.5)))


def drift_problem(finished: FinishedRung, plan: Ladder, probe: Probe) -> str:
    """The drift, if it is more than `DRIFT_TOLERANCE`; else empty."""
    apart = drift(finished, plan, probe)
    return f"sound and picture are {apart * 1000:.0f} ms apart" if apart > DRIFT_TOLERANCE else ""


def alignment_problem(finished: FinishedRung, top: FinishedRung) -> str:
    """What is wrong if a rung's segments do not begin with key frames, at the times of the top rung's; else empty.

    A player switches rungs only at such a time.
    """
    if finished.measured["video"] is None:
        return "" if not finished.rung.height else "its picture is missing"
    near = 0.5 / max(finished.rung.fps, 1.0)
    if len(finished.starts) != len(top.starts) or any(
        abs(own - other) > near for own, other in zip(finished.starts, top.starts, strict=True)
    ):
        return f"its segments begin at other times than those of {top.rung.name}"
    keys = iter([*finished.measured["video"]["keys"], float("inf")])
    for start in finished.starts:
        key = next(key for key in keys if key >= start - near)
        if abs(key - start) > near:
            return f"its segment at {start:.2f} s does not begin with a key frame"
    return ""


def _path_of(folder: Path, names: Mapping[str, Path] | None, name: str) -> Path:
    return (names or {}).get(name, folder / name)


def _read_playlist(path: Path) -> Playlist | None:
    try:
        return hls.read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _finished_rung(
    plan: Ladder, rung: Rung, path: Path, playlist: Playlist | None, found: Mapping[str, Any] | None
) -> FinishedRung:
    missing: Mapping[str, Any] = {"video": None, "audio": None, "problem": "it is not there"}
    try:
        key_times = plan.key_times if rung.copy else None
        actual, layout = hls.of_file(path, key_times)
        groups = hls.group(layout.fragments, key_times)
        starts = tuple(parts[0].start for parts in groups)
        return FinishedRung(rung, layout.size, playlist, actual, layout.codecs, starts, found or missing)
    except (OSError, ValueError):
        return FinishedRung(rung, 0, playlist, None, "", (), found or missing)


def _outcome(
    name: str, all_finished: Sequence[FinishedRung], problem: Callable[[FinishedRung], str], summary: str
) -> CheckOutcome:
    problems = {finished.rung.name: text for finished in all_finished if (text := problem(finished))}
    advice = "convert the file and upload it again"
    first = next((f"{rung}: {text}; {advice}" for rung, text in problems.items()), "")
    return CheckOutcome(name=name, passed=not problems, summary=first or summary, metadata=problems)


def _counted(all_finished: Sequence[FinishedRung]) -> str:
    return f"{sum(len(finished.starts) for finished in all_finished)} segments in {len(all_finished)} rungs"
