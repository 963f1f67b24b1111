"""`video-assets cancel`, `delete`, `reconcile` and `rebuild`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from video_assets.cli.render.output import Output, pass_output

if TYPE_CHECKING:
    from video_assets.systems import Systems

_ID = click.argument("video_id", metavar="ID", type=click.IntRange(min=1))


@click.command()
@_ID
@pass_output
def cancel(output: Output, video_id: int) -> None:
    """Stop the runs of a video. What was finished stays; `video-assets process --video ID` goes on from there.

    \b
    video-assets cancel 7
    """
    from video_assets.defs.event_log.projector import Projector
    from video_assets.defs.event_log.records import newest_storage_id
    from video_assets.defs.instance.opening import open_instance
    from video_assets.defs.operations.cancel import cancel_video
    from video_assets.errors import PermanentError

    systems = _systems()
    title = _title(systems, video_id)
    if title is None:
        raise PermanentError(f"there is no video {video_id}; `video-assets status` lists those there are")
    with open_instance(systems.settings) as instance:
        count = cancel_video(systems, instance, video_id)
        # Without a daemon nothing else would apply the change to the tables.
        Projector(systems).advance(instance, newest_storage_id(instance))
    if count:
        output.say(f"video {video_id} ({title}): {count} run{'' if count == 1 else 's'} told to stop")
    else:
        output.say(f"video {video_id} ({title}): nothing was running")


@click.command()
@_ID
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_output
def delete(output: Output, video_id: int, yes: bool) -> None:
    """Delete a video for good: its files, its rows, its place in the index. Its id is never given again.

    \b
    video-assets delete 7
    video-assets delete 7 --yes
    """
    import sys

    from video_assets.errors import PermanentError
    from video_assets.library.deletion import is_stored

    systems = _systems()
    title = _title(systems, video_id)
    if title is None and is_stored(systems.storage, video_id):
        title = "of which only the storage knows"
    if title is not None and not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("deleting cannot be undone: without a terminal to ask on, say --yes")
        click.confirm(f"Delete video {video_id} ({title}) and everything made of it?", abort=True, err=True)

    from video_assets.defs.instance.opening import open_instance
    from video_assets.defs.operations.delete import delete_video
    from video_assets.intake.identity import must_match

    must_match(systems.database, systems.storage)
    # Even if no row is left, so that a second call finishes an interrupted deletion.
    with open_instance(systems.settings) as instance:
        found = delete_video(systems, instance, video_id)
    if not found:
        raise PermanentError(f"there is no video {video_id}; `video-assets status` lists those there are")
    systems.drain_outbox()
    output.say(f"video {video_id} is deleted")


@click.command()
@click.option("--thorough", is_flag=True, help="Also compare every byte of every stored file with its hash.")
@pass_output
def reconcile(output: Output, thorough: bool) -> None:
    """Put right what no event tells of, and print each repair: runs whose worker died are ended (the daemon
    launches them again), what a killed run left behind is removed, and every video's rows are compared with
    what was really made. The daemon does the quick part of it by itself every half minute.
    What is wrong and cannot be put right from here is said with what to do, and makes the exit status 1.

    \b
    video-assets reconcile
    video-assets reconcile --thorough       reads the whole library; what was altered is removed, as it is worth
                                            nothing, and made again by the next run of its video
    """
    from video_assets.defs.instance.opening import open_instance
    from video_assets.defs.operations.reconcile import reconcile_thoroughly
    from video_assets.errors import PermanentError

    systems = _systems()
    with open_instance(systems.settings) as instance:
        found = reconcile_thoroughly(systems, instance, hashes=thorough)
    systems.drain_outbox()
    for line in found.repaired:
        output.say(line)
    output.say(f"{len(found.repaired)} repairs" if len(found.repaired) != 1 else "1 repair")
    for line in found.trouble:
        output.note(line)
    if found.trouble:
        raise PermanentError(f"{_things(len(found.trouble))} could not be put right from here; see above")


@click.command()
@click.option("--database", "database", is_flag=True, help="The tables again, from what is in storage.")
@click.option("--index", "index", is_flag=True, help="The search index again, from the documents in storage.")
@click.option(
    "--storage-lost", is_flag=True, help="With --database: the storage is empty as it was lost, not as it is elsewhere."
)
@pass_output
def rebuild(output: Output, database: bool, index: bool, storage_lost: bool) -> None:
    """Make the tables or the search index again from what was really made. Nothing is encoded, transcribed
    or announced again, and doing it twice does no harm. Each video comes back by itself: what of it cannot be
    restored is said in a line with what to do, and makes the exit status 1.

    \b
    video-assets rebuild --database
    video-assets rebuild --index
    """
    if not database and not index:
        raise click.UsageError("say what to rebuild: --database, --index, or both")
    from video_assets.defs.instance.opening import open_instance
    from video_assets.defs.operations.compare import rebuild_database
    from video_assets.errors import PermanentError
    from video_assets.intake.identity import may_rebuild
    from video_assets.library import queries
    from video_assets.library.rebuild import Rebuilt
    from video_assets.library.rebuild_index import rebuild_index

    systems, done = _systems(), list[Rebuilt]()
    if database:
        systems.database.ensure_schema()
        may_rebuild(systems.database, systems.storage, storage_lost=storage_lost)
        with open_instance(systems.settings) as instance:
            done.append(rebuild_database(systems, instance))
        with systems.database.read() as session:
            count = sum(queries.counts(session).values())
        output.say(f"database: {done[0].videos} videos restored, {count} in all")
    if index:
        done.append(rebuild_index(systems))
        output.say(f"search index: {done[-1].videos} videos")
    for line in dict.fromkeys(line for each in done for line in (*each.mended, *each.trouble)):
        output.note(line)
    if trouble := sum(len(each.trouble) for each in done):
        raise PermanentError(f"{_things(trouble)} could not be restored; see above")


def _things(count: int) -> str:
    return f"{count} thing{'' if count == 1 else 's'}"


def _systems() -> Systems:
    from video_assets.settings import Settings
    from video_assets.systems import Systems

    return Systems(Settings.load())


def _title(systems: Systems, video_id: int) -> str | None:
    from video_assets.cli.render.format import plain
    from video_assets.library import queries

    with systems.database.read() as session:
        video = queries.video(session, video_id)
    return plain(video.title, 60) if video else None
