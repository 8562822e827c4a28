"""How each org is, as the process that works for it last told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('org_states',
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('told_at', sa.BigInteger(), nullable=False),
    sa.Column('told', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('org')
    )
