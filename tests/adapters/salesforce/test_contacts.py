"""The org as one side of a contact sync, over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from gateway.devorg.seed import default_content
from gateway.domain.contacts import (
    Act,
    ContactRecord,
    ContactWrite,
    Entry,
    FieldLimits,
    Meaning,
    Reading,
    Written,
)
from gateway.domain.records import Kind
from gateway.errors import ConfigError, RetryableError, UnknownOutcomeError
from gateway.salesforce import bulk, contacts, mirror, soql
from gateway.salesforce.contacts import ContactFields, NewContacts, SalesforceContacts
from gateway.salesforce.org import OrgSettings, SalesforceOrg
from gateway.salesforce.session import Session
from gateway.sdk.contacts import ContactPage, ContactSide
from gateway.sdk.pulling import Cursor
from gateway.sdk.testing.contacts import LOST, ContactSideSuite
from tests.adapters.salesforce.local_org import LocalOrg
from tests.connectors.writes import delete, update
from tests.fakes.contacts import START

READINGS = {"phones": Reading(Meaning.PHONES), "emails": Reading(Meaning.EMAILS)}
TEXTS = {"first": "FirstName", "last": "LastName", "title": "Title", "no_calls": "DoNotCall"}
CONSENT = {"no_emails": "HasOptedOutOfEmail", "born": "Birthdate"}
CONTACT = ContactFields(
    texts=TEXTS | CONSENT,
    sets={
        "phones": {"work": "Phone", "mobile": "MobilePhone", "emergency": "Emergency_Phone__c"},
        "emails": {"work": "Email"},
    },
    other_id="Phonebook_Id__c",
)
PERSON = ContactFields(
    texts=TEXTS, sets={"phones": {"work": "Phone", "mobile": "MobilePhone"}, "emails": {"work": "Email"}}
)
OWN = [
    "Emergency_Phone__c | phone(40) | Emergency Phone | cu",
    "Phonebook_Id__c | string(40) | Phonebook ID | cu external unique",
]


def entry(text: str, type: str = "work") -> Entry:
    return Entry(text, type)


def create(other_id: str | None = None, **values: Any) -> ContactWrite:
    return ContactWrite(act=Act.CREATE, values={"last": "New", **values}, other_id=other_id)


class Desk:
    """The side, the org behind it as people see it, and what is done to it just before a call."""

    def __init__(
        self, settings: OrgSettings, local: LocalOrg, objects: dict[Kind, ContactFields], new: NewContacts | None = None
    ) -> None:
        self.local = local
        self.counted: Counter[str] = Counter()
        self.before: dict[str, Callable[[], object]] = {}
        self.session = Session(settings, on_call=self._called, sleep=lambda _: None, time_limits=(10.0, 60.0))
        self.side = SalesforceContacts(self.session, objects, READINGS, new or NewContacts())

    def _called(self, _: str, resource: str) -> None:
        self.counted[resource] += 1
        if deed := self.before.pop(f"{resource} {self.counted[resource]}", None):
            deed()

    def load(self, **fields: Any) -> ContactRecord:
        (id,) = self.local.load("Contact", {"LastName": "Vale", **fields})
        return self.get(id)

    def get(self, id: str) -> ContactRecord:
        (record,) = self.side.get([id])
        return record

    def created(self, **fields: Any) -> str:
        """Now, and not long ago as what is loaded."""
        answer = self.session.write("POST", "sobjects", "sobjects/Contact", {"LastName": "Vale", **fields})
        return str(answer["id"])

    def edit(self, id: str, **fields: Any) -> None:
        self.local.control("PATCH", f"records/{id}", {"fields": fields})

    def row(self, id: str) -> dict[str, Any]:
        row: dict[str, Any] = self.local.control("GET", f"records/{id}")
        return row

    def told(self, cursor: Cursor | None = None) -> tuple[dict[str, ContactRecord], Cursor | None]:
        records: dict[str, ContactRecord] = {}
        for page in self.side.changes(cursor, START):
            records |= {record.id: record for record in page.records}
            cursor = page.cursor or cursor
        return records, cursor


@pytest.fixture
def desk(settings: OrgSettings, local: LocalOrg) -> Iterator[Desk]:
    known = local.control("GET", "setup")["custom_fields"]
    local.control("POST", "setup", {"custom_fields": {**known, "Contact": OWN}})
    desk = Desk(settings, local, {Kind.CONTACT: CONTACT})
    yield desk
    desk.session.close()


# --- limits


def test_what_the_org_can_hold_is_what_it_describes(desk: Desk) -> None:
    """In one call; sets have a place for each type, and no first one."""
    before = desk.side.limits().records
    desk.counted.clear()
    desk.load()
    gone = desk.load()
    desk.local.control("DELETE", f"records/{gone.id}", {})
    desk.counted.clear()

    limits = desk.side.limits()

    assert desk.counted == {"composite": 1}
    assert (limits.records, limits.most, limits.batch) == (before + 1, None, 2000)
    assert limits.fields["last"] == FieldLimits(length=80, is_required=True)
    assert limits.fields["first"] == FieldLimits(length=40)
    assert limits.fields["no_calls"] == FieldLimits()
    assert limits.fields["phones"] == FieldLimits(
        length=40, most=3, types=("work", "mobile", "emergency"), one_of_each=True, has_primary=False
    )


def test_what_the_org_lacks_is_said_with_the_fix(settings: OrgSettings, local: LocalOrg) -> None:
    """All of it at once."""
    fields = ContactFields(texts={"last": "Surname__c"}, other_id="Department")
    desk = Desk(settings, local, {Kind.CONTACT: fields})

    with pytest.raises(ConfigError) as error:
        desk.side.limits()

    lacks, unfit = error.value.problems
    assert lacks.startswith("Org 'main': Contact has no field Surname__c, or the integration user may not see it")
    assert unfit.startswith("Org 'main': Contact.Department cannot hold the platform's id: tick External ID")


# --- reading


def test_a_contact_with_all_that_is_configured(desk: Desk) -> None:
    record = desk.load(
        FirstName="Nora", Title="Roofer", DoNotCall=True, Birthdate="1980-12-31", Email="nora@example.com",
        Phone="(930) 555-0101", Emergency_Phone__c="+1 930 555 0102", Phonebook_Id__c="p-1",
    )  # fmt: skip

    assert record.values == {
        "first": "Nora",
        "last": "Vale",
        "title": "Roofer",
        "no_calls": True,
        "no_emails": False,
        "born": "1980-12-31",
        "phones": (entry("(930) 555-0101"), entry("+1 930 555 0102", "emergency")),
        "emails": (entry("nora@example.com"),),
    }
    assert (record.other_id, record.is_gone) == ("p-1", False)
    assert record.changed_at is not None
    assert record.changed_at.tzinfo
    assert record.changed_by


def test_everything_and_then_what_changed(desk: Desk) -> None:
    """Of an idle org a call brings what may still be read again, and the cursor stands."""
    first, other = desk.load(), desk.load(LastName="Other")
    everything, cursor = desk.told()
    assert {first.id, other.id} <= everything.keys()
    assert len(everything) == desk.side.limits().records

    desk.edit(first.id, Title="Roofer")
    changed, cursor = desk.told(cursor)
    assert changed[first.id].values["title"] == "Roofer"
    assert changed.keys() < everything.keys()
    desk.counted.clear()

    desk.told(cursor)

    assert desk.counted == {"composite": 1}


def test_a_reading_that_is_cut_off_goes_on(desk: Desk) -> None:
    """After any page."""
    ids = desk.local.load("Contact", *({"LastName": f"Contact {n}"} for n in range(2 * soql.PAGE)))
    first = next(iter(desk.side.changes(None, START)))

    rest, _ = desk.told(first.cursor)

    assert set(ids) <= {record.id for record in first.records} | rest.keys()
    assert len(rest) < len(ids)


def test_another_configuration_reads_everything_anew(desk: Desk, settings: OrgSettings) -> None:
    desk.load()
    everything, cursor = desk.told()

    other = Desk(settings, desk.local, {Kind.CONTACT: PERSON})

    assert other.told(cursor)[0].keys() == everything.keys()


def test_deleted_merged_and_undeleted(desk: Desk) -> None:
    keep, lose, drop, back = (desk.load(LastName=name) for name in ("Keep", "Lose", "Drop", "Back"))
    _, cursor = desk.told()
    desk.local.control("POST", "merge", {"winner": keep.id, "losers": [lose.id]})
    for each in (drop, back):
        desk.local.control("DELETE", f"records/{each.id}", {})
    told, cursor = desk.told(cursor)
    assert {told[each.id].is_gone for each in (lose, drop, back)} == {True}

    desk.local.control("POST", "undelete", {"ids": [back.id]})
    told, _ = desk.told(cursor)

    assert not told[back.id].is_gone
    assert told[back.id].values == back.values
    assert [(r.is_deleted, r.merged_into) for r in (desk.get(each.id) for each in (keep, lose, drop, back))] == [
        (False, None), (True, keep.id), (True, None), (False, None),
    ]  # fmt: skip


def test_what_nobody_knows_is_not_told(desk: Desk) -> None:
    """Neither ids of other systems, nor what is out of the Recycle Bin."""
    purged = desk.load()
    desk.local.control("DELETE", f"records/{purged.id}", {})
    desk.local.control("POST", "purge", {})

    assert desk.side.get([purged.id, "p-1", "003000000000999AAA"]) == []
    assert desk.side.get([]) == []


@pytest.mark.parametrize("spelt", ["(930) 555-0101", "+19305550101", "930.555.0101 ext 3", "1 930 5550101 / home"])
def test_found_by_a_number_however_it_is_spelt(desk: Desk, spelt: str) -> None:
    desk.load(Phone="930 555 0199")
    there = desk.load(Emergency_Phone__c=spelt)

    assert [each.id for each in desk.side.find(["phone:+19305550101"], [])] == [there.id]


def test_found_by_address_by_the_others_id_and_by_a_number_without_its_country(desk: Desk) -> None:
    """Not those that are gone, nor those that merely contain it."""
    mail = desk.load(Email="Nora@example.com")
    bears = desk.load(Phonebook_Id__c="p-1")
    abroad = desk.load(Phone="030 / 555 01 23 4")
    desk.load(Phone="9030 / 555 01 23 45")
    gone, lose = desk.load(Email="nora@example.com"), desk.load(Email="nora@example.com")
    desk.local.control("DELETE", f"records/{gone.id}", {})
    desk.local.control("POST", "merge", {"winner": mail.id, "losers": [lose.id]})
    keys = ["email:nora@example.com", "national:305550123", "national:3055501234"]

    found = desk.side.find(keys, ["p-1", "p-2"])

    assert {each.id for each in found} == {mail.id, bears.id, abroad.id}


def test_what_was_just_created_is_found(desk: Desk) -> None:
    """Although the org's search does not find it yet."""
    desk.local.control("POST", "search", {"lag_milliseconds": 60_000})
    (done,) = desk.side.write([create("p-1", emails=(entry("new@example.com"),))])

    assert done.record
    assert [each.id for each in desk.side.find(["email:new@example.com"], [])] == [done.record.id]
    assert [each.id for each in desk.side.find([], ["p-1"])] == [done.record.id]


