"""The Zendesk connector: tickets as interactions, and Zendesk's signature."""

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

from connectors.zendesk import ZendeskConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import Channel, Delivery, Direction, RejectedError, Request, UnauthorizedError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ConnectorSuite, cases_in

FIXTURES = Path(__file__).parents[2] / "connectors/zendesk/fixtures"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="


class TestZendesk(ConnectorSuite):
    connector = ZendeskConnector
    fixtures = FIXTURES
    settings = {"signing_secret": SECRET}
    secret_setting = "signing_secret"

    def sign(self, body, headers, *, url, at):
        stamp = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        digest = hmac.new(SECRET.encode(), stamp.encode() + body, hashlib.sha256).digest()
        return {
            **headers,
            "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
            "x-zendesk-webhook-signature-timestamp": stamp,
        }


def case(name: str):
    (found,) = [case for case in cases_in(FIXTURES) if case.name == name]
    return found


def partials_of(name: str):
    suite, found = TestZendesk(), case(name)
    return suite.told(found, suite.configured(**found.settings))


def folded(partials):
    (id,) = {partial.id for partial in partials}
    return interaction_of(id, fold(None, partials))


def parsed(body: Any, **settings: Any):
    delivery = Delivery(content_type="application/json", headers={}, body=json.dumps(body).encode(), received_at=NOW)
    return configured(ZendeskConnector, {"signing_secret": SECRET, **settings}).parse(delivery)


def told(kind: str = "status_changed", event: Any = None, **detail: Any):
    body = {
        "type": f"zen:event-type:ticket.{kind}",
        "time": "2026-03-02T14:55:31Z",
        "detail": {"id": "7", "status": "OPEN", **detail},
        "event": event or {},
    }
    (partial,) = parsed(body)
    return partial


def test_the_signature_is_over_the_timestamp_and_then_the_body():
    """The derived vector: Zendesk's own, older one has the body first and is refused."""
    at = datetime(2021, 7, 25, 10, 0, tzinfo=UTC)
    derived, older = (
        (SECRET, "gf3v0LzLRHPUnIdhbvwRDVEvzSb07/QN0GYjSNlkBT0="),
        ("HRkRd4BeOAoUkfZr-mhauJT64rvBASlJRoIyPsd3zeA=", "tRDSF7URY8BLCDlaBcQ7FHu051Zk+aAB0NKMP53teMw="),
    )

    def verify(secret: str, signature: str) -> None:
        headers = {
            "x-zendesk-webhook-signature": signature,
            "x-zendesk-webhook-signature-timestamp": "2021-07-25T10:00:00Z",
        }
        request = Request(url="https://gw", headers=headers, body=b'{"say": "hello"}', received_at=at)
        configured(ZendeskConnector, {"signing_secret": secret}).verify(request)

    verify(*derived)
    with pytest.raises(UnauthorizedError):
        verify(*older)


def test_a_signed_time_that_is_none_is_refused():
    digest = hmac.new(SECRET.encode(), b"today{}", hashlib.sha256).digest()
    headers = {
        "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
        "x-zendesk-webhook-signature-timestamp": "today",
    }
    with pytest.raises(UnauthorizedError, match="is no time"):
        configured(ZendeskConnector, {"signing_secret": SECRET}).verify(
            Request(url="https://gw", headers=headers, body=b"{}", received_at=NOW)
        )


def test_a_ticket_in_any_order_gives_one_interaction_with_a_leg_for_each_agent():
    partials = partials_of("mail_from_new_to_solved")
    ticket = folded(partials)

    assert (ticket.id, ticket.status, ticket.channel, ticket.direction) == (
        "5200",
        Status.COMPLETED,
        Channel.EMAIL,
        Direction.INBOUND,
    )
    assert [(leg.agent_email, leg.agent_name) for leg in ticket.legs] == [
        ("ada@example.com", "Ada Agent"),
        ("bob@example.com", None),
    ]
    assert [(party.name, party.email, party.phone) for party in ticket.parties] == [
        ("Casey Customer", "casey@example.com", "+14155550123")
    ]
    assert (ticket.queue, ticket.subject, ticket.references) == ("Billing", "My order", {"case_number": "00001026"})
    assert ticket.duration_seconds == 4464
    assert all(folded(order) == ticket for order in itertools.islice(itertools.permutations(partials), 500))


