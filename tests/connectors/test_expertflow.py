"""The Expertflow connector: CTI events, CX events and Finesse dialogs as interactions."""

from __future__ import annotations

import itertools
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlencode

import pytest

from connectors.expertflow import ExpertflowConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import CallType, ConfigError, Delivery, Direction, RejectedError, Request, UnauthorizedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in
from tests.unit.usecases.desk import CASEY, OWEN, Desk

FIXTURES = Path(__file__).parents[2] / "connectors/expertflow/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
AT = 1772462131447
TOKEN = "a-long-random-token"


class TestExpertflow(ConnectorSuite):
    connector = ExpertflowConnector
    fixtures = FIXTURES
    settings = {"token": TOKEN}
    secret_setting = "token"

    def sign(self, body, headers, *, url, at):
        return {**headers, "authorization": f"Bearer {TOKEN}"}


def expertflow(**settings: Any) -> ExpertflowConnector:
    return configured(ExpertflowConnector, {"token": TOKEN, **settings})


def parsed(body: bytes, type: str = "application/json", *, at: datetime = NOW, **settings: Any):
    return expertflow(**settings).parse(Delivery(content_type=type, headers={}, body=body, received_at=at))


def case(name: str):
    (found,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return found


def partials_of(name: str):
    suite, found = TestExpertflow(), case(name)
    return suite.told(found, suite.configured(**found.settings))


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def cti(event: str = "DISCONNECTED", **more: Any) -> dict[str, Any]:
    usual = {"event": event, "CallType": "Inbound", "ani": "+14155550123", "DNIS": "6001", "CallId": "7"}
    return {**usual, "activityDialogID": "7", **more}


def cim(name: str, data: Any = None, *, at: int = AT, **more: Any) -> dict[str, Any]:
    return {"name": name, "timestamp": at, "conversationId": "c-1", "data": data, **more}


def told(event: dict[str, Any], **settings: Any):
    (partial,) = parsed(json.dumps(event).encode(), **settings)
    return partial


def dialog(
    state: str = "ACTIVE", call_type: str = "ACD_IN", *, people: str = "", more: str = "", media: str = ""
) -> bytes:
    return (
        f"<Update><data><dialogs><Dialog><id>7</id><mediaType>Voice</mediaType><state>{state}</state>"
        f"<mediaProperties><callType>{call_type}</callType>{media}</mediaProperties>{more}"
        f"<participants>{people}</participants></Dialog></dialogs></data></Update>"
    ).encode()


def agent(extension: str, state: str, start: str = "14:41:07", changed: str = "14:41:20") -> str:
    return (
        f"<Participant><mediaAddress>{extension}</mediaAddress><mediaAddressType>AGENT_DEVICE</mediaAddressType>"
        f"<startTime>2026-03-02T{start}.000Z</startTime><state>{state}</state>"
        f"<stateChangeTime>2026-03-02T{changed}.000Z</stateChangeTime></Participant>"
    )


def shown(body: bytes, **settings: Any):
    (partial,) = parsed(body, "application/xml", **settings)
    return partial


# ---- the proof ----


def request(url: str, **headers: str) -> Request:
    return Request(url=f"https://gateway.example.com/webhooks/x{url}", headers=headers, body=b"{}", received_at=NOW)


class InTheUrl(ConnectorSuite):
    connector = ExpertflowConnector
    fixtures = FIXTURES
    settings = {"token": TOKEN, "token_in": "url"}
    secret_setting = "token"

    def addressed(self, url):
        return f"{url}?token={TOKEN}"


@pytest.mark.parametrize(
    "rule",
    [
        "test_an_absent_proof_is_refused",
        "test_a_bad_proof_is_refused",
        "test_a_wrong_secret_is_refused",
        "test_a_rotated_secret_is_let_in_until_it_is_withdrawn",
    ],
)
def test_the_rules_hold_for_a_token_in_the_url_too(rule):
    getattr(InTheUrl(), rule)()


def test_a_token_counts_only_where_the_settings_say_that_it_comes():
    for settings, right, wrong in (
        ({"token_in": "url"}, request(f"?token={TOKEN}"), request("", authorization=f"Bearer {TOKEN}")),
        ({}, request("", authorization=f"Bearer {TOKEN}"), request(f"?token={TOKEN}")),
    ):
        expertflow(**settings).verify(right)
        with pytest.raises(UnauthorizedError):
            expertflow(**settings).verify(wrong)


def test_settings_that_cannot_be_meant_are_refused():
    with pytest.raises(ConfigError, match=r"settings\.token_in"):
        expertflow(token_in="body")


# ---- two agents, two requests ----


@pytest.mark.parametrize("name", ["cti_transferred", "cx_two_requests", "finesse_transferred"])
def test_of_two_requests_that_two_agents_name_the_later_stands_and_both_are_kept(name):
    partials = partials_of(name)
    if name == "finesse_transferred":  # in the kit all are received at once
        partials = [p for p in partials if p.event.value != "completed"]
    call = folded(partials)

    assert call.references["case_number"] == "00001027"
    assert call.earlier_references == {"case_number": ("00001026",)}
    assert all(folded(order) == call for order in itertools.islice(itertools.permutations(partials), 200))


# ---- CTI events ----


def test_a_transferred_call_is_one_with_a_leg_for_each_agent_and_the_consultation():
    call = folded(partials_of("cti_transferred"))

    assert [(leg.agent_email, leg.call_type, leg.disposition) for leg in call.legs] == [
        ("ada@example.com", CallType.INBOUND, "Resolved"),
        ("bob@example.com", CallType.CONSULT, None),
        ("bob@example.com", CallType.TRANSFER, "Escalated"),
    ]
    assert (call.contact_point, [party.phone for party in call.parties]) == ("6001", ["04155550123"])
    assert (call.status, call.direction, call.duration_seconds) == (Status.COMPLETED, Direction.INBOUND, 370)


def test_an_extension_never_takes_the_place_of_the_customers_number():
    transferred = told(cti(ani="2001", DNIS="2002", previousDialogId="5"))

    assert (transferred.id, transferred.parties, transferred.contact_point) == ("5", (), None)


def test_an_outbound_call_is_to_the_number_without_the_outside_line():
    partial = told(cti("OBDISCONNECTED", CallType="Outbound", ani="2001", DNIS="914155550123"), outside_line="9")

    assert (partial.direction, partial.parties[0].phone) == (Direction.OUTBOUND, "14155550123")
    assert (partial.contact_point, partial.legs[0].call_type) == (None, CallType.OUTBOUND)


def test_a_form_and_json_tell_the_same():
    event = cti(timeElapsedInSec="20", WrapUp="Resolved")

    assert parsed(urlencode(event).encode(), "application/x-www-form-urlencoded") == parsed(json.dumps(event).encode())


def test_numbers_may_be_numbers_and_a_duration_that_is_none_is_not_said():
    (leg,) = told(cti(CallId=7, activityDialogID=7, timeElapsedInSec=20)).legs
    (unsure,) = told(cti(timeElapsedInSec="00:20")).legs

    assert leg.ended_at - leg.started_at == timedelta(seconds=20)
    assert (unsure.started_at, unsure.ended_at) == (None, NOW)


def test_the_relays_parameters_have_the_names_that_the_settings_give():
    event = {**cti(), "evt": "RINGING", "who": "ada", "when": "2026-03-02T14:00:00+01:00"}
    names = {"event_parameter": "evt", "agent_parameter": "who", "time_parameter": "when"}
    partial = told({**event, "evt": "CONNECTED"}, agents={"ada": "ada@example.com"}, **names)

    assert told(event, **names).legs == ()
    assert partial.occurred_at == datetime(2026, 3, 2, 13, 0, tzinfo=UTC)
    assert (partial.legs[0].agent_id, partial.legs[0].agent_email) == ("ada", "ada@example.com")


def test_other_events_are_ignored_and_what_is_none_is_rejected():
    assert parsed(json.dumps(cti("OBRINGING")).encode()) == ()
    with pytest.raises(RejectedError, match="no event, name or state"):
        parsed(b'{"hello": "world"}')


# ---- CX ----


def test_who_is_linked_is_the_customer_in_any_order_of_events():
    partials = partials_of("cx_another_customer")
    call = folded(partials)

    (customer,) = call.parties
    assert (customer.name, customer.phone, customer.email) == ("Robin Relative", "+14155550177", "robin@example.com")
    assert call.references == {"contact_id": "003000000000002AAA"}
    assert call.earlier_references == {"contact_id": ("003000000000001AAA",)}
    assert (call.status, call.duration_seconds, call.notes) == (
        Status.WRAPPED_UP,
        803,
        "Customer requested follow-up call in 2 days.",
    )
    assert all(folded(order) == call for order in itertools.islice(itertools.permutations(partials), 500))


def session(customer: dict[str, Any], who: str = "+14155550123", kind: str = "CISCO_CC") -> dict[str, Any]:
    return {
        "channel": {"serviceIdentifier": "6001", "channelType": {"name": kind}},
        "customer": customer,
        "channelData": {"channelCustomerIdentifier": who},
        "channelSessionDirection": "INBOUND",
    }


CASEY_CALLS = session({"_id": "1", "firstName": "Casey Customer", "phoneNumber": ["+14155550123"], "sf": CASEY.id})
OWEN_IS_MEANT = {"_id": "2", "firstName": "Owen Park", "phoneNumber": ["+15305550151"], "isAnonymous": False}


@pytest.mark.parametrize("names", [{}, {"contact_id": "sf"}])
@pytest.mark.parametrize("late", [False, True])
def test_the_task_follows_to_the_customer_who_is_linked(names, late):
    """Also where the call's own record comes afterwards, and still names the first customer."""
    desk = Desk()

    def hear(event: dict[str, Any]) -> None:
        desk.receive([told(event, attribute_names=names)])
        desk.fold()
        desk.pass_time(1)
        desk.write()

    hear(cim("VOICE_ACTIVITY", {"callLegs": []}, channelSession=CASEY_CALLS, at=AT))
    task = desk.task()
    assert task.fields["WhoId"] == CASEY.id
    hear(cim("ASSOCIATED_CUSTOMER_CHANGED", OWEN_IS_MEANT, channelSession=CASEY_CALLS, at=AT + 1000))
    if late:
        hear(cim("VOICE_ACTIVITY", {"callLegs": [], "holdTime": 2}, channelSession=CASEY_CALLS, at=AT + 9000))

    assert [each.id for each in desk.tasks()] == [task.id]
    assert task.fields["WhoId"] == OWEN.id


def test_of_several_numbers_of_the_linked_customer_the_one_in_use_counts():
    data = {"_id": "2", "firstName": "Robin", "phoneNumber": ["+14155550177", "+14155550123"]}
    linked = cim("ASSOCIATED_CUSTOMER_CHANGED", data, channelSession=CASEY_CALLS)

    assert told(linked).parties[0].phone == "+14155550123"


def test_what_the_linked_customer_lacks_is_taken_back():
    names = {"attribute_names": {"contact_id": "sf", "customer_email": "email"}}
    before = told(
        cim("CHANNEL_SESSION_STARTED", session({"_id": "1", "sf": CASEY.id, "email": "c@example.com"})), **names
    )
    after = told(cim("ASSOCIATED_CUSTOMER_CHANGED", {"_id": "2", "firstName": "Robin"}, at=AT + 1), **names)
    call = folded([before, after])

    (customer,) = call.parties
    assert (customer.name, customer.phone, customer.email) == ("Robin", None, None)
    assert call.references == {}


def test_of_two_links_the_later_one_counts():
    first = told(cim("ASSOCIATED_CUSTOMER_CHANGED", OWEN_IS_MEANT, at=AT + 5))
    second = told(cim("ASSOCIATED_CUSTOMER_CHANGED", {"_id": "3", "firstName": "Robin"}, at=AT + 6))

    assert folded([second, first]).parties == folded([first, second]).parties
    assert folded([second, first]).parties[0].name == "Robin"


def test_an_id_alone_says_nothing_of_who_it_is():
    partial = told(cim("ASSOCIATED_CUSTOMER_CHANGED", {"Id": "2"}))

    assert (partial.parties, partial.references, partial.attributes) == ((), None, {"customer_id": "2"})


def test_the_platforms_names_for_people_nobody_knows_are_no_names():
    anonymous = session({"_id": "1", "firstName": "Anonymous", "isAnonymous": True})

    assert told(cim("CHANNEL_SESSION_STARTED", anonymous)).parties[0].name is None


@pytest.mark.parametrize(
    ("kind", "who", "phone", "email", "handle"),
    [
        ("CISCO_CC", "+14155550123", "+14155550123", None, None),
        ("WHATSAPP", "14155550123", "14155550123", None, None),
        ("EMAIL", "casey@example.com", None, "casey@example.com", None),
        ("FACEBOOK", "psid-7", None, None, "psid-7"),
        ("WEB", "113377701", None, None, None),
        ("TWITTER", "@casey", None, None, None),
    ],
)
def test_the_channel_says_what_the_identifier_is(kind, who, phone, email, handle):
    partial = told(cim("CHANNEL_SESSION_STARTED", session({"firstName": "Casey"}, who, kind)))

    (customer,) = partial.parties
    assert (customer.phone, customer.email, customer.handle) == (phone, email, handle)
    assert partial.attributes == {"customer_identifier": who}


def test_legs_are_one_for_each_agent_and_no_one_who_only_listened():
    call = folded(partials_of("cx_two_requests"))

    assert [(leg.agent_name, leg.call_type) for leg in call.legs] == [
        ("ada", CallType.INBOUND),
        ("bob", CallType.TRANSFER),
    ]
    assert [leg.disposition for leg in call.legs] == ["Passed on", "Refunded"]
    assert call.legs[1].started_at - call.legs[0].started_at == timedelta(seconds=240)


def test_who_reached_no_agent_was_missed_and_with_a_leg_was_not():
    legs = [{"sender": {"id": "a", "type": "AGENT"}, "startTime": AT, "endTime": AT + 1}]
    nobody = cim("VOICE_ACTIVITY", {"callLegs": []}, channelSession=CASEY_CALLS)

    assert folded(partials_of("cx_missed")).status is Status.MISSED
    assert folded([told(nobody)]).status is Status.MISSED
    answered = told(cim("VOICE_ACTIVITY", {"callLegs": legs}, channelSession=CASEY_CALLS, at=AT + 1))
    assert folded([told(nobody), answered]).status is Status.COMPLETED


ADA_TALKS = {
    "assignedTo": {"id": "a", "name": "ada"},
    "activeMedia": [{"answerTime": AT, "type": {"direction": "INBOUND"}, "queue": {"name": "Support"}}],
}
ADA = {"role": "PRIMARY", "participant": {"keycloakUser": {"id": "a", "username": "ada"}}}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("TASK_STATE_CHANGED", {"task": {**ADA_TALKS, "state": {"name": "WRAP_UP"}}}),
        ("TASK_STATE_CHANGED", {"task": {**ADA_TALKS, "state": {"name": "CLOSED", "reasonCode": "DONE"}}}),
        ("AGENT_UNSUBSCRIBED", {"agentParticipant": ADA}),
        ("CALL_LEG_ENDED", {"header": {"sender": {"id": "a", "type": "AGENT"}}}),
    ],
)
def test_a_call_whose_agent_is_done_was_not_missed(name, data):
    over = told(cim("CHANNEL_SESSION_ENDED", channelSession=CASEY_CALLS, at=AT + 9000))
    done = told(cim(name, data, channelSession=CASEY_CALLS, at=AT + 8000))

    assert folded([over]).status is Status.MISSED
    assert folded([done, over]).status is folded([over, done]).status is Status.COMPLETED


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("TASK_STATE_CHANGED", {"task": {**ADA_TALKS, "state": {"name": "ACTIVE"}}}),
        ("AGENT_SUBSCRIBED", {"agentParticipant": ADA}),
        ("agent_subscribed", {"agentParticipant": ADA}),
        ("CALL_LEG_STARTED", {"header": {"sender": {"id": "a", "type": "AGENT"}}}),
    ],
)
def test_a_call_that_goes_on_is_not_complete(name, data):
    partial = told(cim(name, data, channelSession=CASEY_CALLS))

    assert (partial.event.value, [leg.started_at for leg in partial.legs]) == ("updated", [partial.occurred_at])


