"""With the mirror of which moment an interaction was matched."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_UNSURE = "matched_at < updated_at AND version = written_version AND parked IS NULL"


def upgrade() -> None:
    op.add_column("interactions", sa.Column("matched_at", sa.BigInteger()))
    op.create_index(
        "ix_interactions_unsure",
        "interactions",
        ["org", "lane", "updated_at"],
        sqlite_where=sa.text(_UNSURE),
        postgresql_where=sa.text(_UNSURE),
    )
