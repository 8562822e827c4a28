"""What the API and the command line share: tokens, and having things done again."""

from __future__ import annotations

import hashlib

import pytest

from gateway.errors import RejectedError
from gateway.ports import DeliveryStatus, Token
from gateway.usecases.operations import (
    Again,
    Role,
    allows,
    authenticate,
    create_token,
    replay,
    replay_all,
    retry,
    retry_all,
)
from tests.unit.web.doubles import NOW, MemoryDeliveries, MemoryInteractions, MemoryTokens


@pytest.fixture
def tokens() -> MemoryTokens:
    return MemoryTokens()


@pytest.fixture
def deliveries() -> MemoryDeliveries:
    return MemoryDeliveries()


@pytest.fixture
def interactions() -> MemoryInteractions:
    return MemoryInteractions()


def test_only_the_digest_of_a_secret_is_kept(tokens):
    token, secret = create_token(tokens, " dashboard ", Role.READER, NOW)

    assert token == Token(1, "dashboard", "reader", NOW)
    assert secret.startswith("gw_")
    assert len(secret) == 46
    assert list(tokens.by_digest) == [hashlib.sha256(secret.encode()).hexdigest()]
    assert authenticate(tokens, secret) == token


def test_every_secret_is_another(tokens):
    assert len({create_token(tokens, "t", Role.READER, NOW)[1] for _ in range(100)}) == 100


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_token_needs_a_name(tokens, name):
    with pytest.raises(RejectedError, match="name"):
        create_token(tokens, name, Role.READER, NOW)


@pytest.mark.parametrize("secret", ["", "gw_", "gw_" + "x" * 43, "gw_" + "é" * 43, "x" * 46, "gw_" + "x" * 10_000])
def test_any_other_secret_opens_nothing(tokens, secret):
    create_token(tokens, "t", Role.ADMIN, NOW)

    assert authenticate(tokens, secret) is None


def test_a_revoked_secret_opens_nothing(tokens):
    token, secret = create_token(tokens, "t", Role.ADMIN, NOW)
    tokens.revoke(token.id, NOW)

    assert authenticate(tokens, secret) is None


def test_each_role_may_what_the_ones_before_it_may():
    granted = [[allows(Token(1, "t", role.value, NOW), needed) for needed in Role] for role in Role]

    assert granted == [[True, False, False], [True, True, False], [True, True, True]]
    assert not allows(Token(1, "t", "emperor", NOW), Role.READER)


def test_a_delivery_is_replayed_if_it_is_stuck(deliveries):
    deliveries.add(1, status=DeliveryStatus.PARKED)

    assert replay(deliveries, 1) is Again.QUEUED
    assert replay(deliveries, 1) is Again.NOT_STUCK
    assert replay(deliveries, 2) is Again.UNKNOWN


def test_all_deliveries_of_a_status_are_replayed(deliveries):
    for id in range(1, 1202):
        deliveries.add(id, status=DeliveryStatus.PARKED, connection="a" if id % 2 else "b")
    deliveries.add(2000, status=DeliveryStatus.IGNORED)

    assert replay_all(deliveries, DeliveryStatus.PARKED, connection="a") == 601
    assert replay_all(deliveries, DeliveryStatus.PARKED) == 600
    assert deliveries.counts() == {DeliveryStatus.WAITING: 1201, DeliveryStatus.IGNORED: 1}


def test_an_interaction_is_retried_if_it_is_parked(interactions):
    interactions.add(1, parked="No such field.")

    assert retry(interactions, 1) is Again.QUEUED
    assert retry(interactions, 1) is Again.NOT_STUCK
    assert retry(interactions, 2) is Again.UNKNOWN


def test_all_parked_interactions_are_retried(interactions):
    for id in range(1, 1202):
        interactions.add(id, parked="No such field." if id % 2 else None)

    assert retry_all(interactions, org="none") == 0
    assert retry_all(interactions, org="main", connection="front-desk") == 601
    assert not any(row.parked for row in interactions.rows.values())