@pytest.mark.parametrize("reason", ["RONA", "CANCELLED", "NO_AGENT_AVAILABLE"])
def test_an_agent_who_only_rang_answered_nothing(reason):
    media = [{"answerTime": None, "type": {"direction": "INBOUND"}, "queue": {"name": "Support"}}]
    task = {**ADA_TALKS, "activeMedia": media, "state": {"name": "CLOSED", "reasonCode": reason}}
    rang = told(cim("TASK_STATE_CHANGED", {"task": task}, channelSession=CASEY_CALLS))
    over = told(cim("CHANNEL_SESSION_ENDED", channelSession=CASEY_CALLS, at=AT + 9000))
    call = folded([rang, over])

    assert (call.status, call.legs) == (Status.MISSED, ())


def test_a_chat_goes_on_when_an_agent_leaves_it():
    on_the_web = session({"firstName": "Casey"}, "113377701", "WEB")
    left = told(cim("AGENT_UNSUBSCRIBED", {"agentParticipant": ADA}, channelSession=on_the_web))

    assert left.event.value == "updated"


def wrapped_up(*pairs: tuple[str, str], **settings: Any):
    wrapups = [{"categoryName": category, "value": value} for category, value in pairs]
    sender = {"id": "a", "type": "AGENT", "senderName": "ada"}
    message = cim("WRAPUP_APPLIED", {"header": {"sender": sender}, "body": {"wrapups": wrapups}})
    activity = cim("VOICE_ACTIVITY", {"wrapUps": wrapups, "callLegs": []})
    return told(message, **settings), told(activity, **settings)


