"""Zendesk's end users as a side of a contact sync, on a stand-in that answers as the vendor documents."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from itertools import count

import pytest

from connectors.zendesk import ZendeskConnector
from gateway.domain.contacts import Side
from gateway.errors import ConfigError, RetryableError
from gateway.sdk import Entry, Written
from gateway.sdk.discovery import configured
from gateway.sdk.testing import FAULTS, ContactSideSuite, StandIn, Told
from tests.connectors.writes import create, delete, done, update
from tests.fakes.contacts import phones
from tests.unit.usecases.sync_desk import PLATFORM, SyncDesk

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
PROOF = "Basic " + base64.b64encode(b"ada@example.com/token:a token").decode()
CASEY = {
    "first": "Casey",
    "last": "Customer",
    "notes": "Buyer",
    "phones": (Entry("+14155550100"),),
    "emails": (Entry("casey@example.com", is_primary=True), Entry("office@example.com")),
}


class Zendesk(StandIn):
    """One account, with a clock of its own; a page of its export has three users."""

    PAGE = 3

    def __init__(self) -> None:
        super().__init__()
        self.now = int(NOW.timestamp())
        self.users: dict[int, dict] = {}
        self.identities: dict[int, dict] = {}
        self._ids = count(1001)

    def answer(self, asked):
        if asked.headers.get("authorization") != PROOF:
            return Told.of({"error": "Couldn't authenticate you"}, 401)
        body = asked.json if asked.body else {}
        match asked.method, *asked.path.removeprefix("/api/v2/").split("/"):
            case "GET", "incremental", "users", "cursor":
                return self.export(asked.query)
            case "GET", "users", "count":
                living = [u for u in self.users.values() if u["active"] and u["role"] == asked.query["role"]]
                return Told.of({"count": {"value": len(living), "refreshed_at": self.time()}})
            case "GET", "users", "show_many":
                return self.shown(asked.query)
            case "POST", "users":
                return self.create(body["user"])
            case "GET", "users", id, "identities":
                return Told.of({"identities": self.of(int(id))})
            case method, "users", id, *rest if id.isdecimal():
                user = self.users.get(int(id))
                if user is None or not user["active"]:
                    return Told.of({"error": "RecordNotFound", "description": "Not found"}, 404)
                return self.change(method, user, rest, body)
        return Told.of({"error": "InvalidEndpoint", "description": "Not found"}, 404)

    # --- reading

    def export(self, query):
        if "cursor" in query:
            after = tuple(map(int, base64.b64decode(query["cursor"]).split(b"|")))
        elif int(query["start_time"]) > self.now - 60:
            return Told.of({"error": "InvalidValue", "description": "Too recent start_time."}, 400)
        else:
            after = (int(query["start_time"]), 0)
        rows = sorted(
            (at, user["id"]) for user in self.users.values() if after <= (at := user["changed"], user["id"])
            if at <= self.now - 60
        )  # fmt: skip
        page = rows[: self.PAGE + 1]
        last = page[-1] if page else after
        return Told.of(
            {
                **self.page([id for _, id in page], query),
                "after_cursor": base64.b64encode(b"%d|%d" % last).decode(),
                "end_of_stream": len(page) == len(rows),
            }
        )

    def shown(self, query):
        if "ids" in query:
            ids = {int(id) for id in query["ids"].split(",")}
        else:
            wanted = query["external_ids"].lower().split(",")
            ids = {user["id"] for user in self.users.values() if (user["external_id"] or "").lower() in wanted}
        assert len(ids) <= 100
        return Told.of(self.page([id for id in ids if id in self.users], query))

    def page(self, ids, query):
        assert query["include"] == "identities"
        told = [{name: value for name, value in self.users[id].items() if name != "changed"} for id in ids]
        return {"users": told, "identities": [each for id in ids for each in self.of(id)]}

    def of(self, id):
        return [each for each in self.identities.values() if each["user_id"] == id]

    # --- writing

    def create(self, told):
        assert told["skip_verify_email"]
        id = next(self._ids)
        addresses = [told["email"]] if "email" in told else []
        addresses += [each["value"] for each in told.get("identities", ())]
        taken = [value for value in addresses if self.holder(value)]
        names = [each["external_id"].lower() for each in self.users.values() if each["external_id"] and each["active"]]
        if taken or told.get("external_id", "").lower() in names:
            return self.refused(**{"email" if taken else "external_id": "DuplicateValue"})
        if not told["name"]:
            return self.refused(name="BlankValue")
        self.users[id] = {
            "id": id, "name": told["name"], "role": told.get("role", "end-user"), "active": True, "notes": None,
            "details": None, "phone": None, "external_id": told.get("external_id"), "user_fields": {"tier": None},
            "organization_id": 77, "email": None,
        }  # fmt: skip
        for value in addresses:
            self.identify(id, value, is_primary=value == addresses[0])
        self.set(self.users[id], told)
        return Told.of({"user": self.users[id]}, 201)

    def set(self, user, told):
        plain = ("name", "notes", "details", "phone", "role")
        user.update({name: told[name] or None for name in plain if name in told})
        user["user_fields"].update(told.get("user_fields", {}))
        self.touch(user)

    def touch(self, user):
        self.now += 1
        primary = [each["value"] for each in self.of(user["id"]) if each["primary"]]
        user.update(changed=self.now, updated_at=self.time(), email=next(iter(primary), None))

    def time(self):
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def identify(self, id, value, *, is_primary=False):
        number = next(self._ids)
        self.identities[number] = {
            "id": number, "user_id": id, "type": "email", "value": value, "primary": is_primary, "verified": False,
        }  # fmt: skip
        if is_primary:
            self.first(self.identities[number])

    def first(self, identity):
        for each in self.of(identity["user_id"]):
            each["primary"] = each is identity

    def holder(self, value):
        return [each for each in self.identities.values() if each["value"].lower() == value.lower()]

    def change(self, method, user, rest, body):
        match method, *rest:
            case ("PUT",):
                if body["user"].get("name") == "":
                    return self.refused(name="BlankValue")
                assert "email" not in body["user"], "that would add an address"
                self.set(user, body["user"])
                return Told.of({"user": user})
            case ("DELETE",):
                self.delete(user)
                return Told.of({"user": user})
            case "POST", "identities":
                return self.add(user, body["identity"])
            case "PUT", "identities", number, "make_primary":
                self.first(self.identities[int(number)])
            case "DELETE", "identities", number:
                if self.identities.pop(int(number), None) is None:
                    return Told.of({"error": "RecordNotFound"}, 404)
        self.touch(user)
        return Told.of({"identities": self.of(user["id"])}) if method == "PUT" else Told(204)

    def add(self, user, told):
        assert told["skip_verify_email"]
        if self.holder(told["value"]):
            return self.refused(value="DuplicateValue")
        self.identify(user["id"], told["value"], is_primary=told["primary"])
        self.touch(user)
        return Told.of({"identity": self.of(user["id"])[-1]}, 201)

    def delete(self, user):
        user["active"] = False
        self.identities = {n: each for n, each in self.identities.items() if each["user_id"] != user["id"]}
        self.touch(user)

    def refused(self, **codes):
        details = {
            name: [{"description": f"{name}: casey@example.com cannot be", "error": code}]
            for name, code in codes.items()
        }
        told = {"error": "RecordInvalid", "description": "Record validation errors", "details": details}
        return Told.of(told, 422)

    # --- what people do

    def merge(self, loser, winner):
        """The loser's addresses become the winner's."""
        for each in self.of(loser):
            each.update(user_id=winner, primary=False)
        self.delete(self.users[loser])
        self.touch(self.users[winner])


def side_of(zendesk, **settings):
    """The side as a new process has it."""
    contacts = {
        "url": zendesk.url, "email": "ada@example.com", "api_token": "a token", "user_fields": {"tier": "tier"},
        "requests_per_minute": 600_000, "exports_per_minute": 600_000, **settings,
    }  # fmt: skip
    return configured(ZendeskConnector, {"signing_secret": "s", "contacts": contacts}).contact_side()


class TestSide(ContactSideSuite):
    """Each new process begins two minutes later: by then the export tells what was done before."""

    text = "notes"
    lines = "details"
    unknown_id = "999999"
    store = Zendesk

    def side(self, store):
        store.now += 120
        return side_of(store)


@pytest.fixture
def zendesk():
    with Zendesk() as stand_in:
        yield stand_in


def read(side, cursor=None):
    """What a whole reading tells by id, None for who is gone, and the cursor behind it."""
    told = {}
    for page in side.changes(cursor, NOW):
        told |= {record.id: None if record.is_gone else record for record in page.records}
        cursor = page.cursor or cursor
    return told, json.loads(json.dumps(cursor))


def asked(zendesk, *methods):
    return [f"{each.method} {each.path.removeprefix('/api/v2/')}" for each in zendesk.asked if each.method in methods]


# --- what is written


def test_nobody_gets_a_mail_and_organisations_stay(zendesk):
    side = side_of(zendesk)
    (record,) = done(side, create(CASEY))
    (sent,) = [each.json["user"] for each in zendesk.asked if each.method == "POST"]
    assert sent == {
        "name": "Casey Customer", "notes": "Buyer", "phone": "+14155550100", "role": "end-user", "external_id": "003A",
        "email": "casey@example.com", "identities": [{"type": "email", "value": "office@example.com"}],
        "skip_verify_email": True,
    }  # fmt: skip
    done(side, update(record, notes="x", tier="gold"))
    (sent,) = [each.json["user"] for each in zendesk.asked if each.method == "PUT"]
    assert sent == {"notes": "x", "user_fields": {"tier": "gold"}}
    assert zendesk.users[int(record.id)]["organization_id"] == 77


def test_addresses_are_added_before_others_are_taken_away(zendesk):
    side = side_of(zendesk)
    (record,) = done(side, create(CASEY))
    zendesk.asked.clear()
    new = Entry("new@example.com", is_primary=True)
    (record,) = done(side, update(record, notes="x", emails=(new, Entry("OFFICE@example.com"))))
    assert [call.split("/identities/")[0] for call in asked(zendesk, "POST", "PUT", "DELETE")] == [
        f"POST users/{record.id}/identities",
        f"PUT users/{record.id}",
        f"DELETE users/{record.id}",
    ]
    assert set(record.values["emails"]) == {new, Entry("office@example.com")}
    (record,) = done(side, update(record, emails=(Entry("office@example.com", is_primary=True), Entry(new.value))))
    assert set(record.values["emails"]) == {Entry("office@example.com", is_primary=True), Entry(new.value)}


def test_an_address_that_replaces_the_first_one_is_the_first(zendesk):
    """A side without a first choice says only that one came and one went."""
    side = side_of(zendesk)
    (record,) = done(side, create(CASEY))
    (record,) = done(side, update(record, emails=(Entry("office@example.com"), Entry("new@example.com"))))
    assert set(record.values["emails"]) == {Entry("office@example.com"), Entry("new@example.com", is_primary=True)}
    (record,) = done(side, update(record, emails=(Entry("office@example.com"),)))
    assert record.values["emails"] == (Entry("office@example.com", is_primary=True),)


def test_an_address_of_somebody_else_changes_nothing(zendesk):
    side = side_of(zendesk)
    record, _ = done(side, create(CASEY), create({"last": "B", "emails": (Entry("b@example.com"),)}, "003B"))
    (result,) = side.write([update(record, notes="x", emails=(*CASEY["emails"], Entry("b@example.com")))])
    assert (result.written, result.reason) == (Written.REFUSED, "Zendesk refuses value: DuplicateValue.")
    assert side.get([record.id]) == [record]


def test_what_is_half_done_is_said_to_be_unknown(zendesk):
    side = side_of(zendesk)
    record, _ = done(side, create(CASEY), create({"last": "B", "emails": (Entry("b@example.com"),)}, "003B"))
    wanted = (*CASEY["emails"], Entry("a@example.com"), Entry("b@example.com"))
    (result,) = side.write([update(record, emails=wanted)])
    assert result.written is Written.UNKNOWN
    (result,) = side.write([update(*side.get([record.id]), emails=wanted)])
    assert result.written is Written.REFUSED
    assert "example.com" not in result.reason


def test_what_somebody_else_changes_meanwhile_is_not_taken_for_what_was_written(zendesk):
    side = side_of(zendesk)
    (record,) = done(side, create(CASEY))
    answer = zendesk.answer

    def meanwhile(asked):
        told = answer(asked)
        if asked.method == "PUT":
            zendesk.set(zendesk.users[int(record.id)], {"details": "Theirs"})
        return told

    zendesk.answer = meanwhile
    (written,) = done(side, update(record, notes="Mine"))
    assert (written.values["notes"], written.values["details"]) == ("Mine", None)
    (now,) = side.get([record.id])
    assert now.values["details"] == "Theirs"
    assert now.version != written.version


def test_a_last_name_of_several_words_stays_one(zendesk):
    side = side_of(zendesk)
    (record,) = done(side, create({"first": "Ana María", "last": "García López"}))
    assert zendesk.users[int(record.id)]["name"] == "Ana María García\N{NO-BREAK SPACE}López"
    (record,) = done(side, update(record, first="Anna"))
    assert (record.values["first"], record.values["last"]) == ("Anna", "García López")
    zendesk.set(zendesk.users[int(record.id)], {"name": "Casey de la Cruz"})
    (record,) = side.get([record.id])
    assert (record.values["first"], record.values["last"]) == ("Casey de la", "Cruz")


# --- who is a contact


def test_the_staff_are_no_contacts(zendesk):
    side = side_of(zendesk)
    (record,) = done(side, create(CASEY))
    zendesk.now += 120
    told, cursor = read(side)
    assert told == {record.id: record}
    zendesk.set(zendesk.users[int(record.id)], {"role": "agent"})
    zendesk.now += 120
    assert read(side, cursor)[0] == {record.id: None}
    assert [each.written for each in side.write([update(record, notes="x"), delete(record)])] == [
        Written.GONE,
        Written.DONE,
    ]
    assert zendesk.users[int(record.id)]["active"], "an agent is not deleted"
    assert side.limits().records == 0


def test_who_was_merged_is_gone_and_whoever_is_left_has_the_addresses(zendesk):
    side = side_of(zendesk)
    loser, winner = done(side, create(CASEY), create({"last": "Winner", "emails": (Entry("w@example.com"),)}, "003B"))
    zendesk.now += 120
    _, cursor = read(side)
    zendesk.merge(int(loser.id), int(winner.id))
    zendesk.now += 120
    told, _ = read(side, cursor)
    assert told[loser.id] is None
    assert {each.value for each in told[winner.id].values["emails"]} == {
        "w@example.com", "casey@example.com", "office@example.com",
    }  # fmt: skip
    assert {each.id for each in side.find(["email:casey@example.com"], ["003A"])} == {winner.id}


# --- what changed


def test_the_last_minute_is_told_later(zendesk):
    side = side_of(zendesk)
    zendesk.now += 120
    _, cursor = read(side)
    (record,) = done(side, create(CASEY))
    told, cursor = read(side, cursor)
    assert told == {}
    zendesk.now += 60
    assert read(side, cursor)[0] == {record.id: record}


def test_a_cursor_of_another_account_is_not_used(zendesk):
    side = side_of(zendesk)
    (record,) = done(side, create(CASEY))
    zendesk.now += 120
    assert record.id in read(side, {"url": "https://other.zendesk.com", "after": "x"})[0]


def test_who_a_killed_process_created_is_found_at_once_by_the_id_it_bears(zendesk):
    """The export does not tell them yet."""
    (record,) = done(side_of(zendesk), create(CASEY))
    assert side_of(zendesk).find([], ["003A", "003Z"]) == [record]


def test_what_the_export_told_once_is_not_exported_again_to_find_somebody(zendesk):
    side = side_of(zendesk)
    done(side, *(create({"last": f"L{n}", "emails": (Entry(f"c{n}@example.com"),)}, f"003{n}") for n in range(9)))
    zendesk.now += 120
    read(side)
    zendesk.asked.clear()
    assert len(side.find(["email:c5@example.com", "email:nobody@example.com"], [])) == 1
    assert asked(zendesk, "GET") == ["GET incremental/users/cursor", "GET users/show_many"]


def test_an_export_without_an_end_is_not_read_for_ever(zendesk):
    zendesk.export = lambda _: Told.of({"users": [], "identities": [], "end_of_stream": False, "after_cursor": "same"})
    assert read(side_of(zendesk))[0] == {}


# --- what it is to the gateway


class Desk(SyncDesk):
    """A sync of an org in memory with a Zendesk whose clock moves along."""

    def __init__(self, zendesk):
        super().__init__()
        self.zendesk = zendesk
        self.sides = {**self.sides, PLATFORM: side_of(zendesk, user_fields={"title": "job_title"})}

    def run(self):
        self.zendesk.now += 120
        return super().run()


def test_a_sync_with_it_converges_and_rests(zendesk):
    desk = Desk(zendesk)
    own = zendesk.create({"name": "Casey Customer", "email": "casey@example.com", "skip_verify_email": True})
    own = str(json.loads(own.body)["user"]["id"])
    many = phones("+14155550110", "+14155550111")
    ana = desk.crm.people_create(first="Ana", last="García López", phones=many, emails=phones("ana@example.com"))
    same = desk.crm.people_create(first="Casey", last="Customer", title="Buyer", emails=phones("Casey@example.com"))
    desk.settle()
    assert desk.link(same).ids[Side.PLATFORM] == own
    assert len(zendesk.users) == len(desk.crm.living()) == 2
    assert desk.crm.records[ana].values["phones"] == many, "what finds no place there stays here"

    zendesk.asked.clear()
    desk.settle()
    assert asked(zendesk, "POST", "PUT", "DELETE") == [], "a second pass writes nothing"

    zendesk.set(zendesk.users[int(own)], {"name": "Casey Client", "user_fields": {"job_title": "Owner"}})
    desk.crm.people_edit(ana, first="Anna", emails=phones("anna@example.com", "ana@example.com"))
    desk.settle()
    assert [desk.crm.records[same].values[name] for name in ("last", "title")] == ["Client", "Owner"]
    (record,) = desk.sides[PLATFORM].get([desk.counterpart(ana)])
    assert (record.values["first"], record.values["last"]) == ("Anna", "García López")
    assert {each.value for each in record.values["emails"]} == {"anna@example.com", "ana@example.com"}

    zendesk.delete(zendesk.users[int(own)])
    desk.crm.people_delete(ana)
    desk.settle()
    assert ([each for each in zendesk.users.values() if each["active"]], desk.crm.living()) == ([], {})


# --- what goes wrong


@pytest.mark.parametrize("users", ["none", [1], [{"id": 1, "role": "end-user", "name": 5}], [{"role": "end-user"}]])
def test_what_is_no_user_is_asked_for_again_later(zendesk, users):
    zendesk.export = lambda _: Told.of({"users": users, "identities": [], "end_of_stream": True, "after_cursor": "x"})
    with pytest.raises(RetryableError, match="something else than users"):
        read(side_of(zendesk))


def test_an_answer_without_identities_takes_no_address_away(zendesk):
    (record,) = done(side_of(zendesk), create(CASEY))
    zendesk.page = lambda *_: {"users": [zendesk.users[int(record.id)]]}
    with pytest.raises(RetryableError, match="identities is missing"):
        side_of(zendesk).get([record.id])


def test_a_wrong_account_stops_it_and_deletes_nobody(zendesk):
    (record,) = done(side_of(zendesk), create(CASEY))
    elsewhere = side_of(zendesk, url=f"{zendesk.url}/nothing")
    for call in (elsewhere.limits, lambda: elsewhere.get([record.id]), lambda: read(elsewhere)):
        with pytest.raises(ConfigError, match="Look at url"):
            call()


def test_a_storm_of_refusals_keeps_what_was_done_apart_from_what_was_not(zendesk):
    side = side_of(zendesk)
    records = done(side, *(create({"last": f"L{n}"}, f"003{n}") for n in range(4)))
    zendesk.fail(FAULTS["too many calls"], after=3)
    results = side.write([update(record, notes="x") for record in records])
    assert [each.written for each in results] == [Written.DONE, Written.DONE, Written.RETRY, Written.RETRY]
    assert [user["notes"] for user in zendesk.users.values()] == ["x", "x", None, None]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"user_fields": {"first": "x"}}, "every contact has that"), ({"url": "http://acme.zendesk.com"}, "https")],
)
def test_settings_that_cannot_be_are_refused(zendesk, settings, problem):
    with pytest.raises(ConfigError, match=problem):
        side_of(zendesk, **settings)


def test_a_connection_of_webhooks_alone_has_no_contacts():
    assert configured(ZendeskConnector, {"signing_secret": "s"}).contact_side() is None
