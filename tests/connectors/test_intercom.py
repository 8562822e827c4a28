"""The Intercom connector: conversations as interactions, Intercom's signature and its two questions."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.intercom import IntercomConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import Channel, Delivery, Direction, Request, UnauthorizedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in

FIXTURES = Path(__file__).parents[2] / "connectors/intercom/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SECRET = "test-client-secret"


class TestIntercom(ConnectorSuite):
    connector = IntercomConnector
    fixtures = FIXTURES
    settings = {"client_secret": SECRET}
    secret_setting = "client_secret"

    def sign(self, body, headers, *, url, at):
        return {**headers, "x-hub-signature": "sha1=" + hmac.new(SECRET.encode(), body, hashlib.sha1).hexdigest()}


def intercom() -> IntercomConnector:
    return configured(IntercomConnector, {"client_secret": SECRET})


def partials_of(*names: str):
    suite = TestIntercom()
    cases = [case for case in cases_in(FIXTURES) if case.name in names]
    return [partial for case in cases for partial in suite.told(case, suite.configured(**case.settings))]


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def request(body: bytes, method: str = "POST", **headers: str) -> Request:
    return Request(url="https://gw/webhooks/i", headers=headers, body=body, received_at=NOW, method=method)


def told(topic: str = "conversation.user.replied", **conversation: Any):
    body = {"topic": topic, "created_at": 1772462467, "data": {"item": {"id": "c-1", **conversation}}}
    delivery = Delivery(content_type="application/json", headers={}, body=json.dumps(body).encode(), received_at=NOW)
    (partial,) = intercom().parse(delivery)
    return partial


def test_the_derived_vector_is_let_in():
    signed = {"x-hub-signature": "sha1=7f7bd0b4abe40431ed9c6f442954a9befb2ee467"}
    intercom().verify(request(b'{"type":"notification_event"}', **signed))
    with pytest.raises(UnauthorizedError):
        intercom().verify(request(b'{"type":"notification_events"}', **signed))


def test_whether_the_address_answers_is_told_without_a_signature_and_nothing_else_is():
    asked = request(b"", "HEAD")
    intercom().verify(asked)

    assert intercom().handshake(asked).status == 200
    with pytest.raises(UnauthorizedError):
        intercom().verify(request(b"", "GET"))


def test_a_ping_is_answered_at_once_and_nothing_else_is_taken_for_one():
    assert intercom().handshake(request(b'{"topic": "ping"}')).status == 200
    for body in (b'{"topic": "conversation.user.created", "x": "ping"}', b'{"ping"', b"{}"):
        assert intercom().handshake(request(body)) is None


def test_a_repetition_is_the_same_delivery_although_it_counts_its_attempts():
    first, second = (request(b'{"id": "notif_1", "delivery_attempts": %d}' % attempt) for attempt in (1, 2))

    assert intercom().delivery_key(first) == intercom().delivery_key(second) == "notification:notif_1"


def test_a_conversation_in_any_order_gives_one_interaction_with_a_leg_for_each_teammate():
    partials = partials_of("chat_from_new_to_closed", "closed_with_attributes")
    chat = folded(partials)

    assert (chat.status, chat.channel, chat.direction) == (Status.COMPLETED, Channel.CHAT, Direction.INBOUND)
    assert [(leg.agent_email, leg.agent_name) for leg in chat.legs] == [
        ("ada@example.com", "Ada Agent"),
        ("bob@example.com", "Bob Agent"),
    ]
    assert [(party.name, party.email) for party in chat.parties] == [("Casey Customer", "casey@example.com")]
    assert (chat.queue, chat.references, chat.disposition) == ("Support", {"case_number": "00001026"}, "Resolved")
    assert (chat.duration_seconds, chat.attributes["rating"]) == (803, 5)
    assert "warehouse" not in repr(chat)
    assert all(folded(order) == chat for order in itertools.islice(itertools.permutations(partials), 500))


def test_the_form_before_version_2_is_read_too():
    chat = folded(partials_of("closed_in_version_1"))

    assert (chat.status, chat.direction, chat.parties[0].email) == (
        Status.COMPLETED,
        Direction.OUTBOUND,
        "casey@example.com",
    )
    assert [(leg.agent_id, leg.agent_email) for leg in chat.legs] == [("3330619", "ada@example.com")]


def test_a_mail_of_ours_has_no_customer_until_they_write():
    mail = folded(partials_of("mail_of_ours_opened_again"))

    assert (mail.channel, mail.direction, mail.subject) == (Channel.EMAIL, Direction.OUTBOUND, "Your order")
    assert (mail.parties, mail.status) == ((), Status.OPEN)
    assert told(source={"author": {"type": "admin", "id": "1"}}, conversation_parts={
        "conversation_parts": [{"author": {"type": "lead", "email": "casey@example.com"}}]
    }).parties[0].email == "casey@example.com"  # fmt: skip


@pytest.mark.parametrize(
    ("delivered_as", "direction"),
    [("customer_initiated", Direction.INBOUND), ("automated", Direction.OUTBOUND), ("operator_initiated", None)],
)
def test_what_a_bot_began_has_no_direction(delivered_as, direction):
    author = {"type": "admin", "id": "1"}

    assert told(source={"delivered_as": delivered_as, "author": author}).direction is direction


@pytest.mark.parametrize(
    ("type", "channel"), [("whatsapp", Channel.WHATSAPP), ("phone_call", Channel.VOICE), ("twitter", Channel.OTHER)]
)
def test_the_source_gives_the_channel(type, channel):
    assert told(source={"type": type}).channel is channel


@pytest.mark.parametrize("author", [{"type": "bot", "id": "9"}, {"type": "admin", "id": None}, {}])
def test_a_bot_has_no_leg(author):
    assert told(source={"author": author}).legs == ()


def test_other_topics_are_ignored():
    for topic in ("contact.user.created", "conversation.deleted"):
        body = json.dumps({"topic": topic, "data": {"item": {"id": "1"}}}).encode()
        assert intercom().parse(Delivery(content_type="", headers={}, body=body, received_at=NOW)) == ()
