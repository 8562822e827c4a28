"""A dynamic address book of CXone as a side of a contact sync, on a stand-in that answers as its OpenAPI file says."""

from __future__ import annotations

import random
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest

from connectors.cxone import CxoneConnector
from gateway.domain.sync import FieldRule
from gateway.sdk import Act, ConfigError, ContactWrite, Entry, Meaning, RetryableError, Written
from gateway.sdk.discovery import configured
from gateway.sdk.testing import FAULTS, Asked, ContactSideSuite, StandIn, Told
from tests.connectors.writes import delete, ends, update
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk, policy

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
BOOK = "4711"
COLUMNS = {"firstName", "middleName", "lastName", "company", "phone", "mobile", "email"}
CASEY = {
    "first": "Casey",
    "last": "Customer",
    "phones": (Entry("+1 415 555 0100", "mobile"), Entry("(415) 555-0101", "work")),
    "emails": (Entry("casey@example.com"),),
}


class Cxone(StandIn):
    """One dynamic address book; so many entries an answer. `refuses` are reasons by last name."""

    def __init__(self, page: int = 3) -> None:
        super().__init__()
        self.page = page
        self.entries: dict[str, dict[str, Any]] = {}
        self.refuses: dict[str, str] = {}
        self.strict = False
        self.kind = "Dynamic"
        self.logins = 0
        self.before: dict[str, Any] = {}

    def told(self, asked):
        self.before.pop(asked.method, lambda: None)()
        return super().told(asked)

    def answer(self, asked: Asked) -> Told:
        if asked.path == "/authentication/v1/token/access-key":
            self.logins += 1
            return Told.of({"access_token": f"token-{self.logins}", "expires_in": 3600})
        if asked.headers.get("authorization") != f"Bearer token-{self.logins}":
            return Told(401, b"{}")
        path = f"/incontactapi/services/v32.0/address-books/{BOOK}/dynamic-entries"
        if not asked.path.startswith(path) or self.kind != "Dynamic":
            return Told(404, b"{}")
        if asked.method == "GET":
            return self.listed(asked)
        if asked.method == "PUT":
            return self.put(asked)
        id = unquote(asked.path.removeprefix(f"{path}/"))
        return Told(404, b"{}") if self.entries.pop(id, None) is None else Told(200)

    def listed(self, asked: Asked) -> Told:
        assert asked.query["fullLoad"] == "true"
        skip, top = int(asked.query["skip"]), int(asked.query["top"])
        assert top <= 10_000
        here = list(self.entries.values())[skip : skip + min(top, self.page)]
        book = {"addressBookId": int(BOOK), "addressBookType": self.kind, "fullLoad": True, "addressBookEntries": here}
        return Told.of({"totalRecords": len(self.entries), "addressBook": book}) if here else Told(204)

    def put(self, asked: Asked) -> Told:
        if asked.query["fullLoad"] != "false":
            self.entries.clear()
        rows = asked.json["addressBookEntries"]
        assert all(row.keys() - {"stateId", "externalState"} == COLUMNS | {"externalId"} for row in rows)
        assert all(isinstance(row[name], str) for row in rows for name in COLUMNS)
        if self.strict and any(row["lastName"] in self.refuses for row in rows):
            return Told(400, b"{}")
        results = [self.taken(row) for row in rows]
        return Told.of({"entryResults": results[::-1]})

    def taken(self, row: dict[str, Any]) -> dict[str, Any]:
        id = row["externalId"]
        if why := self.refuses.get(row["lastName"]):
            return {"success": False, "externalId": id, "error": why}
        is_new = id not in self.entries
        shown = {name: value or None for name, value in row.items()}
        number = 1 + len(self.entries) if is_new else self.entries[id]["addressBookEntryId"]
        self.entries[id] = {**shown, "addressBookEntryId": number}
        return {"success": True, "created": is_new, "addressBookEntryId": number, "externalId": id}


def side_of(store: Cxone, **settings: Any):
    known = {"access_key_id": "a-key", "access_key_secret": "its secret", "access_key_url": store.url}
    known |= {"api_url": f"{store.url}/incontactapi", "calls_per_minute": 100_000, "address_book": BOOK}
    return configured(CxoneConnector, {**known, **settings}).contact_side()


class TestSide(ContactSideSuite):
    """The whole contract."""

    names = ("first", "last")
    text = "company"

    @contextmanager
    def store(self):
        with Cxone() as cxone:
            yield cxone

    def side(self, store):
        return side_of(store)


# ---- pieces ----


@pytest.fixture
def cxone():
    with Cxone() as cxone:
        yield cxone


def create(other_id: str = "003A", **values: Any) -> ContactWrite:
    return ContactWrite(act=Act.CREATE, values={**CASEY, **values}, other_id=other_id)


def there(side, *ids: str):
    return [record for record in side.get(ids) if not record.is_gone]


# ---- writing ----


