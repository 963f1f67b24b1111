"""Reads a media file from end to end with PyAV and describes it. Runs as a confined child, never imported.

JSON in: `path`, `formats`, `max_streams`, `max_pixels`, `max_duration`, `max_gap`, `segment_seconds`. JSON out: the
fields of `probe.Probe`, or `error`. Every packet is read, since headers can be wrong, but only the first frames are
decoded: key frames, gaps and broken time stamps, on which copying and cutting depend, are found in the packets.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from fractions import Fraction
from typing import Any

import av
from av.container import InputContainer
from av.stream import Discard, Disposition

from video_assets.media.declared_size import promised_bytes
from video_assets.media.packets import Keys, Track, is_idr, nal_length_size

TEXT_SUBTITLES = {"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text"}
TRANSFERS = {1: "bt709", 6: "smpte170m", 8: "linear", 13: "srgb", 14: "bt2020-10", 16: "smpte2084", 18: "arib-std-b67"}
PRIMARIES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020", 12: "smpte432"}
MATRICES = {0: "gbr", 1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020nc"}
RANGES = {1: "tv", 2: "pc"}
UNSPECIFIED = 2
# libavcodec's AVFieldOrder: 0 unknown, 1 progressive, above that interlaced.
PROGRESSIVE = (0, 1)
PRIMING = 0.1
"""Longest priming of an audio encoder, seconds."""
TEXT_LIMIT = 300
CHAPTER_LIMIT = 500
TOO_MUCH_MEMORY = "reading the file takes more memory than is allowed; upload it with smaller frames"
MOST_UNPACKED, SMALL = 8, 16 * 2**20
"""All packets together may hold `MOST_UNPACKED` times the file's bytes, and `SMALL` bytes more. Containers can compress
packets, and can refer to the same bytes over and over."""
METADATA_LIMIT = 32 * 2**20
"""Characters of all metadata together."""
FIRST_PICTURES = 200
"""Packets within which the first frame must be decoded."""


class Refused(Exception):
    """The file is refused. The message is for the person who uploaded it."""


def clip(text: object, limit: int = TEXT_LIMIT) -> str:
    """A metadata string as one printable line of bounded length."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)[: limit * 4]).split())[:limit]


def ratio(value: Fraction | None, low: float, high: float) -> Fraction | None:
    """The value if it lies within the bounds, else None."""
    return value if value and low <= value <= high else None


def channels(stream: Any) -> int:
    """How many channels an audio stream has; 0 if unknown."""
    layout = stream.codec_context.layout
    return int(layout.nb_channels) if layout else 0


def refuse_incomplete(path: str) -> None:
    """Refuses a file that is smaller than its own headers declare."""
    with open(path, "rb") as file:
        promised, size = promised_bytes(file), os.fstat(file.fileno()).st_size
    if promised is not None and promised > size:
        raise Refused(f"the file breaks off: {size:,} bytes of {promised:,} are there; upload it again")


