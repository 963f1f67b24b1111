"""One FFmpeg process for the whole ladder: decode once, split, scale each rung from the one above it.

The command is built by pure functions. ffmpeg-python only writes the filter graph; `sandbox` runs the command.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ffmpeg

from video_assets.errors import PermanentError
from video_assets.media import hls, stills
from video_assets.media.ladder import Ladder, Rung, Sound
from video_assets.media.probe import Probe, Video
from video_assets.media.sandbox.process import Limits, Progress, input_options, input_url, run_ffmpeg

# No version string or date of FFmpeg in the file: the same source and plan give the same bytes.
_BITEXACT = {"fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact"}
# No metadata and no chapters of the upload in the rungs. Its chapters are in the summary.
_NO_METADATA = {"map_metadata": -1, "map_chapters": -1}
# frag_keyframe: a fragment at each key frame, which becomes an HLS segment. delay_moov: the header is written after
# the first packets are known, so that it holds the edit list. default_base_moof: offsets count from the fragment, as
# Media Source requires. Not negative_cts_offsets: libavformat, and the players built on it, read it in fragments as a
# picture that starts late (67 ms with three B-frames). Media Source understands the edit list too.
_FRAGMENTS = "+frag_keyframe+delay_moov+default_base_moof"
_DECODED_BYTES = 2**25
"""Bytes that all decoding threads together may hold, one picture each. There is always one thread."""
_FILTER_THREADS = 4
_LARGE, _HUGE = 2_500_000, 2**24
"""Pixels of a source above which x264 is set to use less memory: more than 1080p, more than 4K."""
_GROWTH = 2
"""How many times larger a picture may become in the middle of the file."""
_SOUND = {
    "async": 1,  # fills gaps with silence
    "first_pts": 0,  # and pads a late start, so that sound begins at 0
    # Downmix of surround sound: the centre, where films have their speech, counts as much as left and right, the
    # surround channels half, the low-frequency channel nothing.
    "center_mix_level": 1,
    "surround_mix_level": 0.5,
    "lfe_mix_level": 0,
    "rematrix_maxval": 1,  # scales the mix down so that it cannot clip
}
# To linear light (zscale), tone mapping in floats, back to BT.709. Linear light and primaries are one zscale step: two
# give the same bits and hold 100 MB more at 4K.
_TONE_MAP = "zscale=t=linear:npl=100:p=bt709,format=gbrpf32le,tonemap=hable:desat=0,zscale=t=bt709:m=bt709:r=tv"


def encode(
    plan: Ladder,
    probe: Probe,
    source: Path,
    folder: Path,
    rungs: Sequence[Rung],
    *,
    on_progress: Callable[[Progress], None] | None = None,
    with_stills: bool = True,
) -> None:
    """Writes `{name}.mp4` and `{name}.m3u8` of these rungs into the folder, and the pictures that `stills` works on.

    `on_progress` is called about twice a second. Raises PermanentError if the source cannot be decoded to its end.
    """
    if not rungs and not with_stills:
        return
    args = command(plan, probe, source, folder, rungs, with_stills=with_stills)
    limits = limits_for(plan, probe, rungs)
    run_ffmpeg(
        args,
        limits=limits,
        reads=[source],
        writes=folder,
        duration=probe.duration,
        on_progress=on_progress,
        what="the encoding",
    )
    for rung in rungs:
        write_playlist(plan, rung, folder)


def write_playlist(plan: Ladder, rung: Rung, folder: Path) -> None:
    """Writes the media playlist beside a finished rung. Raises PermanentError if the rung's file is incomplete."""
    path = folder / f"{rung.name}.mp4"
    try:
        playlist, _ = hls.of_file(path, plan.key_times if rung.copy else None)
    except (ValueError, OSError) as error:
        raise PermanentError(f"{rung.name} came out broken ({error}); upload the file again") from None
    (folder / f"{rung.name}.m3u8").write_text(hls.write(playlist, path.name), encoding="utf-8")


