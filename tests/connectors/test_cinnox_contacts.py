"""CINNOX's external contacts as a side of a contact sync, on a stand-in that answers as the Open API is documented."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.cinnox import CinnoxConnector
from connectors.cinnox.contacts import FIELDS, ExternalContacts
from connectors.cinnox.subscriptions import open_api
from gateway.domain.contacts import Side
from gateway.sdk import Act, ConfigError, ContactWrite, Entry, RetryableError, Written
from gateway.sdk.discovery import configured
from gateway.sdk.listed import ListedSide
from gateway.sdk.testing import ContactSideSuite, StandIn, Told
from tests.connectors.writes import delete, done_one, update, written
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
APP = "/v1/api/apps/app-1/"
TOKEN = "an app token"
DELETES_AT = "management/invented_delete/{contactID}"
SETTINGS = {"base_url": "https://cinnox.example.com", "app_id": "app-1", "app_token": TOKEN, "token": "a secret"}
LISTED = {
    "firstName": "firstName", "lastName": "lastName", "jobTitle": "jobTitle", "company": "companyName",
    "team": "department", "birthDate": "birthday", "language": "language", "type": "customerType", "group": "group",
    "level": "level",
}  # fmt: skip
PHONES = {"Mobile": "mobilePhone", "Work": "workPhone", "Home": "homePhone", "Other": "otherPhone"}
EMAILS = {"Work": "email", "Personal": "personalEmail", "Other": "otherEmail"}


class Cinnox(StandIn):
    """Its external contacts. Invented: the wrapping of the list, that the newest stand first, and the deletion.

    `replaces`: an update takes away what it does not name; the vendor does not say whether it does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, Any]] = {}
        self.largest = 500
        self.replaces = False
        self.created = 0
        self.between = lambda: None

    def answer(self, asked):
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Told.of({"code": 6450000}, 401)
        kind, _, id = asked.path.removeprefix(APP).removeprefix("management/").partition("/")
        match asked.method, kind:
            case "GET", "contacts":
                return self._list(int(asked.query["offset"]), int(asked.query["limit"]))
            case "POST", "create_externalcontact":
                self.created += 1
                return self._take(f"c-{self.created}", {"type": "Lead", "level": "Primary", **asked.json}, {})
            case "PUT", "update_externalcontact" if id in self.rows:
                kept = {name: value for name, value in self.rows[id].items() if name.startswith("cf_")}
                return self._take(id, asked.json, kept if self.replaces else self.rows[id])
            case "DELETE", "invented_delete" if self.rows.pop(id, None):
                return Told.of({"code": 200})
        return Told.of({"code": 6450001, "message": "method not found"}, 404)

    def _list(self, offset: int, limit: int) -> Told:
        if limit > self.largest:
            return Told.of({"code": 6451000, "message": f"exceed maximum limit {self.largest}"}, 400)
        rows = list(reversed(self.rows.values()))
        told = Told.of({"code": 200, "result": {"total": len(rows), "contacts": rows[offset : offset + limit]}})
        self.between()
        return told

    def _take(self, id: str, said: dict[str, Any], row: dict[str, Any]) -> Told:
        row = {**row, "id": id, **{LISTED[name]: value for name, value in said.items() if name in LISTED}}
        if "addresses" in said:
            row["address"] = said["addresses"][0]
        for name, value, columns in (("phones", "phone", PHONES), ("emails", "email", EMAILS)):
            if name in said:
                row |= dict.fromkeys(columns.values(), "")
                row |= {columns[each["type"]]: each[value] for each in said[name]}
        if any(not str(row.get(column) or "+").startswith("+") for column in PHONES.values()):
            return Told.of({"code": 6451000, "message": "Invalid phone"}, 400)
        self.rows[id] = row
        return Told.of({"code": 200, "id": id})


def side_of(platform: Cinnox, *, page_size: int = 3, most: int = 10_000, deletes_at: str | None = DELETES_AT, **more):
    api = open_api(platform.url, "app-1", TOKEN, sleep=lambda _: None)
    contacts = ExternalContacts(api, page_size=page_size, most=most, region="US", deletes_at=deletes_at)
    return ListedSide(contacts, **more)


@pytest.fixture
def platform():
    with Cinnox() as running:
        yield running


def create(**values: Any) -> ContactWrite:
    return ContactWrite(act=Act.CREATE, values={"last": "Customer", **values}, other_id="003A")


class TestSide(ContactSideSuite):
    bears_ids = False
    most = 120
    filled_in = ("customer_type", "level")

    @contextmanager
    def store(self):
        with Cinnox() as running:
            yield running

    def side(self, store):
        return side_of(store, most=self.most)


# --- what goes where