def test_the_category_that_the_settings_name_is_the_outcome():
    told_by = wrapped_up(
        ("Issue Type", "internet"), ("Resolution", "plan upgrade"), attribute_names={"disposition": "Resolution"}
    )

    assert [partial.disposition for partial in told_by] == ["plan upgrade"] * 2
    assert [leg.disposition for leg in told_by[0].legs] == ["plan upgrade"]
    assert all(partial.attributes["Issue Type"] == "internet" for partial in told_by)


def test_a_wrap_up_without_the_named_category_has_all_its_values_for_the_outcome():
    told_by = wrapped_up(("Issue Type", "internet"), ("Topic", "t"), attribute_names={"disposition": "Resolution"})

    assert [partial.disposition for partial in told_by] == ["internet; t"] * 2


@pytest.mark.parametrize("names", [{}, {"disposition": "Issue Type"}])
def test_no_value_of_a_category_is_lost(names):
    told_by = wrapped_up(("Issue Type", "internet"), ("Issue Type", "billing"), attribute_names=names)

    assert [partial.disposition for partial in told_by] == ["internet; billing"] * 2
    assert all(partial.attributes["Issue Type"] == "internet; billing" for partial in told_by)


def test_of_several_requests_in_one_wrap_up_the_last_one_counts():
    told_by = wrapped_up(("Request", "R-1"), ("Request", "R-2"), attribute_names={"case_number": "Request"})

    assert [partial.references for partial in told_by] == [{"case_number": "R-2"}] * 2


