"""Accounts are mirrored with their type, and records with their record type."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("mirror_records", sa.Column("type", sa.Text()))
    op.add_column("mirror_records", sa.Column("record_type", sa.Text()))
