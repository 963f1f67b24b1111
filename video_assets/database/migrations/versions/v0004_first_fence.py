"""The ledger knows the run that first made each artefact, so that a failure can be told from one after `ready`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # A database of the first release may have been made from today's models, by a test or by `create_all`.
    if "first_fence" in {column["name"] for column in sa.inspect(op.get_bind()).get_columns("artifacts")}:
        return
    op.add_column("artifacts", sa.Column("first_fence", sa.Text(), nullable=False, server_default=""))


def downgrade() -> None:
    op.drop_column("artifacts", "first_fence")
