"""`video-assets search`: the second at which something is said."""

from __future__ import annotations

import click

from video_assets.cli.output import Output, json_option, pass_output


@click.command()
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 1000), help="Most places shown.")
@json_option
@pass_output
def search(output: Output, words: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Find WORDS in what is said, in titles and in summaries: the video, the moment, and the words around it.
    Accents and case do not matter, and any text is a query.

    \b
    video-assets search fishing boats
    video-assets search "sourdough bread" --limit 3
    video-assets search herons --json | jq '.hits[0].start'
    """
    from video_assets.cli.words import clock, safe, snippet_plain, snippet_text
    from video_assets.defs.platform import Platform
    from video_assets.settings import Settings

    query = " ".join(words)
    hits = Platform(Settings.load()).search.search(query, limit=limit)
    if as_json:
        found = [
            {
                "video_id": hit.video_id, "title": hit.title, "start": hit.start, "end": hit.end,
                "snippet": snippet_plain(hit.snippet), "score": hit.score,
            }
            for hit in hits
        ]  # fmt: skip
        output.document({"hits": found})
        return
    if not hits:
        output.note("nothing found; fewer or other words may")
        return
    from video_assets.cli.pictures import table

    picture = table(">video", "title", ">at", "what is said there")
    for hit in hits:
        picture.add_row(str(hit.video_id), safe(hit.title, 40), clock(hit.start), snippet_text(hit.snippet))
    output.say(picture)
