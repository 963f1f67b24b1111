"""A run in a warm process against a bare script that does the same media work, verification and hashing."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from video_assets.artifacts.fingerprint import file_sha256
from video_assets.definitions import build_defs
from video_assets.defs.event_log.projector import Projector
from video_assets.defs.instance.opening import open_instance
from video_assets.defs.runner import run_video
from video_assets.intake.uploads import NewVideo, take_in
from video_assets.library import queries
from video_assets.media import encode, inspect, ladder, stills, subtitles
from video_assets.media.probe import probe
from video_assets.settings import Settings
from video_assets.systems import Systems
from video_assets_tests.media.clips import make_clip

CAPTIONS = "WEBVTT\n\n" + "\n".join(
    f"00:{second:02d}.000 --> 00:{second + 1:02d}.800\nThe herons wait near the harbour at dawn, number {second}.\n"
    for second in range(0, 10, 2)
)
HEIGHTS = "480,360,240"


def run(folder: Path, *, quick: bool) -> dict[str, float | str]:
    """Seconds and CPU seconds a run beyond the bare script, the ratios, and each stage's peak memory."""
    folder.mkdir(parents=True)
    settings = Settings(home=folder / "home", min_free_bytes=0, ladder=HEIGHTS)
    system = Systems(settings)
    short = [make_clip(folder / f"clip-{n}.mp4", seconds=10, captions=CAPTIONS) for n in range(3 if quick else 20)]
    long = make_clip(folder / "long.mp4", seconds=30 if quick else 300, captions=CAPTIONS)
    figures: dict[str, float | str] = {}
    with open_instance(settings) as instance:
        definitions = build_defs(settings)
        video_ids: list[int] = []

        def through_the_graph(path: Path) -> None:
            video = take_in(
                path,
                NewVideo(claimed_by="bench"),
                database=system.database,
                storage=system.storage,
                settings=settings,
            )
            run_video(definitions, instance, video.id, reason="bench")
            video_ids.append(video.id)

        through_the_graph(short[0])  # warms the process up
        for title, paths in ((f"{len(short)} clips of 10 s", short), ("one long clip", [long])):
            bare = _measured(lambda path: _bare(path, folder / "bare", settings), paths)
            ours = _measured(through_the_graph, paths)
            figures[f"{title}: wall, ours over bare"] = round(ours[0] / bare[0], 3)
            figures[f"{title}: CPU, ours over bare"] = round(ours[1] / bare[1], 3)
            figures[f"{title}: seconds a run beyond bare"] = round((ours[0] - bare[0]) / len(paths), 3)
            figures[f"{title}: CPU seconds a run beyond bare"] = round((ours[1] - bare[1]) / len(paths), 3)
        Projector(system).advance(instance, 0)
    with system.database.read() as session:
        for artifact in queries.artifacts(session, video_ids[-1]):
            cost = artifact.cost
            figures[f"{artifact.artefact}: peak memory of the worker, MB"] = round(cost["peak_bytes"] / 1e6)
            figures[f"{artifact.artefact}: peak memory of its largest child, MB"] = round(
                cost["child_peak_bytes"] / 1e6
            )
        statuses = queries.counts(session)
    figures["statuses at the end"] = ", ".join(f"{status}: {count}" for status, count in statuses.items())
    return figures


def _bare(path: Path, folder: Path, settings: Settings) -> None:
    """The same work without graph, tables or storage: probe, ladder, stills, verification, text track, hashes."""
    folder.mkdir(exist_ok=True)
    limits = {"max_streams": settings.max_streams, "max_pixels": settings.max_pixels}
    probed = probe(path, max_duration=settings.max_duration_seconds, **limits)
    plan = ladder.plan(probed, settings.heights)
    encode.encode(plan, probed, path, folder, plan.rungs)
    stills.finish(folder, probed)
    inspect.variants(folder, plan, probed)
    subtitles.extract_text_track(path, probed, folder)
    for made in [path, *folder.iterdir()]:
        file_sha256(made)
    for made in folder.iterdir():
        made.unlink()


def _measured(work: Callable[[Path], object], paths: Sequence[Path]) -> tuple[float, float]:
    wall, cpu = time.monotonic(), _cpu()
    for path in paths:
        work(path)
    return time.monotonic() - wall, _cpu() - cpu


def _cpu() -> float:
    used = [resource.getrusage(kind) for kind in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