def command(
    plan: Ladder, probe: Probe, source: Path, folder: Path, rungs: Sequence[Rung], *, with_stills: bool
) -> list[str]:
    """FFmpeg's arguments, without the program's name."""
    encoded = [rung for rung in rungs if not rung.copy and rung.height]
    options: dict[str, Any] = {**input_options(), **_decoder(probe)}
    if not encoded and probe.video is not None:
        options["skip_frame"] = "nokey"  # decodes key frames only: nothing but the stills needs pictures
    media = ffmpeg.input(input_url(source), **options)
    outputs = []
    pictures = _pictures(plan, probe, media, encoded, folder, with_stills)
    sounds = _sounds(plan, media, len(rungs))
    for number, rung in enumerate(rungs):
        streams = []
        if rung.height and probe.video is not None:
            streams.append(media[str(probe.video.index)] if rung.copy else pictures[rung.name])
        if plan.audio is not None:
            streams.append(sounds[number])
        settings = _output(plan, rung, probe.video)
        outputs.append(ffmpeg.output(*streams, _file(folder / f"{rung.name}.mp4"), **settings))
    if with_stills:
        if probe.video is None and probe.cover is not None:
            outputs.append(stills.cover_output(media[str(probe.cover.index)], probe.cover, folder))
        elif probe.video is None and plan.audio is not None:
            outputs.append(stills.waveform_output(media[str(plan.audio.index)], folder))
        elif probe.video is not None:
            outputs += stills.outputs(pictures["poster"], pictures["storyboard"], probe, folder)
    # The same number on every machine: each thread has a stack, and the sandbox's memory limit is the same everywhere.
    return ["-filter_complex_threads", str(_FILTER_THREADS), *ffmpeg.merge_outputs(*outputs).get_args()]


def _decoder(probe: Probe) -> dict[str, Any]:
    """Decoder options that bound its memory: each thread holds its own frames, and a stream can switch to larger ones.

    `threads`: how many decode at once. `max_pixels`: a larger picture is an error.
    """
    picture = probe.video or probe.cover
    if picture is None:
        return {}
    pixels = picture.width * picture.height
    held = pixels * (3 if probe.video and probe.video.bit_depth > 8 else 1.5)
    threads = max(1, min(os.cpu_count() or 1, int(_DECODED_BYTES / max(1, held))))
    return {"threads": threads, "max_pixels": max(_GROWTH * pixels, 2**21)}


def _sounds(plan: Ladder, media: Any, count: int) -> list[Any]:
    """The audio stream for each of `count` outputs: the source's own where it is copied, else a filtered one.

    It is filtered in the graph of the picture. With a filter for each output (`-af`), padding a late start deadlocks
    FFmpeg's scheduler as soon as there are two outputs and a still.
    """
    sound = plan.audio
    if sound is None or not count:
        return []
    stream = media[str(sound.index)]
    if sound.copy:
        return [stream] * count
    layout = "mono" if sound.channels == 1 else "stereo"
    made = stream.filter("aresample", **_SOUND).filter(
        "aformat", sample_fmts="fltp", sample_rates=sound.rate, channel_layouts=layout
    )
    if count == 1:
        return [made]
    branches = made.filter_multi_output("asplit", count)
    return [branches[number] for number in range(count)]


