"""`video-assets up`: runs everything on this machine until Ctrl-C."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from video_assets.cli.render.output import Output, pass_output

if TYPE_CHECKING:
    from video_assets.cli.up.services import Services
    from video_assets.settings import Settings
    from video_assets.systems import Systems

LOOK_SECONDS = 0.5


@click.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535), help="Port of the Dagster UI.")
@click.option(
    "--web-port",
    type=click.IntRange(1, 65535),
    help="Port of the web  [default: 8000, or a free one where another program has that]",
)
@click.option("--open", "open_browser", is_flag=True, help="Open the Dagster UI in a browser once it is ready.")
@pass_output
def up(output: Output, port: int, web_port: int | None, open_browser: bool) -> None:
    """Start everything on this machine and stay until Ctrl-C: the web, the Dagster UI, and the daemon whose sensors
    take files from the inbox folder, launch runs, and keep the status columns up to date.

    \b
    video-assets up
    video-assets up --port 3100
    VIDEO_ASSETS_HOME=/srv/videos video-assets up

    It listens on this machine only: whoever reaches the Dagster UI can start and delete runs.
    """
    from video_assets.cli.up.alone import alone
    from video_assets.cli.up.services import started
    from video_assets.settings import Settings

    settings = Settings.load()
    log = settings.home.absolute() / "logs" / "up.log"
    with alone(settings.home, port=port) as mine:
        systems = prepare(settings)
        with started(settings, port, log=log, alone=mine, web_port=web_port) as services:
            output.say("starting; this takes some seconds")
            services.wait_until_ready()
            try:
                output.say(addresses(services, systems))
                output.say("drop a video into the inbox, or: video-assets process FILE; Ctrl-C stops everything")
                if open_browser:
                    click.launch(services.address)
                follow(output, systems, services)
            except KeyboardInterrupt:
                output.say("stopping; a second Ctrl-C ends runs at once, and the next start goes on with them")
    output.say("stopped; nothing is left running")


def prepare(settings: Settings) -> Systems:
    """Makes folders, schema and Dagster's home, and tries every server. PermanentError, in the words of `doctor`, where
    something is wrong, before anything starts."""
    from video_assets.cli.doctor.checks import must_answer
    from video_assets.cli.up.private import make_for_all
    from video_assets.defs.instance.opening import prepare_dagster_home
    from video_assets.errors import PermanentError, one_line
    from video_assets.systems import Systems

    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        if settings.inbox_url is None:
            make_for_all(settings.inbox_folder)
    except OSError as error:
        what = f"cannot write {error.filename}: {error.strerror}; set VIDEO_ASSETS_HOME"
        raise PermanentError(one_line(what)) from None
    systems = Systems(settings)
    must_answer(systems)
    prepare_dagster_home(settings)
    return systems


def addresses(services: Services, systems: Systems) -> str:
    """The addresses and folders, for people."""
    settings = systems.settings
    return (
        f"API          {services.web_address}/api/v1\n"
        f"Dagster UI   {services.address}\n"
        f"inbox        {settings.inbox_url or settings.inbox_folder}\n"
        f"data         {settings.home.absolute()}\n"
        f"log          {services.log}"
    )


def follow(output: Output, systems: Systems, services: Services) -> None:
    """Prints changes in the tables and restarts of parts, until interrupted. TransientError where a part does not stay
    up."""
    from video_assets.cli.render.changes import Watcher
    from video_assets.errors import TransientError

    watcher = Watcher(systems.database)
    while True:
        services.must_run()
        for line in services.news():
            output.note(line)
        try:
            for line in watcher.look():
                output.say(line)
        except TransientError as error:
            output.note(f"{error}; trying again")
        time.sleep(LOOK_SECONDS)
