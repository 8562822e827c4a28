"""The RingCentral connector: telephony sessions as interactions, and the trial of a new subscription."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.ringcentral import RingCentralConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import CallType, Delivery, Direction, RejectedError, Request, UnauthorizedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in
from gateway.web.headers import SECURITY_HEADERS

FIXTURES = Path(__file__).parents[2] / "connectors/ringcentral/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
TOKEN = "hello-world"
SESSION = "s-00000000000000000000000000000001"


class TestRingCentral(ConnectorSuite):
    connector = RingCentralConnector
    fixtures = FIXTURES
    settings = {"validation_token": TOKEN}
    secret_setting = "validation_token"

    def sign(self, body, headers, *, url, at):
        return {**headers, "validation-token": TOKEN}


def ringcentral(**settings) -> RingCentralConnector:
    return configured(RingCentralConnector, {"validation_token": TOKEN, **settings})


def request(body: bytes, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(url="https://gw/webhooks/r", headers=named, body=body, received_at=NOW)


def partials_of(name: str, **settings):
    (case,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return TestRingCentral().told(case, ringcentral(**settings))


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_new_subscription_is_tried_out_with_a_token_that_is_echoed():
    trial = request(b"", validation_token="2b0b6c3e-token-of-theirs")
    ringcentral().verify(trial)
    answer = ringcentral().handshake(trial)

    assert (answer.status, answer.headers, answer.content_type) == (
        200,
        {"Validation-Token": "2b0b6c3e-token-of-theirs"},
        "application/json",
    )


def test_the_answer_to_a_trial_fits_the_1024_bytes_that_ringcentral_takes():
    answer = ringcentral().handshake(request(b"", validation_token="x" * 256))
    headers = [*SECURITY_HEADERS, *answer.headers.items(), ("Content-Type", answer.content_type)]
    usual = len("HTTP/1.1 200 OK") + 200  # date, server, length, connection

    assert sum(len(name) + len(value) + 4 for name, value in headers) + len(answer.body) + usual < 1024


@pytest.mark.parametrize(
    ("body", "token"),
    [*((b"", token) for token in ("", " ", "a\r\nSet-Cookie: x", "é", "x" * 257)), (b" " * 1_000_000, "x")],
)
def test_what_is_no_trial_is_neither_echoed_nor_let_in(body, token):
    assert ringcentral().handshake(request(body, validation_token=token)) is None
    with pytest.raises(UnauthorizedError):
        ringcentral().verify(request(body, validation_token=token))


def test_an_event_needs_the_subscriptions_token_under_either_name():
    ringcentral().verify(request(b"{}", verification_token=TOKEN))
    for refused in (request(b"{}", validation_token="of theirs"), request(b"{}"), request(b"")):
        with pytest.raises(UnauthorizedError):
            ringcentral().verify(refused)
    assert ringcentral().handshake(request(b"{}", validation_token=TOKEN)) is None


def test_an_event_is_the_same_delivery_by_its_uuid():
    assert ringcentral().delivery_key(request(b'{"uuid": "46"}')) == "event:46"


def test_a_customers_call_through_a_menu_in_any_order():
    partials = partials_of("customer_calls_through_a_menu", extensions={"809646016": "ada@example.com"})
    call = folded(partials)

    assert (call.status, call.direction, call.contact_point) == (
        Status.COMPLETED,
        Direction.INBOUND,
        "+18005550100",
    )
    assert [(party.phone, party.name) for party in call.parties] == [("+14155550123", "Casey Customer")]
    assert [(leg.agent_name, leg.agent_email, leg.call_type, leg.started_at) for leg in call.legs] == [
        ("Ada Agent", "ada@example.com", CallType.INBOUND, at("2020-06-23T01:06:00.001Z"))
    ]
    assert (call.started_at, call.duration_seconds) == (at("2020-06-23T01:05:43.940Z"), 30)
    assert all(folded(order) == call for order in itertools.islice(itertools.permutations(partials), 500))


def test_an_agents_call_to_a_customer():
    call = folded(partials_of("agent_calls_a_customer"))

    assert (call.status, call.direction, call.contact_point) == (Status.COMPLETED, Direction.OUTBOUND, "+18005550100")
    assert [party.phone for party in call.parties] == ["+14155550123"]
    assert [(leg.agent_id, leg.call_type, leg.ended_at == call.ended_at) for leg in call.legs] == [
        ("809646016", CallType.OUTBOUND, True)
    ]


def test_between_colleagues_nobody_is_outside():
    call = folded(partials_of("colleagues"))

    assert (call.direction, call.parties) == (Direction.INTERNAL, ())
    assert [leg.agent_id for leg in call.legs] == ["979428016", "809646016"]


def test_a_call_that_no_extension_answered_was_missed():
    call = folded(partials_of("missed_with_voicemail"))

    assert (call.status, call.legs, call.duration_seconds) == (Status.MISSED, (), 53)


def test_a_transfer_names_the_session_that_it_goes_on_in():
    call = folded(partials_of("parked_and_passed_on"))

    assert call.attributes["linked_session"] == "s-00000000000000000000000000000003"
    assert len(call.legs) == 1


def test_a_party_that_was_called_does_not_overrule_who_called():
    """An inbound call that is forwarded to a mobile phone: that phone is no customer."""
    partials = [
        *partials_of("missed_with_voicemail"),
        *parsed(
            {
                "id": "p-00000000000000000000000000000001-3",
                "direction": "Inbound",
                "from": {"phoneNumber": "+18005550100", "extensionId": "809646016"},
                "to": {"phoneNumber": "+14155550199"},
                "status": {"code": "Proceeding"},
            }
        ),
    ]
    call = folded(partials)

    assert (call.direction, [party.phone for party in call.parties]) == (Direction.INBOUND, ["+14155550123"])


def test_an_agents_mobile_gives_the_customer_no_name():
    """The customer's side has none: the call is forwarded to Bob's mobile, which somebody else's contacts name."""
    given = [event for event in partials_of("customer_calls_through_a_menu") if not any(p.name for p in event.parties)]
    mobile = {
        "id": "p-718107795d564867a6f635fd81e89940-4",
        "direction": "Inbound",
        "from": {"phoneNumber": "+14155550123"},
        "to": {"phoneNumber": "+14155550199", "name": "Bob Mobile"},
        "status": {"code": "Answered"},
    }
    call = folded([*given, *parsed(mobile, session=given[0].id)])

    assert [(party.phone, party.name) for party in call.parties] == [("+14155550123", None)]


def test_a_name_that_only_the_called_extension_tells_stands():
    """As recorded: the caller's first event has no name, that of the extension which is called behind the menu has."""
    call = folded(partials_of("customer_calls_through_a_menu")[:-3])

    assert [(party.phone, party.name) for party in call.parties] == [("+14155550123", "Casey Customer")]


def parsed(party: dict, event: str = "/restapi/v1.0/account/1/telephony/sessions", session: str = SESSION):
    told = {
        "sequence": 99,
        "telephonySessionId": session,
        "eventTime": "2026-03-02T14:41:20Z",
        "parties": [party],
    }
    body = json.dumps({"uuid": "1", "event": event, "body": told}).encode()
    return ringcentral().parse(Delivery(content_type="application/json", headers={}, body=body, received_at=NOW))


def test_other_events_and_codes_are_ignored_and_other_bodies_rejected():
    assert parsed({"id": "p", "status": {"code": "Levitating"}}) == ()
    assert parsed({}, event="/restapi/v1.0/account/1/extension/2/presence?detailedTelephonyState=true") == ()
    with pytest.raises(RejectedError, match="event is missing"):
        ringcentral().parse(Delivery(content_type="", headers={}, body=b"{}", received_at=NOW))
