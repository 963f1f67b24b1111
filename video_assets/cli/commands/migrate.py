"""`video-assets migrate`: creates or migrates the schemas, as production does with a command of its own."""

from __future__ import annotations

import click

from video_assets.cli.render.output import Output, pass_output


@click.command()
@click.option("--buckets", is_flag=True, help="Also make the S3 buckets of the settings that are not there yet.")
@pass_output
def migrate(output: Output, buckets: bool) -> None:
    """Create the tables, ours and Dagster's, or bring them up to this release. What is up to date stays as it is,
    so it may be run at any time; with VIDEO_ASSETS_DB_SYNC=false nothing else changes a schema.

    \b
    video-assets migrate
    video-assets migrate --buckets
    """
    from video_assets.database.engine import Database
    from video_assets.defs.instance.opening import open_instance
    from video_assets.settings import Settings

    settings = Settings.load()
    settings.home.mkdir(parents=True, exist_ok=True)
    if buckets:
        make_buckets(output)
    database = Database(settings.database)
    try:
        database.ensure_schema()
    finally:
        database.dispose()
    output.say("tables are up to date")
    with open_instance(settings) as instance:
        # If there were no tables, opening the instance has made them.
        instance.upgrade(lambda line: output.note(line))
    output.say("Dagster's tables are up to date")


def make_buckets(output: Output) -> None:
    """Creates the buckets of storage, logs and inbox, as far as the settings name buckets."""
    from video_assets.settings import Settings
    from video_assets.storage.buckets import bucket_names, ensure_bucket
    from video_assets.systems import Systems

    settings = Settings.load()
    client = Systems(settings).client_of_s3
    for name in bucket_names(settings.storage, settings.logs_bucket, settings.inbox_url or ""):
        made = ensure_bucket(client, name)
        output.say(f"bucket {name}: {'made' if made else 'is there'}")
