"""Verification of finished rungs, before anything is published.

The measuring is done in a limited child; what the measurements mean is decided here, in functions without I/O.
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
"""Part of the source's duration."""
DRIFT_TOLERANCE = 0.040
"""Seconds between sound and picture, beyond what the source itself has."""
_AAC_FRAME = 0.025
"""No shorter piece of sound can be cut off or added at the end, seconds."""


@dataclass(frozen=True)
class Look:
    """A finished rung as it was found."""

    rung: Rung
    bytes: int
    playlist: Playlist | None
    actual: Playlist | None
    """What the playlist should say, from the file itself."""
    codecs: str
    starts: tuple[float, ...]
    """When its segments begin, seconds."""
    found: Mapping[str, Any]
    """What the child saw: `video`, `audio`, `problem`."""

    @property
    def leading(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.found["video"] or self.found["audio"]
        return found


def variants(
    folder: Path, plan: Ladder, probe: Probe, names: Mapping[str, Path] | None = None
) -> tuple[list[CheckOutcome], list[dict[str, Any]]]:
    """Verifies every rung of the plan. `names` tells where files lie that are not in the folder (`720p.mp4` → path).

    Returns an outcome for each of `CHECKS`, and the table of rungs from the top one down, each row with name, width,
    height, bytes, bandwidth and average_bandwidth (bit/s), codecs, fps, duration (s), copied.
    """
    paths = {rung.name: _where(folder, names, f"{rung.name}.mp4") for rung in plan.rungs}
    lists = {rung.name: _where(folder, names, f"{rung.name}.m3u8") for rung in plan.rungs}
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
    looks = [_look(plan, rung, paths[rung.name], playlists[rung.name], found.get(rung.name)) for rung in plan.rungs]
    return judge(looks, plan, probe), [row(look) for look in looks if look.playlist]


def judge(looks: Sequence[Look], plan: Ladder, probe: Probe) -> list[CheckOutcome]:
    """The outcome of each check: the first problem of any rung, or what was measured."""
    apart = f"{1000 * max((drift(look, plan, probe) for look in looks), default=0.0):.0f} ms"
    return [
        _outcome("every_segment_there", looks, lambda look: segments_problem(look, probe), _counted(looks)),
        _outcome("decodes", looks, lambda look: look.found["problem"], "start, end and samples of each rung"),
        _outcome("duration_matches", looks, lambda look: duration_problem(look, probe), f"{probe.duration:.2f} s"),
        _outcome("audio_video_drift", looks, lambda look: drift_problem(look, plan, probe), apart),
        _outcome("key_frames_aligned", looks, lambda look: alignment_problem(look, looks[0]), "on the same times"),
    ]


def row(look: Look) -> dict[str, Any]:
    """One line of the table of rungs."""
    assert look.playlist is not None
    return {
        "name": look.rung.name,
        "width": look.rung.width,
        "height": look.rung.height,
        "bytes": look.bytes,
        "bandwidth": look.playlist.bandwidth,
        "average_bandwidth": look.playlist.average_bandwidth,
        "codecs": look.codecs,
        "fps": frame_rate(look),
        "duration": round(look.playlist.duration, 3),
        "copied": look.rung.copy,
    }


def frame_rate(look: Look) -> float:
    """The highest frame rate of a rung, as it was found: what a master playlist has to tell."""
    picture = look.found["video"]
    return float(picture["rate"] or look.rung.fps) if picture else 0.0


def sampled(playlist: Playlist | None) -> list[float]:
    """Where to decode: the start, two places between, the last segment. Seconds, rising."""
    if playlist is None:
        return [0.0]
    starts = playlist.starts
    chosen = {0, len(starts) // 3, 2 * len(starts) // 3, len(starts) - 1}
    return [round(starts[number] + 0.001, 3) for number in sorted(chosen)]


def segments_problem(look: Look, probe: Probe) -> str:
    """What is missing of a rung, empty where nothing is."""
    if look.playlist is None or look.actual is None or look.leading is None:
        return "it is not there, or not whole"
    if look.playlist.init_size != look.actual.init_size or len(look.playlist.segments) != len(look.actual.segments):
        return "its playlist does not fit its file"
    for number, (told, is_) in enumerate(zip(look.playlist.segments, look.actual.segments, strict=True)):
        if (told.offset, told.size) != (is_.offset, is_.size) or abs(told.duration - is_.duration) > 0.001:
            return f"segment {number} is not where the playlist says"
    if not all(stream["rising"] for stream in (look.found["video"], look.found["audio"]) if stream):
        return "its time stamps do not rise"
    if probe.audio and probe.sound and probe.sound.channels and look.found["audio"] is None:
        return "its sound is missing"
    video = probe.video
    if video is None:
        return ""
    if look.found["video"] is None:
        return "its picture is missing"
    expected = video.frames * min(1.0, look.rung.fps / max(source_rate(video), 0.001))
    least = expected * (0.99 if video.clean else 0.9) - 2
    frames = look.found["video"]["packets"]
    return f"{frames} pictures of {expected:.0f} are there" if frames < least else ""


def duration_problem(look: Look, probe: Probe) -> str:
    """How far a rung's length is from the source's, where that is too far."""
    if look.leading is None:
        return "it is not there"
    source = probe.video or probe.sound
    if source is None:
        return ""
    start = source.start - (padding(probe.video) if probe.video else 0.0)
    wanted, has = source.end - start + outlasting(probe), look.leading["end"] - look.leading["start"]
    frame = 2 / max(min(probe.video.avg_fps, look.rung.fps), 0.5) if probe.video else 2 * _AAC_FRAME
    if abs(has - wanted) <= max(DURATION_TOLERANCE * wanted, frame):
        return ""
    return f"it lasts {has:.2f} s, the source {wanted:.2f} s"


def drift(look: Look, plan: Ladder, probe: Probe) -> float:
    """How far sound and picture are apart that were together in the source, seconds; the worse of start and end."""
    video, sound = probe.video, probe.sound
    picture, heard = look.found["video"], look.found["audio"]
    if video is None or sound is None or picture is None or heard is None or plan.audio is None:
        return 0.0
    # Encoded sound is padded to begin at 0, less the encoder's priming, which players cut off.
    sound_start = sound.start if plan.audio.copy else min(0.0, max(-_AAC_FRAME, heard["start"]))
    at_start = abs((heard["start"] - sound_start) - (picture["start"] - video.start + padding(video)))
    at_end = abs((heard["end"] - sound.end) - (picture["end"] - plan.pad_end - video.end))
    return float(max(at_start, at_end - _AAC_FRAME - 1 / max(video.avg_fps, 0.5)))


def drift_problem(look: Look, plan: Ladder, probe: Probe) -> str:
    apart = drift(look, plan, probe)
    return f"sound and picture are {apart * 1000:.0f} ms apart" if apart > DRIFT_TOLERANCE else ""


def alignment_problem(look: Look, top: Look) -> str:
    """Whether a rung's segments begin with key frames, on the same times as the top rung's."""
    if look.found["video"] is None:
        return "" if not look.rung.height else "its picture is missing"
    near = 0.5 / max(look.rung.fps, 1.0)
    if len(look.starts) != len(top.starts) or any(
        abs(own - other) > near for own, other in zip(look.starts, top.starts, strict=True)
    ):
        return f"its segments begin at other times than those of {top.rung.name}"
    keys = iter([*look.found["video"]["keys"], float("inf")])
    for start in look.starts:
        key = next(key for key in keys if key >= start - near)
        if abs(key - start) > near:
            return f"its segment at {start:.2f} s does not begin with a key frame"
    return ""


def _where(folder: Path, names: Mapping[str, Path] | None, name: str) -> Path:
    return (names or {}).get(name, folder / name)


def _read_playlist(path: Path) -> Playlist | None:
    try:
        return hls.read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _look(plan: Ladder, rung: Rung, path: Path, playlist: Playlist | None, found: Mapping[str, Any] | None) -> Look:
    missing: Mapping[str, Any] = {"video": None, "audio": None, "problem": "it is not there"}
    try:
        key_times = plan.key_times if rung.copy else None
        actual, layout = hls.of_file(path, key_times)
        groups = hls.group(layout.fragments, key_times)
        starts = tuple(parts[0].start for parts in groups)
        return Look(rung, layout.size, playlist, actual, layout.codecs, starts, found or missing)
    except (OSError, ValueError):
        return Look(rung, 0, playlist, None, "", (), found or missing)


def _outcome(name: str, looks: Sequence[Look], problem: Callable[[Look], str], summary: str) -> CheckOutcome:
    problems = {look.rung.name: text for look in looks if (text := problem(look))}
    advice = "convert the file and upload it again"
    first = next((f"{rung}: {text}; {advice}" for rung, text in problems.items()), "")
    return CheckOutcome(name=name, passed=not problems, summary=first or summary, metadata=problems)


def _counted(looks: Sequence[Look]) -> str:
    return f"{sum(len(look.starts) for look in looks)} segments in {len(looks)} rungs"
