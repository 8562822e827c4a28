"""External contacts of Genesys Cloud as a side of a contact sync, on a stand-in that answers as its SDK's models say."""

from __future__ import annotations

import base64
import random
import re
import uuid
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from marshmallow import ValidationError

from connectors.genesys import GenesysConnector
from connectors.genesys.login import login_to, login_url
from gateway.sdk import Act, ConfigError, ContactWrite, Entry, RetryableError, Written
from gateway.sdk.discovery import configured
from gateway.sdk.testing import FAULTS, Asked, ContactSideSuite, StandIn, Told
from tests.connectors.writes import delete, ends, update
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
SOURCE, OTHER_SOURCE, DIVISION, SCHEMA = (str(uuid.UUID(int=n)) for n in range(1, 5))
LONGEST = {"firstName": 1000, "middleName": 1000, "lastName": 1000, "salutation": 1000, "title": 1000}
PHONES = ("cellPhone", "workPhone", "homePhone", "otherPhone")
EMAILS = ("workEmail", "personalEmail", "otherEmail")
ADDRESS = {"address1": 200, "address2": 200, "city": 100, "state": 50, "postalCode": 25, "countryCode": 25}
WRITABLE = {*LONGEST, *PHONES, *EMAILS, "address", "externalIds", "surveyOptOut", "schema", "customFields", "division",
            "id", "externalOrganization", "externalSystemUrl", "facebookId"}  # fmt: skip
CASEY = {
    "first": "Casey",
    "last": "Customer",
    "phones": (Entry("+1 415 555 0100", "mobile"), Entry("(415) 555-0101 x7", "work")),
    "emails": (Entry("casey@example.com", "work"),),
}


