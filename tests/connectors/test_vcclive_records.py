"""VCC Live's records as a side of a contact sync, on a stand-in that answers as the Database API is documented."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.vcclive import VccLiveConnector
from gateway.domain.contacts import Side
from gateway.sdk import Act, ConfigError, ContactWrite, Entry, RetryableError, Written
from gateway.sdk.connector import Connector
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ContactSideSuite, StandIn, Told
from tests.connectors.writes import delete, done_one, update, written
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk

TOKEN = "a token of the Database API"
BASIC = "Basic " + base64.b64encode(f"example:{TOKEN}".encode()).decode()
FIELDS = {"first": "first_name", "last": "last_name", "title": "job", "notes": "remark", "city": "city"}
DELETES_AT = "projects/42/invented/{numberid}"


def refused(message: str, status: int = 417) -> Told:
    error = {"index": 1, "errorcode": 417, "errormessage": message}
    return Told.of({"response": False, "errors": [error]}, status)


class Database(StandIn):
    """A project's records. Invented: how they are listed and deleted, and that a new one's id answers its creation."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, Any]] = {}
        self.made = 100
        self.page = 3
        self.names = {*FIELDS.values(), "sf_id"}
        self.places = 9
        self.tells_id = True

    def answer(self, asked):
        if asked.headers.get("authorization") != BASIC:
            return Told(401, b"{}")
        kind, _, rest = asked.path.removeprefix("/v2/projects/42/").partition("/")
        id, _, place = rest.partition("/contacts/")
        if kind == "invented" and asked.method == "DELETE":
            return self._told(self.rows.pop(id, None) is not None)
        if kind != "records":
            return Told(404, b"{}")
        if not id:
            return self._list(asked.query) if asked.method == "GET" else self._add(asked.json)
        if id not in self.rows:
            return Told(404, b"{}")
        if asked.method == "GET":
            return self._told({"cdrs": [], "events": [], "create_date": "2026-03-02 15:41:07", **self.rows[id]})
        return self._change_contact(id, int(place), asked.json) if place else self._change(id, asked.json)

    def _told(self, response: Any) -> Told:
        return Told.of({"response": response, "errors": []})

    def _list(self, query) -> Told:
        start, most = int(query.get("start", 0)), min(int(query.get("num", 10)), self.page)
        rows = [{"numberid": int(id)} for id in self.rows]
        return self._told({"rows": rows[start : start + most], "totalCount": len(rows)})

    def _add(self, body) -> Told:
        if not body["form"].keys() <= self.names:
            return refused("error.field_not_exists")
        if any("phone" not in contact for contact in body.get("contacts", {}).values()):
            return refused("error.phone_missing")
        self.made += 1
        self.rows[str(self.made)] = {"data": dict(body["form"]), "contacts": dict(body.get("contacts", {}))}
        return self._told(self.made if self.tells_id else True)

    def _change(self, id: str, body) -> Told:
        if not body.keys() <= self.names:
            return refused("error.field_not_exists")
        self.rows[id]["data"] |= body
        return self._told(True)

    def _change_contact(self, id: str, place: int, body) -> Told:
        if place > self.places:
            return refused("error.contact_not_exists")
        if body.get("email") and "@" not in body["email"]:
            return refused("error.wrong_email_format")
        contacts = self.rows[id]["contacts"]
        contacts[f"phone{place}"] = {**contacts.get(f"phone{place}", {}), **body}
        return self._told(True)


def connector_of(database: Database, **settings: Any) -> Connector:
    given = {
        "secret_key": "x",
        "customer": "example",
        "api_token": TOKEN,
        "api_url": f"{database.url}/v2/",
        "projectid": 42,
        "contact_fields": FIELDS,
        "id_field": "sf_id",
        "delete_record_path": DELETES_AT,
        **settings,
    }
    return configured(VccLiveConnector, {name: value for name, value in given.items() if value is not None})


def side_of(database: Database, **settings: Any):
    return connector_of(database, **settings).contact_side()


@pytest.fixture
def database():
    with Database() as running:
        yield running


def create(**values: Any) -> ContactWrite:
    return ContactWrite(act=Act.CREATE, values={"last": "Customer", **values}, other_id="003A")


