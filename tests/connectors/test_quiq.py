"""The Quiq connector: conversations as interactions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.quiq import QuiqConnector
from gateway.sdk import Channel, Delivery, Direction, RejectedError, Request
from gateway.sdk.discovery import configured
from gateway.sdk.reading import epoch_ms
from gateway.sdk.testing import ConnectorSuite

FIXTURES = Path(__file__).parents[2] / "connectors/quiq/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
TOKEN = "2f0c3d1e-0000-4000-8000-00000000beef"
AT = 1772462131447


class TestQuiq(ConnectorSuite):
    connector = QuiqConnector
    fixtures = FIXTURES
    settings = {"hook_token": TOKEN}
    secret_setting = "hook_token"

    def sign(self, body, headers, *, url, at):
        return {**headers, "x-centricient-hook-token": TOKEN}


def quiq(**settings: Any) -> QuiqConnector:
    return configured(QuiqConnector, {"hook_token": TOKEN, **settings})


def parsed(event: dict[str, Any], **settings: Any):
    body = json.dumps(event).encode()
    return quiq(**settings).parse(Delivery(content_type="application/json", headers={}, body=body, received_at=NOW))


def told(*, at: int = AT, **conversation: Any):
    data = {"id": "c-1", "status": "active", **conversation}
    (partial,) = parsed({"id": "e-1", "eventType": "ConversationStatusChanged", "timestamp": at, "data": data})
    return partial


def said(text: str, *, customer: bool = True, at: int = AT, **more: Any) -> dict[str, Any]:
    return {"fromCustomer": customer, "text": text, "timestamp": at, **more}


def request(body: bytes) -> Request:
    return Request(url="https://gateway.example.com/webhooks/q", headers={}, body=body, received_at=NOW)


def test_a_test_is_answered_at_once_and_tells_nothing():
    body = b'{"id": "1", "eventType": "test", "timestamp": 1772462131447}'
    answer = quiq().handshake(request(body))

    assert answer is not None
    assert answer.status == 200
    assert quiq().parse(Delivery(content_type="application/json", headers={}, body=body, received_at=NOW)) == ()


@pytest.mark.parametrize("body", [b'{"eventType": "other", "word": "test"}', b'"test"', b'{"test"', b"{}"])
def test_nothing_else_is_taken_for_a_test(body):
    assert quiq().handshake(request(body)) is None


def test_other_events_and_statuses_are_ignored():
    assert parsed({"eventType": "AgentSneezed"}) == ()
    assert (
        parsed({"eventType": "ConversationStatusChanged", "timestamp": AT, "data": {"id": "c", "status": "dreaming"}})
        == ()
    )


def test_an_event_without_its_conversation_is_rejected():
    with pytest.raises(RejectedError, match=r"^data\.status is missing, or empty\.$"):
        parsed({"eventType": "ConversationStatusChanged", "timestamp": AT})


def test_a_time_in_seconds_is_rejected():
    with pytest.raises(RejectedError, match=r"^timestamp must be a time in milliseconds since 1970, but is a number"):
        parsed({"eventType": "ConversationStatusChanged", "timestamp": AT // 1000, "data": {}})


@pytest.mark.parametrize(
    ("platform", "channel"),
    [
        ("SMS", Channel.SMS),
        ("sms", Channel.SMS),
        ("WhatsApp", Channel.WHATSAPP),
        ("Chat", Channel.CHAT),
        ("WebChat", Channel.CHAT),
        ("Facebook", Channel.FACEBOOK),
        ("Pigeon", Channel.OTHER),
        (None, None),
    ],
)
def test_the_platform_gives_the_channel(platform, channel):
    assert told(customerPlatform=platform).channel is channel


def test_a_handle_is_a_phone_an_address_or_a_handle():
    (texting,) = told(customerPlatform="SMS", customerHandle="+14155550123").parties
    (mailing,) = told(customerPlatform="Email", customerHandle="casey@example.com").parties
    (chatting,) = told(customerPlatform="Facebook", customerHandle="psid-7").parties

    assert (texting.phone, texting.handle) == ("+14155550123", None)
    assert (mailing.email, mailing.handle) == ("casey@example.com", None)
    assert (chatting.phone, chatting.handle) == (None, "psid-7")


def test_an_address_typed_by_the_customer_is_theirs_and_the_last_one_counts():
    messages = [
        said("my address is casy@example.com.", at=AT),
        said("sorry: Casey.Customer+home@mail.example.com!", at=AT + 1),
        said("Thanks. I am ada@example.com", customer=False, at=AT + 2),
        said("you @ noon?", at=AT + 3),
    ]

    assert told(messages=messages).parties[0].email == "Casey.Customer+home@mail.example.com"
    assert told(messages=messages, customer={"email": "known@example.com"}).parties[0].email == "known@example.com"


def test_looking_for_an_address_takes_no_time_that_grows_with_the_square_of_the_text():
    assert told(messages=[said("a" * 200_000 + "@" + "b." * 20_000 + "!")]).parties


def test_who_wrote_first_reached_out():
    ours = said("Your order is late", customer=False, at=AT)
    theirs = said("Thanks", at=AT + 60_000)

    assert told(messages=[theirs, ours]).direction is Direction.OUTBOUND
    assert told(messages=[theirs]).direction is Direction.INBOUND
    assert told().direction is None


def test_the_brand_number_is_the_contact_point_of_text_messages_only():
    messages = [said("hi", platformData={"tenantPhoneNumber": "+18005550100"})]

    assert told(customerPlatform="SMS", contactPointId="main", messages=messages).contact_point == "+18005550100"
    assert told(customerPlatform="SMS", contactPointId="main").contact_point == "main"
    assert told(customerPlatform="Chat", contactPointId="main", messages=messages).contact_point == "main"


def test_the_transcript_is_in_order_of_time_with_the_day_where_there_are_several():
    morning = int(datetime(2026, 3, 2, 10, 0, tzinfo=UTC).timestamp() * 1000)
    first = said("hello\nthere", at=morning)
    second = said("Hi", customer=False, author="agent.ada", at=morning + 90_000)
    picture = said("", at=morning + 86_400_000, assets=[{"contentType": "image/png"}])

    assert told(messages=[second, first]).transcript == "10:00 Customer: hello\nthere\n10:01 agent.ada: Hi"
    assert (
        told(messages=[first, picture]).transcript
        == "2026-03-02\n10:00 Customer: hello\nthere\n2026-03-03\n10:00 Customer: [image/png]"
    )


def test_what_agents_say_to_each_other_stays_between_them():
    aside = {"id": "x", "messages": [{"text": "the warehouse lost it", "timestamp": AT}]}

    assert "warehouse" not in repr(told(collaboration=aside, messages=[said("hello")]))


def test_durations_become_seconds_and_counts_stay():
    attributes = told(metrics={"workTime": 310_500, "numberOfRequeues": 2, "unheardOf": 1}).attributes

    assert attributes == {"work_seconds": 310.5, "requeues": 2}


@pytest.mark.parametrize(
    ("id", "reference"),
    [("5003t00002AbCdEAAV", "case_id"), ("5003t00002AbCdE", "case_id"), ("00001026", "case_number")],
)
def test_a_salesforce_case_is_a_reference(id, reference):
    assert told(integrations=[{"provider": "SalesForce", "name": "Case", "id": id}]).references == {reference: id}


@pytest.mark.parametrize(
    ("name", "id", "reference"),
    [
        ("Contact", "0033t00002AbCdE", "contact_id"),
        ("account", "0013t00002AbCdEAAV", "account_id"),
        ("lead", "00Q3t00002AbCdE", "lead_id"),
    ],
)
def test_other_salesforce_records_are_references_by_their_ids(name, id, reference):
    assert told(integrations=[{"provider": "salesforce", "name": name, "id": id}]).references == {reference: id}


def test_what_has_no_id_of_its_kind_is_no_reference():
    partial = told(
        integrations=[
            {"provider": "salesforce", "name": "contact", "id": "5003t00002AbCdE"},
            {"provider": "crm", "name": "contact", "id": "0033t00002AbCdE"},
        ]
    )

    assert partial.references is None
    assert partial.attributes == {"salesforce_contact": "5003t00002AbCdE", "crm_contact": "0033t00002AbCdE"}


def test_links_are_told_in_the_transcript():
    links = [{"title": "Returns", "url": "https://example.com/returns", "image": {"url": "https://example.com/1.png"}}]

    assert told(messages=[said("See", customer=False, author="ada", links=links)]).transcript == (
        f"{datetime.fromtimestamp(AT / 1000, UTC):%H:%M} ada: See [Returns https://example.com/returns]"
    )


def test_other_links_are_attributes():
    partial = told(
        integrations=[{"provider": "rightnow", "name": "incident", "id": 7}, {"provider": "x", "name": None, "id": "1"}]
    )

    assert partial.references is None
    assert partial.attributes == {"rightnow_incident": "7"}


def test_an_owners_address_is_what_the_settings_say():
    body = {"eventType": "ConversationStatusChanged", "timestamp": AT, "data": {"id": "c-1", "status": "active"}}
    body["data"]["owner"] = "agent.ada"
    (partial,) = parsed(body, agents={"agent.ada": "ada@example.com"})

    assert [(leg.agent_id, leg.agent_email) for leg in partial.legs] == [("agent.ada", "ada@example.com")]


def test_the_closing_alone_tells_no_beginning_of_the_owners_part():
    (leg,) = told(status="closed", owner="agent.ada", startTime=AT - 9000, endTime=AT - 1000).legs
    (wrote,) = told(
        status="closed",
        owner="agent.ada",
        endTime=AT,
        messages=[said("Hi", customer=False, author="agent.ada", at=AT - 5000)],
    ).legs

    assert (leg.started_at, leg.ended_at) == (None, epoch_ms(AT - 1000))
    assert wrote.started_at == epoch_ms(AT - 5000)


def test_the_owner_is_the_agent_and_an_address_only_where_it_is_one():
    (leg,) = told(owner="agent.ada").legs
    (other,) = told(owner="ada@example.com").legs

    assert (leg.id, leg.agent_id, leg.agent_email) == ("agent.ada", "agent.ada", None)
    assert other.agent_email == "ada@example.com"
    assert told(owner=None).legs == ()
