"""Expertflow CX's customers as a side of a contact sync, on a stand-in that answers as the agent desk expects."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.expertflow import ExpertflowConnector
from gateway.domain.contacts import Side
from gateway.sdk import Act, ConfigError, ContactWrite, Entry
from gateway.sdk.discovery import configured
from gateway.sdk.testing import ContactSideSuite, StandIn, Told
from tests.connectors.writes import done_one, update
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk

WHO = {"username": "gateway", "password": "a secret"}
FIVE = {f"phones.{type}": f"phone0{at}" for at, type in enumerate(("mobile", "work", "home", "fax", "other"), 1)}
ATTRIBUTES = {
    "first": "firstName", "last": "lastName", "title": "jobTitle", "notes": "notes", "vip": "isVip", "score": "score",
    "emails": "email", **FIVE,
}  # fmt: skip


def attribute(key: str, type: str = "string", **more: Any) -> dict[str, Any]:
    length = "50" if type == "string" else ""
    return {"key": key, "label": key, "type": type, "length": length, "isRequired": False, "defaultValue": "", **more}


SCHEMA = [
    attribute("firstName", "name", isRequired=True, defaultValue="Unknown"),
    *(attribute(key) for key in ("lastName", "jobTitle", "salesforceId", "favourite", "webOrders")),
    attribute("notes", length="1000"),
    attribute("isVip", "boolean"),
    attribute("score", "number"),
    attribute("contract", isRequired=True, defaultValue="none"),
    *(attribute(key, "phonenumber") for key in FIVE.values()),
    attribute("phoneNumber", "phonenumber", isChannelIdentifier=True, channelTypes=["CX_VOICE"]),
    attribute("email", "email", isChannelIdentifier=True, channelTypes=["EMAIL"]),
]


class Cx(StandIn):
    """Its customers, and the log-in. Invented: what answers a creation, and 404 for who is not there.

    An update takes away what it does not name, as a document database does that is given another document.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, dict[str, Any]] = {}
        self.tokens: list[str] = []
        self.made = 0

    def answer(self, asked):
        if asked.path == "/unified-admin/keycloakLogin":
            if asked.json != WHO:
                return Told.of({"statusCode": 400}, 400)
            self.tokens.append(f"token {len(self.tokens)}")
            return Told.of({"statusCode": 200, "data": {"token": self.tokens[-1], "refresh_token": "x"}})
        if not self.tokens or asked.headers.get("authorization") != f"Bearer {self.tokens[-1]}":
            return Told.of({"message": "missing authorization"}, 401)
        kind, _, id = asked.path.removeprefix("/cim-customer/").partition("/")
        if kind == "customerSchema":
            return Told.of(SCHEMA)
        match asked.method:
            case "GET" if not id:
                start, rows = int(asked.query["offset"]), list(self.rows.values())
                return Told.of({"docs": rows[start : start + int(asked.query["limit"])], "totalDocs": len(rows)})
            case "POST" if not id:
                self.made += 1
                return self._take(f"{self.made:024x}", asked.json)
            case _ if id not in self.rows:
                return Told.of({"message": "not found"}, 404)
            case "PUT":
                return self._take(id, asked.json)
            case "DELETE":
                self.rows.pop(id)
                return Told.of({"message": "deleted"})
        return Told.of(self.rows[id])

    def _take(self, id: str, row: dict[str, Any]) -> Told:
        lists = {each["key"] for each in SCHEMA if each.get("isChannelIdentifier")}
        wrong = [key for key, value in row.items() if (key in lists) != isinstance(value, list) and key != "labels"]
        lacking = [each["key"] for each in SCHEMA if each["isRequired"] and not row.get(each["key"])]
        if wrong or lacking or "_id" in row or "__v" in row:
            return Told.of({"message": f"validation failed: {wrong or lacking}"}, 400)
        self.rows[id] = {"_id": id, "__v": 0, **row}
        return Told.of(self.rows[id])


