"""What a file shows and sounds like, found by decoding it from its first frame to its last with PyAV and FFmpeg."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import av
import imageio_ffmpeg
import numpy as np

from video_assets_tests.media.clips import ffmpeg

BRIGHT = 225
"""Mean of a grey picture above which it is one of the white ones."""


@dataclass(frozen=True)
class Seen:
    """The picture of a file. Times in seconds."""

    size: tuple[int, int]
    times: tuple[float, ...]
    end: float
    flashes: tuple[float, ...]
    """When the white pictures begin, counted from the file's start like the tones."""
    keys: tuple[float, ...]
    formats: frozenset[str]
    tags: tuple[int, int, int, int]
    """Primaries, transfer, matrix, range, as H.273 numbers them."""
    turned: bool
    interlaced: bool
    square: bool


@dataclass(frozen=True)
class Heard:
    """The sound of a file. Times in seconds."""

    channels: int
    rate: int
    end: float
    beeps: tuple[float, ...]
    """When the tones begin."""
    peaks: tuple[float, ...]
    """Highest amplitude of each channel."""


def complaints(path: Path) -> str:
    """What FFmpeg has to say when it decodes everything; empty where nothing is wrong."""
    return ffmpeg("-v", "warning", "-xerror", "-i", str(path), "-f", "null", "-")


def seen(path: Path, index: int = 0) -> Seen:
    """Decodes every picture."""
    with av.open(str(path)) as container:
        stream = container.streams.video[index]
        stream.thread_type = "AUTO"
        times, keys, flashes, formats, before = [], [], [], set(), False
        end, first, origin = 0.0, None, (container.start_time or 0) / 1e6
        for frame in container.decode(stream):
            first = first or frame
            times.append(float(frame.time or 0.0))
            end = max(end, times[-1] + float((frame.duration or 0) * frame.time_base))
            keys += [times[-1]] if frame.key_frame else []
            formats.add(frame.format.name)
            bright = float(frame.to_ndarray(format="gray").mean()) > BRIGHT
            flashes += [times[-1] - origin] if bright and not before else []
            before = bright
        assert first is not None, f"no picture in {path}"
        aspect = stream.sample_aspect_ratio
        return Seen(
            (first.width, first.height),
            tuple(times),
            end,
            tuple(flashes),
            tuple(keys),
            frozenset(formats),
            (int(first.color_primaries), int(first.color_trc), int(first.colorspace), int(first.color_range)),
            bool(first.rotation) or any(data.type.name == "DISPLAYMATRIX" for data in first.side_data),
            bool(first.interlaced_frame),
            aspect in (None, 0, 1),
        )


def heard(path: Path, index: int = 0) -> Heard | None:
    """Decodes every sample; None where there is no sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[index]
        channels, rate = stream.codec_context.layout.nb_channels, stream.codec_context.sample_rate
    # Silence where nothing is, from the file's start on: then a sample's number is its time.
    filters = ["-map", f"0:a:{index}", "-af", "aresample=async=1:first_pts=0", "-f", "f32le", "-"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(path), *filters]
    data = subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
    samples = np.frombuffer(data, np.float32).reshape(-1, channels).T
    loud = np.abs(samples).max(axis=0)
    on = np.flatnonzero(loud > 0.5 * loud.max()) if loud.max() > 0.01 else np.array([], dtype=int)
    # A tone begins where none was for a tenth of a second before.
    begins = [at for number, at in enumerate(on) if number == 0 or at - on[number - 1] > rate / 10]
    return Heard(
        channels,
        rate,
        samples.shape[1] / rate,
        tuple(float(at) / rate for at in begins),
        tuple(float(peak) for peak in np.abs(samples).max(axis=1)),
    )


def grey(path: Path, number: int = 0) -> np.ndarray:
    """The luma plane of one picture, as coded."""
    with av.open(str(path)) as container:
        for at, frame in enumerate(container.decode(video=0)):
            if at == number:
                plane = frame.planes[0]
                return np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)[:, : frame.width]
    raise AssertionError(f"{path} has no picture {number}")


def colour(path: Path, across: float, down: float = 0.5) -> tuple[int, int, int]:
    """Y, Cb and Cr of an 8-bit 4:2:0 file's first picture at this part of its width and height."""
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        x, y = int(frame.width * across), int(frame.height * down)
        found = []
        for number, plane in enumerate(frame.planes):
            shift = 1 if number else 0
            found.append(np.frombuffer(plane, np.uint8)[(y >> shift) * plane.line_size + (x >> shift)])
        return int(found[0]), int(found[1]), int(found[2])