# --- writing


def test_created_with_the_others_id(desk: Desk) -> None:
    (done,) = desk.side.write(
        [create("p-1", first=" Nora ", no_calls=True, phones=(entry("930 555 0101", "emergency"),))]
    )

    assert done.written is Written.DONE
    assert done.record == desk.get(done.record.id)  # type: ignore[union-attr]
    assert done.record.other_id == "p-1"
    row = desk.row(done.record.id)
    assert (row["Emergency_Phone__c"], row["Phone"], row["DoNotCall"]) == ("930 555 0101", None, True)
    assert done.record.values["first"] == row["FirstName"]


def test_only_what_is_sent_changes(desk: Desk) -> None:
    """A number that is left out of its set is taken away; an emptied check box is not ticked."""
    record = desk.load(Title="Roofer", Phone="930 555 0101", MobilePhone="930 555 0102", DoNotCall=True)

    (done,) = desk.side.write([update(record, phones=(entry("930 555 0103", "mobile"),), no_calls=None)])

    assert done.written is Written.DONE
    assert done.record == desk.get(record.id)
    assert done.record.version != record.version
    row = desk.row(record.id)
    assert (row["Phone"], row["MobilePhone"], row["DoNotCall"]) == (None, "930 555 0103", False)
    assert (row["Title"], row["LastName"]) == ("Roofer", "Vale")