def entries_of(*texts: str) -> tuple[Entry, ...]:
    return tuple(map(Entry, texts))


class TestSide(ContactSideSuite):
    lines = "notes"

    @contextmanager
    def store(self):
        with Database() as running:
            yield running

    def side(self, store):
        return side_of(store)


# --- what goes where


def test_fields_numbers_and_addresses_have_their_places(database):
    side = side_of(database)
    record = done_one(side, create(city="Budapest", phones=entries_of("+14155550100", "+14155550101"),
                               emails=entries_of("casey@example.com")))  # fmt: skip
    assert database.rows[record.id] == {
        "data": {"last_name": "Customer", "city": "Budapest", "sf_id": "003A"},
        "contacts": {
            "phone1": {"phone": "14155550100", "email": "casey@example.com"},
            "phone2": {"phone": "14155550101"},
        },
    }
    assert side.limits().fields["phones"].most == 9


def test_a_number_keeps_its_place_and_what_is_beside_it(database):
    people = {
        "phone1": {"name": "Peter", "title": "Boss", "phone": "14155550100", "email": "peter@example.com"},
        "phone3": {"name": "Sue", "title": "", "phone": "14155550101", "email": ""},
    }
    database.rows["7"] = {"data": {"last_name": "Customer", "likes": "6"}, "contacts": people}
    side = side_of(database)
    (old,) = side.get(["7"])
    wanted = entries_of("+1 (415) 555-0101", "+14155550102")
    record = done_one(side, update(old, phones=wanted, emails=entries_of("peter@example.com", "new@example.com")))
    contacts = database.rows["7"]["contacts"]
    assert contacts["phone1"] == {"name": "Peter", "title": "Boss", "phone": "", "email": "peter@example.com"}
    assert contacts["phone2"] == {"phone": "14155550102", "email": "new@example.com"}
    assert contacts["phone3"] == people["phone3"]
    assert database.rows["7"]["data"] == {"last_name": "Customer", "likes": "6"}
    assert {each.value for each in record.values["phones"]} == {"14155550102", "14155550101"}


def test_only_what_changes_is_written(database):
    side = side_of(database)
    old = done_one(side, create(phones=entries_of("+14155550100"), emails=entries_of("casey@example.com")))
    asked = len(database.asked)
    done_one(side, update(old, title="Buyer", phones=entries_of("415 555 0100")))
    assert [each.path for each in database.asked[asked:] if each.method == "PUT"] == [
        f"/v2/projects/42/records/{old.id}"
    ]


@pytest.mark.parametrize(
    ("region", "number", "stands", "read"),
    [
        ("HU", "+3615550100", "3615550100", "3615550100"),
        ("HU", "06 1 555 0100", "3615550100", "3615550100"),
        ("US", "+85225550100", "85225550100", "+85225550100"),
        ("US", "+4532123456", "+4532123456", "+4532123456"),
        ("US", "(415) 555-0100 ext. 7", "(415) 555-0100 ext. 7", "(415) 555-0100 ext. 7"),
    ],
)
def test_a_number_stands_there_so_that_its_country_is_known(database, region, number, stands, read):
    """Without a plus, unless it would then be taken for a number of the region."""
    record = done_one(side_of(database, region=region), create(phones=entries_of(number)))
    assert database.rows[record.id]["contacts"]["phone1"]["phone"] == stands
    assert record.values["phones"] == entries_of(read)


# --- what fails


def test_a_refusal_is_told_in_the_words_of_vcc_live(database):
    side = side_of(database, most_contacts=2)
    result = written(side, create(emails=entries_of("a@example.com"), nickname="x"))
    assert result.written is Written.DONE
    database.names.remove("city")
    result = written(side, create(city="Budapest"))
    assert (result.written, "error.field_not_exists" in result.reason) == (Written.REFUSED, True)


def test_other_words_than_the_vendors_may_hold_what_was_sent_and_are_not_passed_on(database):
    side = side_of(database)
    database.fail(refused("casey@example.com is no address"))
    result = written(side, create(emails=entries_of("casey@example.com")))
    assert (result.written, "casey" in result.reason) == (Written.REFUSED, False)


