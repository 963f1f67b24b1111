"""`video-assets worker`: executes runs from the queues; production has any number of workers."""

from __future__ import annotations

from contextlib import closing

import click

from video_assets.cli.render.output import Output, pass_output


@click.command()
@click.option("--slots", type=click.IntRange(min=1), help="Runs at once  [default: VIDEO_ASSETS_MAX_CONCURRENT_RUNS]")
@click.option(
    "--queue",
    "queues",
    type=click.Choice(["video-runs", "video-backfill"]),
    multiple=True,
    help="Take runs from this queue only; both by default, uploads first.",
)
@pass_output
def worker(output: Output, slots: int | None, queues: tuple[str, ...]) -> int:
    """Take runs from the queues in Redis and execute them, several at once, in processes that have everything
    loaded. This is the production way (docker/); on one machine `video-assets up` needs no workers.

    \b
    video-assets worker
    video-assets worker --slots 4
    video-assets worker --queue video-backfill --slots 1

    Told to stop (SIGTERM, Ctrl-C) it takes no more runs; those under way have VIDEO_ASSETS_STOP_GRACE_SECONDS
    to end, and are then handed back: another worker goes on with their videos. The slots of all workers
    together must be no fewer than VIDEO_ASSETS_MAX_CONCURRENT_RUNS.
    """
    from video_assets.errors import PermanentError
    from video_assets.settings import Settings

    settings = Settings.load()
    if not settings.celery_broker_url:
        raise PermanentError("VIDEO_ASSETS_CELERY_BROKER_URL is not set; give redis://host:6379/0")
    from video_assets.cli.doctor.checks import must_answer
    from video_assets.defs.instance.queues import QUEUES
    from video_assets.defs.instance.worker import work
    from video_assets.systems import Systems

    with closing(Systems(settings)) as systems:  # no connection may be open when the worker forks
        must_answer(systems)
    count = slots or settings.max_concurrent_runs
    output.note(f"{count} slot{'' if count == 1 else 's'} for runs; Ctrl-C or SIGTERM stops")
    return work(settings, slots=count, queues=queues or QUEUES, grace_seconds=settings.stop_grace_seconds)