def test_a_batch_costs_one_call_and_two_reads(desk: Desk) -> None:
    """Whatever is done in it."""
    records = [desk.load() for _ in range(4)]
    desk.side.limits()
    desk.counted.clear()

    writes = [create(), delete(records[0]), *(update(each, title="Roofer") for each in records[1:]), create()]
    results = desk.side.write(writes)

    assert {each.written for each in results} == {Written.DONE}
    assert [each.record.is_gone for each in results if each.record] == [False, True, False, False, False, False]
    assert desk.counted == {"composite": 3}
    with pytest.raises(ValueError, match="2000"):
        desk.side.write([create()] * 2001)


def test_what_changed_since_it_was_read_is_left_alone(desk: Desk) -> None:
    """Also within the same second, in which the org's stamps are the same."""
    records = [desk.load() for _ in range(3)]
    for each in records[:2]:
        desk.edit(each.id, Title="Theirs")

    results = desk.side.write([update(records[0], title="Ours"), delete(records[1]), update(records[2], title="Ours")])

    assert [each.written for each in results] == [Written.STALE, Written.STALE, Written.DONE]
    assert [desk.row(each.id)["Title"] for each in records] == ["Theirs", "Theirs", "Ours"]
    assert not desk.row(records[1].id)["IsDeleted"]


def test_a_second_edit_in_one_second_is_another_version(desk: Desk) -> None:
    record = desk.load()
    desk.edit(record.id, Title="First")
    first = desk.get(record.id)
    desk.edit(record.id, Title="Second")

    assert desk.get(record.id).version != first.version


def test_an_edit_between_a_write_and_its_reading_back_is_not_taken_for_the_orgs_answer(desk: Desk) -> None:
    """Else what a person just wrote would count as agreed upon, and never reach the other side."""
    record = desk.load()
    desk.counted.clear()
    desk.before["composite 3"] = lambda: desk.edit(record.id, Title="Theirs")

    (result,) = desk.side.write([update(record, title="Ours")])

    assert (result.written, result.record) == (Written.UNKNOWN, None)
    assert not desk.before


def test_what_is_gone_is_told(desk: Desk) -> None:
    """A deletion has its wish; also where it goes between the check and the write."""
    keep, lose, drop, late = (desk.load() for _ in range(4))
    desk.local.control("POST", "merge", {"winner": keep.id, "losers": [lose.id]})
    desk.local.control("DELETE", f"records/{drop.id}", {})
    desk.counted.clear()
    desk.before["composite 2"] = lambda: desk.local.control("DELETE", f"records/{late.id}", {})

    results = desk.side.write([update(lose, title="A"), update(drop, title="A"), update(late, title="A"), delete(drop)])

    assert [each.written for each in results] == [Written.GONE, Written.GONE, Written.GONE, Written.DONE]
    assert not desk.before


def test_one_bad_record_holds_nobody_back(desk: Desk) -> None:
    """Whether the org refuses it alone, or all that comes with it."""
    good, bad, worse = (desk.load() for _ in range(3))
    (case,) = desk.local.load("Case", {"Subject": "Roof", "ContactId": bad.id})

    results = desk.side.write(
        [update(good, title="Roofer"), create(emails=(entry("nora at example"),)), create(), delete(bad)]
    )
    halved = desk.side.write([update(worse, born="31/12/1980"), update(desk.get(good.id), title="Mason"), create()])

    assert case
    assert [each.written for each in results] == [Written.DONE, Written.REFUSED, Written.DONE, Written.REFUSED]
    assert "INVALID_EMAIL_ADDRESS" in (results[1].reason or "")
    assert "nora" not in (results[1].reason or "")
    assert "DELETE_FAILED" in (results[3].reason or "")
    assert [each.written for each in halved] == [Written.REFUSED, Written.DONE, Written.DONE]


def test_what_a_duplicate_rule_points_at_is_a_candidate(desk: Desk) -> None:
    there = desk.load(Email="nora@example.com")
    rule = {"name": "Contacts", "object": "Contact", "fields": ["Email"], "action": "block"}
    desk.local.control("POST", "setup", {"duplicate_rules": [rule]})

    blocked, made = desk.side.write([create(emails=(entry("nora@example.com"),)), create()])

    assert (blocked.written, blocked.candidates) == (Written.REFUSED, (there.id,))
    assert blocked.reason == f"Salesforce's duplicate rule Contacts points at this record. ({there.id})"
    assert made.written is Written.DONE


