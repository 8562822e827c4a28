"""Tasks of further accounts beside the one of an interaction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("interactions", sa.Column("companions", sa.Text(), nullable=False, server_default="{}"))