def open_file(request: dict[str, Any]) -> InputContainer:
    """Opens the file; raises Refused if it is no media file, or one with too many tracks or too much metadata."""
    options = {"format_whitelist": request["formats"], "protocol_whitelist": "file"}
    try:
        container: InputContainer = av.open("file:" + request["path"], options=options, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        if "memory" in str(error).lower():
            raise Refused(TOO_MUCH_MEMORY) from None
        raise Refused("this is no video that can be read, or it is damaged; upload an MP4, MOV, MKV or WebM") from None
    if len(container.streams) > request["max_streams"]:
        raise Refused(f"the file has {len(container.streams)} tracks; at most {request['max_streams']} are taken")
    described = [container.metadata, *(stream.metadata for stream in container.streams)]
    if sum(len(name) + len(text) for one in described for name, text in one.items()) > METADATA_LIMIT:
        raise Refused("the file describes itself at too great a length; remove its metadata and upload it again")
    return container


def first_picture(container: InputContainer, stream: Any) -> Any:
    """The first decoded frame, whose rotation, format and colours are in no header. Raises Refused if there is none."""
    stream.codec_context.thread_count = 1  # some decoders hold a frame for each thread, and there may be many cores
    try:
        for number, packet in enumerate(container.demux(stream)):
            try:
                for frame in packet.decode():
                    return frame
            except av.error.InvalidDataError:
                pass
            if number > FIRST_PICTURES:
                break
    except av.error.FFmpegError:
        pass
    raise Refused("the picture cannot be decoded; convert the file to H.264 and upload it again")


def read(request: dict[str, Any]) -> dict[str, Any]:
    """The fields of `probe.Probe`. Raises Refused."""
    refuse_incomplete(request["path"])
    container = open_file(request)
    pictures: list[Any] = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    # A track of which the file has only the header can be without channels.
    sounds: list[Any] = [s for s in container.streams.audio if s.codec_context is not None and channels(s)]
    video = next(iter(sorted(pictures, key=lambda s: not s.disposition & Disposition.default)), None)
    if video is None and not sounds:
        raise Refused("there is neither picture nor sound in this file; upload a video")
    if video is not None and (video.codec_context is None or not video.codec_context.width):
        raise Refused("the picture's format is unknown; convert the file to H.264 and upload it again")
    if video is not None and video.codec_context.width * video.codec_context.height > request["max_pixels"]:
        size = f"{video.codec_context.width}x{video.codec_context.height}"
        raise Refused(f"the picture has {size} pixels; at most {request['max_pixels']:,} are taken: make it smaller")

    frame = None
    if video is not None:
        frame = first_picture(container, video)
        # Opened again instead of seeking back: after a seek, the edits and the priming at the start are missing.
        picture_index, sound_indexes = video.index, [sound.index for sound in sounds]
        container.close()
        container = open_file(request)
        video, sounds = container.streams[picture_index], [container.streams[index] for index in sound_indexes]
    tracks, keys = walk(container, video, sounds, request)
    duration = max(track.end for track in tracks.values())
    return {
        "container": container.format.name,
        "duration": round(duration, 6),
        "bit_rate": round(8 * sum(track.bytes for track in tracks.values()) / duration) if duration else 0,
        "size": container.size,
        "video": video_facts(video, frame, tracks[video.index], keys, container) if video is not None else None,
        "audio": [audio_facts(sound, tracks[sound.index]) for sound in sounds],
        "subtitles": [subtitle_facts(stream) for stream in container.streams.subtitles],
        "chapters": chapter_facts(container, duration),
        "title": clip(container.metadata.get("title", "")),
        "cover": cover_facts(request) if video is None else None,
    }


def cover_facts(request: dict[str, Any]) -> dict[str, Any] | None:
    """The first cover picture (album art) within the size limit; None if there is none, or it cannot be decoded."""
    container = open_file(request)
    for stream in container.streams.video:
        context = stream.codec_context
        if not stream.disposition & Disposition.attached_pic or context is None:
            continue
        if not 0 < context.width * context.height <= request["max_pixels"]:
            continue
        context.options = {"err_detect": "explode"}  # any damage is an error here, as it would end the encoding
        try:
            frame = first_picture(container, stream)
        except Refused:
            return None
        if not frame.is_corrupt and (frame.width, frame.height) == (context.width, context.height):
            return {"index": stream.index, "width": frame.width, "height": frame.height}
    return None


def walk(
    container: InputContainer, video: Any, sounds: list[Any], request: dict[str, Any]
) -> tuple[dict[int, Track], Keys]:
    """Reads every packet of video and audio. Returns what was counted, by stream index, and the video's key frames.

    Raises Refused for what breaks off, is too long, has too long gaps or unpacks to too much.
    """
    wanted = ([video] if video is not None else []) + sounds
    origin = (container.start_time or 0) / 1e6
    tracks = {stream.index: Track(0.0 if stream is video else PRIMING) for stream in wanted}
    keys = Keys(request["segment_seconds"])
    h264 = video is not None and video.codec_context.name == "h264"
    length_size = nal_length_size(video.codec_context.extradata) if h264 else 0
    for stream in container.streams:
        if stream not in wanted:
            stream.discard = Discard.all
    unpacked = 0
    try:
        for packet in container.demux(wanted):
            if packet.size == 0:  # the flush at the end
                continue
            track = tracks[packet.stream_index]
            time = track.add(packet, origin)
            unpacked += packet.size
            if unpacked > MOST_UNPACKED * container.size + SMALL:
                raise Refused("the file unpacks to far more than its size; convert it and upload it again")
            if track.end > request["max_duration"]:
                raise Refused(f"the video is longer than the {request['max_duration'] / 3600:.1f} h that are taken")
            if video is not None and packet.stream_index == video.index:
                if packet.has_sidedata("new_extradata"):
                    track.clean = False  # the format changes in the middle of the file
                if packet.is_keyframe and time is not None:
                    keys.add(time, h264 and is_idr(packet, length_size), track.bytes - packet.size)
                elif track.packets == 1:
                    track.clean = False
    except av.error.FFmpegError:
        refuse_broken(container, tracks)
        raise Refused("the file is damaged and cannot be read through; upload it again") from None
    if not any(track.packets for track in tracks.values()):
        raise Refused("there is neither picture nor sound in this file; upload a video")
    if video is not None and not tracks[video.index].packets:
        raise Refused("there is no picture in this file; upload it again")
    refuse_broken(container, tracks)
    refuse_incomplete_flac(container, tracks)
    for track in tracks.values():
        refuse_gaps(track, video is not None and track is tracks[video.index], request["max_gap"])
    if video is not None and keys.last is not None:
        keys.longest = max(keys.longest, tracks[video.index].end - keys.last)
        keys.end_segment(tracks[video.index].end, tracks[video.index].bytes)
    return tracks, keys


def refuse_broken(container: InputContainer, tracks: dict[int, Track]) -> None:
    """Refuses an MP4 or MOV file whose index lists packets beyond the file's end: an upload that broke off."""
    size = container.size
    for index, track in tracks.items():
        entries = container.streams[index].index_entries
        last = entries[len(entries) - 1] if len(entries) else None
        if last is not None and container.format.name.startswith("mov") and last.pos + last.size > size:
            stream: Any = container.streams[index]
            whole = float(stream.duration * stream.time_base) if stream.duration else 0.0
            of = f" of {whole:.0f} s" if whole > track.end else ""
            raise Refused(f"the file breaks off after {track.end:.0f} s{of}; upload it again")


def refuse_incomplete_flac(container: InputContainer, tracks: dict[int, Track]) -> None:
    """Refuses a FLAC file whose header declares more samples than there are. FLAC has no index to check instead."""
    for index, track in tracks.items():
        stream = container.streams[index]
        whole = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
        if container.format.name == "flac" and track.end < 0.98 * whole - 0.5:
            raise Refused(f"the file breaks off after {track.end:.0f} s of {whole:.0f} s; upload it again")


def named(names: dict[int, str], code: int) -> str:
    """FFmpeg's name of a colour property; its number if it is not in `names`, empty if the file does not declare it."""
    return "" if code == UNSPECIFIED else names.get(int(code), str(int(code)))


def in_rgb(form: Any) -> bool:
    """Whether a pixel format holds red, green and blue, directly or in a palette."""
    return bool(form.is_rgb or form.has_palette)


def orientation(frame: Any) -> tuple[int, bool]:
    """By how many degrees the frame's display matrix turns it, and whether it also mirrors it."""
    data = next((item for item in frame.side_data if item.type.name == "DISPLAYMATRIX"), None)
    if data is None:
        return 0, False
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(data)[:36])
    mirrored = a * d - b * c < 0
    return round(frame.rotation) % 360, mirrored


