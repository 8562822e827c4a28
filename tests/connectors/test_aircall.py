"""The Aircall connector: calls as interactions, and what is added to them afterwards."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.aircall import AircallConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import CallType, Delivery, RejectedError, Request, UnauthorizedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in

FIXTURES = Path(__file__).parents[2] / "connectors/aircall/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
STARTED = datetime(2026, 3, 2, 14, 21, 7, tzinfo=UTC)
TOKEN = "45XXYYZZa08"


class TestAircall(ConnectorSuite):
    connector = AircallConnector
    fixtures = FIXTURES
    settings = {"token": TOKEN}
    secret_setting = "token"

    def seal(self, body):
        try:
            return json.dumps({**json.loads(body), "token": TOKEN}).encode()
        except (ValueError, TypeError, RecursionError):
            return body


def aircall() -> AircallConnector:
    return configured(AircallConnector, {"token": TOKEN})


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def partials_of(name: str):
    (case,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return TestAircall().told(case, aircall())


def told(event: str = "call.ended", **call: Any):
    body = {"event": event, "timestamp": 1772461267, "data": {"id": 1, "direction": "inbound", **call}}
    delivery = Delivery(content_type="application/json", headers={}, body=json.dumps(body).encode(), received_at=NOW)
    (partial,) = aircall().parse(delivery)
    return partial


@pytest.mark.parametrize("body", [b"", b"{}", b'{"token": ""}', b'{"token": "x"}', b'{"token": ["x"]}', b"[]", b"\xff"])
def test_a_body_without_the_token_is_refused(body):
    with pytest.raises(UnauthorizedError):
        aircall().verify(Request(url="https://gw", headers={}, body=body, received_at=NOW))


def test_a_call_and_what_is_added_to_it_in_any_order_give_one_interaction():
    partials = partials_of("call_with_late_notes")
    call = folded(partials)

    assert (call.status, call.contact_point, call.queue) == (Status.COMPLETED, "+18005550100", "Support")
    assert [(party.phone, party.name, party.email) for party in call.parties] == [
        ("+14155550123", "Casey Customer", "casey@example.com")
    ]
    assert [(leg.agent_email, leg.started_at, leg.ended_at) for leg in call.legs] == [
        ("ada@example.com", STARTED + timedelta(seconds=23), STARTED + timedelta(seconds=803))
    ]
    assert (call.notes, call.disposition, call.recording_url) == (
        "Sent a replacement",
        "Resolved",
        "https://assets.aircall.io/calls/812/recording",
    )
    assert all(folded(order) == call for order in itertools.islice(itertools.permutations(partials), 500))


def test_hanging_up_is_not_the_end_yet():
    assert told("call.hungup", answered_at=1772461290, ended_at=1772462070).event == "updated"


def test_a_call_that_is_passed_on_has_a_leg_for_each_agent():
    call = folded(partials_of("transferred"))

    assert [(leg.agent_email, leg.call_type, leg.started_at, leg.ended_at) for leg in call.legs] == [
        (
            "ada@example.com",
            CallType.INBOUND,
            STARTED + timedelta(seconds=23),
            STARTED + timedelta(seconds=300),
        ),
        (
            "bob@example.com",
            CallType.TRANSFER,
            STARTED + timedelta(seconds=300),
            STARTED + timedelta(seconds=803),
        ),
    ]
    assert call.legs[1].team == "Billing"


def test_who_only_rang_has_no_leg():
    assert folded(partials_of("ringing")).legs == ()


def test_only_a_call_of_the_customers_can_be_missed():
    assert folded(partials_of("missed_with_voicemail")).status is Status.MISSED
    assert folded(partials_of("outbound_unanswered")).status is Status.COMPLETED


def test_a_voicemail_is_the_recording_of_a_missed_call():
    assert folded(partials_of("missed_with_voicemail")).recording_url == "https://short.aircall.io/816"


@pytest.mark.parametrize(
    ("digits", "phone"),
    [
        ("+1 415-555-0123", "+14155550123"),
        ("(415) 555.0123", "4155550123"),
        ("anonymous", None),
        ("", None),
        (None, None),
    ],
)
def test_digits_are_read_as_people_write_them(digits, phone):
    assert [party.phone for party in told(raw_digits=digits).parties] == ([phone] if phone else [])


def test_a_contact_is_known_by_its_numbers_where_the_digits_are_withheld():
    partial = told(raw_digits="anonymous", contact={"id": 5, "phone_numbers": [{"value": "+14155550123"}]})

    assert partial.parties[0].phone == "+14155550123"


def test_events_of_others_are_ignored_and_other_bodies_rejected():
    for event in ("contact.created", "message.received"):
        body = json.dumps({"event": event}).encode()
        assert aircall().parse(Delivery(content_type="", headers={}, body=body, received_at=NOW)) == ()
    with pytest.raises(RejectedError, match="event is missing"):
        aircall().parse(Delivery(content_type="", headers={}, body=b"{}", received_at=NOW))
