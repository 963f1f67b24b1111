"""Inserts, upserts and updates of many rows at once, on SQLite and Postgres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Session


def table_of(model: type[DeclarativeBase]) -> Table:
    """The model's table, for statements over many rows that make no object for each."""
    table = model.__table__
    assert isinstance(table, Table)
    return table


def upsert(
    session: Session, model: type[DeclarativeBase], key: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Inserts rows, or updates those whose `key` columns exist already. All rows must have the same columns."""
    if not rows:
        return
    table = table_of(model)
    make = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = make(table)
    changed = {name: statement.excluded[name] for name in rows[0] if name not in key}
    if changed:
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=changed)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(key))
    session.connection().execute(statement, [dict(row) for row in rows])


def insert_all(session: Session, model: type[DeclarativeBase], rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts new rows, in this order."""
    if rows:
        session.connection().execute(insert(table_of(model)), [dict(row) for row in rows])


def update_all(session: Session, model: type[DeclarativeBase], key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Updates the rows whose `key` column matches. All rows must have the same columns."""
    if not rows:
        return
    table = table_of(model)
    statement = update(table).where(table.c[key] == bindparam(f"_{key}"))
    statement = statement.values({name: bindparam(name) for name in rows[0] if name != key})
    session.connection().execute(statement, [{f"_{key}" if n == key else n: v for n, v in row.items()} for row in rows])
