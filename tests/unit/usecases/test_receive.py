"""Receiving: what is verified is stored, whatever else goes wrong."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import sdk
from gateway.domain.policies import ConnectionPolicy
from gateway.errors import RejectedError, RetryableError, UnauthorizedError
from gateway.ports import NewDelivery, Receipt
from gateway.usecases.connections import Connection
from gateway.usecases.receive import MAX_KEY, acknowledgement, greet, receive
from tests.fakes.inbox import ListedInbox

NOW = datetime(2026, 3, 2, tzinfo=UTC)
REQUEST = sdk.Request(
    url="https://gw/webhooks/desk",
    headers={
        "content-type": "application/json; charset=utf-8",
        "x-event": "call\x00ed",
        "authorization": "Bearer t",
        "x-other": "o",
    },
    body=b'{"id": 1}',
    received_at=NOW,
)


class Platform(sdk.Connector):
    """Does what a test tells it to: `says` maps a method's name to a value, or to an exception to raise."""

    name = "platform"
    title = "Platform"
    kept_headers = ("x-event", "authorization")

    def __init__(self, **says: Any) -> None:
        super().__init__({})
        self.says = says

    def _say(self, method: str, usual: Any) -> Any:
        said = self.says.get(method, usual)
        if isinstance(said, Exception):
            raise said
        return said

    def verify(self, request: sdk.Request) -> None:
        self._say("verify", None)

    def handshake(self, request: sdk.Request) -> sdk.Answer | None:
        return self._say("handshake", None)

    def delivery_key(self, request: sdk.Request) -> str:
        return self._say("delivery_key", "k-1")

    def parts(self, request: sdk.Request) -> Any:
        return self._say("parts", (request,))

    def answer(self, request: sdk.Request) -> sdk.Answer | None:
        return self._say("answer", None)

    def parse(self, delivery: sdk.Delivery) -> Any:
        return self._say("parse", ())


def connection(*, strict: bool = False, **says: Any) -> Connection:
    return Connection(connector=Platform(**says), policy=ConnectionPolicy(name="desk", org="main"), strict=strict)


@pytest.fixture
def inbox() -> ListedInbox:
    return ListedInbox()


def test_a_verified_request_is_stored_without_its_secrets(inbox):
    assert receive(REQUEST, connection(), inbox).result() == [Receipt(1)]

    assert inbox.rows == [
        NewDelivery(
            org="main",
            connection="desk",
            key="k-1",
            body_hash=hashlib.sha256(REQUEST.body).hexdigest(),
            content_type="application/json",
            headers={"x-event": "called"},
            body=REQUEST.body,
            received_at=NOW,
        )
    ]


@pytest.mark.parametrize("error", [UnauthorizedError("no"), RetryableError("keys are out of reach")])
def test_what_verify_refuses_is_not_stored(inbox, error):
    with pytest.raises(type(error)):
        receive(REQUEST, connection(verify=error), inbox)

    assert inbox.rows == []


def test_a_secret_that_has_ended_counts_no_more_from_that_moment_on(inbox):
    """The connector that knows fewer secrets verifies from then on."""
    desk = replace(
        connection(),
        later=[
            (NOW + timedelta(days=1), Platform(verify=UnauthorizedError("one has ended"))),
            (NOW + timedelta(days=2), Platform(verify=UnauthorizedError("both have ended"))),
        ],
    )

    in_time = replace(REQUEST, received_at=NOW + timedelta(hours=23, minutes=59))
    assert receive(in_time, desk, inbox).result() == [Receipt(1)]
    for days, said in ((1, "one has ended"), (1.5, "one has ended"), (2, "both have ended"), (9, "both have ended")):
        with pytest.raises(UnauthorizedError, match=said):
            receive(replace(REQUEST, received_at=NOW + timedelta(days=days)), desk, inbox)


@pytest.mark.parametrize("error", [ValueError("bug"), RejectedError("bug"), KeyError("bug")])
def test_a_bug_in_verify_asks_the_sender_to_come_again(inbox, error):
    with pytest.raises(RetryableError) as raised:
        receive(REQUEST, connection(verify=error), inbox)

    assert raised.value.__cause__ is error
    assert inbox.rows == []


