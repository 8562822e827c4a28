"""Alembic's environment: it runs on the connection, and within the transaction, that `migrate` was given."""

from __future__ import annotations

from alembic import context

from gateway.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