def test_wrap_ups_of_an_unknown_shape_do_not_lose_the_call():
    partial = told(cim("VOICE_ACTIVITY", {"callLegs": [], "wrapUps": ["Resolved", {"value": "Sold"}, None]}))

    assert partial.disposition == "Sold"


def test_the_older_name_of_a_conversation_and_capitals_are_understood():
    event = cim("channel_session_started", {**session({}), "topicId": "t-1"})
    del event["conversationId"]

    assert told({**event, "channelSession": {"topicId": "t-1"}}).id == "t-1"
    assert parsed(json.dumps(cim("BOT_SUGGESTION", "x")).encode()) == ()


# ---- Finesse ----


def test_a_conference_is_one_call_by_its_call_key():
    partials = partials_of("finesse_conference")
    call = folded(partials)

    assert call.id == "152204-217"
    assert [(leg.agent_email, leg.call_type) for leg in call.legs] == [
        ("ada@example.com", CallType.INBOUND),
        ("bob@example.com", CallType.CONFERENCE),
    ]
    assert (call.duration_seconds, call.disposition, call.queue) == (803, "Resolved", "Support")
    assert all(folded(order) == call for order in itertools.permutations(partials))


def test_without_call_keys_a_consultation_belongs_to_the_call_that_it_is_about():
    call = folded(partials_of("finesse_transferred"))

    assert call.id == "16804377"
    assert [leg.call_type for leg in call.legs] == [CallType.INBOUND, CallType.TRANSFER]
    assert [party.phone for party in call.parties] == ["04155550123"]


