"""What is known of the contacts of a sync: links, who has none, keys, what was lost, and how far each side was read."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table('sync_pairs',
    sa.Column('pair', sa.Text(), nullable=False),
    sa.Column('salesforce_cursor', sa.Text()),
    sa.Column('platform_cursor', sa.Text()),
    sa.Column('stop', sa.Text()),
    sa.PrimaryKeyConstraint('pair')
    )
    op.create_table('sync_links',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    sa.Column('pair', sa.Text(), nullable=False),
    sa.Column('salesforce_id', sa.Text()),
    sa.Column('platform_id', sa.Text()),
    sa.Column('decided', sa.Text(), nullable=False),
    sa.Column('base', sa.Text()),
    sa.Column('intent', sa.Text()),
    sa.Column('conflicts', sa.Text()),
    sa.Column('choices', sa.Text()),
    sa.Column('problems', sa.Text()),
    sa.Column('ended', sa.Text()),
    sa.Column('not_before', sa.BigInteger()),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('is_due', sa.Boolean(), nullable=False),
    sa.Column('salesforce_seen', sa.Text()),
    sa.Column('platform_seen', sa.Text()),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('pair', 'salesforce_id', name=op.f('uq_sync_links_pair_salesforce_id')),
    sa.UniqueConstraint('pair', 'platform_id', name=op.f('uq_sync_links_pair_platform_id'))
    )
    op.create_index('ix_sync_links_due', 'sync_links', ['pair', 'id'], unique=False, **_where('is_due'))
    op.create_index('ix_sync_links_unsettled', 'sync_links', ['pair', 'id'], unique=False,
    **_where('conflicts IS NOT NULL OR problems IS NOT NULL'))
    op.create_index('ix_sync_links_active', 'sync_links', ['pair'], unique=False,
    **_where('salesforce_id || platform_id IS NOT NULL AND ended IS NULL'))
    op.create_table('sync_strays',
    sa.Column('pair', sa.Text(), nullable=False),
    sa.Column('side', sa.Text(), nullable=False),
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('record', sa.Text(), nullable=False),
    sa.Column('question', sa.Text()),
    sa.Column('is_question', sa.Boolean(), nullable=False),
    sa.Column('answer', sa.Text()),
    sa.Column('is_due', sa.Boolean(), nullable=False),
    sa.Column('seen', sa.Text()),
    sa.PrimaryKeyConstraint('pair', 'side', 'id')
    )
    op.create_index('ix_sync_strays_due', 'sync_strays', ['pair', 'side', 'id'], unique=False, **_where('is_due'))
    op.create_index('ix_sync_strays_in_question', 'sync_strays', ['pair', 'side', 'id'], unique=False,
    **_where('is_question'))
    op.create_table('sync_keys',
    sa.Column('pair', sa.Text(), nullable=False),
    sa.Column('side', sa.Text(), nullable=False),
    sa.Column('key', sa.Text(), nullable=False),
    sa.Column('contact_id', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('pair', 'side', 'key', 'contact_id'),
    sqlite_with_rowid=False
    )
    op.create_index(op.f('ix_sync_keys_contact_id_pair_side'), 'sync_keys', ['contact_id', 'pair', 'side'], unique=False)
    op.create_table('sync_losses',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
    sa.Column('pair', sa.Text(), nullable=False),
    sa.Column('link_id', sa.BigInteger(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('loss', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('link_id', 'digest', name=op.f('uq_sync_losses_link_id_digest'))
    )
    op.create_index(op.f('ix_sync_losses_pair_id'), 'sync_losses', ['pair', 'id'], unique=False)
