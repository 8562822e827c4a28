"""Intercom's contacts as a side of a contact sync, on a stand-in that answers as the vendor documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from connectors.intercom import IntercomConnector
from gateway.domain.contacts import Side
from gateway.errors import ConfigError, RetryableError
from gateway.sdk import Entry, Written
from gateway.sdk.discovery import configured
from gateway.sdk.testing import FAULTS, ContactSideSuite, StandIn, Told
from tests.connectors.writes import create, done, update
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
DAY = 86400
CASEY = {
    "first": "Casey",
    "last": "Customer",
    "title": "Buyer",
    "phones": (Entry("+14155550100"),),
    "emails": (Entry("casey@example.com"),),
}


class Intercom(StandIn):
    """One workspace far in the east, with a clock of its own; a page has three contacts at most.

    A new contact is searched for in vain for four minutes.
    """

    PAGE = 3
    LAG = 240
    ZONE = 11 * 3600

    def __init__(self) -> None:
        super().__init__()
        self.now = int(NOW.timestamp())
        self.contacts: dict[str, dict] = {}
        self._ids = count(1)

    def answer(self, asked):
        if asked.headers.get("authorization") != "Bearer a token":
            return self.error(401, "unauthorized", "Access Token Invalid")
        assert asked.headers["intercom-version"] == "2.16"
        body = asked.json if asked.body else {}
        match asked.method, *asked.path.strip("/").split("/"):
            case "GET", "contacts":
                return self.page(sorted(self.contacts.values(), key=lambda each: each["id"]), asked.query, asked.query)
            case "POST", "contacts", "search":
                return self.search(body, asked.query)
            case "POST", "contacts":
                return self.create(body)
            case "GET", "contacts", "find_by_external_id", id:
                return self.one([each for each in self.users() if each["external_id"] == id])
            case method, "contacts", id:
                return self.change(method, id, body)
        return self.error(404, "not_found", "The requested resource could not be found")

    # --- reading

    def users(self):
        return [each for each in self.contacts.values() if each["role"] == "user"]

    def one(self, found):
        shown = [{**each, "merge_history": None} for each in found]
        return Told.of(shown[0]) if shown else self.error(404, "not_found", "User Not Found")

    def search(self, body, query):
        if body["sort"]["order"] not in {"ascending", "descending"}:
            return self.error(400, "invalid_sort_order", "Invalid sort order")
        found = [each for each in self.contacts.values() if each["created_at"] + self.LAG <= self.now]
        assert body["query"]["operator"] == "AND"
        for each in body["query"]["value"]:
            match each["field"], each["operator"]:
                case "role", "IN":
                    found = [contact for contact in found if contact["role"] in each["value"]]
                case "updated_at", ">":
                    midnight = (int(each["value"]) + self.ZONE) // DAY * DAY - self.ZONE
                    found = [contact for contact in found if contact["updated_at"] >= midnight + DAY]
                case _:
                    return self.error(400, "parameter_invalid", "This operator is not supported")
        backwards = body["sort"]["order"] == "descending"
        found.sort(key=lambda each: (each[body["sort"]["field"]], each["id"]), reverse=backwards)
        return self.page(found, body["pagination"], query)

    def page(self, contacts, pagination, query):
        size = int(pagination["per_page"])
        if size > 150:
            return self.error(400, "parameter_invalid", "per_page is too large")
        start = int(pagination.get("starting_after", 0))
        end = start + min(size, self.PAGE)
        shown = [
            each if query.get("include_merge_history") == "true" else {**each, "merge_history": None}
            for each in contacts[start:end]
        ]
        more = {"next": {"per_page": size, "starting_after": str(end)}} if end < len(contacts) else {}
        return Told.of(
            {"type": "list", "data": shown, "total_count": len(contacts), "pages": {"type": "pages", **more}}
        )

    def error(self, status, code, message):
        return Told.of({"type": "error.list", "errors": [{"code": code, "message": message}]}, status)

    # --- writing

    def create(self, told):
        if told["role"] == "user" and (existing := self.same(told)):
            return self.exists(existing)
        id = f"c{next(self._ids):023}"
        self.contacts[id] = {
            "type": "contact", "id": id, "role": told["role"], "external_id": None, "email": None, "phone": None,
            "name": None, "created_at": self.now + 1, "custom_attributes": {"job_title": None}, "merge_history": [],
        }  # fmt: skip
        self.set(self.contacts[id], told)
        return self.one([self.contacts[id]])

    def same(self, told, own=None):
        keys = [(name, told[name].lower()) for name in ("external_id", "email") if told.get(name)]
        return next(
            (
                each
                for each in self.users()
                for name, key in keys
                if each is not own and (each[name] or "").lower() == key
            ),
            None,
        )

    def exists(self, existing):
        message = f"A contact matching those details already exists with id={existing['id']}"
        return self.error(409, "conflict", message)

    def set(self, contact, told):
        self.now += 1
        contact["custom_attributes"].update(told.get("custom_attributes", {}))
        contact.update({name: value for name, value in told.items() if name != "custom_attributes"})
        contact["updated_at"] = self.now

    def change(self, method, id, body):
        contact = self.contacts.get(id)
        if contact is None:
            return self.error(404, "not_found", "User Not Found")
        if method == "PUT":
            if existing := self.same(body, contact):
                return self.exists(existing)
            self.set(contact, body)
        if method == "DELETE":
            del self.contacts[id]
            return Told.of({"type": "contact", "id": id, "deleted": True})
        return self.one([contact])

    # --- what people do

    def merge(self, source, into):
        role = self.contacts.pop(source)["role"]
        self.set(self.contacts[into], {})
        self.contacts[into]["merge_history"].append(
            {"type": "merge_history", "source_contact_id": source, "source_contact_role": role, "merged_at": self.now}
        )


def side_of(intercom, **settings):
    """The side as a new process has it."""
    contacts = {
        "url": intercom.url, "access_token": "a token", "attributes": {"title": "job_title"}, "list_every": 0, **settings
    }  # fmt: skip
    return configured(IntercomConnector, {"client_secret": "s", "contacts": contacts}).contact_side()


class TestSide(ContactSideSuite):
    """All contacts are listed with each reading, as nothing else tells of the deleted.

    Each new process begins five minutes later: by then a search shows what was created before.
    """

    store = Intercom

    def side(self, store):
        store.now += 300
        return side_of(store)


@pytest.fixture
def intercom():
    with Intercom() as stand_in:
        yield stand_in


def read(side, cursor=None, now=NOW):
    """What a whole reading tells by id, None for who is gone, the cursor behind it, and who was listed if all were."""
    told, listed, ended = {}, set(), False
    for page in side.changes(cursor, now):
        told |= {record.id: None if record.is_gone else record for record in page.records}
        listed |= {record.id for record in page.records} if page.listing else set()
        ended = ended or page.ends
        cursor = page.cursor or cursor
    return told, json.loads(json.dumps(cursor)), listed if ended else None


def many(side, number):
    return done(
        side, *(create({"last": f"L{n}", "emails": (Entry(f"c{n}@example.com"),)}, f"003{n}") for n in range(number))
    )


# --- what is written


def test_what_is_sent(intercom):
    side = side_of(intercom)
    (record,) = done(side, create({**CASEY, "last": "García López"}))
    assert intercom.asked[-1].json == {
        "role": "user", "external_id": "003A", "name": "Casey García\N{NO-BREAK SPACE}López", "phone": "+14155550100",
        "email": "casey@example.com", "custom_attributes": {"job_title": "Buyer"},
    }  # fmt: skip
    (record,) = done(side, update(record, first="Anna", emails=()))
    assert intercom.asked[-1].json == {"name": "Anna García\N{NO-BREAK SPACE}López", "email": None}
    assert (record.values["first"], record.values["last"]) == ("Anna", "García López")


def test_who_is_there_already_is_named(intercom):
    side = side_of(intercom)
    (record,) = done(side, create(CASEY))
    (result,) = side.write([create({"last": "Same", "emails": CASEY["emails"]}, "003B")])
    assert (result.written, result.candidates) == (Written.REFUSED, (record.id,))
    assert result.reason == "Intercom refuses the contact: conflict."


def test_what_somebody_changed_right_before_is_not_written_over(intercom):
    side = side_of(intercom)
    one, two = many(side, 2)
    fail = intercom.answer

    def meanwhile(asked):
        if asked.method == "PUT":
            intercom.set(intercom.contacts[two.id], {"name": "Theirs"})
        return fail(asked)

    intercom.answer = meanwhile
    results = side.write([update(one, title="x"), update(two, title="x")])
    assert [each.written for each in results] == [Written.DONE, Written.STALE]
    assert intercom.contacts[two.id]["name"] == "Theirs"


# --- who is a contact


def test_leads_are_contacts_only_if_it_is_said(intercom):
    intercom.create({"role": "lead", "name": "Red Panda", "email": "panda@example.com"})
    intercom.now += 300
    (id,) = intercom.contacts
    side, both = side_of(intercom), side_of(intercom, leads=True)
    assert (side.limits().records, both.limits().records) == (0, 1)
    assert read(side)[0] == {}
    assert read(both)[0].keys() == {id}
    assert (side.find(["email:panda@example.com"], []), len(both.find(["email:panda@example.com"], []))) == ([], 1)
    assert side.get([id])[0].is_gone


def test_who_was_merged_is_told_with_whoever_is_left(intercom):
    side = side_of(intercom, list_every=24)
    source, into, _ = many(side, 3)
    intercom.now += 300
    _, cursor, _ = read(side)
    intercom.merge(source.id, into.id)
    records = [each for page in side.changes(cursor, NOW) for each in page.records]
    assert [(each.id, each.merged_into) for each in records if each.is_gone] == [(source.id, into.id)]
    assert [(each.id, each.merged_into) for each in side.get([source.id])] == [(source.id, into.id)]
    assert [each.written for each in side.write([update(source, title="x")])] == [Written.GONE]


# --- what changed


def test_only_what_changed_is_read_until_a_listing_is_due(intercom):
    side = side_of(intercom, list_every=24)
    records = many(side, 12)
    intercom.now += 2 * DAY
    done(side, update(records[5], title="x"))
    told, cursor, listed = read(side)
    assert told.keys() == listed == {each.id for each in records}
    (changed,) = done(side, update(records[0], title="x"))
    intercom.contacts.pop(records[1].id)
    intercom.asked.clear()
    told, cursor, listed = read(side_of(intercom, list_every=24), cursor, NOW + timedelta(hours=23))
    assert (told[changed.id], listed) == (changed, None)
    assert len(intercom.asked) == 1, "one page is enough to see where the rest is old"
    _, _, listed = read(side, cursor, NOW + timedelta(hours=24))
    assert listed == {each.id for each in records if each is not records[1]}


@pytest.mark.parametrize("hours", [0, 1, 6, 12, 13, 18, 23])
def test_whatever_the_hour_nothing_falls_between_two_days(intercom, hours):
    """A search after a time begins with the next day of the workspace."""
    intercom.now += hours * 3600
    side = side_of(intercom, list_every=24)
    records = many(side, 4)
    intercom.now += 300
    _, cursor, _ = read(side)
    (changed,) = done(side, update(records[2], title="x"))
    assert read(side, cursor)[0][changed.id] == changed


def test_who_comes_late_into_the_search_is_told_all_the_same(intercom):
    side = side_of(intercom, list_every=24)
    many(side, 4)
    intercom.now += 300
    _, cursor, _ = read(side)
    intercom.create({"role": "user", "name": "Late", "email": "late@example.com"})
    late = list(intercom.contacts)[-1]
    done(side, update(side.find([], ["0030"])[0], title="newer"))
    told, cursor, _ = read(side, cursor)
    assert late not in told
    intercom.now += 300
    told, _, _ = read(side, cursor)
    assert told[late]


def test_an_empty_workspace_is_read_from_the_beginning_once_it_is_not(intercom):
    side = side_of(intercom, list_every=24)
    _, cursor, _ = read(side)
    records = many(side, 7)
    intercom.now += 300
    told, _, listed = read(side, cursor)
    assert (told.keys(), listed) == ({each.id for each in records}, None)


def test_a_clock_that_went_back_has_all_listed(intercom):
    side = side_of(intercom, list_every=24)
    many(side, 1)
    _, cursor, _ = read(side)
    assert read(side, cursor, NOW - timedelta(hours=5))[2] is not None


# --- who is there


def test_who_was_created_is_found_while_the_search_does_not_show_them(intercom):
    (record,) = done(side_of(intercom), create(CASEY))
    side = side_of(intercom)
    assert side.limits().records == 0, "the search lags"
    assert side.find([], ["003A"]) == side.find(["email:casey@example.com"], []) == [record]
    assert side.find(["phone:+14155550100"], []) == [record]
    assert side.find(["phone:+14155550109"], ["003Z"]) == []


def test_contacts_are_listed_once_to_find_somebody(intercom):
    side = side_of(intercom)
    many(side, 9)
    read(side)
    intercom.asked.clear()
    assert len(side.find(["email:c5@example.com"], [])) == 1
    assert "/contacts" not in [each.path for each in intercom.asked]


# --- what it is to the gateway


class Desk(SyncDesk):
    """A sync of an org in memory with an Intercom whose clock moves along."""

    def __init__(self, intercom, **settings):
        super().__init__()
        self.intercom = intercom
        self.sides = {**self.sides, PLATFORM: side_of(intercom, **settings)}

    def run(self):
        self.intercom.now += 120
        return super().run()


@pytest.mark.parametrize("hours", [0, 24])
def test_a_sync_with_it_converges_and_rests(intercom, hours):
    desk = Desk(intercom, list_every=hours)
    own = json.loads(intercom.create({"role": "user", "name": "Casey Customer", "email": "casey@example.com"}).body)[
        "id"
    ]
    many = phones("+14155550110", "+14155550111")
    ana = desk.crm.people_create(first="Ana", last="García López", phones=many, emails=phones("ana@example.com"))
    same = desk.crm.people_create(first="Casey", last="Customer", title="Buyer", emails=phones("Casey@example.com"))
    desk.settle()
    assert desk.link(same).ids[Side.PLATFORM] == own
    assert len(intercom.contacts) == len(desk.crm.living()) == 2
    assert desk.crm.records[ana].values["phones"] == many, "what finds no place there stays here"

    intercom.asked.clear()
    desk.settle()
    assert {each.method for each in intercom.asked if not each.path.endswith("search")} <= {"GET"}

    intercom.set(intercom.contacts[own], {"name": "Casey Client", "custom_attributes": {"job_title": "Owner"}})
    desk.crm.people_edit(ana, first="Anna", title="Boss")
    desk.settle()
    assert [desk.crm.records[same].values[name] for name in ("last", "title")] == ["Client", "Owner"]
    (record,) = desk.sides[PLATFORM].get([desk.counterpart(ana)])
    assert [record.values[name] for name in ("first", "last", "title")] == ["Anna", "García López", "Boss"]

    desk.crm.people_delete(ana)
    intercom.contacts.pop(own)
    desk.clock.tick(hours * 3600)
    desk.settle()
    assert (intercom.contacts, desk.crm.living()) == ({}, {})


# --- what goes wrong


def test_a_limit_is_waited_for_as_long_as_its_window(intercom, monkeypatch):
    monkeypatch.setattr("connectors.intercom.contacts.time.time", lambda: 1000.0)
    for until, after in (("1007", 7.0), ("900", 0.0), ("99999", 60.0)):
        intercom.fail(Told(429, b"{}", {"X-RateLimit-Reset": until}))
        with pytest.raises(RetryableError) as raised:
            side_of(intercom).limits()
        assert raised.value.after == after


def test_a_storm_of_refusals_keeps_what_was_done_apart_from_what_was_not(intercom):
    side = side_of(intercom)
    records = many(side, 3)
    intercom.fail(FAULTS["too many calls"], after=3)
    results = side.write([update(record, title="x") for record in records])
    assert [each.written for each in results] == [Written.DONE, Written.RETRY, Written.RETRY]
    assert [each["custom_attributes"]["job_title"] for each in intercom.contacts.values()] == ["x", None, None]


@pytest.mark.parametrize("rows", ["none", [1], [{"id": 1, "role": "user", "name": 5}], [{"role": "user"}]])
def test_what_is_no_contact_is_asked_for_again_later(intercom, rows):
    intercom.page = lambda *_: Told.of({"data": rows})
    with pytest.raises(RetryableError, match="something else than contacts: data"):
        read(side_of(intercom))


def test_a_wrong_address_stops_it(intercom):
    elsewhere = side_of(intercom, url=f"{intercom.url}/nothing")
    for call in (elsewhere.limits, lambda: read(elsewhere)):
        with pytest.raises(ConfigError, match="Look at url"):
            call()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"attributes": {"first": "x"}}, "every contact has that"), ({"url": "http://api.intercom.io"}, "https")],
)
def test_settings_that_cannot_be_are_refused(intercom, settings, problem):
    with pytest.raises(ConfigError, match=problem):
        side_of(intercom, **settings)


def test_a_connection_of_webhooks_alone_has_no_contacts():
    assert configured(IntercomConnector, {"client_secret": "s"}).contact_side() is None