class Genesys(StandIn):
    """One organization's contacts: a scan of so many a page, bulk calls of at most ten, results in no order.

    `merge` makes one contact of two: they answer by the new one from then on.
    """

    def __init__(self) -> None:
        super().__init__()
        self.contacts: dict[str, dict[str, Any]] = {}
        self.head: dict[str, str] = {}
        self.clock = NOW
        self.logins = 0
        self.most = 10
        self.shows_merged = True
        self.search_is_behind = False
        self.refuses: dict[str, dict[str, Any]] = {}
        self.whole = False
        self.scanned = 0

    # ---- who is there ----

    def put(self, **entity: Any) -> str:
        id = entity.get("id") or str(uuid.uuid4())
        self.clock += timedelta(milliseconds=1)
        moment = self.clock.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self.contacts[id] = {"type": "Curated", "createDate": moment, **entity, "id": id, "modifyDate": moment}
        return id

    def merge(self, *ids: str) -> str:
        new = self.put(**{**self.contacts[ids[0]], "id": None})
        for id in (*ids, new):
            self.head[id] = new
        return new

    def shown(self, id: str) -> dict[str, Any]:
        head = self.head.get(id)
        if head is None:
            return self.contacts[id]
        tree = [{"id": each} for each, of in self.head.items() if of == head]
        return {**self.contacts[head], "canonicalContact": {"id": head}, "mergeSet": tree}

    def living(self) -> list[dict[str, Any]]:
        return [self.shown(id) for id in self.contacts if self.head.get(id, id) == id]

    # ---- what is asked ----

    def answer(self, asked: Asked) -> Told:
        if asked.path == "/oauth/token":
            return self.logged_in(asked)
        if asked.headers.get("authorization") != f"Bearer token-{self.logins}":
            return Told(401, b"{}")
        path = asked.path.removeprefix("/api/v2/externalcontacts/")
        match asked.method, path:
            case "GET", "contacts":
                assert int(asked.query["pageSize"]) * int(asked.query["pageNumber"]) <= 1000
                return Told.of({"entities": [], "total": len(self.living())})
            case "GET", "scan/contacts":
                return self.scan(asked)
            case "GET", "reversewhitepageslookup":
                return self.looked_up(asked.query["lookupVal"])
            case "POST", "identifierlookup/contacts":
                return self.identified(asked.json)
        act = re.fullmatch(r"bulk/contacts(?:/(add|update|remove))?", path)
        return self.bulk(act[1], asked.json["entities"]) if act and asked.method == "POST" else Told(404, b"{}")

    def logged_in(self, asked: Asked) -> Told:
        assert asked.body == b"grant_type=client_credentials"
        if asked.headers["authorization"] != f"Basic {base64.b64encode(b'a client:its secret').decode()}":
            return Told.of({"error": "invalid_client"}, 400)
        self.logins += 1
        return Told.of({"access_token": f"token-{self.logins}", "token_type": "bearer", "expires_in": 86_399})

    def scan(self, asked: Asked) -> Told:
        limit = int(asked.query["limit"])
        if not 10 <= limit <= 200:
            return Told(400, b"{}")
        ids = sorted(self.contacts)
        begin = asked.query.get("cursor", "")
        if begin.startswith("expired"):
            return Told(400, b"{}")
        self.scanned += 1
        rest = [id for id in ids if id > begin]
        here = [self.shown(id) for id in rest[:limit] if self.shows_merged or self.head.get(id, id) == id]
        cursors = {"after": rest[:limit][-1]} if len(rest) > limit else {}
        return Told.of({"entities": here, "cursors": cursors})

    def looked_up(self, value: str) -> Told:
        found = [each for each in self.living() if value in self.identifiers(each)]
        return Told.of({"contacts": [] if self.search_is_behind else found[:25]})

    def identifiers(self, entity: dict[str, Any]) -> set[str]:
        numbers = {(entity.get(name) or {}).get("e164") for name in PHONES}
        return numbers | {(entity.get(name) or "").lower() for name in EMAILS}

    def identified(self, identifier: dict[str, Any]) -> Told:
        assert identifier["type"] == "ExternalId"
        named = {"externalSource": identifier["externalSource"], "value": identifier["value"]}
        found = [each for each in self.living() if named in (each.get("externalIds") or ())]
        return Told.of(found[0]) if found else Told(404, b"{}")

    # ---- bulk ----

    def bulk(self, act: str | None, entities: list[dict[str, Any]]) -> Told:
        if len(entities) > self.most or (self.whole and any(each.get("lastName") in self.refuses for each in entities)):
            return Told(400, b"{}")
        results = [getattr(self, act or "fetch")(each) for each in entities]
        failed = [at for at, each in enumerate(results[::-1]) if not each["success"]]
        return Told.of({"results": results[::-1], "errorCount": len(failed), "errorIndexes": failed})

    def fetch(self, entity: dict[str, Any]) -> dict[str, Any]:
        if entity["id"] not in self.contacts:
            return failed(404, "not.found", entity)
        return {"id": entity["id"], "success": True, "status": 200, "entity": self.shown(entity["id"])}

    def add(self, entity: dict[str, Any]) -> dict[str, Any]:
        return self.taken(entity)

    def update(self, entity: dict[str, Any]) -> dict[str, Any]:
        return self.taken(entity) if entity["id"] in self.contacts else failed(404, "not.found", entity)

    def remove(self, entity: dict[str, Any]) -> dict[str, Any]:
        if self.contacts.pop(entity["id"], None) is None:
            return failed(404, "not.found", entity)
        return {"id": entity["id"], "success": True, "status": 204}

    def taken(self, entity: dict[str, Any]) -> dict[str, Any]:
        assert entity.keys() <= WRITABLE, f"not writable: {entity.keys() - WRITABLE}"
        if refusal := self.refuses.get(entity.get("lastName") or "") or problem(entity):
            return failed(entity=entity, **{"status": 400, "code": "invalid.value", **refusal})
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in entity.items()}
        numbers = {name: normalized(entity[name]) for name in PHONES if entity.get(name)}
        id = self.put(**{**stripped, **numbers})
        return {"id": id, "success": True, "status": 200, "entity": self.shown(id)}


def failed(status: int, code: str, entity: dict[str, Any], **more: Any) -> dict[str, Any]:
    error = {"status": status, "code": code, "message": f"no: {entity}", "entity": entity, **more}
    return {"id": entity.get("id"), "success": False, "status": status, "error": error}


def problem(entity: dict[str, Any]) -> dict[str, Any] | None:
    long = [name for name, most in LONGEST.items() if len(entity.get(name) or "") > most]
    long += [name for name, most in ADDRESS.items() if len((entity.get("address") or {}).get(name) or "") > most]
    long += [name for name in EMAILS if not re.fullmatch(r"[^@\s]+@[^@\s]+", entity.get(name) or "a@b")]
    if entity.get("customFields") and not (entity.get("schema") or {}).get("version"):
        long.append("schema")
    return {"details": [{"fieldName": name, "value": "x"} for name in long]} if long else None