def test_whom_an_earlier_write_created_is_not_created_again(desk: Desk) -> None:
    """The External ID refuses a second one, and it is unknown whose the first is."""
    desk.side.limits()
    desk.local.fault(kind="reset_after", times=1, path="/composite$")
    with pytest.raises(UnknownOutcomeError):
        desk.side.write([create("p-1")])

    again, other = desk.side.write([create("p-1"), create("p-2")])

    assert (again.written, other.written) == (Written.UNKNOWN, Written.DONE)
    assert len(desk.side.find([], ["p-1"])) == 1


def test_a_busy_org_did_nothing(desk: Desk) -> None:
    record = desk.load()
    desk.counted.clear()
    busy = {"kind": "status", "status": 429, "times": 1, "body": [{"errorCode": "X", "message": "busy"}]}
    desk.before["composite 2"] = lambda: desk.local.fault(path="/composite$", **busy)

    with pytest.raises(RetryableError):
        desk.side.write([update(record, title="Roofer")])
    assert not desk.before
    assert desk.get(record.id) == record


def test_what_was_carried_out_is_told_although_the_next_call_fails(desk: Desk) -> None:
    """What the failing one did is unknown; what would have come after it is left for later."""
    records = desk.side.get(desk.local.load("Contact", *[{"LastName": "Vale"}] * 1000))
    desk.counted.clear()
    desk.before["composite 3"] = lambda: desk.local.fault(kind="reset_before", times=1, path="/composite$")

    results = desk.side.write([*(create() for _ in range(800)), *(update(each, title="Roofer") for each in records)])

    assert Counter(each.written for each in results) == {Written.DONE: 1000, Written.UNKNOWN: 800}
    assert not desk.before


def test_what_cannot_be_read_back_is_unknown(desk: Desk) -> None:
    record = desk.load()
    desk.counted.clear()
    desk.before["composite 3"] = lambda: desk.local.fault(kind="status", status=503, times=3, path="/composite$")

    (result,) = desk.side.write([update(record, title="Roofer")])

    assert result.written is Written.UNKNOWN
    assert desk.row(record.id)["Title"] == "Roofer"


def test_a_locked_record_is_tried_again(desk: Desk) -> None:
    record = desk.load()
    desk.local.fault(kind="lock", path="/composite$", records=1)

    assert [each.written for each in desk.side.write([update(record, title="Roofer")])] == [Written.RETRY]


def test_our_tasks_change_no_value(desk: Desk) -> None:
    """Nor when the contact was changed, which tells the newest."""
    record = desk.load()
    desk.session.write("POST", "sobjects", "sobjects/Task", {"WhoId": record.id, "Subject": "Call"})

    after = desk.get(record.id)

    assert (after.values, after.changed_at) == (record.values, record.changed_at)


# --- leads


@pytest.fixture
def people(settings: OrgSettings, local: LocalOrg) -> Iterator[Desk]:
    desk = Desk(settings, local, {Kind.CONTACT: PERSON, Kind.LEAD: PERSON})
    yield desk
    desk.session.close()


def test_a_lead_is_a_contact_until_it_is_converted_to_one(people: Desk) -> None:
    (lead,) = people.local.load("Lead", {"LastName": "Vale", "Company": "Acme", "MobilePhone": "930 555 0101"})
    everything, cursor = people.told()
    assert everything[lead].values["phones"] == (entry("930 555 0101", "mobile"),)
    assert [each.id for each in people.side.find(["phone:+19305550101"], [])] == [lead]
    (done,) = people.side.write([update(everything[lead], title="Roofer")])
    assert done.written is Written.DONE
    before = people.side.limits().records

    contact = people.local.control("POST", "convert", {"lead": lead})["contact"]

    assert people.told(cursor)[0][lead].merged_into == contact
    assert people.get(lead).is_gone
    assert people.get(contact).values == done.record.values  # type: ignore[union-attr]
    assert people.side.limits().records == before
    assert [each.written for each in people.side.write([update(done.record, title="A")])] == [Written.GONE]  # type: ignore[arg-type]


# --- person accounts


@pytest.fixture
def persons(people: Desk) -> Desk:
    people.local.control("POST", "person-accounts", {"on": True})
    return people


def person(desk: Desk, **fields: Any) -> tuple[str, str]:
    """The ids of a person account and of the contact that it holds."""
    (account,) = desk.local.load("Account", {"LastName": "Vale", "IsPersonAccount": True, **fields})
    return account, desk.row(account)["PersonContactId"]


def test_a_person_account_is_read_as_its_contact_and_written_as_an_account(persons: Desk) -> None:
    account, contact = person(persons, PersonEmail="nora@example.com", Phone="930 555 0101")
    other = persons.load()
    (record,) = persons.side.find(["email:nora@example.com"], [])
    assert (record.id, record.values["phones"]) == (contact, (entry("930 555 0101"),))

    phones = (entry("930 555 0102"), entry("930 555 0103", "mobile"))
    done, beside = persons.side.write(
        [update(record, first="Nora", phones=phones, emails=()), update(other, title="A")]
    )

    assert (done.written, beside.written) == (Written.DONE, Written.DONE)
    assert done.record == persons.get(contact)
    row = persons.row(account)
    assert (row["FirstName"], row["Phone"], row["PersonMobilePhone"], row["PersonEmail"]) == (
        "Nora", "930 555 0102", "930 555 0103", None,
    )  # fmt: skip
    assert [each.written for each in persons.side.write([delete(done.record)])] == [Written.DONE]
    assert persons.row(account)["IsDeleted"]
    assert persons.get(contact).is_gone


