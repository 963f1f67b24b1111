"""The ledger knows what recipes look at, so that what is stale is told without a look at storage.

Rows of an older release get it from storage bit by bit, by `reconcile`: a migration has tables only.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from video_assets.database.types import CleanText

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    inspector = sa.inspect(op.get_bind())
    # A database of the first release may have been made from today's models, by a test or by `create_all`.
    if "facts" not in {column["name"] for column in inspector.get_columns("artifacts")}:
        op.add_column("artifacts", sa.Column("facts", sa.JSON(), nullable=True))
        missing = sa.text("artefact = 'uploads' AND facts IS NULL")
        op.create_index(
            "ix_artifacts_without_facts", "artifacts", ["video_id"], sqlite_where=missing, postgresql_where=missing
        )
    if "upload_records" in inspector.get_table_names():
        return
    op.create_table(
        "upload_records",
        sa.Column("video_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", CleanText(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("title", CleanText(), nullable=False),
        sa.Column("description", CleanText(), nullable=True),
        sa.Column("captions_sha256", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["video_id"], ["videos.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("video_id"),
    )


def downgrade() -> None:
    op.drop_table("upload_records")
    op.drop_index("ix_artifacts_without_facts", "artifacts")
    op.drop_column("artifacts", "facts")