def _pictures(
    plan: Ladder, probe: Probe, media: Any, encoded: Sequence[Rung], folder: Path, with_stills: bool
) -> dict[str, Any]:
    """The picture stream for each encoded rung, by its name, and for `poster` and `storyboard`.

    Each rung is scaled from the one above it, which costs less than scaling each from the source.
    """
    if probe.video is None or not (encoded or with_stills):
        return {}
    picture = _named_colours(plan, probe.video, media[str(probe.video.index)])
    if plan.deinterlace:  # one picture for each frame, not for each field; only frames that are marked as interlaced
        picture = picture.filter("bwdif", mode="send_frame", deint="interlaced")
    if plan.change_fps and encoded:
        picture = picture.filter("fps", fps=encoded[0].fps)
    if plan.pad_start:
        picture = picture.filter("setpts", "PTS-STARTPTS")
    if plan.pad_start or (plan.pad_end and encoded):
        picture = picture.filter(
            "tpad",
            start_mode="clone",
            start_duration=f"{plan.pad_start:.6f}",
            stop_mode="clone",
            stop_duration=f"{plan.pad_end:.6f}",
        )
    branched: dict[str, Any] = {}
    poster_from = next((rung for rung in encoded if min(rung.width, rung.height) <= stills.POSTER_SIDE), None)
    for number, rung in enumerate(encoded):
        matrix = {"out_color_matrix": "bt709"} if number == 0 and probe.video.color_space == "gbr" else {}
        picture = picture.filter("scale", rung.width, rung.height, flags="bicubic", out_range="tv", **matrix)
        if plan.tone_map and number == 0:
            picture = _tone_mapped(picture)
        # yuv420p is what every player decodes; square pixels; limited range, which `scale` has made above.
        picture = picture.filter("format", "yuv420p").filter("setsar", "1").filter("setparams", range="tv")
        consumers = [rung.name]
        if with_stills and rung is poster_from:
            consumers.append("poster")
        last = rung is encoded[-1]
        if not last or with_stills:
            consumers.append("next")
        if len(consumers) == 1:
            branched[rung.name] = picture
            break
        branches = picture.filter_multi_output("split", len(consumers))
        parts = {name: branches[at] for at, name in enumerate(consumers)}
        picture = parts.pop("next")
        branched |= parts
    if with_stills:
        if not encoded and plan.tone_map:
            picture = _tone_mapped(picture)
        if "poster" in branched:
            branched["storyboard"] = picture
        else:
            branches = picture.filter_multi_output("split", 2)
            branched["poster"], branched["storyboard"] = branches[0], branches[1]
    return branched


def _named_colours(plan: Ladder, video: Video, picture: Any) -> Any:
    """The picture with the plan's colour properties where the source declares none. Labels only, converts nothing."""
    declared = {
        "color_primaries": video.color_primaries,
        "color_trc": video.color_transfer,
        "colorspace": video.color_space,
    }
    planned = dict(zip(declared, (plan.colours.primaries, plan.colours.transfer, plan.colours.matrix), strict=True))
    missing = {name: planned[name] for name in declared if not declared[name]}
    return picture.filter("setparams", **missing) if missing and not plan.tone_map else picture


def _tone_mapped(picture: Any) -> Any:
    """High dynamic range mapped to BT.709. Runs at the size of the top rung, as no other filter costs as much."""
    for step in _TONE_MAP.split(","):
        name, _, arguments = step.partition("=")
        pairs = dict(part.split("=") for part in arguments.split(":") if "=" in part)
        values = [part for part in arguments.split(":") if "=" not in part]
        picture = picture.filter(name, *values, **pairs)
    return picture


def _output(plan: Ladder, rung: Rung, video: Video | None) -> dict[str, Any]:
    """Output options of one rung; `video` is the source's picture."""
    options: dict[str, Any] = {
        **_BITEXACT,
        **_NO_METADATA,
        "format": "mp4",
        "movflags": _FRAGMENTS,
        # Packets that wait for the first one of the other stream: the default of 128 is too few if that begins late.
        "max_muxing_queue_size": 4096,
        "sn": None,  # no subtitles
        "dn": None,  # no data streams
    }
    if video is None:  # sound alone has no key frames to begin a fragment at: a fragment begins every segment length
        options |= {"movflags": "+delay_moov+default_base_moof", "frag_duration": int(plan.segment_seconds * 1e6)}
    if rung.height and rung.copy:
        options["c:v"] = "copy"
    elif rung.height and video is not None:
        options |= _x264(plan, rung) | _sparing(plan, rung, video)
    return options | (_aac(plan.audio) if plan.audio is not None else {})