def normalized(phone: dict[str, Any]) -> dict[str, Any]:
    """As it comes back: in full where it can be read, by default as a North American number."""
    assert phone.keys() <= {"display", "extension", "acceptsSMS", "normalizationCountryCode"}
    digits = re.sub(r"[ ().-]", "", phone["display"])
    if re.fullmatch(r"\+[1-9][0-9]{7,14}", digits):
        e164 = digits
    elif re.fullmatch(r"[2-9][0-9]{9}", digits):
        e164 = f"+1{digits}"
    else:
        return {**phone, "userInput": phone["display"]}
    spelt = f"{e164[:2]} {e164[2:]}"
    return {**phone, "display": spelt, "e164": e164, "countryCode": "US", "userInput": phone["display"]}


def side_of(store: Genesys, **settings: Any):
    known = {"api_key_value": "a-key", "client_id": "a client", "client_secret": "its secret", "api_url": store.url}
    known |= {"external_source_id": SOURCE, "calls_per_minute": 100_000}
    return configured(GenesysConnector, {**known, **settings}).contact_side()


class TestSide(ContactSideSuite):
    """The whole contract."""

    contacts = 23
    unknown_id = str(uuid.UUID(int=99))

    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch):
        monkeypatch.setattr("connectors.genesys.contacts.SCANNED", 10)

    @contextmanager
    def store(self):
        with Genesys() as genesys:
            yield genesys

    def side(self, store):
        return side_of(store)


# ---- pieces ----


@pytest.fixture
def genesys():
    with Genesys() as genesys:
        yield genesys


def create(other_id: str = "003A", **values: Any) -> ContactWrite:
    return ContactWrite(act=Act.CREATE, values={**CASEY, **values}, other_id=other_id)


def created(side, *other_ids: str):
    results = side.write([create(id) for id in other_ids or ("003A",)])
    assert {result.written for result in results} == {Written.DONE}
    return [result.record for result in results]


def listed(side):
    pages = list(side.changes(None, NOW))
    assert [page.ends for page in pages] == [False] * (len(pages) - 1) + [True]
    return [record for page in pages for record in page.records]


def phone(display: str, **more: Any) -> dict[str, Any]:
    return {**normalized({"display": display}), **more}


# ---- what goes where ----


def test_a_new_contact_is_whole_and_bears_the_id_of_its_counterpart(genesys):
    (record,) = created(side_of(genesys, division_id=DIVISION))

    entity = genesys.contacts[record.id]
    assert entity["externalIds"] == [{"externalSource": {"id": SOURCE}, "value": "003A"}]
    assert entity["division"] == {"id": DIVISION}
    assert (entity["firstName"], entity["lastName"], entity["workEmail"]) == ("Casey", "Customer", "casey@example.com")
    assert (entity["cellPhone"]["e164"], entity["workPhone"]["extension"]) == ("+14155550100", "7")
    assert record.values["phones"] == (Entry("+14155550100", "mobile"), Entry("+14155550101 x7", "work"))
    assert record.changed_at == genesys.clock


def test_an_update_keeps_all_that_is_not_known_here(genesys):
    theirs = {
        "externalIds": [
            {"externalSource": {"id": OTHER_SOURCE}, "value": "7"},
            {"externalSource": {"id": SOURCE}, "value": "003A"},
        ],
        "facebookId": {"ids": [{"scopedId": "1"}]},
        "customFields": {"theirs": 7},
        "schema": {"id": SCHEMA, "version": 3},
        "address": {"address1": "1 Example Street", "city": "Springfield"},
    }
    numbers = {"cellPhone": phone("+1 415 555 0100", acceptsSMS=True), "homePhone": phone("555-0102")}
    id = genesys.put(lastName="Customer", identifiers=[{"type": "Phone"}], **theirs, **numbers)
    side = side_of(genesys)
    (record,) = side.get([id])
    new = (Entry("(415) 555-0100", "mobile"), Entry("555-0102", "home"), Entry("415-555-0103", "other"))
    assert ends(side, update(record, city="Shelbyville", phones=new)) == [Written.DONE]

    entity = genesys.contacts[id]
    address = {"address1": "1 Example Street", "city": "Shelbyville"}
    assert {name: entity[name] for name in theirs} == {**theirs, "address": address}
    assert entity["cellPhone"]["acceptsSMS"] is True
    assert (entity["homePhone"]["display"], entity["otherPhone"]["e164"]) == ("555-0102", "+14155550103")
    assert side.get([id])[0].other_id == "003A"


