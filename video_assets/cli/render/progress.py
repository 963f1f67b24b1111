"""Shows the progress of a video while a run works on it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from video_assets.cli.render.changes import Watcher
from video_assets.cli.render.format import clock, plain
from video_assets.cli.render.output import Output
from video_assets.database.engine import Database
from video_assets.library import views
from video_assets.videos import Stage

REDRAW_SECONDS = 0.5
_STAGES = [stage.value for stage in Stage]


@contextmanager
def shown(output: Output, database: Database, video_id: int) -> Iterator[None]:
    """For the block, shows the video's progress: a bar on a terminal, else a line for each step."""
    ended = threading.Event()
    target = _bar if output.interactive else _lines
    thread = threading.Thread(target=target, args=(output, database, video_id, ended), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _lines(output: Output, database: Database, video_id: int, ended: threading.Event) -> None:
    watcher = Watcher(database, [video_id], only=True)
    while True:
        last = ended.wait(REDRAW_SECONDS)
        # Trouble with showing progress must not end the run.
        with contextlib.suppress(Exception):
            for line in watcher.look():
                output.note(line)
        if last:
            return


def _bar(output: Output, database: Database, video_id: int, ended: threading.Event) -> None:
    columns = [
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[remark]}", markup=False),
    ]
    # No redirection, because stderr goes into the run's log meanwhile.
    with Progress(
        *columns, console=output.notes, redirect_stdout=False, redirect_stderr=False, transient=True
    ) as progress:
        task = progress.add_task(f"video {video_id}", total=len(_STAGES), remark="")
        while not ended.wait(REDRAW_SECONDS):
            with contextlib.suppress(Exception):
                _redraw(progress, task, database, video_id)


def _redraw(progress: Progress, task: TaskID, database: Database, video_id: int) -> None:
    with database.read() as session:
        video = views.one(session, video_id)
    if video is None:
        return
    doing = video.doing
    description = f"video {video.id} {plain(video.title, 30)}: {plain(video.status, 20)}"
    if doing is None or doing.stage not in _STAGES:
        progress.update(task, description=description, remark="")
        return
    remark = f"{doing.speed:.1f}x" if doing.speed else ""
    if doing.eta_seconds is not None and doing.fraction < 1:
        remark = f"{remark} {clock(doing.eta_seconds)} left".strip()
    completed = _STAGES.index(doing.stage) + doing.fraction
    progress.update(task, description=description, completed=completed, remark=f"{doing.stage} {remark}".strip())
