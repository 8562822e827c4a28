"""What platforms tell only when they are asked: jobs with their cursors, and what deliveries name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('jobs',
    sa.Column('connection', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('cursor', sa.Text()),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('is_paused', sa.Boolean(), nullable=False),
    sa.Column('problem', sa.Text()),
    sa.Column('started_at', sa.BigInteger()),
    sa.Column('succeeded_at', sa.BigInteger()),
    sa.Column('records', sa.Integer(), nullable=False),
    sa.Column('new', sa.Integer(), nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('lease_until', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('connection', 'name')
    )
    op.create_table('fetches',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('connection', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('tries', sa.Integer(), nullable=False),
    sa.Column('reason', sa.Text()),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('connection', 'name', name=op.f('uq_fetches_connection_name'))
    )
    op.create_index('ix_fetches_asked', 'fetches', ['connection', 'due_at'], unique=False,
    sqlite_where=sa.text('reason IS NULL'), postgresql_where=sa.text('reason IS NULL'))
    op.create_index('ix_fetches_given_up', 'fetches', ['id'], unique=False,
    sqlite_where=sa.text('reason IS NOT NULL'), postgresql_where=sa.text('reason IS NOT NULL'))
