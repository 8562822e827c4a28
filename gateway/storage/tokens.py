"""API tokens, by the digest of their secret."""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from gateway.errors import VersionConflictError
from gateway.ports import Token
from gateway.storage.tables import tokens
from gateway.storage.transactions import Transactions

_columns = select(tokens.c.id, tokens.c.name, tokens.c.role, tokens.c.created_at, tokens.c.revoked_at)
_valid = _columns.where(tokens.c.digest == bindparam("of_digest"), tokens.c.revoked_at.is_(None))
_all = _columns.order_by(tokens.c.id)
_insert = insert(tokens).returning(tokens.c.id, tokens.c.name, tokens.c.role, tokens.c.created_at, tokens.c.revoked_at)
_revoke = update(tokens).where(tokens.c.id == bindparam("row_id")).values(revoked_at=bindparam("now"))


class TokenTable:
    """All API tokens."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def create(self, name: str, role: str, digest: str, now: datetime) -> Token:
        row = {"name": name, "role": role, "digest": digest, "created_at": now}
        try:
            with self._transactions.writing() as connection:
                return _token(connection.execute(_insert, row).one())
        except IntegrityError as error:
            raise VersionConflictError("A token with this secret already exists.") from error

    def find(self, digest: str) -> Token | None:
        with self._transactions.reading() as connection:
            row = connection.execute(_valid, {"of_digest": digest}).one_or_none()
        return None if row is None else _token(row)

    def list(self) -> builtins.list[Token]:
        with self._transactions.reading() as connection:
            return [_token(row) for row in connection.execute(_all)]

    def revoke(self, id: int, now: datetime) -> bool:
        with self._transactions.writing() as connection:
            return connection.execute(_revoke, {"row_id": id, "now": now}).rowcount > 0


def _token(row: Row[*tuple[Any, ...]]) -> Token:
    return Token(**row._mapping)  # noqa: SLF001 - the documented way to a row's names