def test_more_numbers_than_places_are_refused(database):
    side = side_of(database, most_contacts=1)
    assert side.limits().fields["phones"].most == 1
    result = written(side, create(phones=entries_of("+14155550100", "+14155550101")))
    assert result.written is Written.REFUSED
    assert not database.rows


def test_what_is_written_in_part_is_unknown(database):
    side = side_of(database)
    old = done_one(side, create())
    database.places = 0
    result = written(side, update(old, title="Buyer", phones=entries_of("+14155550100")))
    assert result.written is Written.UNKNOWN
    assert "error.contact_not_exists" in result.reason
    (now,) = side.get([old.id])
    assert (now.values["title"], now.values["phones"]) == ("Buyer", ())


def test_a_record_that_is_made_without_telling_its_id_is_found_by_it_and_is_unknown(database):
    database.tells_id = False
    side = side_of(database)
    assert written(side, create()).written is Written.UNKNOWN
    assert [record.other_id for record in side.find([], ["003A"])] == ["003A"]


def test_a_record_that_is_refused_is_gone_only_if_it_is_not_listed(database):
    side = side_of(database)
    record = done_one(side, create())
    database.fail(refused("error.no_access"))
    with pytest.raises(RetryableError, match="no_access"):
        side.get([record.id])
    database.rows.clear()
    database.fail(refused("error.record_not_exists"))
    assert [each.is_deleted for each in side.get([record.id])] == [True]


def test_errors_instead_of_a_list_are_no_empty_list(database):
    done_one(side_of(database), create())
    database.fail(refused("error.no_access", 200))
    with pytest.raises(ConfigError, match="projectid"):
        side_of(database).limits()


def test_without_a_path_nobody_is_deleted_and_the_reason_is_told(database):
    side = side_of(database, delete_record_path=None)
    record = done_one(side, create())
    result = written(side, delete(record))
    assert (result.written, "delete_record_path" in result.reason) == (Written.REFUSED, True)
    assert connector_of(database).deletes_contacts()
    assert not connector_of(database, delete_record_path=None).deletes_contacts()


# --- in a sync


def test_a_sync_with_vcc_live_converges_and_rests(database):
    desk = SyncDesk()
    desk.sides = {**desk.sides, PLATFORM: side_of(database)}
    own = {"phone1": {"name": "Casey", "title": "", "phone": "14155550107", "email": ""}}
    database.rows["7"] = {"data": {"first_name": "Casey", "last_name": "7", "likes": "6"}, "contacts": own}
    ada = desk.crm.people_create(first="Ada", last="Lovelace", title="Countess", phones=phones("+14155550110"))
    same = desk.crm.people_create(first="Casey", last="7", phones=phones("415 555 0107"))
    desk.settle()
    assert len(database.rows) == len(desk.crm.living()) == 2
    assert desk.link(same).ids[Side.PLATFORM] == "7"

    asked = len(database.asked)
    desk.settle()
    assert {each.method for each in database.asked[asked:]} == {"GET"}

    database.rows[desk.counterpart(ada)]["data"]["job"] = "Analyst"
    desk.crm.people_edit(same, title="Mate")
    desk.settle()
    assert desk.crm.records[ada].values["title"] == "Analyst"
    assert database.rows["7"] == {
        "data": {"first_name": "Casey", "last_name": "7", "likes": "6", "job": "Mate"},
        "contacts": own,
    }

    del database.rows[desk.counterpart(ada)]
    desk.crm.people_delete(same)
    desk.settle()
    assert (database.rows, desk.crm.living()) == ({}, {})


# --- settings


@pytest.mark.parametrize(
    "settings",
    [
        {"projectid": None},
        {"customer": None, "api_token": None},
        {"contact_fields": {"phones": "phone1"}},
        {"most_contacts": 10},
        {"delete_record_path": "projects/42/records"},
    ],
)
def test_settings_that_cannot_be(database, settings):
    with pytest.raises(ConfigError):
        side_of(database, **settings)


def test_a_connection_without_fields_has_no_contacts(database):
    assert side_of(database, contact_fields=None) is None


def test_the_readme_names_every_setting():
    readme = (Path(__file__).parents[2] / "connectors/vcclive/README.md").read_text("utf-8")
    assert [name for name in VccLiveConnector.settings_schema().fields if f"`{name}`" not in readme] == []
