"""`video-assets report`: prints the library's figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from video_assets.cli.render.output import Output, json_option, pass_output


@click.command()
@click.option(
    "--plots",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also draw the figures, as PNG files in FOLDER.",
)
@json_option
@pass_output
def report(output: Output, folder: Path | None, as_json: bool) -> None:
    """Print the library's figures: hours of video, minutes of speech, what each stage cost and took, and
    failed runs by kind. The asset `library_report` holds the same in the Dagster UI.

    \b
    video-assets report
    video-assets report --plots pictures/
    """
    from video_assets.cli.render.format import safe
    from video_assets.cli.render.tables import table
    from video_assets.library.report import library_figures, plots
    from video_assets.settings import Settings
    from video_assets.systems import Systems

    figures = library_figures(Systems(Settings.load()).database)
    drawn: list[Path] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        drawn = plots(figures, folder)
    shown = {name: frame for name, frame in figures.tables().items() if name != "videos"}
    if as_json:
        output.document({name: _records(frame) for name, frame in shown.items()} | {"plots": [str(p) for p in drawn]})
        return
    for name, frame in shown.items():
        if frame.empty:
            continue
        picture = table(*(_heading(frame, column) for column in frame.columns), title=name)
        for row in frame.itertuples(index=False):
            picture.add_row(*(safe("" if value is None or value != value else value) for value in row))
        output.say(picture)
    for path in drawn:
        output.say(str(path))


def _heading(frame: Any, column: str) -> str:
    from pandas.api.types import is_numeric_dtype

    return f">{column}" if is_numeric_dtype(frame[column]) else column


def _records(frame: Any) -> list[dict[str, Any]]:
    # As objects, so that NaN, which JSON does not have, can become None.
    records: list[dict[str, Any]] = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return records