def side_of(cx: Cx, **settings: Any):
    given = {
        "token": "x",
        "customer_url": f"{cx.url}/cim-customer",
        "login_url": f"{cx.url}/unified-admin/keycloakLogin",
        "attributes": ATTRIBUTES,
        "id_attribute": "salesforceId",
        **WHO,
        **settings,
    }
    return configured(ExpertflowConnector, {name: value for name, value in given.items() if value}).contact_side()


@pytest.fixture
def cx():
    with Cx() as running:
        yield running


def create(**values: Any) -> ContactWrite:
    return ContactWrite(act=Act.CREATE, values={"first": "Casey", **values}, other_id="003A")


class TestSide(ContactSideSuite):
    lines = "notes"

    @contextmanager
    def store(self):
        with Cx() as running:
            yield running

    def side(self, store):
        return side_of(store)


# --- what goes where


def test_five_numbers_have_an_attribute_each(cx):
    five = tuple(Entry(f"+1415555010{at}", name.partition(".")[2]) for at, name in enumerate(FIVE))
    side = side_of(cx)
    record = done_one(
        side, create(last="Customer", phones=five, emails=(Entry("casey@example.com"),), vip=True, score=7)
    )
    assert record.values == {
        "first": "Casey", "last": "Customer", "title": None, "notes": None, "vip": True, "score": 7,
        "phones": five, "emails": (Entry("casey@example.com"),),
    }  # fmt: skip
    (row,) = cx.rows.values()
    assert [row[key] for key in FIVE.values()] == [each.value for each in five]
    assert (row["email"], row["isAnonymous"], row["contract"]) == (["casey@example.com"], False, "none")
    limits = side.limits().fields
    assert (limits["phones"].most, limits["emails"].most) == (5, 10)
    assert (limits["title"].length, limits["notes"].length, limits["first"].is_required) == (50, 1000, True)


def test_one_attribute_may_have_all_numbers_and_one_both_names(cx):
    side = side_of(cx, attributes={"name": "firstName", "phones": "phoneNumber"})
    numbers = (Entry("+14155550100"), Entry("+14155550101"))
    record = done_one(side, create(last="de la Cruz", phones=(Entry("(415) 555-0100"), numbers[1])))
    assert record.values == {"first": "Casey", "last": "de la Cruz", "phones": numbers}
    assert next(iter(cx.rows.values()))["phoneNumber"] == ["+14155550100", "+14155550101"]
    assert done_one(side, update(record, first="Ada")).values == {**record.values, "first": "Ada"}


def test_what_a_customer_has_besides_stays(cx):
    side = side_of(cx)
    old = done_one(side, create())
    cx.rows[old.id] |= {"favourite": "tea", "labels": ["l-1"], "phoneNumber": ["+14155550109"], "web": ["w-7"]}
    cx.rows[old.id]["phone01"] = "ext. 4 at the desk"
    SCHEMA.append(attribute("web", "string", isChannelIdentifier=True))
    try:
        record = done_one(side, update(*side.get([old.id]), title="Buyer"))
    finally:
        SCHEMA.pop()
    row = cx.rows[record.id]
    assert (row["favourite"], row["labels"], row["web"]) == ("tea", ["l-1"], ["w-7"])
    assert (row["phoneNumber"], row["phone01"], row["jobTitle"]) == (["+14155550109"], "ext. 4 at the desk", "Buyer")


def test_anonymous_customers_are_nobody_and_who_becomes_one_is_gone(cx):
    side = side_of(cx)
    record = done_one(side, create(phones=phones("+14155550100")[:0]))
    cx.rows["a" * 24] = {"_id": "a" * 24, "firstName": "Anonymous", "phone01": "+14155550101", "isAnonymous": True}
    side = side_of(cx)
    assert side.limits().records == 1
    assert side.find(["phone:+14155550101"], []) == []
    cx.rows[record.id]["isAnonymous"] = True
    assert [each.is_gone for each in side.get([record.id])] == [True]