def test_a_merged_person_account_leads_to_the_contact_of_the_one_that_is_left(persons: Desk) -> None:
    (left, stays), (gone, goes) = person(persons), person(persons)

    persons.local.control("POST", "merge", {"winner": left, "losers": [gone]})

    assert persons.get(goes).merged_into == stays


def test_an_orgs_own_field_is_called_otherwise_on_a_person_account(settings: OrgSettings, local: LocalOrg) -> None:
    """And so are most of the others."""
    own = {"Contact": ["Nickname__c | string(40) | Nickname | cu"]}
    local.control("POST", "setup", {"custom_fields": {**local.control("GET", "setup")["custom_fields"], **own}})
    local.control("POST", "person-accounts", {"on": True})
    fields = ContactFields(texts={"last": "LastName", "nickname": "Nickname__c", "title": "Title"})
    desk = Desk(settings, local, {Kind.CONTACT: fields})
    record = desk.get(person(desk)[1])

    (done,) = desk.side.write([update(record, nickname="Ace", title="Roofer")])

    assert done.record
    assert (done.record.values["nickname"], done.record.values["title"]) == ("Ace", "Roofer")
    account = desk.row(desk.row(record.id)["AccountId"])
    assert (account["Nickname__pc"], account["PersonTitle"]) == ("Ace", "Roofer")


def test_objects_that_differ_are_refused(settings: OrgSettings, local: LocalOrg) -> None:
    with pytest.raises(ConfigError, match="the same fields and types in each"):
        Desk(settings, local, {Kind.CONTACT: CONTACT, Kind.LEAD: PERSON})


def test_the_orgs_side_is_one_of_its_own_calls(org: SalesforceOrg, local: LocalOrg, counted: Counter[str]) -> None:
    (id,) = local.load("Contact", {"LastName": "Vale"})
    side = org.contacts({Kind.CONTACT: PERSON}, READINGS)

    assert [record.values["last"] for record in side.get([id])] == ["Vale"]
    assert counted["composite"] == 2


# --- many at once


def many(desk: Desk, count: int, **fields: Any) -> list[ContactRecord]:
    ids = desk.local.load("Contact", *({"LastName": f"Contact {n}", **fields} for n in range(count)))
    desk.side.limits()
    desk.counted.clear()
    return list(desk.side.get(ids))


@pytest.mark.parametrize(
    ("count", "calls"),
    [
        (1, {"composite": 1}),
        (1000, {"composite": 1}),
        # The job is made, filled and begun, looked at twice by the pace of the local org, and its results are read.
        (1001, {"jobs/ingest": 6}),
        (2000, {"jobs/ingest": 6}),
    ],
)
def test_many_are_created_in_few_calls(desk: Desk, count: int, calls: dict[str, int]) -> None:
    """And one more reads what came of them; above a thousand they go by a job."""
    desk.side.limits()
    desk.counted.clear()

    results = desk.side.write([create(f"p-{n}", first=f"N {n}", title=None) for n in range(count)])

    assert {each.written for each in results} == {Written.DONE}
    assert [each.record.other_id for each in results if each.record] == [f"p-{n}" for n in range(count)]
    assert [each.record.values["first"] for each in results if each.record] == [f"N {n}" for n in range(count)]
    assert desk.counted == Counter(calls) + Counter({"composite": 1})


@pytest.mark.parametrize(
    ("count", "calls"), [(200, {"composite": 1}), (1000, {"composite": 1}), (2000, {"jobs/ingest": 5})]
)
def test_many_are_changed_in_few_calls(desk: Desk, count: int, calls: dict[str, int]) -> None:
    """One to read them, one to check their versions, and one to read what came of it."""
    records = many(desk, count, Title="Old")

    results = desk.side.write([update(each, title=None, no_calls=True) for each in records])

    assert {each.written for each in results} == {Written.DONE}
    left = [each.record for each in results if each.record]
    assert [each.id for each in left] == [each.id for each in records]
    assert {(each.values["title"], each.values["no_calls"], each.values["last"][:7]) for each in left} == {
        (None, True, "Contact")
    }  # type: ignore[index]
    assert desk.counted == Counter(calls) + Counter({"composite": 3})


def test_each_of_a_job_is_settled_by_itself(desk: Desk) -> None:
    """Whatever comes back first: what the org refuses, what a duplicate rule stops, what is alike, what changed."""
    there = desk.load(Email="nora@example.com")
    rule = {"name": "Contacts", "object": "Contact", "fields": ["Email"], "action": "block"}
    desk.local.control("POST", "setup", {"duplicate_rules": [rule]})
    special = {
        3: create("p-3", emails=(entry("nora at example"),)),
        5: create("p-5", emails=(entry("nora@example.com"),)),
        7: create(first='Nora "Ace",\nand', title="=1+1"),
        8: create(first="Alike"),
        9: create(first="Alike"),
    }

    results = desk.side.write([special.get(n, create(f"p-{n}", first=f"N {n}")) for n in range(1200)])

    assert Counter(each.written for each in results) == {Written.DONE: 1198, Written.REFUSED: 2}
    assert "INVALID_EMAIL_ADDRESS" in (results[3].reason or "")
    assert "nora" not in (results[3].reason or "")
    assert results[5].candidates == (there.id,)
    assert results[7].record is not None
    assert (results[7].record.values["first"], results[7].record.values["title"]) == ('Nora "Ace",\nand', "=1+1")
    alike = [each.record for each in results[8:10] if each.record]
    assert [each.values["first"] for each in alike] == ["Alike", "Alike"]
    assert alike[0].id != alike[1].id