def test_a_new_entry_bears_the_id_of_its_counterpart_and_the_state_of_the_settings(cxone):
    side = side_of(cxone, state_id=1, external_state="Available")
    (result,) = side.write([create()])

    assert (result.record.id, result.record.other_id) == ("003A", "003A")
    assert cxone.entries["003A"] == {
        "externalId": "003A", "stateId": 1, "externalState": "Available", "firstName": "Casey", "middleName": None,
        "lastName": "Customer", "company": None, "phone": "(415) 555-0101", "mobile": "+1 415 555 0100",
        "email": "casey@example.com", "addressBookEntryId": 1,
    }  # fmt: skip


def test_an_update_keeps_the_state_that_an_entry_has(cxone):
    side = side_of(cxone, state_id=1)
    (old,) = (result.record for result in side.write([create()]))
    cxone.entries["003A"] |= {"stateId": 7, "externalState": "Busy"}

    assert ends(side, update(old, company="Example")) == [Written.DONE]
    entry = cxone.entries["003A"]
    assert (entry["stateId"], entry["externalState"], entry["company"]) == (7, "Busy", "Example")
    assert (entry["mobile"], entry["email"]) == ("+1 415 555 0100", "casey@example.com")


def test_an_entry_with_the_id_of_the_counterpart_is_a_candidate_and_stays_as_it_is(cxone):
    side = side_of(cxone)
    side.write([create()])
    (result,) = side.write([create(first="Another")])

    assert (result.written, result.candidates) == (Written.REFUSED, ("003A",))
    assert cxone.entries["003A"]["firstName"] == "Casey"


def test_the_rest_of_the_book_is_never_replaced(cxone):
    side = side_of(cxone)
    cxone.entries["theirs"] = {"externalId": "theirs", "lastName": "Theirs"}
    for write in (
        create,
        lambda: update(*there(side, "003A"), company="x"),
        lambda: delete(*there(side, "003A")),
    ):
        assert ends(side, write()) == [Written.DONE]
        assert cxone.entries["theirs"] == {"externalId": "theirs", "lastName": "Theirs"}


def test_a_refused_entry_is_told_with_the_reason_and_harms_no_other(cxone):
    cxone.refuses = {"Odd": "lastName is longer than 1000"}
    results = side_of(cxone).write([create("003A", last="Odd"), create("003B")])

    assert [result.written for result in results] == [Written.REFUSED, Written.DONE]
    assert results[0].reason == "CXone refuses the entry: lastName is longer than 1000"
    assert [*cxone.entries] == ["003B"]


@pytest.mark.parametrize(
    "why", ["ada@example.com is taken", "415-555-0109 is taken", "CUSTOMER is there", "Is it casey?"]
)
def test_a_reason_that_names_a_person_is_not_passed_on(cxone, why):
    cxone.refuses = {"Customer": why}

    assert side_of(cxone).write([create()])[0].reason == "CXone refuses the entry."


def test_where_all_are_refused_for_one_each_is_sent_by_itself(cxone):
    cxone.refuses, cxone.strict = {"Long": ""}, True
    results = side_of(cxone).write([create("003A", last="Long"), create("003B"), create("003C")])

    assert [result.written for result in results] == [Written.REFUSED, Written.DONE, Written.DONE]
    assert [*cxone.entries] == ["003B", "003C"]


def test_a_failure_among_entries_that_are_sent_apart_leaves_the_others_for_later(cxone):
    cxone.refuses, cxone.strict = {"Long": ""}, True
    side = side_of(cxone)
    side.limits()
    cxone.fail(FAULTS["too many calls"], after=3)  # the listing, the whole, one of its parts
    writes = [create("003A"), create("003B"), create("003C", last="Long")]

    assert ends(side, *writes) == [Written.DONE, Written.RETRY, Written.RETRY]
    assert [*cxone.entries] == ["003A"]


def test_what_cannot_be_read_back_is_unknown(cxone):
    side = side_of(cxone)
    (old,) = (result.record for result in side.write([create()]))
    cxone.fail(FAULTS["down"], after=2)

    assert ends(side, update(old, company="Example")) == [Written.UNKNOWN]
    assert there(side, "003A")[0].values["company"] == "Example"


def test_after_too_many_calls_the_other_deletions_wait(cxone):
    side = side_of(cxone, calls_per_minute=100_000)
    records = [result.record for result in side.write([create(f"003{n}") for n in range(5)])]
    before = len(cxone.asked)
    cxone.fail(FAULTS["too many calls"], after=2 + 1)  # the listing's two pages, one deletion

    assert ends(side, *map(delete, records)) == [Written.DONE, *[Written.RETRY] * 4]
    assert [asked.method for asked in cxone.asked[before:]].count("DELETE") == 2
    assert [*cxone.entries] == ["0031", "0032", "0033", "0034"]


def test_a_deletion_that_the_book_does_not_show_is_unknown(cxone):
    side = side_of(cxone)
    (record,) = (result.record for result in side.write([create()]))
    cxone.fail(Told(202), after=1)

    assert ends(side, delete(record)) == [Written.UNKNOWN]


# ---- reading ----