ALL = {
    "first": "Casey", "last": "Customer", "title": "Buyer", "company": "Example Ltd", "department": "Purchasing",
    "birthday": "1990-12-31", "language": "en", "customer_type": "Customer", "group": "Retail", "level": "Secondary",
    "street": "1 Example Road", "city": "Hong Kong", "state": "HK", "postal_code": "000", "country": "HK",
    "phones": (Entry("+85225550100", "mobile"), Entry("+85225550101", "work")),
    "emails": (Entry("casey@example.com", "work"), Entry("me@example.com", "home")),
}  # fmt: skip


def test_each_field_is_written_in_one_shape_and_read_in_another(platform):
    record = done_one(side_of(platform), create(**ALL))
    assert record.values == ALL
    sent = next(asked.json for asked in platform.asked if asked.method == "POST")
    assert sent == {
        "firstName": "Casey", "lastName": "Customer", "jobTitle": "Buyer", "company": "Example Ltd",
        "team": "Purchasing", "birthDate": "31/12/1990", "language": "en", "type": "Customer", "group": "Retail",
        "level": "Secondary",
        "addresses": [
            {"street": "1 Example Road", "city": "Hong Kong", "state": "HK", "zipcode": "000", "country": "HK"}
        ],
        "phones": [{"type": "Mobile", "phone": "+85225550100"}, {"type": "Work", "phone": "+85225550101"}],
        "emails": [{"type": "Work", "email": "casey@example.com"}, {"type": "Personal", "email": "me@example.com"}],
    }  # fmt: skip


@pytest.mark.parametrize("replaces", [False, True])
def test_an_update_keeps_everything_whether_cinnox_replaces_or_not(platform, replaces):
    platform.replaces = replaces
    side = side_of(platform)
    old = done_one(side, create(**ALL))
    platform.rows[old.id]["cf_shoe_size"] = "43"
    assert done_one(side, update(old, title="Head buyer")).values == {**ALL, "title": "Head buyer"}
    (now,) = side.get([old.id])
    emptied = done_one(side, update(now, street=None, emails=()))
    assert emptied.values == {**ALL, "title": "Head buyer", "street": None, "emails": ()}
    assert platform.rows[old.id]["cf_shoe_size"] == "43"


def test_numbers_that_are_json_numbers_have_their_plus(platform):
    platform.rows["c-1"] = {"id": "c-1", "lastName": "Customer", "mobilePhone": 85225550100, "workPhone": "85225550101"}
    (record,) = side_of(platform).get(["c-1"])
    assert record.values["phones"] == (Entry("+85225550100", "mobile"), Entry("+85225550101", "work"))


def test_a_number_is_written_with_its_country_and_without_its_extension(platform):
    record = done_one(side_of(platform), create(phones=(Entry("(415) 555-0101 ext. 7", "work"),)))
    assert record.values["phones"] == (Entry("+14155550101", "work"),)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"country": "Hong Kong"}, "country must be a code of two letters"),
        ({"birthday": "long ago"}, "birthday must be a date"),
        ({"customer_type": "VIP"}, "customer_type must be one of Lead"),
        ({"level": "1"}, "level must be one of Primary"),
        ({"phones": (Entry("12345", "work"),)}, "The work number"),
    ],
)
def test_what_cinnox_cannot_hold_is_refused_before_it_is_sent(platform, values, words):
    result = written(side_of(platform), create(**values))
    assert result.written is Written.REFUSED
    assert words in result.reason
    assert not platform.rows


def test_an_odd_value_that_stands_there_keeps_no_other_from_being_written(platform):
    odd = {"birthday": "May", "mobilePhone": "12345", "customerType": "VIP", "address": {"country": "Hong Kong"}}
    platform.rows["c-1"] = {"id": "c-1", "lastName": "Customer", **odd}
    side = side_of(platform)
    platform.rows["c-1"]["mobilePhone"] = "+12345"
    (old,) = side.get(["c-1"])
    assert done_one(side, update(old, title="Buyer")).values == {**old.values, "title": "Buyer"}


# --- merging, deleting


def test_who_was_merged_leads_to_who_is_left(platform):
    side = side_of(platform)
    left, merged = done_one(side, create(first="Casey")), done_one(side, create(first="C."))
    platform.rows[left.id]["slaveContacts"] = merged.id
    for is_listed_still in (True, False):
        if not is_listed_still:
            del platform.rows[merged.id]
        (record,) = side_of(platform).get([merged.id])
        assert record.merged_into == left.id
        assert side_of(platform).limits().records == 1
        (page,) = side_of(platform).changes(None, NOW)
        assert [record.id for record in page.records] == [left.id]
    assert written(side, update(merged, first="Casey")).written is Written.GONE