def test_a_number_without_a_country_is_sent_with_that_of_the_settings(genesys):
    side = side_of(genesys, region="GB")
    (result,) = side.write([create(phones=(Entry("020 7946 0018 ext. 12", "work"), Entry("12", "other")))])

    assert result.record.values["phones"] == (Entry("+442079460018 x12", "work"), Entry("12", "other"))
    assert side.find(["phone:+442079460018"], []) == [result.record]


def test_custom_fields_have_their_schema_or_take_that_of_the_settings(genesys):
    settings = {"custom_fields": {"loyalty": "loyalty_points"}, "schema_id": SCHEMA, "schema_version": 2}
    side = side_of(genesys, **settings)
    (result,) = side.write([create(loyalty=12)])
    id = genesys.put(lastName="x", customFields={"theirs": "a"}, schema={"id": SCHEMA, "version": 9})

    entity = genesys.contacts[result.record.id]
    assert (entity["customFields"], entity["schema"]) == ({"loyalty_points": 12}, {"id": SCHEMA, "version": 2})
    assert result.record.values["loyalty"] == 12
    assert ends(side, update(side.get([id])[0], loyalty=True)) == [Written.DONE]
    entity = genesys.contacts[id]
    assert entity["customFields"] == {"theirs": "a", "loyalty_points": True}
    assert entity["schema"] == {"id": SCHEMA, "version": 9}


# ---- merges ----


def test_who_was_merged_is_told_with_what_took_their_place(genesys):
    side = side_of(genesys)
    first, second = created(side, "003A", "003B")
    new = genesys.merge(first.id, second.id)

    told = {record.id: record.merged_into for record in side.get([first.id, second.id, new])}
    assert told == {first.id: new, second.id: new, new: None}
    assert ends(side, update(first, title="x"), delete(second)) == [Written.GONE, Written.DONE]
    assert [record.id for record in side.find(["phone:+14155550100"], [])] == [new]


def test_a_merged_contact_is_told_as_such_where_it_comes_itself(genesys):
    into = genesys.put(lastName="Survivor")
    by_head = genesys.put(lastName="a", canonicalContact={"id": into})
    by_output = genesys.put(lastName="b", mergedTo={"id": into})

    told = {record.id: record.merged_into for record in listed(side_of(genesys))}
    assert told == {into: None, by_head: into, by_output: into}


# ---- reading ----


def test_only_the_types_of_the_settings_are_told(genesys):
    curated = genesys.put(lastName="a", workEmail="a@example.com")
    visitor = genesys.put(lastName="b", workEmail="a@example.com", type="Ephemeral")

    for types, ids in ((["Curated"], {curated}), (["Ephemeral", "Curated"], {curated, visitor})):
        side = side_of(genesys, contact_types=types)
        assert {record.id for record in listed(side)} == ids
        assert {record.id for record in side.find(["email:a@example.com"], [])} == ids


def test_all_who_have_a_number_are_found(genesys):
    ids = {genesys.put(lastName=str(n), cellPhone=phone("+14155550100")) for n in range(3)}

    assert {record.id for record in side_of(genesys).find(["phone:+14155550100"], [])} == ids


def test_who_was_just_created_is_found_though_the_search_is_behind(genesys):
    side = side_of(genesys)
    first, second = created(side, "003A", "003B")
    genesys.search_is_behind = True
    ends(side, update(second, phones=(), emails=()))

    assert side.find(["phone:+14155550100"], []) == [first]
    assert side.find([], ["003B"])[0].values["phones"] == ()


def test_the_memory_of_what_was_written_has_an_end(genesys, monkeypatch):
    monkeypatch.setattr("connectors.genesys.contacts.RECENT", 1)
    side = side_of(genesys)
    _, second = created(side, "003A", "003B")
    genesys.search_is_behind = True

    assert side.find(["phone:+14155550100"], []) == [second]


def test_a_scan_whose_cursor_is_refused_ends_nothing(genesys, monkeypatch):
    monkeypatch.setattr("connectors.genesys.contacts.SCANNED", 10)
    for number in range(12):
        genesys.put(lastName=str(number))
    pages = side_of(genesys).changes(None, NOW)
    assert not next(pages).ends
    genesys.fail(Told(400, b"{}"))
    with pytest.raises(RetryableError, match="begins again"):
        next(pages)