def test_a_book_that_moves_while_it_is_read_is_not_believed(cxone):
    """An entry that an earlier page had is deleted: the one behind it would be on no page, and taken for deleted."""
    cxone.page = 3
    for number in range(7):
        cxone.entries[f"e{number}"] = {"externalId": f"e{number}", "lastName": str(number)}
    side, pages = side_of(cxone), []

    def second_page() -> None:
        cxone.before["GET"] = lambda: cxone.entries.pop("e0")

    cxone.before["POST"] = lambda: cxone.before.update(GET=second_page)
    with pytest.raises(RetryableError, match="changed while it was read"):
        pages += side.get(["e3"])
    assert pages == []
    assert [record.id for record in there(side, "e3", "e0")] == ["e3"]


@pytest.mark.parametrize(
    "told",
    [
        Told(200, b""),
        Told.of({}),
        Told.of({"addressBook": None}),
        Told.of([]),
        Told.of({"totalRecords": 1, "addressBook": {"addressBookEntries": []}}),
    ],
)
def test_an_answer_without_the_book_is_not_an_empty_book(cxone, told):
    cxone.entries["e1"] = {"externalId": "e1"}
    side = side_of(cxone)
    side.limits()
    cxone.fail(told)
    with pytest.raises(RetryableError):
        side.get(["e1"])


def test_entries_without_an_id_of_their_own_are_left_out(cxone):
    cxone.entries |= {"": {"lastName": "Nobody"}, "7": {"externalId": 7, "lastName": None, "phone": " 555-0100 "}}
    (page,) = side_of(cxone).changes(None, NOW)

    assert [(record.id, record.values["phones"]) for record in page.records] == [("7", (Entry("555-0100", "work"),))]
    assert (page.listing, page.ends, page.cursor) == (NOW.isoformat(), True, None)


def test_an_empty_book_is_listed_too(cxone):
    assert [(page.records, page.ends) for page in side_of(cxone).changes(None, NOW)] == [([], True)]


@pytest.mark.parametrize(
    "call",
    [
        lambda side: side.limits(),
        lambda side: list(side.changes(None, NOW)),
        lambda side: side.get(["e1"]),
        lambda side: side.find([], ["e1"]),
        lambda side: side.write([create()]),
    ],
)
def test_a_book_that_is_not_there_or_not_dynamic_is_told(cxone, call):
    cxone.kind = "Standard"
    with pytest.raises(ConfigError, match="no dynamic address book 4711"):
        call(side_of(cxone))


def test_without_an_address_book_there_is_no_side():
    known = {"access_key_id": "a-key", "access_key_secret": "its secret"}
    assert configured(CxoneConnector, known).contact_side() is None


# ---- in a sync ----


class Desk(SyncDesk):
    """A sync of an org in memory with an address book."""

    def __init__(self, cxone: Cxone) -> None:
        names = FieldRule(name="first", is_name=True), FieldRule(name="last", is_name=True)
        numbers = FieldRule(name="phones", meaning=Meaning.PHONES), FieldRule(name="emails", meaning=Meaning.EMAILS)
        super().__init__(replace(policy(), fields=(*names, *numbers)))
        self.cxone = cxone
        self.restart()

    def restart(self) -> None:
        """As a new process has it."""
        self.sides = {**self.sides, PLATFORM: side_of(self.cxone)}


def test_a_sync_with_an_address_book_converges_and_rests(cxone):
    desk = Desk(cxone)
    cxone.entries["own"] = {"externalId": "own", "firstName": "Casey", "lastName": "Own", "mobile": "(415) 555-0107"}
    ada = desk.crm.people_create(first="Ada", last="Lovelace", phones=phones("+14155550110"))
    same = desk.crm.people_create(first="Casey", last="Own", phones=phones("415 555 0107"))
    desk.settle()
    assert (desk.counterpart(same), desk.counterpart(ada)) == ("own", ada)
    assert {id: entry["lastName"] for id, entry in cxone.entries.items()} == {"own": "Own", ada: "Lovelace"}

    cxone.entries[ada]["firstName"] = "Augusta"
    del cxone.entries["own"]
    desk.settle()
    assert [record.values["first"] for record in desk.crm.living().values()] == ["Augusta"]

    before = len(cxone.asked)
    desk.settle()
    assert {asked.method for asked in cxone.asked[before:]} == {"GET"}


@pytest.mark.parametrize("seed", range(12))
def test_whatever_fails_each_contact_is_written_once(cxone, seed):
    """Restarts, storms of 429, answers that are lost while entries are written."""
    luck, desk = random.Random(seed), Desk(cxone)  # noqa: S311 — luck that can be repeated
    people = [desk.crm.people_create(first="Casey", last=f"Customer {n}") for n in range(8)]
    for turn in range(25):
        fault = luck.choice([*FAULTS.values()])
        cxone.fail(fault, after=luck.randrange(6), late=fault.cut and luck.random() < 0.7)
        if luck.random() < 0.3:
            desk.restart()
        if luck.random() < 0.3:
            desk.crm.people_edit(luck.choice(people), first=f"Name {turn}")
        with suppress(RetryableError):
            desk.run()
        desk.clock.tick(61)
    cxone._faults.clear()
    desk.settle()

    told = {id: entry["firstName"] for id, entry in cxone.entries.items()}
    assert told == {id: each.values["first"] for id, each in desk.crm.living().items()}