def test_a_handshake_is_answered_and_not_stored(inbox):
    answer = sdk.Answer(body=b"hello")

    assert receive(REQUEST, connection(handshake=answer), inbox) is answer
    assert inbox.rows == []


def test_a_handshake_that_must_come_again_is_not_stored(inbox):
    with pytest.raises(RetryableError):
        receive(REQUEST, connection(handshake=RetryableError("out of reach")), inbox)

    assert inbox.rows == []
    assert greet(REQUEST, connection(handshake=RetryableError("out of reach"))) is None


def test_each_part_of_a_request_is_a_delivery_of_its_own(inbox):
    parts = [replace(REQUEST, body=body) for body in (b"{}", b"[]")]

    assert receive(REQUEST, connection(parts=parts), inbox).result() == [Receipt(1), Receipt(2)]
    assert [row.body for row in inbox.rows] == [b"{}", b"[]"]


@pytest.mark.parametrize("parts", [(), RejectedError("not base64"), ValueError("bug")])
def test_what_cannot_be_taken_apart_is_stored_whole(inbox, parts):
    receive(REQUEST, connection(parts=parts), inbox)

    assert [row.body for row in inbox.rows] == [REQUEST.body]


def test_a_strict_connection_stores_all_parts_or_none(inbox):
    with pytest.raises(RejectedError):
        receive(REQUEST, connection(strict=True, parts=[REQUEST, REQUEST], parse=RejectedError("no")), inbox)

    assert inbox.rows == []


def test_what_the_connector_answers_is_what_the_platform_hears():
    answer = sdk.Answer(body=b"stored")

    assert acknowledgement(REQUEST, connection(answer=answer)) is answer
    assert acknowledgement(REQUEST, connection()) is None
    assert acknowledgement(REQUEST, connection(answer=ValueError("bug"))) is None


def test_a_bug_in_the_handshake_loses_nothing(inbox):
    assert receive(REQUEST, connection(handshake=ValueError("bug")), inbox).result() == [Receipt(1)]


@pytest.mark.parametrize("key", [ValueError("bug"), "", None, 7])
def test_without_a_key_the_same_bytes_are_the_same_delivery(inbox, key):
    receive(REQUEST, connection(delivery_key=key), inbox)

    assert inbox.rows[0].key == "sha256:" + hashlib.sha256(REQUEST.body).hexdigest()


@given(key=st.text(st.characters(), min_size=1, max_size=400))
def test_every_key_can_be_stored_and_told_from_others(key):
    inbox = ListedInbox()

    receive(REQUEST, connection(delivery_key=key), inbox)
    receive(REQUEST, connection(delivery_key=key + "\x00"), inbox)

    one, other = (row.key for row in inbox.rows)
    assert one != other
    assert max(len(one), len(other)) <= MAX_KEY
    one.encode()
    assert "\x00" not in one + other


def test_a_strict_connection_refuses_what_cannot_be_read(inbox):
    with pytest.raises(RejectedError):
        receive(REQUEST, connection(strict=True, parse=RejectedError("no JSON")), inbox)

    assert inbox.rows == []


def test_a_strict_connection_keeps_what_our_bug_cannot_read(inbox):
    assert receive(REQUEST, connection(strict=True, parse=KeyError("bug")), inbox).result() == [Receipt(1)]


def test_others_store_the_unreadable(inbox):
    assert receive(REQUEST, connection(parse=RejectedError("no JSON")), inbox).result() == [Receipt(1)]


def test_a_strange_content_type_is_cut_to_what_can_be_stored(inbox):
    receive(replace(REQUEST, headers={"content-type": "a/\x00" + "b" * 999}), connection(), inbox)

    assert len(inbox.rows[0].content_type) == 255
    assert "\x00" not in inbox.rows[0].content_type


def test_a_greeting_is_answered_only_when_verified():
    answer = sdk.Answer(body=b"hello")

    assert greet(REQUEST, connection(handshake=answer)) is answer
    assert greet(REQUEST, connection(handshake=answer, verify=UnauthorizedError("no"))) is None
    assert greet(REQUEST, connection(handshake=answer, verify=ValueError("bug"))) is None
    assert greet(REQUEST, connection()) is None
