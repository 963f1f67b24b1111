"""The tables of the services before, found where the first schema is to be made: every row stays, and what
this system needs of a table and does not find is added.

Both services and their tools left their marks: `status` as text, as varchar with a CHECK, or as a native enum
(in lower case, or by its members' names in upper case); varchars of some length; foreign keys that forbid
deleting; columns of their own that may not be null. Types of time stay as they are (see database/engine.py:
our sessions speak UTC). Everything happens in one transaction: it is adopted whole or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Connection, text

from video_assets.database.types import CleanText, UtcDateTime
from video_assets.errors import PermanentError

ADOPTED = "adopted_videos"
MIDWAY = ("queued", "processing", "transcoding", "transcribing", "summarizing", "indexing")
"""Their runs are no more: such a video waits for one of ours."""
KNOWN = ("pending", "ready", "failed", *MIDWAY)
NEEDED_UNIQUE = {
    "video_transcripts": "video_id",
    "video_summaries": "video_id",
    "upload_metadata": "video_id",
    "processed_messages": "message_id",
}
"""Rows are written as `ON CONFLICT` over these."""


class Maker:
    """Makes tables and indexes as `op` does, and completes those that are there."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.there = frozenset(sa.inspect(connection).get_table_names()) & _OURS_AND_THEIRS
        if self.there and connection.dialect.name != "postgresql":
            raise PermanentError(
                "the database has tables of another program; those of the services before must be on Postgres"
            )

    def table(self, name: str, *items: Any, **options: Any) -> None:
        """The table, with these columns and constraints at least."""
        if name not in self.there:
            op.create_table(name, *items, **options)
            return
        if name == "videos":
            _note_adopted(self.connection)
        _drop_checks(self.connection, name)
        _complete(self.connection, name, [item for item in items if isinstance(item, sa.Column)])
        if name in NEEDED_UNIQUE:
            _make_unique(self.connection, name, NEEDED_UNIQUE[name])
        if name == "videos":
            _settle_statuses(self.connection)
        elif any(isinstance(item, sa.ForeignKeyConstraint) for item in items):
            _cascade(self.connection, name, "video_id", "videos")
        _go_on_counting(self.connection, name)

    def index(self, name: str, table: str, columns: Sequence[str], *, unique: bool = False, **options: Any) -> None:
        """The index; on a table that was there it is not unique, as its rows may be what they are."""
        there = table in self.there
        op.create_index(name, table, columns, unique=unique and not there, if_not_exists=there or None, **options)

    def finish(self) -> None:
        """What can be done only when every table is there."""
        if "outbox_events" in self.there:
            _order_outbox(self.connection)


_OURS_AND_THEIRS = frozenset(
    {
        "videos",
        "video_transcripts",
        "video_summaries",
        "video_variants",
        "outbox_events",
        "processed_messages",
        "upload_metadata",
        "users",
    }
)


