"""The first tables: deliveries, interactions and their lanes, the mirror, tokens."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('deliveries',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('connection', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('body_hash', sa.Text(), nullable=False),
    sa.Column('status', sa.SmallInteger(), nullable=False),
    sa.Column('repeats', sa.Integer(), server_default='0', nullable=False),
    sa.Column('received_at', sa.BigInteger(), nullable=False),
    sa.Column('content_type', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('interactions', sa.Text(), nullable=True),
    sa.Column('headers', sa.Text(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('connection', 'key', name=op.f('uq_deliveries_connection_key'))
    )
    op.create_index(op.f('ix_deliveries_connection_id'), 'deliveries', ['connection', 'id'], unique=False)
    op.create_index('ix_deliveries_set_aside', 'deliveries', ['status', 'id'], unique=False, sqlite_where=sa.text('status > 1'), postgresql_where=sa.text('status > 1'))
    op.create_index('ix_deliveries_waiting', 'deliveries', ['id'], unique=False, sqlite_where=sa.text('status = 0'), postgresql_where=sa.text('status = 0'))
    op.create_table('interactions',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('connection', sa.Text(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=False),
    sa.Column('lane', sa.Integer(), nullable=False),
    sa.Column('ready', sa.Boolean(), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('written_version', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.Column('waiting_since', sa.BigInteger(), nullable=False),
    sa.Column('written_at', sa.BigInteger(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_at', sa.BigInteger(), nullable=True),
    sa.Column('parked', sa.Text(), nullable=True),
    sa.Column('task_id', sa.Text(), nullable=True),
    sa.Column('match_state', sa.Text(), nullable=True),
    sa.Column('match', sa.Text(), nullable=True),
    sa.Column('intended', sa.Text(), nullable=True),
    sa.Column('written', sa.Text(), nullable=False),
    sa.Column('kept', sa.Text(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('external_id', 'connection', name=op.f('uq_interactions_external_id_connection'))
    )
    op.create_index(op.f('ix_interactions_connection_id'), 'interactions', ['connection', 'id'], unique=False)
    op.create_index('ix_interactions_dirty', 'interactions', ['org', 'lane', 'waiting_since', 'id', 'next_at'], unique=False, sqlite_where=sa.text('ready AND version > written_version AND parked IS NULL'), postgresql_where=sa.text('ready AND version > written_version AND parked IS NULL'))
    op.create_index(op.f('ix_interactions_match_state_id'), 'interactions', ['match_state', 'id'], unique=False)
    op.create_index('ix_interactions_open', 'interactions', ['id'], unique=False, sqlite_where=sa.text('NOT ready AND parked IS NULL'), postgresql_where=sa.text('NOT ready AND parked IS NULL'))
    op.create_index('ix_interactions_parked', 'interactions', ['id'], unique=False, sqlite_where=sa.text('parked IS NOT NULL'), postgresql_where=sa.text('parked IS NOT NULL'))
    op.create_table('lanes',
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('lane', sa.Integer(), autoincrement=False, nullable=False),
    sa.Column('owner', sa.Text(), nullable=False),
    sa.Column('epoch', sa.Integer(), nullable=False),
    sa.Column('lease_until', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('org', 'lane')
    )
    op.create_table('mirror_cursors',
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('object', sa.Text(), nullable=False),
    sa.Column('cursor', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('org', 'object')
    )
    op.create_table('mirror_keys',
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('record_id', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('org', 'key', 'record_id'),
    sqlite_with_rowid=False
    )
    op.create_table('mirror_records',
    sa.Column('org', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('account_id', sa.Text(), nullable=True),
    sa.Column('contact_id', sa.Text(), nullable=True),
    sa.Column('number', sa.Text(), nullable=True),
    sa.Column('is_open', sa.Boolean(), nullable=False),
    sa.Column('keys', sa.Text(), nullable=False),
    sa.Column('topics', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('org', 'id'),
    sqlite_with_rowid=False
    )
    op.create_index('ix_mirror_records_cases_of_account', 'mirror_records', ['account_id'], unique=False, sqlite_where=sa.text("kind = 'Case' AND is_open AND contact_id IS NULL"), postgresql_where=sa.text("kind = 'Case' AND is_open AND contact_id IS NULL"))
    op.create_index('ix_mirror_records_cases_of_contact', 'mirror_records', ['contact_id'], unique=False, sqlite_where=sa.text("kind = 'Case' AND is_open AND contact_id IS NOT NULL"), postgresql_where=sa.text("kind = 'Case' AND is_open AND contact_id IS NOT NULL"))
    op.create_table('tokens',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('role', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('digest', name=op.f('uq_tokens_digest'))
    )
