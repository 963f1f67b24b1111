"""`video-assets process`: a file goes in, and is seen through to the end, in this very process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from video_assets.cli.output import Output, json_option, pass_output
from video_assets.cli.stopping import INTERRUPTED, Interrupts

if TYPE_CHECKING:
    from video_assets.cli.processing import Outcome


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--video", "video_ids", metavar="ID", type=click.IntRange(min=1), multiple=True,
              help="Go on with a video that was taken in before. May be given several times.")  # fmt: skip
@click.option("--title", help="Title of the video; the file's name says it otherwise.")
@click.option("--captions", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="A .vtt or .srt file; one of the same name beside the video is found by itself.")  # fmt: skip
@click.option("--force", is_flag=True, help="Make everything again, even what is up to date.")
@json_option
@pass_output
def process(
    output: Output,
    files: tuple[Path, ...],
    video_ids: tuple[int, ...],
    title: str | None,
    captions: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Take each FILE in as a new video, make everything of it here and now, and show how far it is. No daemon
    is needed, and one that runs does not mind. The exit status is 0 only if every video is ready.

    \b
    video-assets process talk.mp4
    video-assets process talk.mp4 --title "The harbour" --captions talk.en.vtt
    video-assets process *.mp4 --json > result.json
    video-assets process --video 7          go on where something stopped

    Ctrl-C cancels the run, leaves nothing half-made, and says how to go on; a second one ends at once.
    """
    if not files and not video_ids:
        raise click.UsageError("name a FILE, or a video that is there with --video ID")
    if len(files) != 1 and (title or captions):
        raise click.UsageError("--title and --captions belong to one FILE")
    # First of all: threads that libraries start must not take Ctrl-C either.
    with Interrupts() as interrupts:
        from video_assets.cli.processing import Processing

        with Processing(output, interrupts, force=force) as processing:
            processing.take(files, video_ids, title=title, captions=captions)
    outcomes = processing.outcomes
    if as_json:
        output.document({"videos": [outcome.document() for outcome in outcomes]})
    else:
        for outcome in outcomes:
            output.say(outcome.line())
    if processing.interrupted:
        _say_how_to_go_on(output, outcomes)
        return INTERRUPTED
    return 0 if all(outcome.status == "ready" and outcome.went_well for outcome in outcomes) else 1


def _say_how_to_go_on(output: Output, outcomes: list[Outcome]) -> None:
    stopped = outcomes[-1] if outcomes else None
    how = ""
    if stopped is not None and stopped.id is not None and stopped.status != "ready":
        how = f"; `video-assets process --video {stopped.id}` goes on where it stopped"
    output.note(f"video-assets: interrupted{how}")
