"""`video-assets metrics`: figures of this machine and of the library, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from video_assets.cli.render.output import Output, pass_output

if TYPE_CHECKING:
    from video_assets.footprint import Footprint
    from video_assets.settings import Settings
    from video_assets.systems import Systems

_HELP = {
    "process_open_handles": "File handles that a part of the system holds.",
    "process_max_handles": "File handles that it may hold.",
    "process_resident_bytes": "Its memory.",
    "process_threads": "Its threads.",
    "videos": "Videos by status.",
    "outbox_waiting": "Events that are still to be published, parked ones too.",
    "outbox_parked": "Events that are set aside until somebody releases them.",
    "free_bytes": "Free bytes where files are made (home) and kept (storage).",
}
_PROGRAMS = {"dagster_webserver": "webserver", "video_assets.defs.instance.daemon": "daemon", "worker": "worker"}
"""Word in the command line → name of the part, for parts that were not started by `up`."""


@click.command()
@pass_output
def metrics(output: Output) -> None:
    """Print figures in the text format of Prometheus: handles, memory and threads of every part that runs on this
    machine, videos by status, events that wait, free bytes.

    \b
    video-assets metrics
    video-assets metrics > /var/lib/node_exporter/video_assets.prom      every minute, by cron
    """
    from video_assets.settings import Settings
    from video_assets.systems import Systems

    settings = Settings.load()
    lines, said = list[str](), set[str]()
    for name, labels, value in (*_of_parts(settings), *_of_library(Systems(settings))):
        if name not in said:
            said.add(name)
            lines += [f"# HELP video_assets_{name} {_HELP[name]}", f"# TYPE video_assets_{name} gauge"]
        lines.append(f"video_assets_{name}{labels} {value}")
    output.say("\n".join(lines))


def parts(settings: Settings) -> dict[str, int]:
    """Name → pid of every part that runs here: those of the `up` over this HOME, or else all of this user."""
    import psutil

    from video_assets.cli.up.alone import who

    noted = who(settings.home)
    if noted is not None:
        found = {name: part.get("pid") for name, part in (noted.get("parts") or {}).items()}
        return {name: pid for name, pid in {"up": noted.get("pid"), **found}.items() if pid}
    others: dict[str, int] = {}
    me = psutil.Process().uids().real
    for process in psutil.process_iter(["cmdline", "uids"]):
        if not process.info["uids"] or process.info["uids"].real != me:
            continue
        words = [word.rpartition("/")[2].replace("-", "_") for word in (process.info["cmdline"] or ())[:4]]
        for program, name in _PROGRAMS.items():
            if program in words and any("video_assets" in word or "dagster" in word for word in words):
                others.setdefault(name, process.pid)
    return others


def _of_parts(settings: Settings) -> Iterator[tuple[str, str, float]]:
    from video_assets.footprint import footprint

    found = [(f'{{part="{name}"}}', footprint(pid)) for name, pid in parts(settings).items()]
    held: list[tuple[str, Footprint]] = [(labels, each) for labels, each in found if each is not None]
    yield from (("process_open_handles", labels, each.handles) for labels, each in held)
    yield from (("process_max_handles", labels, each.limit) for labels, each in held)
    yield from (("process_resident_bytes", labels, each.bytes) for labels, each in held)
    yield from (("process_threads", labels, each.threads) for labels, each in held)


def _of_library(systems: Systems) -> Iterator[tuple[str, str, float]]:
    from video_assets.library import queries
    from video_assets.outbox import queue
    from video_assets.systems import free_bytes

    with systems.database.read() as session:
        counts = queries.counts(session)
        waiting, parked = queries.unpublished_count(session), queue.parked_count(session)
    yield from (("videos", f'{{status="{status}"}}', count) for status, count in sorted(counts.items()))
    yield "outbox_waiting", "", waiting
    yield "outbox_parked", "", parked
    yield "free_bytes", '{place="home"}', free_bytes(systems.settings.home)
    stored = systems.storage.free_bytes()
    if stored is not None:
        yield "free_bytes", '{place="storage"}', stored
