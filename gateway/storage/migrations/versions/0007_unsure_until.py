"""A create that may still take effect is left alone also by whoever takes the interaction next."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("interactions", sa.Column("unsure_until", sa.BigInteger()))
