"""`video-assets process`: takes files in, has everything made of them, and shows the progress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from video_assets.cli.render.output import Output, json_option, pass_output
from video_assets.cli.stopping import INTERRUPTED, Interrupts

if TYPE_CHECKING:
    from video_assets.cli.outcome import Outcome
    from video_assets.cli.run_local import Processing
    from video_assets.cli.run_remote import Following


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--video",
    "video_ids",
    metavar="ID",
    type=click.IntRange(min=1),
    multiple=True,
    help="Go on with a video that was taken in before. May be given several times.",
)
@click.option("--title", help="Title of the video; the file's name says it otherwise.")
@click.option(
    "--captions",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A .vtt or .srt file; one of the same name beside the video is found by itself.",
)
@click.option("--force", is_flag=True, help="Make everything again, even what is up to date.")
@click.option("--here", is_flag=True, help="Work in this process even where workers stand ready.")
@json_option
@pass_output
def process(
    output: Output,
    files: tuple[Path, ...],
    video_ids: tuple[int, ...],
    title: str | None,
    captions: Path | None,
    force: bool,
    here: bool,
    as_json: bool,
) -> int:
    """Take each FILE in as a new video, have everything made of it, and show how far it is. It is made here and
    now, without a daemon, and one that runs does not mind; where VIDEO_ASSETS_CELERY_BROKER_URL names workers, they
    do it and this command follows them. The exit status is 0 only if every video is ready.

    \b
    video-assets process talk.mp4
    video-assets process talk.mp4 --title "The harbour" --captions talk.en.vtt
    video-assets process *.mp4 --json > result.json
    video-assets process --video 7          go on where something stopped

    Ctrl-C cancels a run that goes here, leaves nothing half-made, and says how to go on; a second one ends at
    once. Work that is done elsewhere goes on; `cancel` stops it.
    """
    if not files and not video_ids:
        raise click.UsageError("name a FILE, or a video that is there with --video ID")
    if len(files) != 1 and (title or captions):
        raise click.UsageError("--title and --captions belong to one FILE")
    from video_assets.settings import Settings

    settings = Settings.load()
    elsewhere = bool(settings.celery_broker_url) and not here
    if elsewhere and force:
        raise click.UsageError("--force works with --here; workers make what is missing or stale")
    # Before everything else, so that threads which libraries start do not receive Ctrl-C either.
    with Interrupts() as interrupts:
        working: Following | Processing
        if elsewhere:
            from video_assets.cli.run_remote import Following

            working = Following(output, settings)
            working.take(files, video_ids, title=title, captions=captions)
        else:
            from video_assets.cli.run_local import Processing

            with Processing(output, interrupts, force=force) as working:
                working.take(files, video_ids, title=title, captions=captions)
    outcomes = working.outcomes
    if as_json:
        output.document({"videos": [outcome.document() for outcome in outcomes]})
    else:
        for outcome in outcomes:
            output.say(outcome.line())
    if working.interrupted:
        _say_how_to_go_on(output, outcomes, elsewhere=elsewhere)
        return INTERRUPTED
    return 0 if all(outcome.status == "ready" and outcome.went_well for outcome in outcomes) else 1


def _say_how_to_go_on(output: Output, outcomes: list[Outcome], *, elsewhere: bool) -> None:
    if elsewhere:
        going = [str(outcome.id) for outcome in outcomes if outcome.id is not None and outcome.status != "ready"]
        how = f"; video {', '.join(going)} goes on without it, `video-assets cancel ID` stops one" if going else ""
        output.note(f"video-assets: interrupted{how}")
        return
    stopped = outcomes[-1] if outcomes else None
    how = ""
    if stopped is not None and stopped.id is not None and stopped.status != "ready":
        how = f"; `video-assets process --video {stopped.id}` goes on where it stopped"
    output.note(f"video-assets: interrupted{how}")
