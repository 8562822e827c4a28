"""What no event of Zendesk's told is found in the export of tickets, on a stand-in that answers as documented."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.zendesk import ZendeskConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import Channel, ConfigError, Delivery, Direction, RetryableError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told
from tests.connectors.pulling import NOW, read
from tests.connectors.test_zendesk import partials_of

PROOF = "Basic " + base64.b64encode(b"ada@example.com/token:a token").decode()
CASEY = {"id": 500, "name": "Casey Customer", "email": "casey@example.com", "phone": "+14155550123", "notes": "Buyer"}
ADA = {"id": 494, "name": "Ada Agent", "email": "ada@example.com", "phone": None}
GROUP = {"id": 430, "name": "Support", "description": "First line"}
SOLVED = int(NOW.timestamp()) - 3600


def written(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def ticket(id: int, at: int = SOLVED, **fields: Any) -> dict[str, Any]:
    """Solved then, an hour after it came in."""
    given = {
        "id": id, "status": "solved", "via": {"channel": "email"}, "subject": "My order", "priority": "low",
        "requester_id": 500, "submitter_id": 500, "assignee_id": 494, "group_id": 430, "custom_fields": [], "tags": [],
        "created_at": written(at - 3600), "updated_at": written(at), "generated_timestamp": at,
        "metric_set": {"assigned_at": written(at - 1800), "solved_at": written(at)},
    }  # fmt: skip
    return {**given, **fields}


class Zendesk(StandIn):
    """One account, with a clock of its own; a page of its export has two tickets, and repeats the last one of before."""

    def __init__(self, *tickets: dict[str, Any]) -> None:
        super().__init__()
        self.tickets = list(tickets)
        self.now = int(NOW.timestamp())

    def answer(self, asked):
        if asked.headers.get("authorization") != PROOF:
            return Told.of({"error": "Couldn't authenticate you"}, 401)
        if asked.path != "/api/v2/incremental/tickets/cursor" or int(asked.query["per_page"]) > 1000:
            return Told.of({"error": "InvalidEndpoint"}, 404)
        if asked.query.get("cursor", "at-0").removeprefix("at-").isdecimal():
            return self.export(asked.query)
        return Told.of({"error": "InvalidValue", "description": "Invalid cursor"}, 400)

    def export(self, query):
        start = int(query["cursor"].removeprefix("at-")) if "cursor" in query else int(query["start_time"])
        if start > self.now - 60:
            return Told.of({"error": "InvalidValue", "description": "Too recent start_time."}, 400)
        rows = [each for each in self.tickets if start <= each["generated_timestamp"] <= self.now - 60]
        rows.sort(key=lambda each: (each["generated_timestamp"], each["id"]))
        page = rows[:3]
        after = page[-1]["generated_timestamp"] if page else start
        beside = {"users": [CASEY, ADA], "groups": [GROUP]}
        assert query["include"] == "users,groups,metric_sets"
        return Told.of(
            {"tickets": page, **beside, "after_cursor": f"at-{after}", "end_of_stream": len(page) == len(rows)}
        )


OURS = [ticket(number, SOLVED + number) for number in range(1, 8)]


def account() -> Zendesk:
    return Zendesk(ticket(99, SOLVED - 2 * 86_400), *OURS, ticket(8, status="open"))


def zendesk(url: str, **settings: Any) -> ZendeskConnector:
    contacts = {"url": url, "email": "ada@example.com", "api_token": "a token", "exports_per_minute": 600_000}
    given = {"signing_secret": "a secret", "contacts": contacts, "find_tickets": True, **settings}
    return configured(ZendeskConnector, given)


def poller(url: str):
    (tickets,) = zendesk(url).pollers()
    return tickets


def record(pulled) -> dict[str, Any]:
    return json.loads(pulled.body)["exported ticket"]


def ids(pulled) -> list[int]:
    return [record(each)["ticket"]["id"] for each in pulled]


class TestTickets(PollerSuite):
    platform = staticmethod(account)
    records = frozenset(str(row["id"]) for row in OURS)
    now = NOW

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        return str(record(pulled)["ticket"]["id"])

    def change(self, platform):
        platform.tickets[3] = {**platform.tickets[3], "subject": "My other order", "updated_at": written(SOLVED + 60)}
        return str(platform.tickets[3]["id"])


def found(pulled, **settings: Any):
    (id,) = set(ids(pulled))
    return interaction_of(str(id), fold(None, [told for each in pulled for told in parsed(each.body, **settings)]))


def parsed(body: bytes, **settings: Any):
    delivery = Delivery(content_type="application/json", headers={}, body=body, received_at=NOW)
    return zendesk("https://acme.example.com", **settings).parse(delivery)


def test_a_ticket_that_only_the_export_tells_is_complete():
    named = ticket(1, custom_fields=[{"id": 36, "value": "00001026"}, {"id": 37, "value": ["a"]}])
    with Zendesk(named) as platform:
        pulled, _ = read(poller(platform.url))
    told = found(pulled, ticket_fields={"case_number": "36"})

    assert (told.status, told.channel, told.direction) == (Status.COMPLETED, Channel.EMAIL, Direction.INBOUND)
    assert (told.duration_seconds, told.queue, told.subject) == (3600, "Support", "My order")
    assert [(party.role, party.name, party.email, party.phone) for party in told.parties] == [
        ("customer", "Casey Customer", "casey@example.com", "+14155550123")
    ]
    assert [(leg.id, leg.agent_email, leg.agent_name, leg.started_at.timestamp()) for leg in told.legs] == [
        ("494", "ada@example.com", "Ada Agent", SOLVED - 1800)
    ]
    assert told.references == {"case_number": "00001026"}


def test_the_export_adds_to_what_events_told_only_what_they_left_out():
    pushed, listed = partials_of("mail_from_new_to_solved"), partials_of("solved_tickets_in_the_export")[:3]
    before, after = (interaction_of("5200", fold(None, told)) for told in (pushed, [*listed, *pushed]))

    assert [leg.agent_name for leg in before.legs] == ["Ada Agent", None]
    assert [leg.agent_name for leg in after.legs] == ["Ada Agent", "Bob Agent"]
    for name in before.__struct_fields__:
        if name != "legs":
            assert getattr(after, name) == getattr(before, name), name
    assert [(leg.id, leg.started_at) for leg in after.legs] == [(leg.id, leg.started_at) for leg in before.legs]


def test_where_the_last_event_was_lost_the_export_has_the_last_word():
    told = partials_of("mail_from_new_to_solved")
    events, listed = [each for each in told if each.event != "completed"], partials_of("solved_tickets_in_the_export")
    before, after = (interaction_of("5200", fold(None, each)) for each in (events, [*events, *listed[:3]]))

    assert (before.status, after.status, after.attributes["status"]) == (Status.OPEN, Status.COMPLETED, "SOLVED")
    assert after.ended_at == datetime(2026, 3, 2, 15, 55, 31, tzinfo=UTC)


def test_a_requester_whom_the_export_knows_without_a_number_takes_over_nobodys():
    dana = {"id": 501, "name": "Dana Other", "email": "dana@example.com", "phone": None}
    of_casey, of_dana = ticket(1), ticket(1, SOLVED + 60, requester_id=501)
    records = [{"ticket": of_casey, "users": [CASEY]}, {"ticket": of_dana, "users": [dana]}]
    told = [told for each in records for told in parsed(json.dumps({"exported ticket": each}).encode())]

    (customer,) = interaction_of("1", fold(None, told)).parties
    assert (customer.name, customer.email, customer.phone) == ("Dana Other", "dana@example.com", None)


def test_the_export_does_not_say_which_way_a_call_went():
    """It writes `voice` of all calls, and whoever called somebody may be the submitter and the requester."""
    call = {"via": {"channel": "phone_call_outbound"}, "id": "1", "requester_id": "500", "submitter_id": "500"}
    event = {"type": "zen:event-type:ticket.created", "time": written(SOLVED - 3600), "detail": call}
    exported = {"ticket": ticket(1, via={"channel": "voice"})}
    told = [*parsed(json.dumps(event).encode()), *parsed(json.dumps({"exported ticket": exported}).encode())]

    assert [partial.direction for partial in told if partial.channel] == [Direction.OUTBOUND, None]
    assert interaction_of("1", fold(None, told)).direction is Direction.OUTBOUND


def test_a_ticket_that_goes_on_is_told_once_it_is_solved_and_later_changes_are_news():
    with Zendesk(ticket(1, SOLVED, status="pending")) as platform:
        pending, cursor = read(poller(platform.url))
        platform.tickets = [ticket(1, SOLVED + 60)]
        (solved,), cursor = read(poller(platform.url), cursor)
        platform.tickets = [ticket(1, SOLVED + 60, generated_timestamp=SOLVED + 90, satisfaction_rating={"id": 1})]
        (same,), cursor = read(poller(platform.url), cursor)
        platform.tickets = [ticket(1, SOLVED + 600, priority="high")]
        (changed,), _ = read(poller(platform.url), cursor)

    assert pending == []
    assert solved.key == same.key != changed.key


def test_deleted_tickets_and_those_that_only_the_system_changed_are_not_told():
    year = 365 * 86_400
    untouched = ticket(2, SOLVED - year, generated_timestamp=SOLVED)
    with Zendesk(ticket(1, status="deleted"), untouched, ticket(3)) as platform:
        pulled, _ = read(poller(platform.url))

    assert ids(pulled) == [3]


def test_of_users_and_groups_only_who_is_in_the_ticket_is_kept_and_what_is_read():
    with Zendesk(ticket(1, assignee_id=None)) as platform:
        (pulled,), _ = read(poller(platform.url))

    assert record(pulled)["users"] == [{name: CASEY[name] for name in ("id", "name", "email", "phone")}]
    assert record(pulled)["groups"] == [{"id": 430, "name": "Support"}]


def test_days_on_which_nobody_asked_are_read_later():
    with account() as platform:
        _, cursor = read(poller(platform.url))
        platform.now += 6 * 86_400
        platform.tickets = [ticket(10, SOLVED + 86_400)]
        pulled, cursor = read(poller(platform.url), cursor, NOW + timedelta(days=6))
        again, _ = read(poller(platform.url), cursor, NOW + timedelta(days=6))

    assert (ids(pulled), again) == ([10], [])


def test_where_zendesk_does_not_know_the_cursor_any_more_the_reading_begins_again():
    with account() as platform:
        page = next(poller(platform.url).pull(None, NOW))
        pulled, _ = read(poller(platform.url), {**page.cursor, "place": "of another account"})

    assert {str(id) for id in ids(pulled)} == TestTickets.records


@pytest.mark.parametrize("beside", ["users", "groups"])
def test_tickets_without_what_was_asked_for_beside_them_are_asked_for_again(beside):
    answer = {"tickets": [ticket(1)], "users": [], "groups": [], "end_of_stream": True}
    with Zendesk() as platform:
        platform.fail(Told.of({**answer, beside: None}))
        with pytest.raises(RetryableError, match=f"without {beside}"):
            read(poller(platform.url))


def test_what_is_no_ticket_is_told_to_be_parked():
    odd = [None, {"id": 7, "updated_at": "lately", "status": "solved"}]
    with Zendesk() as platform:
        platform.fail(Told.of({"tickets": odd, "users": [], "groups": [], "end_of_stream": True}))
        pulled, _ = read(poller(platform.url))

    assert [record(each) for each in pulled] == [None, {"ticket": odd[1], "users": [], "groups": []}]


def test_a_cursor_that_leads_nowhere_ends_the_reading():
    answer = {"tickets": [ticket(1)], "users": [], "groups": [], "after_cursor": "at-1", "end_of_stream": False}
    with Zendesk() as platform:
        for _ in range(2):
            platform.fail(Told.of(answer))
        pulled, _ = read(poller(platform.url))

    assert (ids(pulled), len(platform.asked)) == ([1, 1], 2)


def test_tickets_are_looked_for_only_where_it_is_wanted_and_somebody_can_log_in():
    assert zendesk("https://acme.example.com", find_tickets=False).pollers() == ()
    assert configured(ZendeskConnector, {"signing_secret": "a secret"}).pollers() == ()
    with pytest.raises(ConfigError, match="find_tickets.*needs the log-in of contacts"):
        configured(ZendeskConnector, {"signing_secret": "a secret", "find_tickets": True})