def refuse_gaps(track: Track, is_picture: bool, most: float) -> None:
    """Refuses a track that begins after more than `most` seconds, or pauses for longer.

    Gaps are filled with still pictures or silence: a file of a few kilobytes could keep a worker busy for hours.
    """
    what, pause = ("picture", track.longest_step) if is_picture else ("sound", max(track.paused, track.longest_step))
    start = track.begins
    if start > most:
        raise Refused(f"the {what} begins only after {start:.0f} s; cut off what is before it, and upload it again")
    if pause > most:
        raise Refused(f"the {what} stands still for {pause:.0f} s, at most {most:.0f} are taken; convert the file")


def video_facts(stream: Any, frame: Any, track: Track, keys: Keys, container: InputContainer) -> dict[str, Any]:
    """The fields of `probe.Video`."""
    context = stream.codec_context
    sar = ratio(stream.sample_aspect_ratio or context.sample_aspect_ratio, 0.05, 20) or Fraction(1)
    rotation, mirrored = orientation(frame)
    width, height = round(context.width * sar), context.height
    if rotation % 180:
        width, height = height, width
    length = track.end - track.begins
    nominal = ratio(stream.guessed_rate or stream.average_rate, 0.1, 1000)
    average = track.packets / length if length > 0 else 0.0
    return {
        "index": stream.index,
        "codec": context.codec.canonical_name,
        "profile": clip(context.profile or "", 60),
        "level": context.level or 0,
        "pix_fmt": frame.format.name,
        "bit_depth": max(component.bits for component in frame.format.components),
        "width": context.width,
        "height": context.height,
        "sample_aspect": f"{sar.numerator}/{sar.denominator}",
        "display_width": max(1, width),
        "display_height": max(1, height),
        "rotation": rotation,
        "mirrored": mirrored,
        "fps": round(float(nominal) if nominal else min(average, 1000.0) or 25.0, 4),
        "avg_fps": round(average, 4),
        "variable_rate": bool(track.steps) and max(track.steps) > 1.5 * min(track.steps),
        "interlaced": bool(context.field_order not in PROGRESSIVE or frame.interlaced_frame),
        "time_base": f"{stream.time_base.numerator}/{stream.time_base.denominator}",
        "bit_rate": round(8 * track.bytes / length) if length > 0 else 0,
        "peak_bit_rate": round(keys.peak),
        "frames": track.packets,
        "start": round(track.begins, 6),
        "end": round(track.end, 6),
        "color_transfer": named(TRANSFERS, int(frame.color_trc)),
        "color_primaries": named(PRIMARIES, int(frame.color_primaries)),
        "color_space": "gbr" if in_rgb(frame.format) else named(MATRICES, int(frame.colorspace)),
        "color_range": RANGES.get(int(frame.color_range), ""),
        "clean": track.clean,
        "key_frames": keys.count,
        "longest_gop": round(keys.longest, 6),
        "closed_gops": keys.closed,
        "segment_starts": keys.starts,
    }


