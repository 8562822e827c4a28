"""Records that were merged away lead to the one that took their place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mirror_records", sa.Column("merged_into", sa.Text()))
