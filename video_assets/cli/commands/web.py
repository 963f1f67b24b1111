"""`video-assets web`: the HTTP API alone; `up` serves it too."""

from __future__ import annotations

import click

from video_assets.cli.render.output import Output, pass_output


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0: every network.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")
@pass_output
def web(output: Output, host: str, port: int) -> None:
    """Serve the HTTP API until Ctrl-C or SIGTERM: uploads, watching, search, accounts. `video-assets up` serves it
    too; this is for production, where any number of these stand behind a proxy (docker/, docs/api.md).

    \b
    video-assets web
    video-assets web --host 0.0.0.0 --port 8000
    """
    from contextlib import closing

    from video_assets.cli.doctor.checks import must_answer
    from video_assets.settings import Settings
    from video_assets.systems import Systems
    from video_assets.web.serve import serve

    settings = Settings.load()
    with closing(Systems(settings)) as systems:
        must_answer(systems)
    output.note(f"the API is at http://{host}:{port}/api/v1; Ctrl-C or SIGTERM stops")
    serve(settings, host, port)
