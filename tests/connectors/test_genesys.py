"""The Genesys Cloud connector: conversations as interactions, with the names that its ids stand for."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.genesys import GenesysConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import CallType, Channel, ConfigError, Delivery, Direction, RejectedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in

FIXTURES = Path(__file__).parents[2] / "connectors/genesys/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
KEY = "an-api-key"
AT = 1772462467000


class TestGenesys(ConnectorSuite):
    connector = GenesysConnector
    fixtures = FIXTURES
    settings = {"api_key_value": KEY}
    secret_setting = "api_key_value"

    def sign(self, body, headers, *, url, at):
        return {**headers, "x-api-key": KEY}


def case(name: str):
    (found,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return found


def partials_of(name: str):
    suite, found = TestGenesys(), case(name)
    return suite.told(found, suite.configured(**found.settings))


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def told(kind: str, **event: Any):
    body = {
        "topicName": f"v2.detail.events.conversation.c-1.{kind}",
        "eventBody": {"conversationId": "c-1", "participantId": "p-1", "eventTime": AT, **event},
    }
    delivery = Delivery(content_type="application/json", headers={}, body=json.dumps(body).encode(), received_at=NOW)
    return configured(GenesysConnector, {"api_key_value": KEY}).parse(delivery)


def test_a_transferred_call_is_one_interaction_with_a_leg_for_each_agent_in_any_order():
    partials = partials_of("call_transferred")
    call = folded(partials)

    assert (call.status, call.channel, call.direction) == (Status.WRAPPED_UP, Channel.VOICE, Direction.INBOUND)
    assert (call.contact_point, [party.phone for party in call.parties]) == ("+18005550100", ["+14155550123"])
    assert [(leg.agent_email, leg.disposition) for leg in call.legs] == [
        ("ada@example.com", "Resolved"),
        ("bob@example.com", None),
    ]
    assert (call.queue, call.disposition, call.notes) == ("Billing", "Resolved", "Passed on to billing")
    assert call.duration_seconds == 803
    assert all(folded(order) == call for order in itertools.islice(itertools.permutations(partials), 500))


def test_a_wrap_up_that_comes_first_counts_all_the_same():
    call = folded(partials_of("call_wrapped_up_late"))

    assert (call.status, call.disposition) == (Status.WRAPPED_UP, "ININ-WRAP-UP-TIMEOUT")
    assert [(leg.agent_email, leg.call_type, leg.disposition) for leg in call.legs] == [
        ("ada@example.com", CallType.INBOUND, "ININ-WRAP-UP-TIMEOUT")
    ]


def test_an_agent_who_only_rang_has_no_leg_and_the_call_was_missed():
    call = folded(partials_of("missed"))

    assert (call.status, call.legs, call.attributes["acd_outcome"]) == (Status.MISSED, (), "ABANDON")


def test_what_nobody_of_ours_answered_is_missed_only_if_it_came_in():
    assert folded(told("customer.end", direction="INBOUND")).status is Status.MISSED
    assert folded(told("customer.end", direction="OUTBOUND")).status is Status.COMPLETED


def test_a_flows_attributes_tell_who_and_what_it_is_about():
    call = folded(partials_of("case_number_in_attributes"))

    assert call.references == {"case_number": "00001026"}
    assert [party.name for party in call.parties] == ["Casey Customer"]
    assert call.attributes == {"CaseNumber": "00001026", "CallerName": "Casey Customer", "Language": "en"}


@pytest.mark.parametrize(
    ("ani", "phone", "email", "handle"),
    [
        ("tel:+14155550123", "+14155550123", None, None),
        ("sip:+14155550123@pbx.example.com;user=phone", "+14155550123", None, None),
        ("+14155550123", "+14155550123", None, None),
        ("casey@example.com", None, "casey@example.com", None),
        ("psid-7", None, None, "psid-7"),
    ],
)
def test_an_address_is_a_phone_an_email_or_a_handle(ani, phone, email, handle):
    (partial,) = told("customer.start", direction="INBOUND", ani=ani)

    assert [(party.phone, party.email, party.handle) for party in partial.parties] == [(phone, email, handle)]


@pytest.mark.parametrize("ani", ["sip:anonymous@anonymous.invalid", "tel:anonymous", None, ""])
def test_a_withheld_number_is_nobody(ani):
    (partial,) = told("customer.start", direction="INBOUND", ani=ani)

    assert partial.parties == ()


@pytest.mark.parametrize(
    ("media", "address", "handle"),
    [("VOICE", "anonymous", None), ("VOICE", "(415) 555-0123", "(415) 555-0123"), ("CHAT", "anonymous", "anonymous")],
)
def test_a_word_in_the_place_of_a_callers_number_is_no_handle(media, address, handle):
    (partial,) = told("customer.start", direction="INBOUND", mediaType=media, ani=address)

    assert [party.handle for party in partial.parties] == ([handle] if handle else [])


def test_an_outbound_call_has_its_sides_changed():
    (partial,) = told("customer.start", direction="OUTBOUND", ani="tel:+18005550100", dnis="tel:+14155550123")

    assert (partial.contact_point, partial.parties[0].phone) == ("+18005550100", "+14155550123")


def test_whom_an_agent_consults_is_no_customer():
    (partial,) = told("user.end", direction="OUTBOUND", dnis="tel:+14155550199", userId="u", interactingDurationMs=1000)

    assert (partial.parties, partial.direction) == ((), None)


def test_the_medium_of_a_user_counts_where_the_customers_is_not_told():
    """An agent may ask a colleague by phone about a chat, and go on when the customer is gone."""
    asked = told("user.end", mediaType="VOICE", userId="u", interactingDurationMs=1000, eventTime=AT + 5000)
    chat = told("customer.start", mediaType="CHAT", direction="INBOUND")

    assert folded(asked).channel is Channel.VOICE
    assert folded([*asked, *chat]).channel is folded([*chat, *asked]).channel is Channel.CHAT


def test_a_callback_is_to_the_number_that_was_left():
    (partial,) = told(
        "customer.start", mediaType="CALLBACK", direction="INBOUND", ani="tel:+14155550199",
        callbackNumbers=["+14155550123"], callbackUserName="Casey",
    )  # fmt: skip

    assert (partial.parties[0].phone, partial.parties[0].name) == ("+14155550123", "Casey")


@pytest.mark.parametrize(
    ("media", "message", "channel"),
    [
        ("VOICE", None, Channel.VOICE),
        ("EMAIL", None, Channel.EMAIL),
        ("MESSAGE", "SMS", Channel.SMS),
        ("MESSAGE", "WEBMESSAGING", Channel.CHAT),
        ("MESSAGE", "OPEN", Channel.OTHER),
        ("COBROWSE", None, Channel.OTHER),
        ("UNKNOWN", None, None),
        (None, None, None),
    ],
)
def test_the_media_give_the_channel(media, message, channel):
    (partial,) = told("customer.start", mediaType=media, messageType=message)

    assert partial.channel is channel


def test_a_leg_lasts_as_long_as_the_talking_and_the_holding():
    (partial,) = told("user.end", userId="u-1", interactingDurationMs=60_000, heldDurationMs=30_000)
    (leg,) = partial.legs

    assert (leg.ended_at - leg.started_at, leg.agent_id) == (timedelta(seconds=90), "u-1")


@pytest.mark.parametrize("kind", ["flow.end", "voicemail.start", "levitation"])
def test_other_topics_are_ignored(kind):
    assert told(kind) == ()


def test_what_is_no_event_says_what_is_missing():
    with pytest.raises(RejectedError, match="topicName is missing"):
        configured(GenesysConnector, {"api_key_value": KEY}).parse(
            Delivery(content_type="application/json", headers={}, body=b"{}", received_at=NOW)
        )


def test_names_are_text_by_text():
    with pytest.raises(ConfigError, match=r"settings\.queues"):
        configured(GenesysConnector, {"api_key_value": KEY, "queues": ["Support"]})
