"""Accounts are counted by the domains that they and their contacts show, and domains are nobody's keys any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "mirror_domains",
        sa.Column("org", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("records", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("org", "domain", "account_id"),
        sqlite_with_rowid=False,
    )
    op.execute("""
        INSERT INTO mirror_domains (org, domain, account_id, records)
        SELECT org, key, account_id, count(*) FROM (
            SELECT k.org, k.key, CASE r.kind WHEN 'Account' THEN r.id ELSE r.account_id END AS account_id
            FROM mirror_keys k JOIN mirror_records r ON r.org = k.org AND r.id = k.record_id
            WHERE k.key LIKE 'domain:%' AND r.kind IN ('Account', 'Contact')
        ) AS shown WHERE account_id IS NOT NULL GROUP BY org, key, account_id
    """)
    op.execute("DELETE FROM mirror_keys WHERE key LIKE 'domain:%'")
