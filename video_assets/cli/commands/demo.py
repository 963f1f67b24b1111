"""`video-assets demo`: processes the bundled sample with the real daemon, in a folder of its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from video_assets.cli.render.output import Output, pass_output

if TYPE_CHECKING:
    from video_assets.cli.up.services import Services
    from video_assets.settings import Settings
    from video_assets.systems import Systems
    from video_assets.videos import Video

SECONDS = 120.0
"""Time limit from the start of the services to `ready`."""

SEARCHED = "herons in the harbour"
LOOK_SECONDS = 0.1


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the Dagster UI; a free one where none is named.")
@pass_output
def demo(output: Output, port: int | None) -> int:
    """See it work: starts what `up` starts over an empty folder of its own (HOME/demo), takes the bundled
    sample in, shows each status as it appears in the table, and then what was made: summary, chapters, tags,
    a search hit with its second, and the events other services were told.

    On a terminal it stays up until Ctrl-C, so that you can look around; without one it ends by itself.
    """
    from video_assets.cli.commands.up import addresses, follow, prepare
    from video_assets.cli.up.demo_folder import demo_settings, own_folder
    from video_assets.cli.up.services import free_port, started
    from video_assets.errors import TransientError

    settings = demo_settings()
    deadline = time.monotonic() + SECONDS
    port = port or free_port()
    with own_folder(settings.home, port) as mine:
        systems = prepare(settings)
        log = settings.home.absolute() / "logs" / "up.log"
        with started(settings, port, log=log, alone=mine) as services:
            output.say("starting Dagster: webserver, daemon, sensors")
            try:
                services.wait_until_ready(deadline - time.monotonic())
                video = _take_sample_in(output, systems, settings)
                _see_it_through(output, systems, services, video, deadline)
                _show(output, systems, video, deadline)
            except TransientError as error:
                output.note(f"video-assets: {error}")
                output.note(services.last_words(30, one=False))
                return 1
            output.say()
            output.say(addresses(services, systems))
            if output.answers.is_terminal:
                output.say("it stays up: drop a video of yours into the inbox; Ctrl-C ends it")
                try:
                    follow(output, systems, services)
                except KeyboardInterrupt:
                    output.say("stopping")
        output.say("stopped; nothing is left running")
    return 0


def _take_sample_in(output: Output, systems: Systems, settings: Settings) -> Video:
    import video_assets
    from video_assets.intake.uploads import NewVideo, take_in

    sample = Path(video_assets.__file__).parent / "sample" / "harbour.mp4"
    # No claim: the daemon's sensor must find the video and launch its run.
    video = take_in(
        sample,
        NewVideo("The harbour, and more"),
        database=systems.database,
        storage=systems.storage,
        settings=settings,
    )
    output.say(f"video {video.id} taken in: {video.title}")
    return video


def _see_it_through(output: Output, systems: Systems, services: Services, video: Video, deadline: float) -> None:
    from video_assets.errors import TransientError
    from video_assets.library import views

    begun, last = time.monotonic(), ""
    while last != "ready":
        services.must_run()
        if time.monotonic() > deadline:
            raise TransientError(f"not ready within {SECONDS:.0f} s, still {last}; see {services.log}")
        with systems.database.read() as session:
            found = views.one(session, video.id)
        if found is not None and found.status != last:
            last = found.status
            output.say(f"  {time.monotonic() - begun:5.1f} s  {last}")
            if last == "failed":
                raise TransientError(f"the sample failed: {found.status_message}; see {services.log}")
        time.sleep(LOOK_SECONDS)


def _show(output: Output, systems: Systems, video: Video, deadline: float) -> None:
    from video_assets.artifacts import current
    from video_assets.cli.render.format import clock, plain, snippet_text
    from video_assets.errors import TransientError
    from video_assets.library import queries
    from video_assets.videos import Stage

    with systems.database.read() as session:
        summary = queries.summary(session, video.id)
    made = current(systems.storage, video.id, Stage.SUMMARIES)
    if summary is None or made is None:
        raise TransientError("the video is ready but has no summary; run video-assets reconcile")
    output.say(f"\nsummary   {plain(summary.summary_text, 2000)}")
    for chapter in made.facts["chapters"]:
        output.say(f"chapter   {clock(chapter['start'])}  {plain(chapter['title'])}")
    output.say(f"tags      {plain(', '.join(made.facts['tags']))}")
    hits = systems.search.search(SEARCHED, limit=1)
    if not hits:
        raise TransientError(f'the search for "{SEARCHED}" found nothing')
    output.say(f'search    "{SEARCHED}": {plain(hits[0].title)} at {clock(hits[0].start)} (second {hits[0].start:.1f})')
    from rich.text import Text

    output.say(Text("          ") + snippet_text(hits[0].snippet))
    for number, topic in enumerate(_published(systems, video, deadline), 1):
        output.say(f"event {number}   {topic}")


def _published(systems: Systems, video: Video, deadline: float) -> list[str]:
    """The video's topics in their order, once all are published."""
    from video_assets.errors import TransientError
    from video_assets.library import queries

    while True:
        with systems.database.read() as session:
            events = [(row.topic, row.published) for row, _ in queries.outbox(session, video.id)]
        if events and all(published for _, published in events):
            return [topic for topic, _ in events]
        if time.monotonic() > deadline:
            raise TransientError("the events were not published in time")
        time.sleep(LOOK_SECONDS)
