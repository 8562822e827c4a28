"""The Twilio connector: calls, tasks and conversations as interactions, and Twilio's signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
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


def is_form(body: bytes) -> bool:
    return body[:1].isalpha()


class TestTwilio(ConnectorSuite):
    connector = TwilioConnector
    fixtures = FIXTURES
    settings = {"auth_token": TOKEN}
    secret_setting = "auth_token"

    def signed(self, body, headers, *, at=NOW):
        url = self.url if is_form(body) else f"{self.url}?bodySHA256={hashlib.sha256(body).hexdigest()}"
        return Request(url=url, headers=self.sign(body, headers, url=url, at=at), body=body, received_at=NOW)

    def sign(self, body, headers, *, url, at):
        pairs = sorted(parse_qsl(body.decode(), keep_blank_values=True)) if is_form(body) else ()
        message = url + "".join(name + value for name, value in pairs)
        digest = hmac.new(TOKEN.encode(), message.encode(), hashlib.sha1).digest()
        return {**headers, "x-twilio-signature": base64.b64encode(digest).decode()}


def verify(url: str, media_type: str, body: bytes, signature: str) -> None:
    headers = {"content-type": media_type, "x-twilio-signature": signature}
    configured(TwilioConnector, {"auth_token": TOKEN}).verify(
        Request(url=url, headers=headers, body=body, received_at=NOW)
    )


def twilio(**settings: Any) -> TwilioConnector:
    return configured(TwilioConnector, {"auth_token": TOKEN, **settings})


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
    suite = TestTwilio()
    return interaction(*reversed(suite.told(case, suite.configured(**case.settings))))


def interaction(*partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


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
    assert (partial.duration_seconds, partial.legs) == (320, ())
    assert partial.occurred_at == datetime(2026, 3, 2, 14, 46, 27, tzinfo=UTC)


def test_an_outbound_call():
    partial = told(Direction="outbound-api", From="+18005550100", To="+14155550123", CallerName="BRAND")

    assert (partial.direction, partial.contact_point) == (Direction.OUTBOUND, "+18005550100")
    assert (partial.parties[0].phone, partial.parties[0].name) == ("+14155550123", None)


@pytest.mark.parametrize("sequence", ["", "0", "3"])
def test_the_last_callback_stands_behind_the_others(sequence):
    goes_on = told(CallStatus="in-progress", SequenceNumber="2", Timestamp="Mon, 02 Mar 2026 14:50:00 +0000")
    call = interaction(told(SequenceNumber=sequence), goes_on)

    assert (goes_on.sequence, call.attributes["call_status"]) == (2, "completed")


def test_a_call_of_a_trunk_has_numbers_at_both_ends_and_no_agent():
    out = told(Direction="trunking-terminating", From="+18005550100", To="+14155550123")
    into = told(Direction="trunking-originating", To="sip:+18005550100@pbx.example.com")

    assert (out.direction, into.direction) == (Direction.OUTBOUND, Direction.INBOUND)
    assert out.contact_point == into.contact_point == "+18005550100"
    assert out.parties[0].phone == into.parties[0].phone == "+14155550123"
    assert out.legs == into.legs == ()


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
    with pytest.raises(RejectedError, match="only voice status and TaskRouter event callbacks belong here"):
        told(CallStatus="")


def test_a_status_unheard_of_is_ignored():
    body = urlencode({"CallSid": "CA1", "CallStatus": "levitating"}).encode()
    connector = configured(TwilioConnector, {"auth_token": TOKEN})

    assert connector.parse(Delivery(content_type=FORM, headers={}, body=body, received_at=NOW)) == ()


def test_without_a_timestamp_the_time_of_receipt_counts():
    assert told(Timestamp="").occurred_at == NOW


# ---- tasks ----


def task(event: str, *, at: str = "2026-03-02T14:46:28Z", attributes: Any = None, **more: str):
    """The partials that TaskRouter's callback of an event tells."""
    fields = {
        "EventType": event,
        "TaskSid": "WT1",
        "Timestamp": at,
        "TaskAttributes": json.dumps(attributes or {}),
        **more,
    }
    body = urlencode(fields).encode()
    return twilio().parse(Delivery(content_type=FORM, headers={}, body=body, received_at=NOW))


def worked(event: str, *, at: str, **more: str):
    return task(event, at=at, ReservationSid="WR1", WorkerSid="WK1", WorkerName="ada@example.com", **more)


def streamed(body: Any, **settings: Any):
    found = json.dumps(body).encode()
    request = Request(url=BASE, headers={"content-type": "application/json"}, body=found, received_at=NOW)
    connector = twilio(**settings)
    deliveries = [
        Delivery(content_type=part.content_type, headers={}, body=part.body, received_at=NOW)
        for part in connector.parts(request)
    ]
    return [partial for delivery in deliveries for partial in connector.parse(delivery)]


