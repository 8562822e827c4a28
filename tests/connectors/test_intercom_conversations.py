"""What no notification of Intercom's told is found by a search, on a stand-in that answers as documented."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.intercom import IntercomConnector
from gateway.domain.interactions import Status, fold, interaction_of
from gateway.sdk import Channel, ConfigError, Delivery, Direction, RetryableError
from gateway.sdk.discovery import configured
from gateway.sdk.testing import PollerSuite, StandIn, Told
from tests.connectors.pulling import NOW, read
from tests.connectors.test_intercom import partials_of

ADMINS = [
    {"type": "admin", "id": "19", "name": "Ada Agent", "email": "ada@example.com", "job_title": "Support"},
    {"type": "admin", "id": "20", "name": "Bob Agent", "email": "bob@example.com", "job_title": "Billing"},
]
CLOSED = int(NOW.timestamp()) - 3600


def contact(id: str) -> dict[str, Any]:
    return {
        "type": "contact", "id": id, "role": "user", "name": "Casey Customer", "email": "casey@example.com",
        "phone": "+14155550123", "custom_attributes": {"plan": "gold"},
    }  # fmt: skip


def conversation(number: int, at: int = CLOSED, **fields: Any) -> dict[str, Any]:
    """Closed then by Bob, an hour after the customer had begun it."""
    given = {
        "type": "conversation", "id": str(number), "state": "closed", "created_at": at - 3600, "updated_at": at,
        "admin_assignee_id": 20, "team_assignee_id": 0, "custom_attributes": {}, "tags": {"tags": []},
        "source": {
            "type": "sms", "delivered_as": "customer_initiated",
            "author": {"type": "user", "id": f"c{number}", "name": "Casey Customer", "email": None},
        },
        "contacts": {"contacts": [{"type": "contact", "id": f"c{number}", "external_id": None}]},
        "teammates": {"type": "admin.list", "teammates": [{"type": "admin", "id": "19"}]},
        "statistics": {"last_close_at": at, "last_closed_by_id": "20"},
    }  # fmt: skip
    return {**given, **fields}


class Intercom(StandIn):
    """One workspace; a search for conversations shows twenty at a time, and never of an id that is not asked for."""

    PAGE = 20

    def __init__(self, *conversations: dict[str, Any]) -> None:
        super().__init__()
        self.conversations = list(conversations)
        self.merged: set[str] = set()

    def answer(self, asked):
        if asked.headers.get("authorization") != "Bearer a token":
            return self.error(401, "unauthorized")
        assert asked.headers["intercom-version"] == "2.16"
        match asked.method, asked.path:
            case "GET", "/admins":
                return Told.of({"type": "admin.list", "admins": ADMINS})
            case "POST", "/contacts/search":
                return self.contacts(asked.json)
            case "POST", "/conversations/search":
                return self.search(asked.json)
        return self.error(404, "not_found")

    def contacts(self, body):
        ids = body["query"]["value"]
        assert (body["query"]["field"], body["query"]["operator"]) == ("id", "IN")
        if not 1 <= len(ids) <= 15 or body["pagination"]["per_page"] < len(ids):
            return self.error(400, "parameter_invalid")
        return Told.of({"type": "list", "data": [contact(id) for id in ids if id not in self.merged]})

    def search(self, body):
        told = {each["field"]: (each["operator"], each["value"]) for each in body["query"]["value"]}
        (later, since), (equals, state) = told["updated_at"], told["state"]
        assert (body["query"]["operator"], later, equals) == ("AND", ">", "=")
        after = body["pagination"].get("starting_after", "0")
        if not after.isdecimal() or body["pagination"]["per_page"] > 150:
            return self.error(400, "parameter_invalid")
        found = [each for each in self.conversations if each["updated_at"] >= int(since) and each["state"] == state][
            int(after) :
        ]
        more = {"next": {"per_page": self.PAGE, "starting_after": str(int(after) + self.PAGE)}}
        pages = {"type": "pages", **(more if found[self.PAGE :] else {})}
        return Told.of({"type": "conversation.list", "conversations": found[: self.PAGE], "pages": pages})

    def error(self, status, code):
        return Told.of({"type": "error.list", "errors": [{"code": code}]}, status)


OURS = [conversation(number) for number in range(1, 46)]


def workspace() -> Intercom:
    return Intercom(conversation(99, CLOSED - 2 * 86_400), *OURS, conversation(98, state="open"))


def intercom(url: str, **settings: Any) -> IntercomConnector:
    contacts = {"url": url, "access_token": "a token"}
    given = {"client_secret": "a secret", "contacts": contacts, "find_conversations": True, **settings}
    return configured(IntercomConnector, given)


def poller(url: str):
    (conversations,) = intercom(url).pollers()
    return conversations


def record(pulled) -> Any:
    return json.loads(pulled.body)["closed conversation"]


def ids(pulled) -> list[str]:
    return [record(each)["conversation"]["id"] for each in pulled]


class TestConversations(PollerSuite):
    platform = staticmethod(workspace)
    records = frozenset(row["id"] for row in OURS)
    now = NOW

    def poller(self, url):
        return poller(url)

    def record(self, pulled):
        return record(pulled)["conversation"]["id"]

    def change(self, platform):
        platform.conversations[3] = conversation(3, CLOSED + 60, tags={"tags": [{"name": "late"}]})
        return "3"


def told(pulled, **settings: Any):
    delivery = Delivery(content_type=pulled.content_type, headers={}, body=pulled.body, received_at=NOW)
    return intercom("https://api.example.com", **settings).parse(delivery)


def found(platform, **settings: Any):
    with platform:
        (pulled,), _ = read(poller(platform.url))
    partials = told(pulled, **settings)
    return interaction_of(partials[0].id, fold(None, partials))


def told_by_a_notification(item: dict[str, Any], topic: str = "conversation.admin.closed", at: int = CLOSED):
    body = json.dumps({"topic": topic, "created_at": at, "data": {"item": item}}).encode()
    delivery = Delivery(content_type="", headers={}, body=body, received_at=NOW)
    (partial,) = intercom("https://api.example.com").parse(delivery)
    return partial


def test_a_conversation_that_only_a_search_tells_is_complete():
    told = found(Intercom(conversation(1)))

    assert (told.status, told.channel, told.direction) == (Status.COMPLETED, Channel.SMS, Direction.INBOUND)
    assert (told.duration_seconds, told.queue) == (3600, None)
    assert [(party.role, party.name, party.email, party.phone) for party in told.parties] == [
        ("customer", "Casey Customer", "casey@example.com", "+14155550123")
    ]
    assert sorted((leg.agent_id, leg.agent_email, leg.agent_name) for leg in told.legs) == [
        ("19", "ada@example.com", "Ada Agent"),
        ("20", "bob@example.com", "Bob Agent"),
    ]


def test_a_search_adds_to_what_notifications_told_only_the_customers_number():
    pushed = partials_of("chat_from_new_to_closed", "closed_with_attributes")
    listed = [each for each in partials_of("closed_as_a_search_finds_them") if each.id == pushed[0].id]
    before, after = (interaction_of("137324500000001", fold(None, told)) for told in (pushed, [*listed, *pushed]))

    assert [party.phone for party in before.parties] == [None]
    assert [(party.name, party.email, party.phone) for party in after.parties] == [
        ("Casey Customer", "casey@example.com", "+14155550123")
    ]
    for name in before.__struct_fields__:
        if name != "parties":
            assert getattr(after, name) == getattr(before, name), name


def test_where_the_last_notification_was_lost_the_search_has_the_last_word():
    pushed = partials_of("chat_from_new_to_closed")
    events = [each for each in pushed if each.event != "completed"]
    listed = [each for each in partials_of("closed_as_a_search_finds_them") if each.id == pushed[0].id]
    before, after = (interaction_of(pushed[0].id, fold(None, told)) for told in (events, [*events, *listed]))

    assert (before.status, after.status) == (Status.OPEN, Status.COMPLETED)
    assert (after.ended_at, after.disposition) == (datetime(2026, 3, 2, 14, 54, 30, tzinfo=UTC), "Resolved")


def test_a_notification_that_says_when_it_was_closed_counts_more_than_the_last_change():
    body = {
        "topic": "conversation.admin.closed", "created_at": CLOSED, "data": {"item": {"id": "1", "statistics": None}},
    }  # fmt: skip
    delivery = Delivery(content_type="", headers={}, body=json.dumps(body).encode(), received_at=NOW)
    rated = {"conversation": conversation(1, updated_at=CLOSED + 900, statistics=None)}
    listed = Delivery(
        content_type="", headers={}, body=json.dumps({"closed conversation": rated}).encode(), received_at=NOW
    )
    connector = intercom("https://api.example.com")
    told = interaction_of("1", fold(None, [*connector.parse(delivery), *connector.parse(listed)]))

    assert told.ended_at.timestamp() == CLOSED


def test_the_part_of_who_closed_it_ends_with_that_whoever_tells_it():
    closed = told_by_a_notification(conversation(1, conversation_parts={"conversation_parts": [
        {"author": {"type": "admin", "id": id}} for id in ("19", "20")
    ]}))  # fmt: skip

    for legs in (found(Intercom(conversation(1))).legs, closed.legs):
        assert {leg.id: leg.ended_at and leg.ended_at.timestamp() for leg in legs} == {"19": None, "20": CLOSED}


@pytest.mark.parametrize("key", ["teammates", "admins"])
def test_who_wrote_is_read_by_both_names(key):
    wrote = {"type": "admin.list", key: [{"type": "admin", "id": "77"}]}
    told = found(Intercom(conversation(1, teammates=wrote)))

    assert {(leg.agent_id, leg.agent_name) for leg in told.legs} == {("77", None), ("20", "Bob Agent")}


def test_a_bot_that_closed_it_has_no_leg_and_the_settings_know_addresses_better():
    closed = {"last_close_at": CLOSED, "last_closed_by_id": "5"}
    told = found(Intercom(conversation(1, statistics=closed)), admins={"19": "ada.agent@example.com"})

    assert {leg.agent_email for leg in told.legs} == {"ada.agent@example.com", "bob@example.com"}


def test_the_customer_of_a_message_of_ours_is_the_contact():
    author = {"type": "admin", "id": "19", "name": "Ada Agent", "email": "ada@example.com"}
    ours = {"type": "email", "delivered_as": "admin_initiated", "author": author}
    told = found(Intercom(conversation(1, source=ours)))

    assert (told.direction, told.parties[0].email, len(told.parties)) == (Direction.OUTBOUND, "casey@example.com", 1)


def test_nobody_else_lends_the_customer_a_number():
    two = {"contacts": [{"type": "contact", "id": id} for id in ("c1", "c2", "c3")]}
    platform = Intercom(conversation(1, contacts=two))
    platform.merged = {"c1"}

    assert [party.phone for party in found(platform).parties] == [None]


def test_of_several_contacts_to_whom_we_wrote_who_answers_is_the_customer():
    two = {"contacts": [{"type": "contact", "id": id} for id in ("c1", "c2")]}
    source = {"type": "email", "delivered_as": "admin_initiated", "author": {"type": "admin", "id": "19"}}
    dana = {"type": "user", "id": "c2", "name": "Dana Other", "email": "dana@example.com"}
    ours, parts = conversation(1, source=source, contacts=two), {"conversation_parts": [{"author": dana}]}
    answered = told_by_a_notification({**ours, "conversation_parts": parts}, "conversation.user.replied", CLOSED - 60)
    with Intercom(ours) as platform:
        listed = [told(each) for each in read(poller(platform.url))[0]]
        platform.merged = {"c1"}
        merged = [told(each) for each in read(poller(platform.url))[0]]

    for (closed,) in (listed, merged):
        assert [party for partial in closed for party in partial.parties] == []
        (customer,) = interaction_of("1", fold(None, [answered, *closed])).parties
        assert (customer.name, customer.email, customer.phone) == ("Dana Other", "dana@example.com", None)


def test_of_people_only_who_is_in_the_conversation_is_kept_and_what_is_read():
    with Intercom(conversation(1, teammates=None)) as platform:
        (pulled,), _ = read(poller(platform.url))

    kept = {"type", "id", "name", "email", "phone"}
    assert [(each["id"], each.keys() <= kept) for each in record(pulled)["admins"]] == [("20", True)]
    assert [(each["id"], each.keys() <= kept) for each in record(pulled)["contacts"]] == [("c1", True)]


def test_a_conversation_that_goes_on_is_told_once_it_is_closed_and_a_rating_is_news():
    with Intercom(conversation(1, state="snoozed")) as platform:
        open_, cursor = read(poller(platform.url))
        platform.conversations = [conversation(1)]
        (closed,), cursor = read(poller(platform.url), cursor)
        platform.conversations = [conversation(1, read=True)]
        (same,), cursor = read(poller(platform.url), cursor)
        platform.conversations = [conversation(1, CLOSED, updated_at=CLOSED + 9, conversation_rating={"rating": 5})]
        (rated,), _ = read(poller(platform.url), cursor)

    assert open_ == []
    assert closed.key == same.key != rated.key


def test_a_reading_costs_a_search_the_teammates_and_a_search_for_every_fifteen_contacts():
    with Intercom(*OURS[:40]) as platform:
        read(poller(platform.url))
        assert [each.path for each in platform.asked].count("/contacts/search") == 4
        assert len(platform.asked) == 2 * (1 + 1 + 2)
    with Intercom() as quiet:
        read(poller(quiet.url))
        assert len(quiet.asked) == 1


def test_hours_in_which_nobody_asked_are_read_later():
    with workspace() as platform:
        _, cursor = read(poller(platform.url))
        platform.conversations = [conversation(70, CLOSED + 86_400)]
        pulled, cursor = read(poller(platform.url), cursor, NOW + timedelta(days=6))
        again, _ = read(poller(platform.url), cursor, NOW + timedelta(days=6))

    assert (ids(pulled), again) == (["70"], [])


def test_where_intercom_does_not_know_the_place_any_more_the_reading_begins_again():
    with workspace() as platform:
        page = next(poller(platform.url).pull(None, NOW))
        pulled, _ = read(poller(platform.url), {**page.cursor, "place": "gone"})

    assert set(ids(pulled)) == TestConversations.records


def test_a_place_that_leads_nowhere_ends_the_reading():
    answer = {"conversations": [], "pages": {"next": {"starting_after": "20"}}}
    with Intercom() as platform:
        for _ in range(2):
            platform.fail(Told.of(answer))
        read(poller(platform.url))

    assert len(platform.asked) == 2


def test_what_is_no_conversation_is_told_to_be_parked():
    odd = [7, {"id": "1", "state": "closed", "teammates": "many"}]
    with Intercom() as platform:
        platform.fail(Told.of({"conversations": odd}))
        pulled, _ = read(poller(platform.url))

    assert [record(each) for each in pulled] == [7, {"conversation": odd[1], "admins": [], "contacts": []}]


def test_an_answer_that_is_something_else_is_asked_for_again():
    for answer in ({"data": []}, {"conversations": [], "pages": {"next": "on"}}):
        with Intercom() as platform:
            platform.fail(Told.of(answer))
            with pytest.raises(RetryableError, match="conversations"):
                read(poller(platform.url))


def test_conversations_are_looked_for_only_where_it_is_wanted_and_there_is_a_token():
    assert intercom("https://api.example.com", find_conversations=False).pollers() == ()
    assert configured(IntercomConnector, {"client_secret": "a secret"}).pollers() == ()
    with pytest.raises(ConfigError, match="find_conversations.*needs the access token of contacts"):
        configured(IntercomConnector, {"client_secret": "a secret", "find_conversations": True})
