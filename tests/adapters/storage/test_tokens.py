"""API tokens: found by digest until revoked."""

from __future__ import annotations

import pytest

from gateway.errors import VersionConflictError
from gateway.ports import Token
from tests.adapters.storage.examples import LATER, NOW


class TestTokens:
    def test_a_token_is_found_by_its_digest(self, store):
        token = store.tokens.create("dashboard", "reader", "d1", NOW)

        assert token == Token(token.id, "dashboard", "reader", NOW)
        assert store.tokens.find("d1") == token
        assert store.tokens.find("D1") is None

    def test_a_revoked_token_is_listed_but_not_found(self, store):
        first = store.tokens.create("one", "reader", "d1", NOW)
        second = store.tokens.create("two", "admin", "d2", NOW)

        assert store.tokens.revoke(first.id, LATER) is True
        assert store.tokens.revoke(999, LATER) is False
        assert store.tokens.find("d1") is None
        assert store.tokens.find("d2") == second
        assert [(token.name, token.revoked_at) for token in store.tokens.list()] == [("one", LATER), ("two", None)]

    def test_a_secret_belongs_to_one_token(self, store):
        store.tokens.create("one", "reader", "d1", NOW)

        with pytest.raises(VersionConflictError):
            store.tokens.create("two", "reader", "d1", NOW)
        assert len(store.tokens.list()) == 1
