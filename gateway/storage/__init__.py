"""The store: the only code that knows SQLAlchemy. SQLite by default, PostgreSQL for several processes."""

from __future__ import annotations

from gateway.storage.database import Database

__all__ = ["Database"]