def trigger(at: str, **requester: str):
    (partial,) = parsed({"ticket": {"id": "7", "updated_at_with_timestamp": at, "requester": requester}})
    return partial


def test_nothing_of_a_former_requester_stays_on_the_new_one():
    caller = trigger("2026-03-02T14:45:00Z", name="Caller", email="", phone="+14155550123")
    dana = trigger("2026-03-02T14:55:00Z", name="Dana Other", email="dana@example.com", phone="")
    nobody = trigger("2026-03-02T15:00:00Z", name="", email="", phone="")

    for order in itertools.permutations((caller, dana, nobody)):
        assert [(party.name, party.email, party.phone) for party in folded(order).parties] == [
            ("Dana Other", "dana@example.com", None)
        ]


def test_a_groups_name_stands_whoever_tells_it_and_its_id_only_without_one():
    """Events have fractions of seconds, the trigger and the export have none."""
    trigger = {"id": "7", "updated_at_with_timestamp": "2026-03-02T14:55:31Z", "group": {"name": "Support"}}
    exported = {"id": 7, "group_id": 430, "status": "solved", "updated_at": "2026-03-02T14:55:31Z"}
    event = {"time": "2026-03-02T14:55:31.4Z", "detail": {"id": "7", "group_id": "430"}}
    events = parsed({"type": "zen:event-type:ticket.status_changed", **event})
    by_trigger, nameless = parsed({"ticket": trigger}), parsed({"exported ticket": {"ticket": exported}})
    by_export = parsed({"exported ticket": {"ticket": exported, "groups": [{"id": 430, "name": "Support"}]}})

    assert folded(events).queue == folded([*events, *nameless]).queue == "430"
    assert folded([*events, *by_trigger]).queue == folded([*by_trigger, *nameless]).queue == "Support"
    assert folded([*events, *by_export]).queue == "Support"


def test_the_name_of_a_former_group_does_not_stay():
    """The trigger has the time of the ticket's change, which the event of it has too, in whole seconds."""
    moved = {"id": "7", "group_id": "431", "updated_at": "2026-03-02T15:10:00Z"}
    events = parsed(
        {"type": "zen:event-type:ticket.group_assignment_changed", "time": "2026-03-02T15:10:00.3Z", "detail": moved}
    )
    triggered = [
        parsed({"ticket": {"id": "7", "updated_at_with_timestamp": at, "group": {"name": name}}})
        for at, name in (("2026-03-02T14:45:00Z", "Support"), ("2026-03-02T15:10:00Z", "2nd level"))
    ]

    assert folded([*events, *triggered[0]]).queue == "431"
    assert folded([*triggered[1], *events, *triggered[0]]).queue == "2nd level"


def test_what_is_said_internally_stays_internal():
    ticket = folded(partials_of("mail_from_new_to_solved"))

    assert ticket.attributes["last_comment"] == "It left our house yesterday."
    assert "warehouse" not in repr(ticket)


@pytest.mark.parametrize(("status", "event"), [("SOLVED", "completed"), ("closed", "completed"), ("HOLD", "updated")])
def test_a_solved_ticket_is_completed_whatever_the_event(status, event):
    assert told("tags_changed", status=status).event == event


def test_only_the_change_of_status_is_the_end():
    assert told("status_changed", status="SOLVED").ended_at is not None
    assert told("tags_changed", status="SOLVED").ended_at is None