@pytest.mark.parametrize("call_type", ["TRANSFER", "4", "CONFERENCE", "15", "BARGE_IN"])
def test_without_call_keys_the_call_goes_on_in_the_dialog_that_names_it(call_type):
    """Where the consultation survives the transfer, its dialog is the one that goes on."""
    main = dialog("DROPPED", people=agent("2001", "DROPPED"), more="<fromAddress>+14155550123</fromAddress>")
    on = dialog(
        "DROPPED",
        call_type,
        people=agent("2001", "DROPPED") + agent("2002", "DROPPED", start="14:45:00", changed="14:55:00"),
        more="<associatedDialogUri>/finesse/api/Dialog/7</associatedDialogUri>",
    ).replace(b"<id>7</id>", b"<id>8</id>")
    call = folded([shown(main), shown(on)])

    assert (call.id, [leg.agent_id for leg in call.legs]) == ("7", ["2001", "2002"])
    assert call.duration_seconds == 833


def test_the_main_call_is_itself_whatever_call_it_took_in():
    survivor = dialog("ACTIVE", "TRANSFER", more="<secondaryId>8</secondaryId>")

    assert shown(survivor).id == "7"


def test_a_consultation_is_the_part_of_who_was_asked_and_ends_no_call():
    people = agent("2001", "DROPPED") + agent("2002", "DROPPED")
    partial = shown(
        dialog("DROPPED", "CONSULT", people=people, more="<fromAddress>2001</fromAddress><toAddress>2002</toAddress>")
    )

    assert [(leg.agent_id, leg.call_type) for leg in partial.legs] == [("2002", CallType.CONSULT)]
    assert (partial.event.value, partial.parties, partial.direction) == ("updated", (), None)