@pytest.mark.parametrize("cursors", [{}, None, {"after": None}, {"after": "zzz"}])
def test_a_scan_ends_where_there_is_no_cursor_or_nobody_more(genesys, cursors):
    side = side_of(genesys)
    side.limits()
    genesys.fail(Told.of({"entities": [{"id": "1", "lastName": "a"}], "cursors": cursors}))

    assert [record.id for record in listed(side)] == ["1"]


@pytest.mark.parametrize("status", [429, 500, 403])
def test_a_contact_that_is_not_told_is_not_taken_for_deleted(genesys, status, monkeypatch):
    id = genesys.put(lastName="a")
    monkeypatch.setattr(genesys, "fetch", lambda entity: failed(status, "trouble", entity))
    with pytest.raises(RetryableError, match="does not tell 1 of 1"):
        side_of(genesys).get([id])


@pytest.mark.parametrize("told", [Told.of({}), Told.of([]), Told(200, b""), Told.of({"results": []})])
def test_an_answer_without_contacts_is_not_taken_for_nobody(genesys, told):
    id = genesys.put(lastName="a")
    side = side_of(genesys)
    side.limits()
    for call in (lambda: side.get([id]), lambda: listed(side), side.limits):
        genesys.fail(told)
        with pytest.raises(RetryableError):
            call()


def test_a_division_of_the_settings_is_the_only_one_that_is_asked_for(genesys):
    genesys.put(lastName="a")
    side = side_of(genesys, division_id=DIVISION)
    listed(side)
    side.limits()
    side.find(["phone:+14155550100"], [])

    asked = {each.path.rpartition("/")[2]: each.query for each in genesys.asked if each.method == "GET"}
    assert asked["contacts"].keys() == {"pageSize", "pageNumber", "divisionIds"}
    assert asked["reversewhitepageslookup"]["divisionId"] == DIVISION
    assert [each.query["divisionId"] for each in genesys.asked if "scan" in each.path] == [DIVISION]


# ---- writing ----


def test_a_refused_contact_is_told_by_its_fields_and_without_its_values(genesys):
    genesys.refuses = {"Odd": {"code": "conflict", "status": 409}}
    email = (Entry("not an address", "work"),)
    results = side_of(genesys).write([create("003A", emails=email), create("003B"), create("003C", last="Odd")])

    assert [result.written for result in results] == [Written.REFUSED, Written.DONE, Written.REFUSED]
    assert results[0].reason == "Genesys Cloud refuses the contact: invalid.value (workEmail)."
    assert results[2].reason == "Genesys Cloud refuses the contact: conflict."


@pytest.mark.parametrize(
    ("refusal", "written"),
    [
        ({"status": 429, "code": "too.many"}, Written.RETRY),
        ({"status": 409, "retryable": True}, Written.RETRY),
        ({"status": 503}, Written.RETRY),
        ({"status": 500}, Written.UNKNOWN),
        ({"status": 404}, Written.GONE),
        ({"status": 422}, Written.REFUSED),
    ],
)
def test_what_a_refusal_of_one_contact_means(genesys, refusal, written):
    side = side_of(genesys)
    (record,) = created(side)
    genesys.refuses = {"Odd": refusal}

    assert ends(side, update(record, last="Odd")) == [written]


def test_where_all_are_refused_for_one_each_is_sent_by_itself(genesys):
    genesys.refuses, genesys.whole = {"Odd": {}}, True
    writes = [create("003A"), create("003B", last="Odd"), create("003C")]

    assert ends(side_of(genesys), *writes) == [Written.DONE, Written.REFUSED, Written.DONE]
    assert len(genesys.contacts) == 2


def test_too_many_calls_after_the_first_leave_the_others_for_later(genesys):
    side = side_of(genesys)
    old, gone = created(side, "003A", "003B")
    genesys.fail(FAULTS["too many calls"], after=2)

    assert ends(side, delete(gone), update(old, title="x"), create("003C")) == [
        Written.RETRY,
        Written.RETRY,
        Written.DONE,
    ]
    assert len(genesys.contacts) == 3


# ---- in a sync ----


class Desk(SyncDesk):
    """A sync of an org in memory with the contacts of Genesys Cloud."""

    def __init__(self, genesys: Genesys) -> None:
        super().__init__()
        self.genesys = genesys
        self.restart()

    def restart(self) -> None:
        """As a new process has it."""
        self.sides = {**self.sides, PLATFORM: side_of(self.genesys)}

    def names(self) -> list[str]:
        return sorted(each["lastName"] for each in self.genesys.living())


