"""The Amazon Connect connector: chains of contacts as interactions, by EventBridge, Firehose and SNS."""

from __future__ import annotations

import base64
import itertools
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from connectors.amazon_connect import AmazonConnectConnector
from connectors.amazon_connect.sns import fetched
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import (
    Channel,
    ConfigError,
    Delivery,
    Direction,
    RejectedError,
    Request,
    RetryableError,
    UnauthorizedError,
)
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in

FIXTURES = Path(__file__).parents[2] / "connectors/amazon_connect/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
KEY, STREAM_KEY = "an-api-key", "an-access-key"
TOPIC = "arn:aws:sns:us-west-2:111122223333:connect-events"
SETTINGS = {"api_key_value": KEY, "access_key": STREAM_KEY, "topic_arn": TOPIC}
CERTIFICATE_URL = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@cache
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(key) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.example.com")])
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=365))
    )  # fmt: skip
    return built.sign(key, SHA256()).public_bytes(Encoding.PEM)


def sealed(message: dict[str, Any], *, version: str = "1", url: str = CERTIFICATE_URL) -> bytes:
    """The message as SNS sends it: written here anew from the vendor's description."""
    message = {**message, "SignatureVersion": version}
    names = NOTIFICATION if message["Type"] == "Notification" else CONFIRMATION
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    proof = private_key().sign(text.encode(), PKCS1v15(), SHA1() if version == "1" else SHA256())
    return json.dumps({**message, "Signature": base64.b64encode(proof).decode(), "SigningCertURL": url}).encode()


class Network:
    """What stands at addresses; says what was asked for."""

    def __init__(self, **found: Any) -> None:
        self.asked: list[str] = []
        self.found = {CERTIFICATE_URL: certificate(private_key()), **found}

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        found = self.found.get(url, b"")
        if isinstance(found, Exception):
            raise found
        return found


class Offline(AmazonConnectConnector):
    """The connector, with what it fetches from SNS within reach."""

    def __init__(self, settings) -> None:
        self.network = Network()
        super().__init__(settings, self.network)


class TestAmazonConnect(ConnectorSuite):
    connector = Offline
    fixtures = FIXTURES
    settings = SETTINGS
    secret_setting = "api_key_value"

    def sign(self, body, headers, *, url, at):
        if "x-amz-sns-message-type" in headers:
            return headers
        if "x-amz-firehose-request-id" in headers:
            return {**headers, "x-amz-firehose-access-key": STREAM_KEY}
        return {**headers, "x-api-key": KEY}

    def seal(self, body):
        try:
            return sealed(json.loads(body))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return body


def connector(**settings: Any) -> Offline:
    return configured(Offline, {**SETTINGS, **settings})