def test_without_a_path_nobody_is_deleted_and_the_reason_is_told(platform):
    side = side_of(platform, deletes_at=None)
    record = done_one(side, create())
    result = written(side, delete(record))
    assert result.written is Written.REFUSED
    assert "delete_contact_path" in result.reason
    assert record.id in platform.rows
    assert not configured(CinnoxConnector, SETTINGS).deletes_contacts()
    assert configured(CinnoxConnector, {**SETTINGS, "delete_contact_path": "some/{contactID}"}).deletes_contacts()


# --- what fails


def test_a_list_that_moves_while_it_is_read_is_read_again(platform):
    side = side_of(platform)
    for number in range(7):
        done_one(side, create(first=f"Casey {number}"))
    moves = iter(("delete", "create", "delete"))

    def move() -> None:
        if (next_move := next(moves, None)) == "delete":
            platform.rows.popitem()
        elif next_move:
            platform.rows["new"] = {"id": "new", "lastName": "New"}

    platform.between = move
    (page,) = side.changes(None, NOW)
    assert [record.id for record in page.records] == list(reversed(platform.rows))


def test_a_list_that_never_holds_still_is_read_later(platform):
    for number in range(7):
        done_one(side_of(platform), create(first=f"Casey {number}"))
    platform.between = lambda: platform.rows.update({f"n-{len(platform.rows)}": {"id": "n", "lastName": "New"}})
    with pytest.raises(RetryableError):
        side_of(platform).limits()


def test_a_list_without_offsets_is_told(platform):
    for number in range(7):
        done_one(side_of(platform), create(first=f"Casey {number}"))
    listing = platform._list
    platform._list = lambda _, limit: listing(0, limit)
    with pytest.raises(ConfigError, match="whatever the offset"):
        side_of(platform).limits()


def test_a_page_that_is_too_large_is_told(platform):
    with pytest.raises(ConfigError, match="smaller page_size"):
        side_of(platform, page_size=501).limits()


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("code", "outcome"), [(6451001, Written.UNKNOWN), (6451000, Written.REFUSED), (6451010, Written.RETRY)]
)
def test_codes_in_the_answer_of_a_write(platform, code, outcome, status):
    side = side_of(platform)
    assert side.limits().records == 0
    platform.fail(Told.of({"code": 200, "id": "c-0"}), late=True)
    platform.fail(Told.of({"code": code}, status))
    results = side.write([create(), create()])
    assert [each.written for each in results] == [Written.UNKNOWN, outcome]
    assert len(platform.rows) == 1


# --- in a sync


def test_a_sync_with_cinnox_converges_and_rests(platform):
    desk = SyncDesk()
    desk.sides = {**desk.sides, PLATFORM: side_of(platform, page_size=100)}
    platform.rows["own"] = {"id": "own", "firstName": "Casey", "lastName": "7", "mobilePhone": 14155550107, "cf_x": "x"}
    ada = desk.crm.people_create(first="Ada", last="Lovelace", title="Countess", phones=phones("+14155550110"))
    same = desk.crm.people_create(first="Casey", last="7", phones=phones("415 555 0107"))
    desk.settle()
    assert len(platform.rows) == len(desk.crm.living()) == 2
    assert desk.link(same).ids[Side.PLATFORM] == "own"

    asked = len(platform.asked)
    desk.settle()
    assert {each.method for each in platform.asked[asked:]} == {"GET"}

    platform.rows[desk.counterpart(ada)]["jobTitle"] = "Analyst"
    desk.crm.people_edit(same, title="Mate")
    desk.settle()
    assert desk.crm.records[ada].values["title"] == "Analyst"
    assert (platform.rows["own"]["jobTitle"], platform.rows["own"]["cf_x"]) == ("Mate", "x")

    del platform.rows[desk.counterpart(ada)]
    desk.crm.people_delete(same)
    desk.settle()
    assert (platform.rows, desk.crm.living()) == ({}, {})


# --- what it is to the gateway


def test_the_connector_has_it_by_its_settings(platform):
    settings = {**SETTINGS, "base_url": platform.url, "contact_limit": 1, "region": "HK"}
    side = configured(CinnoxConnector, settings).contact_side()
    assert side.limits().most == 1
    record = done_one(side, create(phones=(Entry("2555 0100", "work"),)))
    assert record.values["phones"] == (Entry("+85225550100", "work"),)
    assert written(side, create()).written is Written.REFUSED


@pytest.mark.parametrize("path", ["management/delete", "x?id={contactID}"])
def test_a_path_without_a_place_for_the_contact_is_refused(path):
    with pytest.raises(ConfigError):
        configured(CinnoxConnector, {**SETTINGS, "delete_contact_path": path})


def test_the_readme_names_every_field_and_setting():
    readme = (Path(__file__).parents[2] / "connectors/cinnox/README.md").read_text("utf-8")
    names = [*FIELDS, *CinnoxConnector.settings_schema().fields]
    assert [name for name in names if f"`{name}`" not in readme] == []
