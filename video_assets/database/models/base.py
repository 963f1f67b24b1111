"""What all tables have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, Integer, Uuid
from sqlalchemy.orm import DeclarativeBase

from video_assets.database.types import CleanText, UtcDateTime

AutoId = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the type is INTEGER."""


class Base(DeclarativeBase):
    """All tables."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it off the class
        str: CleanText,
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
        UUID: Uuid(as_uuid=True),
    }