def test_a_call_and_its_task_are_one_interaction():
    call = folded("flex_call")

    assert (call.id, call.status, call.duration_seconds) == (
        "CA00000000000000000000000000000061",
        Status.WRAPPED_UP,
        320,
    )
    assert (call.disposition, call.notes, call.queue) == ("Resolved", "Sent a replacement", "Support")
    assert (call.references, call.attributes["completed_reason"]) == ({"case_number": "00001026"}, "done")
    assert call.started_at == datetime(2026, 3, 2, 14, 41, 7, tzinfo=UTC)
    assert call.ended_at == datetime(2026, 3, 2, 14, 46, 27, tzinfo=UTC)
    assert [(leg.agent_name, leg.agent_email, leg.ended_at) for leg in call.legs] == [
        ("Ada Agent", "ada@example.com", datetime(2026, 3, 2, 14, 46, 28, tzinfo=UTC))
    ]


def test_a_chat_has_a_leg_for_each_worker_who_took_it():
    chat = folded("flex_chat_in_batches")

    assert (chat.channel, chat.direction, chat.contact_point) == (Channel.WHATSAPP, Direction.INBOUND, "+18005550100")
    assert [(leg.agent_name, leg.started_at.minute, leg.ended_at.minute) for leg in chat.legs] == [
        ("Ada Agent", 1, 11),
        ("Bob Agent", 11, 20),
    ]
    assert (chat.parties[0].phone, chat.parties[0].name) == ("+14155550124", "Casey Customer")
    assert (chat.status, chat.references) == (Status.WRAPPED_UP, {"case_id": "500000000000001"})


def test_who_was_only_offered_it_has_no_leg_and_what_is_deleted_is_not_done():
    offered = folded("nobody_took_it")

    assert (offered.status, offered.legs) == (Status.OPEN, ())


def test_only_a_task_of_the_customers_can_be_missed():
    theirs, ours = folded("flex_call_hung_up_in_queue"), folded("outbound_task_canceled")

    assert (theirs.status, theirs.attributes["canceled_reason"]) == (Status.MISSED, "hangup")
    assert (ours.status, ours.id) == (Status.COMPLETED, "WT00000000000000000000000000000002")
    assert (ours.contact_point, ours.parties[0].phone) == ("+18005550100", "+14155550125")


def test_without_wrap_up_the_work_ends_when_it_is_completed():
    accepted = worked("reservation.accepted", at="2026-03-02T14:40:00Z")
    completed = worked("reservation.completed", at="2026-03-02T14:50:00Z")
    wrapup = worked("reservation.wrapup", at="2026-03-02T14:45:00Z")

    assert interaction(*completed, *accepted).legs[0].ended_at.minute == 50
    assert interaction(*completed, *accepted, *wrapup).legs[0].ended_at.minute == 45


def test_of_several_tasks_of_a_conversation_the_first_tells_when_it_began():
    about = {"conversationSid": "CH1"}
    first = task("task.created", at="2026-03-02T14:00:00Z", attributes=about)
    second = task("task.created", at="2026-03-02T15:00:00Z", attributes=about, TaskSid="WT2")

    assert interaction(*first, *second).started_at == interaction(*second, *first).started_at
    assert interaction(*first, *second).started_at.hour == 14


def test_the_attributes_that_the_setting_names_go_before_flexs_own():
    attributes = {
        "sfdcObjectType": "Contact",
        "sfdcObjectId": "003000000000001",
        "crm": {"case": "00001026", "result": "Sold", "memo": "By post", "person": "003000000000002"},
        "conversations": {"outcome": "Resolved", "content": "Hello"},
        "who": "Casey",
    }
    names = {
        "case_number": "crm.case",
        "disposition": "crm.result",
        "notes": "crm.memo",
        "customer_name": "who",
        "contact_id": "crm.person",
    }
    body = urlencode(
        {"EventType": "task.completed", "TaskSid": "WT1", "TaskAttributes": json.dumps(attributes)}
    ).encode()
    delivery = Delivery(content_type=FORM, headers={}, body=body, received_at=NOW)
    mine = interaction(*twilio(task_attributes=names).parse(delivery))
    flexs = interaction(*twilio().parse(delivery))

    assert mine.references == {"contact_id": "003000000000002", "case_number": "00001026"}
    assert (mine.disposition, mine.notes, mine.parties[0].name) == ("Sold", "By post", "Casey")
    assert (flexs.disposition, flexs.notes, flexs.references) == (
        "Resolved",
        "Hello",
        {"contact_id": "003000000000001"},
    )


@pytest.mark.parametrize(
    ("attributes", "phone", "email", "handle", "name"),
    [
        ({"customerAddress": "+14155550123", "customerName": "Casey"}, "+14155550123", None, None, "Casey"),
        ({"customerAddress": "casey@example.com", "name": "casey@example.com"}, None, "casey@example.com", None, None),
        ({"customerAddress": "messenger:123456789", "name": "Casey"}, None, None, "messenger:123456789", "Casey"),
        ({"from": "+14155550123", "name": "+14155550123"}, "+14155550123", None, None, None),
    ],
)
def test_the_customer_is_who_the_address_belongs_to(attributes, phone, email, handle, name):
    (party,) = interaction(*task("task.created", attributes=attributes)).parties

    assert (party.phone, party.email, party.handle, party.name) == (phone, email, handle, name)