def test_a_sync_with_genesys_converges_and_rests_and_follows_a_merge(genesys):
    desk = Desk(genesys)
    own = genesys.put(firstName="Casey", lastName="Own", title="Mate", cellPhone=phone("+14155550107"))
    ada = desk.crm.people_create(first="Ada", last="Lovelace", phones=phones("+14155550110"))
    bob = desk.crm.people_create(first="Bob", last="Builder", phones=phones("+14155550111"))
    same = desk.crm.people_create(first="Casey", last="Own", phones=phones("415 555 0107"))
    desk.settle()
    assert (desk.counterpart(same), desk.names()) == (own, ["Builder", "Lovelace", "Own"])
    assert desk.crm.records[same].values["title"] == "Mate"

    into = genesys.merge(desk.counterpart(ada), desk.counterpart(bob))
    genesys.put(**{**genesys.contacts[into], "title": "Countess"})
    desk.settle()
    assert desk.crm.records[ada].values["title"] == "Countess"
    assert desk.counterpart(ada) == into

    before = len(genesys.asked)
    desk.settle()
    assert [asked.path for asked in genesys.asked[before:] if re.search("add|update|remove", asked.path)] == []


@pytest.mark.parametrize("seed", range(12))
def test_whatever_fails_each_contact_is_written_once(genesys, seed):
    """Restarts, storms of 429, answers that are lost while contacts are written."""
    luck, desk = random.Random(seed), Desk(genesys)  # noqa: S311 — luck that can be repeated
    people = [desk.crm.people_create(first="Casey", last=f"Customer {n}", title="Buyer") for n in range(8)]
    for turn in range(25):
        fault = luck.choice([*FAULTS.values()])
        genesys.fail(fault, after=luck.randrange(6), late=fault.cut and luck.random() < 0.7)
        if luck.random() < 0.3:
            desk.restart()
        if luck.random() < 0.3:
            desk.crm.people_edit(luck.choice(people), title=f"Title {turn}")
        with suppress(RetryableError):
            desk.run()
        desk.clock.tick(61)
    genesys._faults.clear()
    desk.settle()

    assert desk.names() == [f"Customer {n}" for n in range(8)]
    told = {each["lastName"]: each["title"] for each in genesys.living()}
    assert told == {each.values["last"]: each.values["title"] for each in desk.crm.living().values()}


# ---- getting in ----


@pytest.mark.parametrize(
    ("api_url", "there"),
    [
        ("https://api.mypurecloud.com", "https://login.mypurecloud.com"),
        ("https://api.euw2.pure.cloud", "https://login.euw2.pure.cloud"),
        ("https://genesys.example.com/api.x", "https://genesys.example.com/api.x"),
    ],
)
def test_the_login_is_beside_the_interface_of_a_region(api_url, there):
    assert login_url(api_url) == there


def test_a_client_that_is_refused_is_told_without_its_secret(genesys):
    with pytest.raises(ConfigError, match="refuses the OAuth client") as raised:
        side_of(genesys, client_secret="a wrong one").limits()
    assert "wrong" not in str(raised.value)


def test_a_token_is_renewed_before_its_end(genesys):
    now = [1000.0]
    login = login_to(genesys.url, "a client", "its secret", clock=lambda: now[0])
    tokens = []
    for seconds in (0, 86_000, 400):
        now[0] += seconds
        tokens.append(login.headers(False)["Authorization"])
    assert tokens == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"external_source_id": None}, "external_source_id"),
        ({"client_secret": None}, "client_secret"),
        ({"schema_id": SCHEMA}, "schema_version"),
        ({"custom_fields": {"loyalty": "points"}}, "schema_id"),
        ({"custom_fields": {"title": "points"}, "schema_id": SCHEMA, "schema_version": 1}, "custom_fields"),
        ({"contact_types": []}, "contact_types"),
    ],
)
def test_settings_that_do_not_suffice_are_told(settings, missing):
    known = {"api_key_value": "a-key", "client_id": "a client", "client_secret": "its secret"}
    given = {**known, "external_source_id": SOURCE, **settings}
    with pytest.raises(ValidationError) as raised:
        GenesysConnector.settings_schema().load({name: value for name, value in given.items() if value is not None})
    assert [*raised.value.normalized_messages()] == [missing]


def test_a_connection_of_events_alone_has_no_side():
    assert configured(GenesysConnector, {"api_key_value": "a-key"}).contact_side() is None