@pytest.mark.parametrize(
    ("kind", "previous", "status", "is_end"),
    [
        ("created", None, "SOLVED", True),
        ("created", None, "CLOSED", True),
        ("status_changed", "OPEN", "SOLVED", True),
        ("status_changed", "OPEN", "CLOSED", True),
        ("status_changed", "SOLVED", "CLOSED", False),
        ("custom_status_changed", "8447320465790", "SOLVED", True),
        ("custom_status_changed", "8447320465799", "CLOSED", False),
    ],
)
def test_that_a_solved_ticket_is_closed_days_later_is_not_its_end(kind, previous, status, is_end):
    ticket = told(kind, {"previous": previous}, status=status)

    assert (ticket.event, ticket.ended_at is not None) == ("completed", is_end)


@pytest.mark.parametrize("time", ["2026-03-02T14:55:31Z", "2026-03-02T14:55:31.4000007Z"])
def test_of_the_events_of_one_action_at_one_moment_the_last_counts(time):
    def event(position: int, **detail: Any):
        meta = {"meta": {"sequence": {"id": "01H", "position": position}}}
        body = {"type": "zen:event-type:ticket.priority_changed", "time": time, "detail": {"id": "7", **detail}}
        return parsed({**body, "event": meta})

    first = event(9, priority="URGENT", group_id="9", status="OPEN")
    last = event(10, priority="LOW", group_id="1", status="NEW")
    for order in ([*first, *last], [*last, *first]):
        ticket = folded(order)
        assert (ticket.attributes["priority"], ticket.attributes["status"], ticket.queue) == ("LOW", "NEW", "1")


def test_a_ticket_may_have_as_many_tags_as_somebody_likes():
    tags = [f"tag-{number}" for number in range(1000)]

    assert told("tags_changed", tags=tags).attributes["tags"] == tags
    with pytest.raises(RejectedError, match="at most 1000"):
        told("tags_changed", tags=[*tags, "one-more"])


@pytest.mark.parametrize("id", ["", "0", 0, None])
def test_nobody_is_no_assignee(id):
    assert told(assignee_id=id).legs == ()


def test_a_customers_comment_makes_no_leg():
    comment = {"comment": {"body": "Well?", "is_public": True, "author": {"id": 9, "is_staff": False, "name": "Casey"}}}

    assert told("comment_added", comment).legs == ()


def test_fields_and_the_external_id_are_references_where_the_settings_say_so():
    assert folded(partials_of("case_number_in_a_field")).references == {
        "case_number": "00001026",
        "account_id": "0015000000AbCdE",
    }


@pytest.mark.parametrize("value", ["00001026", {"value": "00001026"}, {"id": "1", "value": "00001026"}])
def test_a_fields_value_is_read_as_it_is_or_in_an_object(value):
    body = {
        "type": "zen:event-type:ticket.custom_field_changed",
        "time": "2026-03-02T14:55:31Z",
        "detail": {"id": "7"},
        "event": {"current": value, "custom_field": {"id": "36"}},
    }
    (partial,) = parsed(body, ticket_fields={"case_number": "36"})

    assert partial.references == {"case_number": "00001026"}


@pytest.mark.parametrize(
    ("channel", "ours", "direction"),
    [
        ("phone_call_outbound", Channel.VOICE, Direction.OUTBOUND),
        ("voicemail", Channel.VOICE, Direction.INBOUND),
        ("native_messaging", Channel.CHAT, None),
        ("web_form", Channel.OTHER, None),
    ],
)
def test_the_channel_and_the_direction_of_calls(channel, ours, direction):
    partial = told(via={"channel": channel}, requester_id="1", submitter_id="2")

    assert (partial.channel, partial.direction) == (ours, direction)


def test_an_event_is_the_same_delivery_by_its_id():
    connector = configured(ZendeskConnector, {"signing_secret": SECRET})
    request = Request(url="https://gw", headers={}, body=b'{"id": "e-1"}', received_at=NOW)

    assert connector.delivery_key(request) == "event:e-1"


def test_events_of_others_are_ignored_and_other_bodies_rejected():
    assert parsed({"type": "zen:event-type:user.created"}) == ()
    assert parsed({"type": "zen:event-type:ticket.soft_deleted"}) == ()
    with pytest.raises(RejectedError, match="type is missing"):
        parsed({"ticket_id": "7"})