def case(name: str):
    (found,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return found


def partials_of(name: str, **settings: Any):
    found = case(name)
    return TestAmazonConnect().told(found, connector(**found.settings, **settings))


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def record_of(**changes: Any) -> dict[str, Any]:
    return {**json.loads(case("missed_in_queue").bodies[0]), **changes}


def told(body: Any, **settings: Any):
    delivery = Delivery(content_type="application/json", headers={}, body=json.dumps(body).encode(), received_at=NOW)
    return connector(**settings).parse(delivery)


def sns_request(body: bytes, kind: str = "Notification") -> Request:
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": kind}
    return Request(url="https://gw/webhooks/connect", headers=headers, body=body, received_at=NOW)


def message(name: str) -> dict[str, Any]:
    return json.loads(case(name).bodies[0])


# ---- contacts ----


def test_events_and_record_in_any_order_give_the_same_call():
    partials = partials_of("call_in_events_and_record")
    call = folded(partials)

    assert (call.status, call.channel, call.direction) == (Status.WRAPPED_UP, Channel.VOICE, Direction.INBOUND)
    assert (call.contact_point, call.queue, call.references) == ("+18005550100", "Support", {"case_number": "00001026"})
    assert [party.phone for party in call.parties] == ["+14155550123"]
    assert [(leg.agent_name, leg.agent_email, leg.team) for leg in call.legs] == [
        ("ada@example.com", "ada@example.com", "Support team")
    ]
    assert call.duration_seconds == 803
    assert all(folded(order) == call for order in itertools.islice(itertools.permutations(partials), 500))


def test_a_transfer_is_one_interaction_with_a_leg_for_each_agent_whoever_changes_last():
    call = folded(partials_of("transferred"))

    assert [(leg.agent_name, leg.call_type) for leg in call.legs] == [("ada", "inbound"), ("bob", "transfer")]
    assert call.started_at == datetime(2026, 3, 2, 14, 41, 7, tzinfo=UTC)
    assert call.ended_at == datetime(2026, 3, 2, 14, 58, tzinfo=UTC)
    assert (call.status, call.queue, call.attributes["agent_seconds"]) == (Status.WRAPPED_UP, "Billing", 480)


def test_the_later_contact_says_how_it_went_whoever_changes_last():
    chain = {"InitialContactId": "c-1", "ContactId": "c-2", "InitiationTimestamp": "2026-03-02T14:50:00Z"}
    second = told(record_of(**chain, Attributes={"memo": "Resolved"}), **MEMO)
    late = {
        "NextContactId": "c-2",
        "LastUpdateTimestamp": "2026-03-02T18:00:00Z",
        "Attributes": {"memo": "Transferred"},
    }
    first = told(record_of(ContactId="c-1", **late), **MEMO)

    assert folded([*second, *first]).notes == folded([*first, *second]).notes == "Resolved"


def test_a_contact_that_goes_on_in_another_is_not_over():
    (first,) = told(record_of(NextContactId="c-2"))

    assert (first.event, first.ended_at) == ("updated", None)


def test_who_gives_up_in_the_queue_was_missed_and_who_never_queued_was_served_by_the_flow():
    assert folded(told(record_of())).status is Status.MISSED
    assert folded(told(record_of(Queue=None))).status is Status.COMPLETED
    assert folded(told(record_of(InitiationMethod="OUTBOUND"))).status is Status.COMPLETED
    assert folded(partials_of("sns_notification")).status is Status.MISSED


def test_a_supervisor_who_listens_in_is_nobodys_contact():
    assert told(record_of(InitiationMethod="MONITOR")) == ()


def test_somebody_whom_an_agent_brings_in_is_not_the_customer():
    (partial,) = told(record_of(InitiationMethod="EXTERNAL_OUTBOUND", NextContactId="x"))

    assert [(party.role, party.phone) for party in partial.parties] == [("external", "+14155550123")]


def test_a_time_of_1970_is_not_said():
    (partial,) = partials_of("event_contact_data_updated")

    assert partial.legs == ()


def test_the_newest_update_counts():
    older = told(record_of(LastUpdateTimestamp="2026-03-02T14:44:00Z", Attributes={"memo": "old"}), **MEMO)
    newer = told(record_of(LastUpdateTimestamp="2026-03-02T15:44:00Z", Attributes={"memo": "new"}), **MEMO)

    assert folded([*older, *newer]).notes == folded([*newer, *older]).notes == "new"


MEMO = {"contact_attributes": {"notes": "memo"}}


def test_attributes_tell_who_and_what_it_is_about():
    names = {
        "customer_email": "mail",
        "customer_name": "who",
        "lead_id": "lead",
        "disposition": "wrap",
        "queue": "team",
    }
    values = {"mail": "casey@example.com", "who": "Casey", "lead": "00Q000000000001", "wrap": "Resolved", "team": "VIP"}
    call = folded(told(record_of(Attributes=values), contact_attributes=names))

    assert (call.parties[0].email, call.parties[0].name) == ("casey@example.com", "Casey")
    assert (call.references, call.disposition, call.queue) == ({"lead_id": "00Q000000000001"}, "Resolved", "VIP")
    assert call.attributes["wrap"] == "Resolved"


@pytest.mark.parametrize(
    ("subtype", "channel"),
    [("connect:SMS", Channel.SMS), ("connect:WhatsApp", Channel.WHATSAPP), ("connect:Guide", Channel.CHAT)],
)
def test_the_subtype_of_a_chat_is_its_channel(subtype, channel):
    segment = {"connect:Subtype": {"ValueString": subtype}}

    assert folded(told(record_of(Channel="CHAT", SegmentAttributes=segment))).channel is channel


def test_other_events_are_ignored_and_other_bodies_rejected():
    event = json.loads(case("event_disconnected").bodies[0])
    assert told({**event, "detail-type": "Amazon Connect Contact Evaluation"}) == ()
    assert told({**event, "detail": {**event["detail"], "eventType": "LEVITATED"}}) == ()
    with pytest.raises(RejectedError, match="lastupdatetimestamp is missing"):
        told({"hello": "world"})


# ---- Firehose and pipes ----


def test_each_record_of_a_stream_is_a_delivery_of_its_own_and_answered_in_firehoses_words():
    found = case("firehose")
    request = TestAmazonConnect().signed(found.bodies[0], found.headers)
    parts = connector().parts(request)
    answer = connector().answer(request)

    assert [json.loads(part.body)["Channel"] for part in parts] == ["CHAT", "VOICE"]
    assert len({connector().delivery_key(part) for part in parts}) == 2
    assert answer is not None
    assert (answer.status, json.loads(answer.body)) == (
        200,
        {"requestId": "ed4acda5-034f-9f42-bba1-f29aea6d7d8f", "timestamp": 1772463600000},
    )


def test_eventbridge_hears_the_gateways_own_words():
    found = case("event_disconnected")

    assert connector().answer(TestAmazonConnect().signed(found.bodies[0], found.headers)) is None


def test_a_record_that_is_not_base64_says_so():
    request = Request(url="https://gw", headers={}, body=b'{"records": [{"data": "%%%"}]}', received_at=NOW)
    with pytest.raises(RejectedError, match=r"^records\[0\]\.data must be base64"):
        connector().parts(request)


def test_one_way_in_does_not_open_another():
    found = case("firehose")
    stream = TestAmazonConnect().signed(found.bodies[0], found.headers)
    for settings in ({"api_key_value": STREAM_KEY}, {"topic_arn": TOPIC}, {"access_key": KEY}):
        with pytest.raises(UnauthorizedError):
            configured(Offline, settings).verify(stream)


def test_some_way_in_is_needed():
    with pytest.raises(ConfigError, match="At least one of api_key_value, access_key and topic_arn"):
        configured(Offline, {})


def test_the_header_of_the_api_key_is_yours_to_name():
    request = Request(url="https://gw", headers={"x-hook": KEY}, body=b"{}", received_at=NOW)

    connector(api_key_name="X-Hook").verify(request)
    with pytest.raises(UnauthorizedError):
        connector().verify(request)


# ---- SNS ----


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_signed_message_is_let_in_and_its_certificate_fetched_once(version):
    sns = connector()
    for name in ("sns_notification", "sns_subscription", "sns_unsubscription"):
        sns.verify(sns_request(sealed(message(name), version=version)))

    assert sns.network.asked == [CERTIFICATE_URL]


def test_a_subject_is_signed_too():
    body = sealed({**message("sns_notification"), "Subject": "Contact"})

    connector().verify(sns_request(body))
    with pytest.raises(UnauthorizedError, match="Signature does not match"):
        connector().verify(sns_request(body.replace(b'"Contact"', b'"Another"')))


@pytest.mark.parametrize("name", [*NOTIFICATION[:2], "Timestamp", "Type", "Signature"])
def test_a_message_changed_in_any_signed_field_is_refused(name):
    changed = json.loads(sealed(message("sns_notification")))
    changed[name] = "UnsubscribeConfirmation" if name == "Type" else base64.b64encode(b"x" * 256).decode()
    with pytest.raises(UnauthorizedError):
        connector().verify(sns_request(json.dumps(changed).encode()))


@pytest.mark.parametrize(
    "url",
    [
        CERTIFICATE_URL.replace("https", "http"),
        CERTIFICATE_URL.replace("amazonaws.com", "amazonaws.com.example.com"),
        CERTIFICATE_URL.replace("https://", "https://example.com/"),
        CERTIFICATE_URL.replace("https://", "https://sns.us-west-2.amazonaws.com@example.com/"),
        CERTIFICATE_URL.replace("sns.", "s3."),
        CERTIFICATE_URL.replace("SimpleNotificationService-", "bucket/"),
        CERTIFICATE_URL + "?x=1",
        CERTIFICATE_URL + "\n",
    ],
)
def test_a_certificate_from_anywhere_else_is_not_even_fetched(url):
    sns = connector()
    with pytest.raises(UnauthorizedError, match="SigningCertURL"):
        sns.verify(sns_request(sealed(message("sns_notification"), url=url)))

    assert sns.network.asked == []


def test_a_message_of_another_topic_is_refused_before_anything_is_fetched():
    sns = connector(topic_arn=TOPIC + "-two")
    with pytest.raises(UnauthorizedError, match="another SNS topic"):
        sns.verify(sns_request(sealed(message("sns_notification"))))

    assert sns.network.asked == []


def test_without_a_topic_no_message_is_let_in():
    with pytest.raises(UnauthorizedError, match="another SNS topic"):
        configured(Offline, {"access_key": STREAM_KEY}).verify(sns_request(sealed(message("sns_notification"))))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"TopicArn": "' + TOPIC.encode() + b'"}'])
