"""The Twilio connector: voice calls as interactions, and Twilio's signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import pytest

from connectors.twilio import TwilioConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import Channel, Delivery, Direction, Event, RejectedError, Request, UnauthorizedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in

FIXTURES = Path(__file__).parents[2] / "connectors/twilio/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
FORM = "application/x-www-form-urlencoded"
TOKEN = "12345"

BASE = "https://mycompany.com/myapp.php?foo=1&bar=2"
PARAMETERS = [
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
]
REPEATED = [("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234")]
JSON_BODY = b'{"property": "value", "boolean": true}'
JSON_HASH = "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"

VECTORS = {
    "form": (BASE, FORM, urlencode(PARAMETERS).encode(), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    "repeated": (BASE, FORM, urlencode(REPEATED).encode(), "IK+Dwps556ElfBT0I3Rgjkr1wJU="),
    "json": (BASE + JSON_HASH, "application/json", JSON_BODY, "a9nBmqA0ju/hNViExpshrM61xv4="),
    "https port": (
        "https://mycompany.com:443/myapp.php?foo=1&bar=2",
        FORM,
        urlencode(PARAMETERS).encode(),
        "kvajT1Ptam85bY51eRf/AJRuM3w=",
    ),
    "http port": (
        "http://mycompany.com:80/myapp.php?foo=1&bar=2",
        FORM,
        urlencode(PARAMETERS).encode(),
        "0ZXoZLH/DfblKGATFgpif+LLRf4=",
    ),
    "other port": (
        "http://mycompany.com:1234/myapp.php?foo=1&bar=2",
        FORM,
        urlencode(PARAMETERS).encode(),
        "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=",
    ),
}


class TestTwilio(ConnectorSuite):
    connector = TwilioConnector
    fixtures = FIXTURES
    settings = {"auth_token": TOKEN}
    secret_setting = "auth_token"
    signs_body = True
    signs_url = True

    def sign(self, body, headers, *, url, at):
        pairs = sorted(parse_qsl(body.decode(), keep_blank_values=True))
        message = url + "".join(name + value for name, value in pairs)
        digest = hmac.new(TOKEN.encode(), message.encode(), hashlib.sha1).digest()
        return {**headers, "x-twilio-signature": base64.b64encode(digest).decode()}


def verify(url: str, media_type: str, body: bytes, signature: str) -> None:
    headers = {"content-type": media_type, "x-twilio-signature": signature}
    configured(TwilioConnector, {"auth_token": TOKEN}).verify(
        Request(url=url, headers=headers, body=body, received_at=NOW)
    )


def told(**fields: str):
    given = {
        "CallSid": "CA1",
        "CallStatus": "completed",
        "Direction": "inbound",
        "From": "+14155550123",
        "To": "+18005550100",
    }
    body = urlencode({**given, "Timestamp": "Mon, 02 Mar 2026 14:46:27 +0000", **fields}).encode()
    partials = configured(TwilioConnector, {"auth_token": TOKEN}).parse(
        Delivery(content_type=FORM, headers={}, body=body, received_at=NOW)
    )
    assert len(partials) == 1
    return partials[0]


def folded(case_name: str):
    (case,) = [case for case in cases_in(FIXTURES) if case.name == case_name]
    connector = configured(TwilioConnector, {"auth_token": TOKEN})
    deliveries = [Delivery(content_type=FORM, headers={}, body=body, received_at=NOW) for body in case.bodies]
    partials = [partial for delivery in deliveries for partial in connector.parse(delivery)]
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, reversed(partials)))


@pytest.mark.parametrize("vector", VECTORS)
def test_the_published_vectors_are_let_in(vector):
    verify(*VECTORS[vector])


@pytest.mark.parametrize("vector", VECTORS)
def test_a_published_vector_with_another_url_is_refused(vector):
    url, *rest = VECTORS[vector]
    with pytest.raises(UnauthorizedError):
        verify(url.replace("foo=1", "foo=2"), *rest)


def test_the_port_may_be_named_on_one_side_only():
    _, *rest = VECTORS["https port"]
    verify(BASE, *rest)
    _, *rest = VECTORS["form"]
    verify("https://mycompany.com:443/myapp.php?foo=1&bar=2", *rest)


def test_a_json_body_other_than_the_hashed_one_is_refused():
    url, media_type, body, signature = VECTORS["json"]
    with pytest.raises(UnauthorizedError, match="bodySHA256"):
        verify(url, media_type, body.replace(b"true", b"null"), signature)


def test_a_body_that_nothing_covers_is_refused():
    digest = hmac.new(TOKEN.encode(), BASE.encode(), hashlib.sha1).digest()
    with pytest.raises(UnauthorizedError, match="bodySHA256"):
        verify(BASE, "application/json", b"{}", base64.b64encode(digest).decode())


def test_a_value_repeated_counts_once():
    digest = hmac.new(TOKEN.encode(), (BASE + "Digits1Digits2").encode(), hashlib.sha1).digest()
    verify(BASE, FORM, b"Digits=2&Digits=1&Digits=2", base64.b64encode(digest).decode())


@pytest.mark.parametrize("url", ["https://[broken/x", "https://mycompany.com:port/x", "", "mailto:x"])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(UnauthorizedError):
        verify(url, FORM, b"a=1", "bm9uZQ==")


def test_an_inbound_call():
    partial = told(CallDuration="320", Duration="6", SequenceNumber="3", CallerName="CASEY")

    assert (partial.id, partial.event, partial.channel, partial.direction) == (
        "CA1",
        Event.COMPLETED,
        Channel.VOICE,
        Direction.INBOUND,
    )
    assert (partial.contact_point, partial.parties[0].phone, partial.parties[0].name) == (
        "+18005550100",
        "+14155550123",
        "CASEY",
    )
    assert (partial.duration_seconds, partial.sequence, partial.legs) == (320, 3, ())
    assert partial.occurred_at == datetime(2026, 3, 2, 14, 46, 27, tzinfo=UTC)


def test_an_outbound_call():
    partial = told(Direction="outbound-api", From="+18005550100", To="+14155550123", CallerName="BRAND")

    assert (partial.direction, partial.contact_point) == (Direction.OUTBOUND, "+18005550100")
    assert (partial.parties[0].phone, partial.parties[0].name) == ("+14155550123", None)


@pytest.mark.parametrize("status", ["busy", "no-answer", "failed", "canceled"])
def test_only_a_call_of_the_customers_can_be_missed(status):
    theirs, ours = told(CallStatus=status), told(CallStatus=status, Direction="outbound-api")

    assert (theirs.event, theirs.disposition) == (Event.MISSED, None)
    assert (ours.event, ours.disposition) == (Event.COMPLETED, status)


def test_a_client_and_a_sip_user_are_agents():
    to_client = told(To="client:ada@example.com")
    from_sip = told(From="sip:ada@pbx.example.com;transport=tls", To="+14155550123")

    assert (to_client.legs[0].agent_id, to_client.legs[0].agent_email, to_client.contact_point) == (
        "ada@example.com",
        "ada@example.com",
        None,
    )
    assert (from_sip.legs[0].agent_id, from_sip.direction, from_sip.parties[0].phone) == (
        "ada",
        Direction.OUTBOUND,
        "+14155550123",
    )
    assert told(From="client:ada", To="client:bob").direction is Direction.INTERNAL


def test_a_caller_without_a_number_is_nobody():
    assert told(From="anonymous").parties == ()


def test_a_dialled_call_is_a_leg_and_overwrites_nothing_of_its_parent():
    call = folded("inbound_dialled_agent")

    assert (call.status, call.duration_seconds, call.contact_point) == (Status.COMPLETED, 138, "+18005550100")
    assert [party.phone for party in call.parties] == ["+14155550123"]
    assert [(leg.agent_id, (leg.ended_at - leg.started_at).total_seconds()) for leg in call.legs] == [("ada", 120)]


def test_the_end_of_a_dialled_call_is_not_the_end():
    assert told(ParentCallSid="CA0", To="client:ada", CallStatus="completed").event is Event.UPDATED


def test_who_did_not_answer_has_no_leg():
    assert [leg.agent_id for leg in folded("inbound_transferred_over_sip").legs] == ["ada", "bob"]


def test_a_callback_of_another_kind_says_where_it_should_go():
    with pytest.raises(RejectedError, match="only voice status callbacks belong to this URL"):
        told(CallStatus="")


def test_a_status_unheard_of_is_ignored():
    body = urlencode({"CallSid": "CA1", "CallStatus": "levitating"}).encode()
    connector = configured(TwilioConnector, {"auth_token": TOKEN})

    assert connector.parse(Delivery(content_type=FORM, headers={}, body=body, received_at=NOW)) == ()


def test_without_a_timestamp_the_time_of_receipt_counts():
    assert told(Timestamp="").occurred_at == NOW