def _x264(plan: Ladder, rung: Rung) -> dict[str, Any]:
    return {
        "c:v": "libx264",
        "preset": "veryfast",
        "profile:v": "high",
        # Constant quality, with a ceiling on the bit rate.
        "crf": rung.crf,
        "maxrate": rung.maxrate,
        "bufsize": rung.bufsize,
        "fps_mode": "vfr",  # keeps the source's frame times, repeats no frames
        # Key frames only where they are forced, so that all rungs have them at the same times and a player can switch:
        "sc_threshold": 0,  # none at scene changes
        "g": 100_000,  # none after a number of frames
        "keyint_min": 1,  # a forced one may come soon after the last
        "forced-idr": 1,  # a forced one is an IDR, so that decoding can begin at it
        "force_key_frames": key_frames(plan),
    }


def _sparing(plan: Ladder, rung: Rung, video: Video) -> dict[str, Any]:
    """x264's threads and lookahead, which decide how many pictures it holds, by the size of the source.

    The number of threads is the same on every machine, since the bytes depend on it. With four threads and the
    preset's lookahead of ten pictures, a 4K ladder was measured to hold 2.0 GB, an 8K one 2.3 GB; with these values
    1.4 GB each. Half the lookahead takes a tenth more bits for the same quality, so the small rungs of 4K, which hold
    little, keep all of it.
    """
    pixels = video.width * video.height
    if pixels <= _LARGE:
        return {"threads:v": 4}
    if pixels > _HUGE or plan.tone_map:
        threads, ahead = 1, 3
    elif rung.width * rung.height > _LARGE:
        threads, ahead = 2, 6
    else:
        threads, ahead = 1, 10
    # sync-lookahead=0: no extra buffer of pictures for a lookahead thread.
    return {"threads:v": threads, "rc-lookahead": ahead, "x264-params": "sync-lookahead=0"}


def key_frames(plan: Ladder) -> str:
    """The value of FFmpeg's `-force_key_frames`: the copied rung's segment starts if there is one, else an interval."""
    if plan.key_times is None:
        # Counted from the last key frame, not from 0: after a gap, every frame would be forced until the count caught
        # up.
        return f"expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+{plan.segment_seconds - 0.002:g}))"
    # FFmpeg takes the first frame at or after each time. Two milliseconds earlier, rounding cannot skip to the next.
    return ",".join(f"{max(0.0, time - 0.002):.6f}" for time in plan.key_times)


def _aac(sound: Sound) -> dict[str, Any]:
    if sound.copy:
        # AAC of a transport stream has ADTS headers, which MP4 must not have. For fragments the muxer does not add this
        # filter itself.
        return {"c:a": "copy", "bsf:a": "aac_adtstoasc"}
    return {"c:a": "aac", "b:a": sound.bit_rate}


def limits_for(plan: Ladder, probe: Probe, rungs: Sequence[Rung]) -> Limits:
    """Limits of the encoding, by the size of the source: about ten times what encodings were measured to take."""
    picture = probe.video or probe.cover
    pixels = picture.width * picture.height if picture else 0
    frames = probe.duration * (min(probe.video.fps, 240) if probe.video else 1)
    cpu = 120 + frames * (pixels / 1e6) * 1.5 + probe.duration
    sound = plan.audio.bit_rate if plan.audio else 0
    rates = [rung.maxrate + sound for rung in rungs]
    sizes = [max(probe.size, rate * probe.duration / 8) for rate in rates]
    return Limits(
        address_space_bytes=3 * 2**30 + 600 * pixels,
        cpu_seconds=int(cpu),
        file_bytes=int(1.5 * max(sizes, default=0)) + 64 * 2**20,
        wall_seconds=cpu * 2,
        stall_seconds=60,
        output_bytes=int(1.5 * sum(sizes)) + 64 * 2**20,
    )


def _file(path: Path) -> str:
    return f"file:{path.absolute()}"