def test_a_job_leaves_alone_what_changed_since_and_takes_away_what_is_to_go(desk: Desk) -> None:
    records = many(desk, 1500)
    for each in records[:2]:
        desk.edit(each.id, Title="Theirs")

    results = desk.side.write([delete(each) for each in records])

    assert [each.written for each in results[:3]] == [Written.STALE, Written.STALE, Written.DONE]
    assert [each.is_gone for each in desk.side.get([record.id for record in records])].count(False) == 2
    assert desk.counted["jobs/ingest"] == 5


def test_a_text_that_stands_for_nothing_in_a_table_is_kept(desk: Desk) -> None:
    """Such a write goes with others by Collections, as many as they are."""
    records = many(desk, 1001)
    writes = [update(each, title="#N/A") for each in records]

    results = desk.side.write(writes)

    assert {each.record.values["title"] for each in results if each.record} == {"#N/A"}
    assert desk.counted == {"composite": 5}


@pytest.mark.parametrize("call", range(1, 4))
@pytest.mark.parametrize("fault", ["reset_before", "reset_after"])
def test_a_job_that_never_began_has_written_nothing(desk: Desk, call: int, fault: str) -> None:
    """Unless it began although nobody was told: then it is as good as any."""
    desk.side.limits()
    desk.counted.clear()
    desk.before[f"jobs/ingest {call}"] = lambda: desk.local.fault(kind=fault, times=1, path="/jobs/ingest")
    writes = [create(f"p-{n}") for n in range(1001)]

    try:
        written = {each.written for each in desk.side.write(writes)}
    except RetryableError:
        written = {Written.RETRY}

    assert not desk.before
    there = desk.side.find([], ["p-0", "p-1000"])
    # Making a job is a question that may be asked again.
    assert written == ({Written.DONE} if call == 1 or (call, fault) == (3, "reset_after") else {Written.RETRY})
    assert len(there) == (2 if written == {Written.DONE} else 0)


@pytest.mark.parametrize("call", range(4, 7))
def test_a_job_whose_end_nobody_heard_may_have_written_all(desk: Desk, call: int) -> None:
    desk.side.limits()
    desk.counted.clear()
    desk.before[f"jobs/ingest {call}"] = lambda: desk.local.fault(
        kind="status", status=503, times=3, path="/jobs/ingest"
    )

    with pytest.raises(UnknownOutcomeError):
        desk.side.write([create(f"p-{n}") for n in range(1001)])

    assert not desk.before


def test_a_job_that_cannot_be_read_is_done_by_collections(desk: Desk) -> None:
    """Which say of each record what is wrong with it."""
    desk.side.limits()
    desk.local.control("POST", "setup", {"custom_fields": {}})

    results = desk.side.write([create(f"p-{n}") for n in range(1001)])

    assert {each.written for each in results} == {Written.REFUSED}
    assert "INVALID_FIELD" in (results[0].reason or "")


def test_many_duplicates_are_named_in_few_calls(desk: Desk) -> None:
    """Twenty-five in a call."""
    theirs = many(desk, 60)
    for n, each in enumerate(theirs):
        desk.edit(each.id, Email=f"n{n}@example.com")
    rule = {"name": "Contacts", "object": "Contact", "fields": ["Email"], "action": "block"}
    desk.local.control("POST", "setup", {"duplicate_rules": [rule]})
    desk.counted.clear()

    results = desk.side.write([create(emails=(entry(f"n{n}@example.com"),)) for n in range(60)])

    assert [each.candidates for each in results] == [(each.id,) for each in theirs]
    assert desk.counted == {"composite": 1 + 3 + 1}


# --- many at first