def test_numbers_keep_their_extension_and_their_own_spelling_where_they_have_none_of_a_country(cx):
    odd = (Entry("(415) 555-0100 ext. 7", "mobile"), Entry("12345", "work"))
    assert done_one(side_of(cx), create(phones=odd)).values["phones"] == odd


# --- settings


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"first": "firstName", "title": "jobtitle"}, "title: the customer schema has only the keys contract, email"),
        ({"first": "firstName", "phones.mobile": "phoneNumber"}, "phoneNumber has several values: give it as phones"),
    ],
)
def test_attributes_that_the_schema_has_not(cx, attributes, words):
    with pytest.raises(ConfigError, match=words):
        side_of(cx, attributes=attributes).limits()


@pytest.mark.parametrize(
    "settings",
    [
        {"attributes": None},
        {"customer_url": None},
        {"password": None},
        {"customer_url": "http://cx.example.com"},
        {"attributes": {"phones": "phoneNumber", "phones.mobile": "phone01"}},
        {"attributes": {"name": "firstName", "last": "lastName"}},
        {"attributes": {"title.work": "jobTitle"}},
    ],
)
def test_settings_that_cannot_be(cx, settings):
    with pytest.raises(ConfigError):
        side_of(cx, **settings)


def test_a_connection_without_them_has_no_contacts():
    assert configured(ExpertflowConnector, {"token": "x"}).contact_side() is None


def test_a_site_without_a_log_in_is_asked_without_a_token(cx):
    cx.tokens.append("none")
    with pytest.raises(ConfigError):
        side_of(cx, login_url=None, username=None, password=None).limits()
    assert not any("authorization" in each.headers for each in cx.asked)


def test_a_token_is_used_until_it_ends_and_a_wrong_password_is_told(cx):
    side = side_of(cx)
    side.limits()
    done_one(side, create())
    assert len(cx.tokens) == 1
    cx.tokens.append("another, so that ours has ended")
    assert side.limits().records == 1
    assert len(cx.tokens) == 3
    with pytest.raises(ConfigError, match="login_url") as raised:
        side_of(cx, password="wrong").limits()
    assert "wrong" not in str(raised.value)


def test_an_answer_without_docs_is_no_empty_list(cx):
    side = side_of(cx)
    done_one(side, create())
    cx.fail(Told.of({"message": "the database is away"}), after=2)
    with pytest.raises(Exception, match="docs"):
        side_of(cx).limits()


# --- in a sync


def test_a_sync_with_cx_converges_and_rests(cx):
    desk = SyncDesk()
    desk.sides = {**desk.sides, PLATFORM: side_of(cx)}
    own = {"_id": "own", "firstName": "Casey", "lastName": "7", "phone01": "+14155550107", "isAnonymous": False}
    cx.rows["own"] = {**own, "contract": "none", "favourite": "tea"}
    ada = desk.crm.people_create(first="Ada", last="Lovelace", title="Countess", phones=phones("+14155550110"))
    same = desk.crm.people_create(first="Casey", last="7", phones=phones("415 555 0107"))
    desk.settle()
    assert len(cx.rows) == len(desk.crm.living()) == 2
    assert desk.link(same).ids[Side.PLATFORM] == "own"

    asked = len(cx.asked)
    desk.settle()
    assert {each.method for each in cx.asked[asked:]} == {"GET"}

    cx.rows[desk.counterpart(ada)]["jobTitle"] = "Analyst"
    desk.crm.people_edit(same, title="Mate")
    desk.settle()
    assert desk.crm.records[ada].values["title"] == "Analyst"
    assert (cx.rows["own"]["jobTitle"], cx.rows["own"]["favourite"]) == ("Mate", "tea")

    del cx.rows[desk.counterpart(ada)]
    desk.crm.people_delete(same)
    desk.settle()
    assert (cx.rows, desk.crm.living()) == ({}, {})


def test_the_readme_names_every_setting():
    readme = (Path(__file__).parents[2] / "connectors/expertflow/README.md").read_text("utf-8")
    assert [name for name in ExpertflowConnector.settings_schema().fields if f"`{name}`" not in readme] == []
