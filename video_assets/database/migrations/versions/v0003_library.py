"""To which storage the tables belong. An older database learns it at its first use (intake/identity.py)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from video_assets.database.types import CleanText

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "library",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identity", CleanText(), nullable=False),
        sa.Column("settled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    op.drop_table("library")
