"""The org as one side of a contact sync, over HTTP."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
from gateway.salesforce import soql
from gateway.salesforce.contacts import ContactFields, SalesforceContacts
from gateway.salesforce.org import OrgSettings, SalesforceOrg
from gateway.salesforce.session import Session
from gateway.sdk.pulling import Cursor
from tests.adapters.salesforce.local_org import LocalOrg
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


def update(record: ContactRecord, **values: Any) -> ContactWrite:
    return ContactWrite(act=Act.UPDATE, values=values, id=record.id, version=record.version)


def delete(record: ContactRecord) -> ContactWrite:
    return ContactWrite(act=Act.DELETE, id=record.id, version=record.version)


class Desk:
    """The side, the org behind it as people see it, and what is done to it just before a call."""

    def __init__(self, settings: OrgSettings, local: LocalOrg, objects: dict[Kind, ContactFields]) -> None:
        self.local = local
        self.counted: Counter[str] = Counter()
        self.before: dict[str, Callable[[], object]] = {}
        self.session = Session(settings, on_call=self._called, sleep=lambda _: None, time_limits=(10.0, 60.0))
        self.side = SalesforceContacts(self.session, objects, READINGS)

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
    assert (limits.records, limits.most, limits.batch) == (before + 1, None, 200)
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


def test_a_batch_costs_a_call_for_each_act_and_two_reads(desk: Desk) -> None:
    records = [desk.load() for _ in range(4)]
    desk.side.limits()
    desk.counted.clear()

    writes = [create(), delete(records[0]), *(update(each, title="Roofer") for each in records[1:]), create()]
    results = desk.side.write(writes)

    assert {each.written for each in results} == {Written.DONE}
    assert [each.record.is_gone for each in results if each.record] == [False, True, False, False, False, False]
    assert desk.counted == {"composite": 2, "composite/sobjects": 3}
    with pytest.raises(ValueError, match="200"):
        desk.side.write([create()] * 201)


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
    desk.before["composite 2"] = lambda: desk.edit(record.id, Title="Theirs")

    (result,) = desk.side.write([update(record, title="Ours")])

    assert (result.written, result.record) == (Written.UNKNOWN, None)
    assert not desk.before


def test_what_is_gone_is_told(desk: Desk) -> None:
    """A deletion has its wish; also where it goes between the check and the write."""
    keep, lose, drop, late = (desk.load() for _ in range(4))
    desk.local.control("POST", "merge", {"winner": keep.id, "losers": [lose.id]})
    desk.local.control("DELETE", f"records/{drop.id}", {})
    desk.counted.clear()
    desk.before["composite/sobjects 1"] = lambda: desk.local.control("DELETE", f"records/{late.id}", {})

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
    desk.local.fault(kind="reset_after", times=1, path="composite/sobjects")
    with pytest.raises(UnknownOutcomeError):
        desk.side.write([create("p-1")])

    again, other = desk.side.write([create("p-1"), create("p-2")])

    assert (again.written, other.written) == (Written.UNKNOWN, Written.DONE)
    assert len(desk.side.find([], ["p-1"])) == 1


def test_a_busy_org_did_nothing(desk: Desk) -> None:
    record = desk.load()
    desk.local.fault(
        kind="status", status=429, times=1, path="composite/sobjects", body=[{"errorCode": "X", "message": "busy"}]
    )

    with pytest.raises(RetryableError):
        desk.side.write([update(record, title="Roofer")])
    assert desk.get(record.id) == record


def test_what_was_carried_out_is_told_although_the_next_call_fails(desk: Desk) -> None:
    """What the failing one did is unknown."""
    record, gone = desk.load(), desk.load()
    desk.counted.clear()
    desk.before["composite/sobjects 2"] = lambda: desk.local.fault(kind="reset_before", path="composite/sobjects")

    results = desk.side.write([delete(gone), create(), update(record, title="Roofer")])

    assert sorted(each.written for each in results) == [Written.DONE, Written.UNKNOWN, Written.UNKNOWN]
    assert not desk.before


def test_what_cannot_be_read_back_is_unknown(desk: Desk) -> None:
    record = desk.load()
    desk.counted.clear()
    desk.before["composite 2"] = lambda: desk.local.fault(kind="status", status=503, times=3, path="/composite$")

    (result,) = desk.side.write([update(record, title="Roofer")])

    assert result.written is Written.UNKNOWN
    assert desk.row(record.id)["Title"] == "Roofer"


def test_a_locked_record_is_tried_again(desk: Desk) -> None:
    record = desk.load()
    desk.local.fault(kind="lock", path="composite/sobjects", records=1)

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
    """The local org has none; it says which one it was asked for."""
    own = {"Contact": ["Nickname__c | string(40) | Nickname | cu"]}
    local.control("POST", "setup", {"custom_fields": {**local.control("GET", "setup")["custom_fields"], **own}})
    local.control("POST", "person-accounts", {"on": True})
    fields = ContactFields(texts={"last": "LastName", "nickname": "Nickname__c", "title": "Title"})
    desk = Desk(settings, local, {Kind.CONTACT: fields})
    record = desk.get(person(desk)[1])

    results = [desk.side.write([update(record, **{name: "A"})])[0] for name in ("nickname", "title")]

    assert [each.written for each in results] == [Written.REFUSED] * 2
    assert "Nickname__pc" in (results[0].reason or "")
    assert "PersonTitle" in (results[1].reason or "")


def test_objects_that_differ_are_refused(settings: OrgSettings, local: LocalOrg) -> None:
    with pytest.raises(ConfigError, match="the same fields and types in each"):
        Desk(settings, local, {Kind.CONTACT: CONTACT, Kind.LEAD: PERSON})


def test_the_orgs_side_is_one_of_its_own_calls(org: SalesforceOrg, local: LocalOrg, counted: Counter[str]) -> None:
    (id,) = local.load("Contact", {"LastName": "Vale"})
    side = org.contacts({Kind.CONTACT: PERSON}, READINGS)

    assert [record.values["last"] for record in side.get([id])] == ["Vale"]
    assert counted["composite"] == 2