@pytest.mark.parametrize(
    ("call_type", "types"),
    [
        ("PREROUTE_ACD_IN", [CallType.INBOUND, CallType.CONFERENCE]),
        ("1", [CallType.INBOUND, CallType.CONFERENCE]),
        ("OUT", [CallType.OUTBOUND, CallType.CONFERENCE]),
        ("TRANSFER", [None, CallType.TRANSFER]),
        ("4", [None, CallType.TRANSFER]),
        ("CONFERENCE", [None, CallType.CONFERENCE]),
        ("SOMETHING_NEW", [None, CallType.CONFERENCE]),
    ],
)
def test_the_call_type_is_that_of_who_came_last(call_type, types):
    people = agent("2002", "ACTIVE", start="14:45:00") + agent("2001", "ACTIVE")

    assert [leg.call_type for leg in shown(dialog("ACTIVE", call_type, people=people)).legs] == types


@pytest.mark.parametrize("call_type", ["RESERVATION", "PREVIEW", "SUPERVISOR_MONITOR", "18"])
def test_a_diallers_own_calls_and_listeners_are_no_interactions(call_type):
    assert parsed(dialog("ACTIVE", call_type), "application/xml") == ()


def test_inside_calls_and_tasks_of_other_media_are_no_interactions():
    inside = dialog("ACTIVE", "AGENT_INSIDE", more="<fromAddress>2001</fromAddress><toAddress>2002</toAddress>")
    chat = dialog().replace(b"Voice", b"Cisco_Chat_MRD")

    assert parsed(inside, "application/xml") == parsed(chat, "application/xml") == ()


