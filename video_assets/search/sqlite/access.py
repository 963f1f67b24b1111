"""Who may see a video: tables of the index file, and the SQL condition that keeps what a viewer sees.

`access` has what is noted. Beside it is a table of video ids for each visibility: a condition `IN (SELECT video_id FROM
such_a_table)` is a look-up by primary key, at a third of what reading and comparing `access` takes for each row.
"""

from __future__ import annotations

import sqlite3

from video_assets.search.base import MEMBERS, PUBLIC, Access, Viewer

_PRIVATE = "private"
_IDS = {_PRIVATE: "access_private", MEMBERS: "access_members", PUBLIC: "access_public"}
"""The table of ids for each visibility. That of private videos has those of any other visibility too."""

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS access"
    " (video_id INTEGER PRIMARY KEY, visibility TEXT NOT NULL, version INTEGER NOT NULL)",
    *(f"CREATE TABLE IF NOT EXISTS {table} (video_id INTEGER PRIMARY KEY)" for table in _IDS.values()),
    # The last, by which a file that has all of them is known.
    "CREATE INDEX IF NOT EXISTS videos_owner ON videos (user_id)",
)


def add_tables(connection: sqlite3.Connection) -> None:
    """Gives the tables to a file that an earlier release has made."""
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'videos_owner'").fetchone():
        for statement in SCHEMA:
            connection.execute(statement)


def note(connection: sqlite3.Connection, video_id: int, access: Access) -> None:
    """Notes who may see the video, unless this version or a higher one is noted, or the video was removed for ever."""
    changed = connection.execute(
        "INSERT INTO access SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM removed WHERE video_id = ?1)"
        " ON CONFLICT (video_id) DO UPDATE SET visibility = excluded.visibility, version = excluded.version"
        " WHERE excluded.version > access.version",
        (video_id, access.visibility, access.version),
    ).rowcount
    if changed:
        for table in _IDS.values():
            connection.execute(f"DELETE FROM {table} WHERE video_id = ?", (video_id,))
        connection.execute(f"INSERT INTO {_IDS.get(access.visibility, _IDS[_PRIVATE])} VALUES (?)", (video_id,))


def noted(connection: sqlite3.Connection, video_id: int) -> Access | None:
    """Who may see the video; None if nothing is noted."""
    row = connection.execute("SELECT visibility, version FROM access WHERE video_id = ?", (video_id,)).fetchone()
    return None if row is None else Access(*row)


def forget(connection: sqlite3.Connection, video_id: int) -> None:
    """Removes what is noted of the video."""
    for table in ("access", *_IDS.values()):
        connection.execute(f"DELETE FROM {table} WHERE video_id = ?", (video_id,))


def seen(viewer: Viewer, video: str) -> tuple[str, list[int]]:
    """`Viewer.sees` as a condition and its values. `video`: the SQL of a row's video id, with its table's name."""
    if viewer.default in viewer.shown:
        hidden = [table for visibility, table in _IDS.items() if visibility not in viewer.shown]
        ways = [f"({' AND '.join(f'{video} NOT IN (SELECT video_id FROM {table})' for table in hidden)})"]
    else:
        ways = [f"{video} IN (SELECT video_id FROM {_IDS[visibility]})" for visibility in viewer.shown]
    values = list[int]()
    if viewer.user_id is not None:
        ways.append(f"{video} IN (SELECT video_id FROM videos WHERE user_id = ?)")
        values.append(viewer.user_id)
    if viewer.shared_video is not None:
        ways.append(f"{video} = ?")
        values.append(viewer.shared_video)
    return f"({' OR '.join(ways)})", values