@pytest.fixture
def large(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Contacts of an org where one page is much and three calls read a job's rows; their ids."""
    monkeypatch.setattr(mirror, "MANY_PAGES", 1)
    monkeypatch.setattr(bulk, "ROWS_PER_CALL", 200)
    monkeypatch.setattr(bulk, "ROWS_PER_PAGE", 90)
    values = {"FirstName": "Zoë", "DoNotCall": True, "Birthdate": "1980-12-31", "Email": "nora@example.com"}
    return desk.local.load("Contact", *({"LastName": f"Contact, {n}\n", **values} for n in range(2600)))


def test_a_first_reading_of_many_goes_by_a_job(desk: Desk, large: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Which tells the same as paging does, down to the version."""
    desk.side.limits()
    desk.counted.clear()
    everything, cursor = desk.told()

    assert set(large) <= everything.keys()
    # Made, looked at twice, four times read, and taken away; then what changed meanwhile.
    assert desk.counted == {"composite": 2, "jobs/query": 8}
    assert {id: desk.get(id) for id in large[::500]} == {id: everything[id] for id in large[::500]}
    monkeypatch.setattr(mirror, "MANY_PAGES", 1000)
    assert everything == desk.told(None)[0]
    desk.edit(large[-1], Title="Roofer")
    desk.counted.clear()
    assert desk.told(cursor)[0][large[-1]].values["title"] == "Roofer"
    assert desk.counted == {"composite": 1}


@pytest.mark.parametrize("pages", range(1, 9))
def test_a_first_reading_that_is_cut_off_goes_on(desk: Desk, large: list[str], pages: int) -> None:
    """After any page, with the cursor as it was kept, and what changes meanwhile is told."""
    told: dict[str, ContactRecord] = {}
    cursor: Cursor | None = None
    for page in islice(desk.side.changes(None, START), pages):
        told |= {record.id: record for record in page.records}
        cursor = page.cursor or cursor
    desk.edit(large[0], Title="Early")
    desk.edit(large[-1], Title="Late")
    desk.local.control("DELETE", f"records/{large[-2]}", {})

    rest, _ = desk.told(cursor)

    told |= rest
    assert set(large) <= told.keys()
    assert [told[large[at]].values["title"] for at in (0, -1)] == ["Early", "Late"]
    assert told[large[-2]].is_gone


def test_a_first_reading_that_takes_too_long_goes_on_later(
    desk: Desk, large: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contacts, "LONGEST_WAIT", 0.0)
    seen: list[ContactPage] = []
    with pytest.raises(RetryableError, match="still at work"):
        seen.extend(desk.side.changes(None, START))
    monkeypatch.undo()

    rest, _ = desk.told(seen[-1].cursor if seen else None)

    assert set(large) <= rest.keys() | {record.id for page in seen for record in page.records}


# --- many are looked for


def test_many_numbers_are_looked_for_among_those_who_came_since(desk: Desk) -> None:
    """All others were told; addresses and ids of the other side are asked for as ever."""
    old = desk.load(Phone="930 555 0100", Email="old@example.com", Phonebook_Id__c="p-old")
    desk.told()
    new = desk.created(Phone="(930) 555-0101")
    came = [desk.created(Phone="930.555.0102"), desk.created(MobilePhone="930 555 0103")]
    desk.edit(came[0], Phone=None)
    desk.local.control("DELETE", f"records/{came[1]}", {})
    keys = [f"phone:+1930555{n:04}" for n in range(100, 2100)]
    desk.counted.clear()

    found = desk.side.find(keys, [])
    with_others = desk.side.find([*keys, "email:old@example.com"], ["p-old"])

    assert [each.id for each in found] == [new]
    assert {each.id for each in with_others} == {old.id, new}
    assert desk.counted == {"composite": 4}
    assert [each.id for each in desk.side.find(keys[:1], [])] == [old.id]


def test_many_numbers_are_looked_for_everywhere_where_nothing_was_told(desk: Desk) -> None:
    """Which takes many calls; a reading that did not come to its end told nothing."""
    old = desk.load(Phone="930 555 0100", FirstName="Nora")
    desk.local.load("Contact", *({"LastName": f"Contact {n}"} for n in range(soql.PAGE)))
    next(iter(desk.side.changes(None, START)))

    found = desk.side.find([f"phone:+1930555{n:04}" for n in range(100, 500)], [])

    assert [each.id for each in found] == [old.id]


# --- consent


def test_what_a_contact_belongs_to_is_read_and_never_written(settings: OrgSettings, local: LocalOrg) -> None:
    """Somebody's wishes stand in the Individual; those who have none, or no account, have nothing there."""
    texts = {
        "last": "LastName", "individual": "IndividualId", "forget": "Individual.ShouldForget",
        "no_tracking": "Individual.HasOptedOutTracking", "company": "Account.Name", "owner": "Owner.Email",
    }  # fmt: skip
    desk = Desk(settings, local, {Kind.CONTACT: ContactFields(texts=texts)})
    (account,) = local.load("Account", {"Name": "Acme"})
    (wishes,) = local.load("Individual", {"LastName": "Vale", "ShouldForget": True})

    limits = desk.side.limits()
    alone, of_acme = desk.load(), desk.load(AccountId=account, IndividualId=wishes)

    assert desk.counted["composite"] == 4
    assert {name: each.is_read_only for name, each in limits.fields.items()} == {
        "last": False, "individual": False, "forget": True, "no_tracking": True, "company": True, "owner": True,
    }  # fmt: skip
    assert not any(each.is_required for name, each in limits.fields.items() if name != "last")
    told = [of_acme.values[name] for name in ("individual", "forget", "no_tracking", "company")]
    assert told == [wishes, True, False, "Acme"]
    assert [alone.values[name] for name in ("individual", "forget", "no_tracking", "company")] == [None] * 4
    assert of_acme.values["owner"]
    (done,) = desk.side.write([update(alone, individual=wishes)])
    assert done.record
    assert done.record.values["forget"] is True
    desk.edit(wishes, ShouldForget=False)
    assert desk.get(alone.id).version != done.record.version
    desk.session.close()


def test_a_change_of_what_they_belong_to_is_told(settings: OrgSettings, local: LocalOrg) -> None:
    """Although nothing of the contact has changed; of each page by itself, and once it is settled not again."""
    texts = {"last": "LastName", "forget": "Individual.ShouldForget", "company": "Account.Name", "owner": "Owner.Email"}
    desk = Desk(settings, local, {Kind.CONTACT: ContactFields(texts=texts)})
    (account,) = local.load("Account", {"Name": "Acme"})
    (wishes,) = local.load("Individual", {"LastName": "Vale"})
    (one,) = local.load("Contact", {"LastName": "Vale", "IndividualId": wishes})
    others = local.load("Contact", *({"LastName": "Vale", "AccountId": account} for _ in range(soql.PAGE + 1)))
    for page in desk.side.changes(None, START):
        cursor = page.cursor
        break
    desk.edit(wishes, ShouldForget=True)
    _, cursor = desk.told(cursor)
    told, later = desk.told(cursor)
    assert told[one].values["forget"] is True

    desk.edit(account, Name="Acme Corp")
    local.control("POST", "clock", {"skew_milliseconds": 200_000})
    desk.counted.clear()
    told, later = desk.told(later)

    assert {told[id].values["company"] for id in others} == {"Acme Corp"}
    assert desk.counted == {"composite": 1 + 1 + 2}
    assert desk.told(later)[0].keys().isdisjoint(others)
    desk.session.close()


def test_wishes_are_the_same_in_a_table(desk: Desk, settings: OrgSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a job reads them."""
    monkeypatch.setattr(mirror, "MANY_PAGES", 1)
    texts = {"last": "LastName", "forget": "Individual.ShouldForget", "no_faxes": "HasOptedOutOfFax"}
    other = Desk(settings, desk.local, {Kind.CONTACT: ContactFields(texts=texts)})
    (wishes,) = desk.local.load("Individual", {"LastName": "Vale", "ShouldForget": True})
    ids = desk.local.load("Contact", *({"LastName": "Vale", "HasOptedOutOfFax": True} for _ in range(2100)))
    last = desk.local.load("Contact", {"LastName": "Vale", "IndividualId": wishes})

    told, _ = other.told()

    assert other.counted["jobs/query"] > 0
    assert [told[id] for id in (ids[-1], *last)] == [other.get(id) for id in (ids[-1], *last)]
    other.session.close()


def test_a_field_that_a_parent_lacks_is_said(settings: OrgSettings, local: LocalOrg) -> None:
    texts = {"last": "LastName", "forget": "Individual.Forget__c", "boss": "Boss.Name"}
    desk = Desk(settings, local, {Kind.CONTACT: ContactFields(texts=texts)})

    with pytest.raises(ConfigError) as error:
        desk.side.limits()

    assert [problem.split(",")[0] for problem in error.value.problems] == [
        "Org 'main': Contact has no field Individual.Forget__c",
        "Org 'main': Contact has no field Boss.Name",
    ]
    desk.session.close()


# --- new persons


PERSONAL = ContactFields(
    texts={**TEXTS, "no_emails": "HasOptedOutOfEmail"},
    sets={"phones": {"work": "Phone", "mobile": "MobilePhone"}, "emails": {"work": "Email"}},
    other_id="Phonebook_Id__c",
)


@pytest.fixture
def of_persons(desk: Desk, settings: OrgSettings) -> Iterator[Desk]:
    """A side whose new contacts are accounts of their own."""
    desk.local.control("POST", "person-accounts", {"on": True})
    type = {"DeveloperName": "Buyer", "SobjectType": "Account", "IsActive": True, "IsPersonType": True}
    desk.local.load("RecordType", {"Name": "Buyer", **type}, {"Name": "Shop", **type, "DeveloperName": "Shop"})
    new = NewContacts(are_persons=True, record_type="Buyer")
    persons = Desk(settings, desk.local, {Kind.CONTACT: PERSONAL}, new)
    yield persons
    persons.session.close()


@pytest.mark.parametrize("count", [2, 1001])
def test_new_contacts_may_be_persons(of_persons: Desk, count: int) -> None:
    """Accounts of the record type that is configured; the contact that each holds is the one that is synced."""
    writes = [
        create(f"p-{n}", first="Nora", no_emails=True, emails=(entry(f"n{n}@example.com"),)) for n in range(count)
    ]

    results = of_persons.side.write(writes)

    assert {each.written for each in results} == {Written.DONE}
    records = [each.record for each in results if each.record]
    assert [each.other_id for each in records] == [f"p-{n}" for n in range(count)]
    assert records[-1] == of_persons.get(records[-1].id)
    assert records[-1].values["no_emails"] is True
    account = of_persons.row(of_persons.row(records[-1].id)["AccountId"])
    assert (account["IsPersonAccount"], account["PersonEmail"]) == (True, f"n{count - 1}@example.com")
    (type,) = of_persons.session.query("SELECT Id FROM RecordType WHERE DeveloperName = 'Buyer'")
    assert account["RecordTypeId"] == type["Id"]
    (done,) = of_persons.side.write([update(records[0], title="Roofer")])
    assert done.written is Written.DONE


def test_a_duplicate_of_a_person_is_the_contact(of_persons: Desk) -> None:
    """Not the account, by which nothing is synced."""
    (made,) = of_persons.side.write([create(emails=(entry("nora@example.com"),))])
    rule = {"name": "Persons", "object": "Account", "fields": ["PersonEmail"], "action": "block"}
    of_persons.local.control("POST", "setup", {"duplicate_rules": [rule]})

    (blocked,) = of_persons.side.write([create(emails=(entry("nora@example.com"),))])

    assert made.record
    assert blocked.candidates == (made.record.id,)


def test_a_record_type_that_is_not_there_is_said(desk: Desk, settings: OrgSettings) -> None:
    other = Desk(settings, desk.local, {Kind.CONTACT: PERSONAL}, NewContacts(record_type="Buyer"))

    with pytest.raises(ConfigError, match="Contact has no active record type Buyer"):
        other.side.write([create()])
    other.session.close()


# --- the same for all sides

_USERS = {"User": default_content()["User"]}
_FAULTS: dict[str, dict[str, Any]] = {
    "out of order": {"kind": "status", "status": 503},
    "cut off": {"kind": "reset_before"},
    "cut short": {"kind": "truncate"},
    "logged out": {"kind": "expire_sessions"},
    LOST: {"kind": "reset_after"},
}


class TestSide(ContactSideSuite):
    """What any side keeps to."""

    unknown_id = "003000000000999AAA"
    faults = tuple(_FAULTS)

    @pytest.fixture(autouse=True)
    def _org(self, settings: OrgSettings, local: LocalOrg) -> Iterator[None]:
        self._settings, self._local = settings, local
        self._desks: list[Desk] = []
        yield
        for each in self._desks:
            each.session.close()

    @contextmanager
    def store(self) -> Iterator[LocalOrg]:
        self._local.control("POST", "reset", {"seed": _USERS})
        self._local.control("POST", "setup", {"custom_fields": {"Contact": OWN}})
        yield self._local

    def side(self, store: LocalOrg) -> ContactSide:
        # A check box is never empty, which the suite expects of what nobody filled in.
        plain = replace(CONTACT, texts={name: TEXTS[name] for name in ("first", "last", "title")})
        self._desks.append(Desk(self._settings, store, {Kind.CONTACT: plain}))
        return self._desks[-1].side

    def fail(self, store: LocalOrg, fault: str, turn: int) -> None:
        store.fault(script=[*([None] * turn), _FAULTS[fault]])