def audio_facts(stream: Any, track: Track) -> dict[str, Any]:
    """The fields of `probe.Audio`."""
    context = stream.codec_context
    length = track.end - track.begins
    return {
        "index": stream.index,
        "codec": context.codec.canonical_name,
        "profile": clip(context.profile or "", 60),
        "channels": context.layout.nb_channels if context.layout else 0,
        "rate": context.sample_rate or 0,
        "bit_rate": round(8 * track.bytes / length) if length > 0 else 0,
        "language": clip(stream.language or "", 20),
        "title": clip(stream.metadata.get("title") or stream.metadata.get("name") or "", 100),
        "default": bool(stream.disposition & Disposition.default),
        "start": round(track.begins, 6),
        "end": round(track.end, 6),
        "clean": track.clean,
    }


def subtitle_facts(stream: Any) -> dict[str, Any]:
    """The fields of `probe.Subtitle`."""
    codec = stream.codec_context.codec.canonical_name if stream.codec_context is not None else "unknown"
    return {
        "index": stream.index,
        "codec": codec,
        "language": clip(stream.language or "", 20),
        "default": bool(stream.disposition & Disposition.default),
        "is_text": codec in TEXT_SUBTITLES,
    }


def chapter_facts(container: InputContainer, duration: float) -> list[dict[str, Any]]:
    """The embedded chapters that begin before the end, at most `CHAPTER_LIMIT`."""
    chapters = []
    for chapter in container.chapters()[:CHAPTER_LIMIT]:
        fields: Any = chapter
        base = fields.get("time_base") or Fraction(1, 1)
        start, end = (round(float((fields.get(side) or 0) * base), 3) for side in ("start", "end"))
        if 0 <= start < duration:
            title = clip(fields.get("metadata", {}).get("title", ""))
            chapters.append({"start": start, "end": min(max(end, start), duration), "title": title})
    return chapters


def main() -> None:
    request = json.load(sys.stdin)
    try:
        answer = read(request)
    except Refused as refused:
        answer = {"error": str(refused)}
    except MemoryError:
        answer = {"error": TOO_MUCH_MEMORY}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
