"""`video-assets search`: finds the second at which something is said."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import click

from video_assets.cli.render.output import Output, json_option, pass_output

DAY = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="Most places shown.")
@click.option("--owner", "user_id", type=int, metavar="ID", help="Only videos of this user.")
@click.option("--language", metavar="CODE", help="Only videos in this language, such as en.")
@click.option("--since", type=DAY, help="Only videos put in on this day or later (UTC).")
@click.option("--until", type=DAY, help="Only videos put in on this day or earlier (UTC).")
@click.option("--shortest", type=click.FloatRange(0), metavar="MINUTES", help="Only videos at least as long.")
@click.option("--longest", type=click.FloatRange(0), metavar="MINUTES", help="Only videos at most as long.")
@json_option
@pass_output
def search(
    output: Output,
    words: tuple[str, ...],
    limit: int,
    user_id: int | None,
    language: str | None,
    since: datetime | None,
    until: datetime | None,
    shortest: float | None,
    longest: float | None,
    as_json: bool,
) -> None:
    """Find WORDS in what is said, in titles and in summaries: the video, the moment, and the words around it.
    Accents, case and small misspellings do not matter, and any text is a query.

    \b
    video-assets search fishing boats
    video-assets search "sourdough bread" --limit 3
    video-assets search tide --language en --since 2024-05-01 --longest 20
    video-assets search herons --json | jq '.hits[0].start'
    """
    from video_assets.cli.render.format import clock, safe, snippet_plain, snippet_text
    from video_assets.search import Filters
    from video_assets.settings import Settings
    from video_assets.systems import Systems

    filters = Filters(
        user_id=user_id,
        language=language,
        created_from=since and since.replace(tzinfo=timezone.utc),
        created_before=until and until.replace(tzinfo=timezone.utc) + timedelta(days=1),
        shortest=None if shortest is None else shortest * 60,
        longest=None if longest is None else longest * 60,
    )
    hits = Systems(Settings.load()).search.search(" ".join(words), limit=limit, filters=filters)
    if as_json:
        found = [
            {
                "video_id": hit.video_id,
                "title": hit.title,
                "start": hit.start,
                "end": hit.end,
                "snippet": snippet_plain(hit.snippet),
                "score": hit.score,
            }
            for hit in hits
        ]
        output.document({"hits": found})
        return
    if not hits:
        output.note("nothing found; fewer or other words may")
        return
    from video_assets.cli.render.tables import table

    picture = table(">video", "title", ">at", "what is said there")
    for hit in hits:
        picture.add_row(str(hit.video_id), safe(hit.title, 40), clock(hit.start), snippet_text(hit.snippet))
    output.say(picture)
