"""The Dialpad connector: signed tokens, and the calls of one customer's call as one interaction."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.dialpad import DialpadConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import CallType, Delivery, Direction, RejectedError, Request, UnauthorizedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in

FIXTURES = Path(__file__).parents[2] / "connectors/dialpad/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SECRET = "test-dialpad-secret"
VECTOR = (
    b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJjYWxsX2lkIjoxLCJzdGF0ZSI6Imhhbmd1cCJ9"
    b".zArpsS_O8lC8sj0t7qn84HcJd6k1gzP79CCBkFzctdU"
)


def part(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def token(payload: bytes, *, header: bytes = b'{"alg":"HS256","typ":"JWT"}', algorithm=hashlib.sha256) -> bytes:
    signed = part(header) + b"." + part(payload)
    return signed + b"." + part(hmac.new(SECRET.encode(), signed, algorithm).digest())


class TestDialpad(ConnectorSuite):
    connector = DialpadConnector
    fixtures = FIXTURES
    settings = {"secret": SECRET}
    secret_setting = "secret"

    def seal(self, body):
        return token(body)


def dialpad(**settings: Any) -> DialpadConnector:
    return configured(DialpadConnector, {"secret": SECRET, **settings})


def verify(body: bytes) -> None:
    dialpad().verify(Request(url="https://gw", headers={}, body=body, received_at=NOW))


def partials_of(name: str):
    (case,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return TestDialpad().told(case, dialpad(**case.settings))


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def told(state: str = "connected", **call: Any):
    body = token(json.dumps({"call_id": 1, "state": state, "event_timestamp": 1772462467000, **call}).encode())
    return dialpad().parse(Delivery(content_type="application/jwt", headers={}, body=body, received_at=NOW))


def test_the_derived_vector_is_let_in():
    verify(VECTOR)
    verify(VECTOR + b"\n")
    with pytest.raises(UnauthorizedError):
        verify(VECTOR[:-1] + b"V")


@pytest.mark.parametrize(
    "body",
    [
        b'{"call_id":1,"state":"hangup"}',
        token(b"{}", header=b'{"alg":"none"}'),
        token(b"{}", header=b'{"alg":"HS512"}', algorithm=hashlib.sha512),
        token(b"{}", header=b'{"typ":"JWT"}'),
        token(b"{}", header=b"[]"),
        part(b'{"alg":"none"}') + b"." + part(b"{}") + b".",
        VECTOR + b"=",
        VECTOR + b".x",
        b"..",
        b"",
    ],
)
def test_plain_json_other_algorithms_and_no_tokens_are_refused(body):
    with pytest.raises(UnauthorizedError):
        verify(body)


def test_a_call_with_its_legs_in_any_order_is_one_interaction():
    partials = partials_of("call_to_an_office")
    call = folded(partials)

    assert (call.id, call.status, call.direction) == ("6421977457180672", Status.COMPLETED, Direction.INBOUND)
    assert (call.contact_point, call.queue, call.duration_seconds) == ("+18005550100", "Support", 803)
    assert [(party.phone, party.name) for party in call.parties] == [("+14155550123", "Casey Customer")]
    assert [(leg.agent_email, leg.call_type) for leg in call.legs] == [
        ("ada@example.com", CallType.INBOUND),
        ("bob@example.com", CallType.TRANSFER),
    ]
    assert all(leg.started_at < leg.ended_at for leg in call.legs)
    assert all(folded(order) == call for order in itertools.islice(itertools.permutations(partials), 500))


def test_a_call_that_nobody_answered_was_missed_and_has_its_voicemail():
    call = folded(partials_of("missed_with_voicemail"))

    assert (call.status, call.legs, call.recording_url) == (Status.MISSED, (), "https://example.com/voicemail/1")
    assert (call.transcript, call.duration_seconds) == ("Please call me back.", 60)


def test_a_call_of_ours_is_completed_also_when_nobody_answered():
    (partial,) = told("hangup", direction="outbound")

    assert partial.event == "completed"


def test_a_call_that_is_routed_on_is_not_missed_while_it_goes_on():
    office = {"type": "office", "name": "Support"}
    (routed,) = told("hangup", direction="inbound", target=office, is_transferred=True)
    (left,) = told("hangup", direction="inbound", target=office, is_transferred=False)

    assert (routed.event, left.event) == ("updated", "missed")


def test_a_call_with_a_master_only_was_passed_on():
    user = {"type": "user", "id": 7, "email": "ada@example.com"}
    (partial,) = told(master_call_id=9, target=user, date_connected=1772462467000)

    assert (partial.id, partial.legs[0].id, partial.legs[0].call_type) == ("9", "1", CallType.TRANSFER)


def test_the_disposition_is_where_the_settings_say():
    call = folded(partials_of("disposition_invented"))

    assert (call.status, call.disposition) == (Status.WRAPPED_UP, "Resolved, Callback")


def test_json_in_custom_data_is_read_and_other_text_stays_text():
    assert folded(partials_of("custom_data")).references == {"case_number": "00001026"}
    (partial,) = told(custom_data="campaign 7")
    assert partial.attributes == {"custom_data": "campaign 7"}


@pytest.mark.parametrize(("name", "ours"), [("Casey", "Casey"), ("(415) 555-0123", None), ("", None)])
def test_a_number_is_no_name(name, ours):
    (partial,) = told(external_number="+14155550123", contact={"name": name})

    assert partial.parties[0].name == ours


def test_events_of_others_are_ignored_and_no_tokens_rejected():
    assert told("levitating") == ()
    for body in (token(b'{"text": "hi", "id": 1}'), token(b'{"state": "hangup"}')):
        assert dialpad().parse(Delivery(content_type="", headers={}, body=body, received_at=NOW)) == ()
    with pytest.raises(RejectedError, match="JSON Web Token of three parts"):
        dialpad().parse(Delivery(content_type="", headers={}, body=b"{}", received_at=NOW))
