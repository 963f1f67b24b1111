"""Opening an SQLite database while others are at it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from sqlalchemy import text

from video_assets.database.engine import Database


def test_a_new_database_that_somebody_writes_to_is_waited_for(tmp_path: Path) -> None:
    """SQLite refuses the switch to the write-ahead log at once then, without its busy timeout."""
    path = tmp_path / "new.db"
    writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    writer.execute("CREATE TABLE t (a)")
    writer.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.5, lambda: writer.execute("COMMIT"))
    database = Database(f"sqlite:///{path}")
    done.start()
    try:
        with database.read() as session:
            assert session.scalar(text("PRAGMA journal_mode")) == "wal"
    finally:
        done.join()
        database.dispose()
        writer.close()
