"""One FFmpeg process for the whole ladder: decode once, split, scale each rung from the one above it.

The command is built by pure functions; ffmpeg-python writes the graph, nothing runs through it.
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

_BITEXACT = {"fflags": "+bitexact", "flags:v": "+bitexact", "flags:a": "+bitexact"}
_NO_METADATA = {"map_metadata": -1, "map_chapters": -1}
# Not negative_cts_offsets: libavformat reads those of fragments as a late picture (67 ms with three B-frames), and so
# do the players built on it. The edit list that stands there instead is understood by Media Source too.
_FRAGMENTS = "+frag_keyframe+delay_moov+default_base_moof"
_DECODED_BYTES = 2**25
"""What decoding threads may hold, one picture each; one thread there is always."""
_FILTER_THREADS = 4
_LARGE, _HUGE = 2_500_000, 2**24
"""Pixels of a source above which its encoders must be sparing of memory: more than 1080p, more than 4K."""
_GROWTH = 2
"""A picture may become so many times larger half-way."""
# Sound that has a place of its own: gaps are filled and a late start is padded. Of many channels the middle one, where
# films have their speech, counts as much as left and right, and those behind half; scaled so that nothing clips.
_SOUND = {
    "async": 1,
    "first_pts": 0,
    "center_mix_level": 1,
    "surround_mix_level": 0.5,
    "lfe_mix_level": 0,
    "rematrix_maxval": 1,
}
# Linear light and the primaries in one step: as two it gives the same bits, and holds 100 MB more of 4K.
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
    """Writes `{name}.mp4` and `{name}.m3u8` of the named rungs into the folder, and with them what `stills` needs.

    `on_progress` is called about twice a second. Raises PermanentError where the source cannot be played through.
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
    """Writes the media playlist beside a finished rung."""
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
        options["skip_frame"] = "nokey"  # only stills need pictures, and key frames will do
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
    # As many on every machine: each has a stack, and the limits of the door are the same everywhere.
    return ["-filter_complex_threads", str(_FILTER_THREADS), *ffmpeg.merge_outputs(*outputs).get_args()]


def _decoder(probe: Probe) -> dict[str, Any]:
    """Bounds of the decoder: each thread holds frames of its own, and a stream can ask for larger ones half-way."""
    picture = probe.video or probe.cover
    if picture is None:
        return {}
    pixels = picture.width * picture.height
    held = pixels * (3 if probe.video and probe.video.bit_depth > 8 else 1.5)
    threads = max(1, min(os.cpu_count() or 1, int(_DECODED_BYTES / max(1, held))))
    return {"threads": threads, "max_pixels": max(_GROWTH * pixels, 2**21)}


def _sounds(plan: Ladder, media: Any, count: int) -> list[Any]:
    """The sound for each of so many outputs.

    What is encoded is filtered in the one graph beside the picture. As a filter of each output (`-af`) the padding of
    a late start brings FFmpeg's scheduler to a standstill as soon as there are two outputs and a still.
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
    """The picture for each encoded rung, for `poster` and for `storyboard`, scaled one from the other."""
    if probe.video is None or not (encoded or with_stills):
        return {}
    picture = _named_colours(plan, probe.video, media[str(probe.video.index)])
    if plan.deinterlace:
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
    taken: dict[str, Any] = {}
    poster_from = next((rung for rung in encoded if min(rung.width, rung.height) <= stills.POSTER_SIDE), None)
    for number, rung in enumerate(encoded):
        matrix = {"out_color_matrix": "bt709"} if number == 0 and probe.video.color_space == "gbr" else {}
        picture = picture.filter("scale", rung.width, rung.height, flags="bicubic", out_range="tv", **matrix)
        if plan.tone_map and number == 0:
            picture = _tone_mapped(picture)
        picture = picture.filter("format", "yuv420p").filter("setsar", "1").filter("setparams", range="tv")
        wanted = [rung.name]
        if with_stills and rung is poster_from:
            wanted.append("poster")
        last = rung is encoded[-1]
        if not last or with_stills:
            wanted.append("next")
        if len(wanted) == 1:
            taken[rung.name] = picture
            break
        branches = picture.filter_multi_output("split", len(wanted))
        parts = {name: branches[at] for at, name in enumerate(wanted)}
        picture = parts.pop("next")
        taken |= parts
    if with_stills:
        if not encoded and plan.tone_map:
            picture = _tone_mapped(picture)
        if "poster" in taken:
            taken["storyboard"] = picture
        else:
            branches = picture.filter_multi_output("split", 2)
            taken["poster"], taken["storyboard"] = branches[0], branches[1]
    return taken


def _named_colours(plan: Ladder, video: Video, picture: Any) -> Any:
    """The picture with what it does not say of its colours put in; nothing is converted by this."""
    said = {
        "color_primaries": video.color_primaries,
        "color_trc": video.color_transfer,
        "colorspace": video.color_space,
    }
    taken = dict(zip(said, (plan.colours.primaries, plan.colours.transfer, plan.colours.matrix), strict=True))
    missing = {name: taken[name] for name in said if not said[name]}
    return picture.filter("setparams", **missing) if missing and not plan.tone_map else picture


def _tone_mapped(picture: Any) -> Any:
    """High dynamic range brought down to BT.709, at the size of the top rung: this is the dearest filter of all."""
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
        "max_muxing_queue_size": 4096,
        "sn": None,
        "dn": None,
    }
    if video is None:
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
        "crf": rung.crf,
        "maxrate": rung.maxrate,
        "bufsize": rung.bufsize,
        "fps_mode": "vfr",
        "sc_threshold": 0,
        "forced-idr": 1,
        # Key frames come where they are forced, and nowhere else: on the same times in every rung.
        "g": 100_000,
        "keyint_min": 1,
        "force_key_frames": key_frames(plan),
    }


def _sparing(plan: Ladder, rung: Rung, video: Video) -> dict[str, Any]:
    """How many pictures x264 may hold, by the size of the source: one a thread, and those it looks ahead at.

    The same number of threads on every machine, since its bytes depend on it. With the preset's own (four threads, ten
    pictures ahead) a ladder of 4K was seen to hold 2.0 GB, of 8K 2.3 GB; with these 1.4 GB both. Looking ahead half
    as far takes a tenth more bits for what one sees, so the small rungs of 4K, which hold little, look as far as ever.
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
    return {"threads:v": threads, "rc-lookahead": ahead, "x264-params": "sync-lookahead=0"}


def key_frames(plan: Ladder) -> str:
    """FFmpeg's `-force_key_frames`: at the copied rung's segment starts, else regularly."""
    if plan.key_times is None:
        # From the last one, not from 0: behind a gap, every frame would be forced until the count had caught up.
        return f"expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+{plan.segment_seconds - 0.002:g}))"
    # The first frame at or after each time is taken: two milliseconds early, rounding cannot make it the next one.
    return ",".join(f"{max(0.0, time - 0.002):.6f}" for time in plan.key_times)


def _aac(sound: Sound) -> dict[str, Any]:
    if sound.copy:
        # With fragments the muxer adds no filters of its own, and a transport stream's AAC has headers to take off.
        return {"c:a": "copy", "bsf:a": "aac_adtstoasc"}
    return {"c:a": "aac", "b:a": sound.bit_rate}


def limits_for(plan: Ladder, probe: Probe, rungs: Sequence[Rung]) -> Limits:
    """What the encoding of such a source may take at most: some ten times what it is seen to take."""
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
