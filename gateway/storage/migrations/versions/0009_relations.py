"""The relations of a contact are found by it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_ACTIVE = sa.text("kind = 'AccountContactRelation' AND is_open")


def upgrade() -> None:
    op.create_index(
        "ix_mirror_records_relations", "mirror_records", ["contact_id"], sqlite_where=_ACTIVE, postgresql_where=_ACTIVE
    )
