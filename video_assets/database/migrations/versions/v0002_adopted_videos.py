"""Which videos were taken over from the services before. Where they were, the first revision has noted them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from video_assets.database.migrations.adoption import ADOPTED, make_adopted_table

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    if ADOPTED not in sa.inspect(op.get_bind()).get_table_names():
        make_adopted_table()


def downgrade() -> None:
    op.drop_table(ADOPTED)
