"""The demo's folder: emptied at each start, and never a folder with other files."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from video_assets.cli.up.alone import NAME, Alone, alone
from video_assets.errors import PermanentError, one_line
from video_assets.settings import Settings, forget_dagster_home

MARK = ".video-assets-demo"


def demo_settings() -> Settings:
    """The embedded defaults in HOME/demo, with short pauses, whatever servers the environment names, so that a demo
    never touches a production database."""
    forget_dagster_home()
    return Settings(
        home=Settings.load().home / "demo",
        database_url="",
        storage_url="",
        search_url="",
        kafka_bootstrap_servers="",
        inbox="",
        db_sync=True,
        sensor_seconds=1,
        inbox_settle_seconds=1,
    )


@contextmanager
def own_folder(folder: Path, port: int | None = None) -> Iterator[Alone]:
    """For the block, the folder, emptied and locked. PermanentError where it has files that no demo made, or another
    demo or `up` is using it."""
    mark = folder / MARK
    try:
        if folder.exists() and not mark.exists() and any(folder.iterdir()):
            raise PermanentError(f"{folder} is not the demo's; move it away, or set VIDEO_ASSETS_HOME")
        folder.mkdir(parents=True, exist_ok=True)
        with mark.open("a") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise PermanentError(f"another demo is using {folder}; stop it first") from None
            with alone(folder, port=port) as mine:
                for entry in folder.iterdir():
                    if entry.is_dir() and not entry.is_symlink():
                        shutil.rmtree(entry)
                    elif entry.name not in (MARK, NAME):
                        entry.unlink()
                # If HOME is in a git checkout, git must ignore this folder.
                (folder / ".gitignore").write_text("*\n")
                yield mine
    except OSError as error:
        raise PermanentError(one_line(f"cannot use {folder}: {error.strerror or error}")) from None
