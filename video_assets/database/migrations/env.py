"""Alembic's entry: works on the connection and in the transaction it is handed."""

from __future__ import annotations

from alembic import context

from video_assets.database.migrations import VERSION_TABLE
from video_assets.database.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transactional_ddl=True,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()
