"""`video-assets events`: shows parked events, releases them, or gives them up."""

from __future__ import annotations

import click

from video_assets.cli.render.output import Output, json_option, pass_output

_VIDEO = click.IntRange(min=0)


@click.command()
@click.option("--release", metavar="ID", type=_VIDEO, multiple=True, help="Send this video's parked events after all.")
@click.option(
    "--give-up",
    metavar="ID",
    type=_VIDEO,
    multiple=True,
    help="Never send this video's parked events; those behind them go on.",
)
@json_option
@pass_output
def events(output: Output, release: tuple[int, ...], give_up: tuple[int, ...], as_json: bool) -> None:
    """Show the events that could not be published as they are, with the reason, and how many of the same video
    wait behind each. Once the reason is gone release them; an event that can never be sent is given up.

    \b
    video-assets events
    video-assets events --release 7
    video-assets events --give-up 7

    Video 0 stands for events, of other services, that name no video.
    """
    from video_assets.library import queries
    from video_assets.outbox import queue
    from video_assets.settings import Settings
    from video_assets.systems import Systems

    database = Systems(Settings.load()).database
    if release or give_up:
        with database.write() as session:
            released, given_up = queue.release(session, release), queue.give_up(session, give_up)
        output.note(f"{released} released, {given_up} given up; the daemon goes on with what waits")
    with database.read() as session:
        parked, waiting = queue.parked_messages(session), queries.unpublished_count(session)
    if as_json:
        output.document(
            {
                "unpublished_events": waiting,
                "parked": [
                    {
                        "id": str(each.id),
                        "video_id": each.video_id,
                        "topic": each.topic,
                        "reason": each.reason,
                        "waiting_behind": each.waiting,
                    }
                    for each in parked
                ],
            }
        )
        return
    if parked:
        from video_assets.cli.render.tables import parked_events

        output.say(parked_events(parked))
    output.say(f"{waiting} event{'' if waiting == 1 else 's'} not published yet, {len(parked)} of them parked")