def make_adopted_table() -> None:
    """Which videos were taken over, and how they stood; see models.AdoptedVideoRow."""
    op.create_table(
        ADOPTED,
        sa.Column("video_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("status", CleanText(), nullable=False),
        sa.Column("processed_at", UtcDateTime(), nullable=True),
        sa.Column("updated_at", UtcDateTime(), nullable=True),
        sa.Column("recorded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("video_id"),
    )


def _note_adopted(connection: Connection) -> None:
    make_adopted_table()
    connection.execute(
        text(
            f"INSERT INTO {ADOPTED} (video_id, status, processed_at, updated_at)"
            " SELECT id, coalesce(lower(status::text), 'pending'),"
            "  CASE WHEN lower(status::text) = 'ready' THEN coalesce(processed_at, updated_at, created_at) END,"
            "  updated_at"
            " FROM videos"
        )
    )


def _settle_statuses(connection: Connection) -> None:
    """Only what this system knows, in the words it knows; what else was said is kept in the message."""
    connection.execute(text("UPDATE videos SET status = coalesce(lower(status), 'pending')"))
    midway = {"midway": list(MIDWAY)}
    connection.execute(text("UPDATE videos SET status = 'pending' WHERE status = ANY(:midway)"), midway)
    connection.execute(
        text(
            "UPDATE videos SET status_message = coalesce(status_message, CASE status WHEN 'uploading'"
            " THEN 'its upload had not ended when the service moved; upload it again'"
            " ELSE 'it stood at ' || status || ' when the service moved; start it again' END), status = 'failed'"
            " WHERE NOT status = ANY(:known)"
        ),
        {"known": list(KNOWN)},
    )
    connection.execute(
        text("UPDATE videos SET processed_at = coalesce(processed_at, updated_at, created_at) WHERE status = 'ready'")
    )


def _complete(connection: Connection, name: str, wanted: Sequence[sa.Column[Any]]) -> None:
    there = {column["name"]: column for column in sa.inspect(connection).get_columns(name)}
    keys = set(sa.inspect(connection).get_pk_constraint(name)["constrained_columns"])
    for column in wanted:
        known = there.get(column.name)
        if known is None:
            op.add_column(
                name, sa.Column(column.name, column.type, nullable=True, server_default=column.server_default)
            )
        else:
            _as_text(name, column, known)
            if column.nullable and not known["nullable"]:
                op.alter_column(name, column.name, nullable=True)
            if column.server_default is not None and known["default"] is None:
                op.alter_column(name, column.name, server_default=column.server_default)
        if not column.nullable and column.name not in keys and (known is None or known["nullable"]):
            _fill(connection, name, column)
            if known is None:
                op.alter_column(name, column.name, nullable=False)
    for column_name, known in there.items():
        if known["default"] is None and not known.get("identity") and not known["nullable"]:
            _spare(name, column_name, known, ours=column_name in {c.name for c in wanted}, key=column_name in keys)


def _as_text(name: str, column: sa.Column[Any], known: Any) -> None:
    """Enums and varchars of some length become text: our words may be longer, or not among theirs."""
    if not isinstance(column.type, CleanText) or isinstance(known["type"], sa.Text):
        return
    if known["default"] is not None:
        op.alter_column(name, column.name, server_default=None)
    op.alter_column(name, column.name, type_=sa.Text(), postgresql_using=f'"{column.name}"::text')
    if known["default"] is not None and column.server_default is not None:
        op.alter_column(name, column.name, server_default=column.server_default)


def _spare(name: str, column: str, known: Any, *, ours: bool, key: bool) -> None:
    """A column that may not be null and has no default would refuse every row of ours that leaves it out."""
    if column == "id" and isinstance(known["type"], sa.Integer):
        op.execute(f"ALTER TABLE {name} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY")
    elif isinstance(known["type"], sa.Uuid) and key and name != "outbox_events":
        op.alter_column(name, column, server_default=text("gen_random_uuid()"))
    elif not ours and not key:
        op.alter_column(name, column, nullable=True)
    elif not ours:
        raise PermanentError(f"the table {name} has a key of its own, {column}, without a default; give it one first")


def _fill(connection: Connection, name: str, column: sa.Column[Any]) -> None:
    """A value where there is none and we count on one."""
    default = column.server_default
    if isinstance(default, sa.DefaultClause):
        value = f"'{default.arg}'" if isinstance(default.arg, str) else str(default.arg)
    elif isinstance(column.type, UtcDateTime):
        moments = [c for c in ("created_at", "updated_at", "processed_at", "published_at") if c != column.name]
        there = {each["name"] for each in sa.inspect(connection).get_columns(name)}
        value = f"coalesce({', '.join([*(c for c in moments if c in there), 'now()'])})"
    elif isinstance(column.type, sa.JSON):
        value = "'{}'"
    elif isinstance(column.type, sa.Integer | sa.Float):
        value = "0"
    else:
        value = "''"
    connection.execute(text(f'UPDATE {name} SET "{column.name}" = {value} WHERE "{column.name}" IS NULL'))


def _drop_checks(connection: Connection, name: str) -> None:
    """A list of the values that a column may have is a list without ours."""
    for check in sa.inspect(connection).get_check_constraints(name):
        if " = ANY " in check["sqltext"] or " IN " in check["sqltext"].upper():
            op.drop_constraint(str(check["name"]), name, type_="check")


def _make_unique(connection: Connection, name: str, column: str) -> None:
    inspector = sa.inspect(connection)
    unique: list[set[str | None]] = [set(each["column_names"]) for each in inspector.get_unique_constraints(name)]
    unique += [set(each["column_names"]) for each in inspector.get_indexes(name) if each["unique"]]
    unique.append(set(inspector.get_pk_constraint(name)["constrained_columns"]))
    if {column} in unique:
        return
    twice = connection.scalar(text(f"SELECT {column} FROM {name} GROUP BY {column} HAVING count(*) > 1 LIMIT 1"))
    if twice is not None:
        raise PermanentError(
            f"the table {name} has several rows of {column} {twice}; keep one of each, and start again"
        )
    op.create_index(f"uq_{name}_{column}", name, [column], unique=True)


def _cascade(connection: Connection, name: str, column: str, parent: str) -> None:
    """Rows go with their video. What there is of rows without a video stays."""
    for key in sa.inspect(connection).get_foreign_keys(name):
        if key["referred_table"] == parent and key["constrained_columns"] == [column]:
            if str(key.get("options", {}).get("ondelete", "")).upper() == "CASCADE":
                return
            op.drop_constraint(str(key["name"]), name, type_="foreignkey")
    op.create_foreign_key(
        f"fk_{name}_{column}", name, parent, [column], ["id"], ondelete="CASCADE", postgresql_not_valid=True
    )


def _go_on_counting(connection: Connection, name: str) -> None:
    """An id that was written openly did not move the counter."""
    counter = connection.scalar(
        text(
            "SELECT pg_get_serial_sequence(:name, 'id') FROM information_schema.columns"
            " WHERE table_schema = current_schema() AND table_name = :name AND column_name = 'id'"
        ),
        {"name": name},
    )
    if counter:
        connection.execute(
            text(
                f"SELECT setval(:counter, newest) FROM (SELECT coalesce(max(id), 0) AS newest FROM {name}) AS ids"
                " WHERE newest > coalesce(pg_sequence_last_value(CAST(:counter AS regclass)), 0)"
            ),
            {"counter": counter},
        )


def _order_outbox(connection: Connection) -> None:
    """A place in the order for every message, the oldest first. One about no video stands under 0."""
    connection.execute(
        text(
            "INSERT INTO outbox_order (event_id, video_id)"
            " SELECT id, CASE WHEN payload->>'videoId' ~ '^[0-9]{1,9}$' THEN (payload->>'videoId')::int ELSE 0 END"
            " FROM outbox_events ORDER BY created_at, id"
        )
    )