def test_what_is_no_message_is_refused(body):
    with pytest.raises(UnauthorizedError):
        connector().verify(sns_request(body))


@pytest.mark.parametrize("found", [b"no certificate", certificate(ec.generate_private_key(ec.SECP256R1()))])
def test_a_certificate_that_is_none_of_rsa_is_refused(found):
    sns = connector()
    sns.network.found[CERTIFICATE_URL] = found
    with pytest.raises(UnauthorizedError):
        sns.verify(sns_request(sealed(message("sns_notification"))))


def test_a_certificate_out_of_reach_asks_the_sender_to_come_again_and_then_is_fetched():
    sns, request = connector(), sns_request(sealed(message("sns_notification")))
    usual, sns.network.found[CERTIFICATE_URL] = sns.network.found[CERTIFICATE_URL], RetryableError("down")
    with pytest.raises(RetryableError):
        sns.verify(request)
    sns.network.found[CERTIFICATE_URL] = usual

    sns.verify(request)


def test_a_subscription_is_confirmed_by_the_address_in_it():
    sns, body = connector(), sealed(message("sns_subscription"))
    answer = sns.handshake(sns_request(body, "SubscriptionConfirmation"))

    assert answer is not None
    assert answer.status == 200
    assert sns.network.asked == [message("sns_subscription")["SubscribeURL"]]