def test_who_only_rings_has_no_part():
    assert shown(dialog("ALERTING", people=agent("2001", "ALERTING"))).legs == ()


def test_a_late_notification_changes_nothing_that_a_newer_one_told():
    newer = dialog(
        "ACTIVE", people=agent("2001", "ACTIVE", changed="14:50:00"), media="<wrapUpReason>New</wrapUpReason>"
    )
    older = dialog(
        "ACTIVE", people=agent("2001", "ACTIVE", changed="14:42:00"), media="<wrapUpReason>Old</wrapUpReason>"
    )
    again = dialog(
        "ACTIVE", people=agent("2001", "ACTIVE", changed="14:50:00"), media="<wrapUpReason>Newer</wrapUpReason>"
    )

    def heard(*bodies: bytes) -> str | None:
        times = (NOW + timedelta(seconds=n) for n in range(9))
        return folded(
            [one for body, at in zip(bodies, times) for one in parsed(body, "application/xml", at=at)]
        ).disposition

    assert heard(newer, older) == "New"
    assert heard(newer, again) == "Newer"
    assert heard(again, newer) == "New"


def test_the_rest_interfaces_answers_are_read_too():
    one = b"<Dialog><id>1</id><state>ACTIVE</state></Dialog>"

    assert [partial.id for partial in parsed(one, "text/xml")] == ["1"]
    assert [p.id for p in parsed(b"<Dialogs>" + one + one.replace(b"1", b"2") + b"</Dialogs>", "text/xml")] == [
        "1",
        "2",
    ]
    assert parsed(b"<Update><data><user/></data></Update>", "text/xml") == ()


def test_a_workflow_tells_its_call_by_key_and_its_agent():
    (partial,) = partials_of("workflow_form")

    assert (partial.id, partial.disposition) == ("152204-217", "Resolved")
    assert [(leg.id, leg.agent_email) for leg in partial.legs] == [("2001", "ada@example.com")]


VARIABLES = {
    "callKeyPrefix": "152204",
    "callKeyCallId": "217",
    "extension": "2001",
    "fromAddress": "04155550123",
    "wrapUpReason": "Resolved",
}


def posted(**values: str):
    """What is read of the form that the README prints, once Finesse has filled in its variables, as they are."""
    page = (FIXTURES.parent / "README.md").read_text()
    (form,) = re.findall(r"^ *(state=DROPPED&.*)$", page, re.MULTILINE)
    filled = Template(form).substitute(VARIABLES | values)
    (partial,) = parsed(filled.encode(), "application/x-www-form-urlencoded")
    return form, partial


def test_the_form_that_is_printed_tells_of_a_customer_within_five_variables():
    form, partial = posted()

    assert len(Template(form).get_identifiers()) == 5
    assert (partial.id, partial.disposition) == ("152204-217", "Resolved")
    assert [party.phone for party in partial.parties] == ["04155550123"]
    assert [leg.agent_id for leg in partial.legs] == ["2001"]


def test_a_plus_that_a_workflow_does_not_escape_is_no_blank():
    _, partial = posted(fromAddress="+14155550123")

    assert [party.phone for party in partial.parties] == ["+14155550123"]


@pytest.mark.parametrize(
    ("words", "direction", "who"),
    [
        ("callType=ACD_IN&fromAddress=04155550123", Direction.INBOUND, "04155550123"),
        ("callType=OUT&toAddress=904155550123", Direction.OUTBOUND, "04155550123"),
        ("toAddress=904155550123", None, "04155550123"),
    ],
)
def test_a_workflow_may_say_the_direction_in_words_of_its_own(words, direction, who):
    body = f"state=DROPPED&callKeyPrefix=1&callKeyCallId=2&agent=2001&{words}".encode()
    (partial,) = parsed(body, "application/x-www-form-urlencoded", outside_line="9")

    assert (partial.direction, [party.phone for party in partial.parties]) == (direction, [who])
