"""Undecided interactions wait for evidence; people's choices are remembered, and corrections are told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("interactions", sa.Column("chosen", sa.Text()))
    op.create_table('searches',
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('interaction_id', sa.BigInteger(), nullable=False),
    sa.Column('told_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('org', 'key', 'interaction_id'),
    sqlite_with_rowid=False
    )
    op.create_index(op.f('ix_searches_interaction_id'), 'searches', ['interaction_id'], unique=False)
    op.create_index(op.f('ix_searches_org_told_at'), 'searches', ['org', 'told_at'], unique=False)
    op.create_table('mirror_versions',
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('org')
    )
    op.create_table('audit',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('interaction_id', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('what', sa.Text(), nullable=False),
    sa.Column('before', sa.Text(), nullable=False),
    sa.Column('after', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_audit_interaction_id_id'), 'audit', ['interaction_id', 'id'], unique=False)
    op.create_table('choices',
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('record_id', sa.Text(), nullable=False),
    sa.Column('confirmed', sa.Integer(), nullable=False),
    sa.Column('rejected', sa.Integer(), nullable=False),
    sa.Column('last_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('org', 'key', 'record_id'),
    sqlite_with_rowid=False
    )