def test_a_subscription_that_cannot_be_confirmed_now_is_to_come_again():
    sns = connector()
    sns.network.found[message("sns_subscription")["SubscribeURL"]] = RetryableError("down")
    with pytest.raises(RetryableError):
        sns.handshake(sns_request(sealed(message("sns_subscription"))))


@pytest.mark.parametrize("url", ["https://example.com/?a", "http://sns.us-west-2.amazonaws.com/?a", "", None])
def test_no_other_address_is_visited(url):
    sns = connector()

    assert sns.handshake(sns_request(json.dumps({**message("sns_subscription"), "SubscribeURL": url}).encode())) is None
    assert sns.network.asked == []


@pytest.mark.parametrize("name", ["sns_notification", "sns_unsubscription"])
def test_other_messages_are_no_handshake(name):
    sns = connector()

    assert sns.handshake(sns_request(sealed(message(name)))) is None
    assert sns.network.asked == []


def test_a_notification_sent_again_is_the_same_delivery():
    body = sealed(message("sns_notification"))

    assert connector().delivery_key(sns_request(body)) == "sns:22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324"


@responses.activate
def test_what_stands_at_an_address_is_fetched():
    responses.get(CERTIFICATE_URL, body=b"pem")

    assert fetched(CERTIFICATE_URL) == b"pem"


@responses.activate
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"status": 503}, RetryableError),
        ({"status": 404}, UnauthorizedError),
        ({"status": 302, "headers": {"Location": "https://example.com/"}}, UnauthorizedError),
        ({"body": requests.ConnectionError("down")}, RetryableError),
    ],
)
def test_what_does_not_stand_there_is_told_apart_from_what_is_out_of_reach(answer, error):
    responses.get(CERTIFICATE_URL, **answer)
    with pytest.raises(error):
        fetched(CERTIFICATE_URL)