def test_a_task_that_names_nobody_has_no_party():
    assert interaction(*task("task.created")).parties == ()


@pytest.mark.parametrize("at", ["2026-03-02T14:46:28Z", "1772462788", "1772462788000"])
def test_a_forms_time_may_be_of_any_kind(at):
    assert task("task.updated", at=at)[0].occurred_at == datetime(2026, 3, 2, 14, 46, 28, tzinfo=UTC)


def test_attributes_that_are_no_json_are_rejected_with_their_place():
    with pytest.raises(RejectedError, match=r"^task_attributes must be JSON"):
        task("task.created", TaskAttributes="{")


@pytest.mark.parametrize(
    "event", ["worker.activity.update", "task-queue.entered", "workflow.entered", "activity.created"]
)
def test_events_of_other_things_are_ignored(event):
    assert task(event) == ()


# ---- Event Streams ----


def test_each_event_of_a_batch_is_a_delivery_of_its_own():
    (case,) = [case for case in cases_in(FIXTURES) if case.name == "flex_chat_in_batches"]
    parts = twilio().parts(TestTwilio().signed(case.bodies[0], case.headers))
    keys = [twilio().delivery_key(part) for part in parts]

    assert keys == [f"event:{event['id']}" for event in json.loads(case.bodies[0])]
    assert len(set(keys)) == 5


def test_an_event_delivered_again_in_another_batch_is_the_same_delivery():
    (case,) = [case for case in cases_in(FIXTURES) if case.name == "flex_chat_in_batches"]
    first, *_ = json.loads(case.bodies[0])
    alone = Request(
        url=BASE, headers={"content-type": "application/json"}, body=json.dumps(first).encode(), received_at=NOW
    )
    (part, *_) = twilio().parts(TestTwilio().signed(case.bodies[0], case.headers))

    assert twilio().delivery_key(alone) == twilio().delivery_key(part)


def test_a_batch_whose_hash_is_not_the_signed_one_is_refused():
    (case,) = [case for case in cases_in(FIXTURES) if case.name == "flex_chat_in_batches"]
    signed = TestTwilio().signed(case.bodies[0], case.headers)
    other = Request(url=signed.url, headers=signed.headers, body=case.bodies[1], received_at=NOW)

    twilio().verify(signed)
    with pytest.raises(UnauthorizedError, match="bodySHA256"):
        twilio().verify(other)


def test_a_sinks_test_event_and_other_products_tell_nothing():
    test = {"type": "com.twilio.eventstreams.test-event", "id": "AC1", "time": "2026-06-10T06:02:54.377Z", "data": {}}

    assert streamed([test, {**test, "type": "com.twilio.conversations.message.added"}]) == []


def added(second: int, address: str, name: str | None = None):
    """The partials of a participant that was added to a conversation."""
    at = f"2026-03-02T14:00:0{second}Z"
    binding = {"ProxyAddress": "+18005550100", "Type": "sms", "Address": address, "Name": name}
    told = {"ConversationSid": "CH1", "ParticipantSid": f"MB{second}", "DateCreated": at, "MessagingBinding": binding}
    return streamed({"type": "com.twilio.conversations.participant.added", "id": f"NO{second}", "data": told})


def test_of_two_people_in_a_conversation_neither_has_the_others_name():
    casey, dana = added(1, "+14155550123", "Casey Customer"), added(2, "+14155550199")

    for order in ([*casey, *dana], [*dana, *casey]):
        assert [(party.phone, party.name) for party in interaction(*order).parties] == [("+14155550199", None)]


def test_who_was_added_and_whom_the_task_tells_of_are_one_person():
    about = {"conversationSid": "CH1", "customerAddress": "+14155550123", "customerName": "Casey Customer"}
    accepted = worked("reservation.accepted", at="2026-03-02T14:01:00Z", TaskAttributes=json.dumps(about))
    chat = interaction(*added(1, "+14155550123"), *accepted)

    assert [(party.phone, party.name) for party in chat.parties] == [("+14155550123", "Casey Customer")]


def test_what_is_no_list_of_events_says_so():
    with pytest.raises(RejectedError, match=r"\[1\] must be an object"):
        streamed([{"type": "x"}, 7])


def test_taskrouter_hears_204_and_others_the_gateways_own_words():
    form = Request(
        url=BASE, headers={"content-type": FORM}, body=b"EventType=task.created&TaskSid=WT1", received_at=NOW
    )
    call = Request(url=BASE, headers={"content-type": FORM}, body=b"CallSid=CA1", received_at=NOW)
    answer = twilio().answer(form)

    assert answer is not None
    assert answer.status == 204
    assert twilio().answer(call) is None
