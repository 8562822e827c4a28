"""People and cases that are created: whom, when, and each once."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.domain.creation import Made
from gateway.domain.interactions import Channel, Party
from gateway.domain.mappings import compile_mapping
from gateway.domain.policies import (
    CaseRule,
    Condition,
    ConnectionPolicy,
    ContactPoint,
    CreatePolicy,
    Creates,
    SecondParty,
    StopList,
)
from gateway.domain.records import Kind, Record
from gateway.errors import RetryableError, UnknownOutcomeError
from gateway.ports import Claim
from gateway.usecases.tasks import Rules
from tests.unit.usecases.desk import CASEY, CASEY_CALLS, HOUSE, OWEN_CALLS, SHIPPED_MAPPING, SHIPPED_POLICY, Desk, told
from tests.values import replace

NEW = "+14155550188"
NEW_KEY = f"phone:{NEW}"
DOMAIN_ACCOUNT = Record(
    kind=Kind.ACCOUNT, id="001000000000003AAA", name="Sunny Roofs", keys=("domain:sunny.example",), type="Installer"
)


def desk_with(**settings: Any) -> Desk:
    """A desk with these settings at every contact point."""
    desk = Desk()
    policy = ConnectionPolicy(name="desk", org="main", own=ContactPoint(**settings))
    desk.rules = Rules(SHIPPED_MAPPING, SHIPPED_POLICY, {"desk": policy})
    desk.writer = desk.new_writer()
    return desk


def creating(policy: Creates = Creates.CONTACT, **more: Any) -> Desk:
    return desk_with(create=CreatePolicy(policy=policy, **more))


def caller(phone: str | None = NEW, name: str | None = "Nora New", **more: Any) -> tuple[Party, ...]:
    return (Party(role="customer", phone=phone, name=name, **more),)


def reason(desk: Desk, external_id: str = "c-1") -> str:
    match = desk.row(external_id).match
    assert match
    return str(match["reason"])


def settle(desk: Desk, rounds: int = 5) -> None:
    """As long as it takes for what waits a second or a minute."""
    for _ in range(rounds):
        desk.pass_time(61)
        desk.write()


class TestWhom:
    def test_somebody_unknown_becomes_a_contact_and_the_name_of_the_task(self):
        desk = creating()

        desk.take_in(told(parties=caller()))

        (draft,) = desk.org.made
        assert (draft.kind, draft.fields) == (
            Kind.CONTACT,
            {"LastName": "New", "FirstName": "Nora", "Phone": NEW},
        )
        match = desk.row().match
        assert match["state"] == "matched"
        assert match["parties"][0]["who"]["name"] == "Nora New"
        assert desk.task().fields["WhoId"] == match["parties"][0]["who"]["id"]
        assert "Created from this interaction by policy contact." in match["reason"]
        assert "Created from this interaction by policy contact." in match["parties"][0]["evidence"]

    def test_never_costs_no_call(self):
        plain, desk = Desk(), creating(Creates.NEVER)

        for each in (plain, desk):
            each.take_in(told(parties=caller()))

        assert desk.org.calls == plain.org.calls
        assert desk.org.made == []

    def test_whoever_is_known_costs_no_call_either(self):
        plain, desk = Desk(), creating()

        for each in (plain, desk):
            each.take_in(told(parties=(CASEY_CALLS,)))

        assert desk.org.calls == plain.org.calls

    def test_the_next_interaction_of_the_new_contact_finds_it_though_the_mirror_was_not_read_again(self):
        desk = creating()
        desk.take_in(told(parties=caller()))

        desk.take_in(told(id="c-2", parties=caller(name=None)))

        assert len(desk.org.made) == 1
        assert desk.task("c-2").fields["WhoId"] == desk.task().fields["WhoId"]
        assert "Created from interaction desk:c-1 by policy contact." in reason(desk, "c-2")

    @pytest.mark.parametrize("name", [None, "Anonymous", "WIRELESS CALLER", "+14155550188", "visitor@example.com"])
    def test_nobody_without_a_name_is_created(self, name):
        desk = creating()

        desk.take_in(told(parties=caller(name=name)))

        assert desk.org.made == []
        assert "No contact is created: nothing is known for LastName." in reason(desk)
        assert "WhoId" not in desk.task().fields

    def test_values_may_give_the_name(self):
        desk = creating(values=compile_mapping({"fields": {"LastName": "attributes.surname"}}))

        desk.take_in(told(parties=caller(name=None), attributes={"surname": "Given"}))

        assert desk.org.made[0].fields["LastName"] == "Given"

    def test_a_lead_has_a_company(self):
        desk = creating(Creates.LEAD)

        desk.take_in(told(parties=caller()))

        assert desk.org.made[0].kind is Kind.LEAD
        assert desk.org.made[0].fields["Company"] == "Nora New"
        assert desk.task().fields["WhoId"].startswith("00Q")

    def test_under_the_account_of_the_domain(self):
        desk = creating(Creates.CONTACT_UNDER_DOMAIN_ACCOUNT)
        desk.org.change(DOMAIN_ACCOUNT)

        desk.take_in(told(parties=caller(phone=None, email="nora@sunny.example"), channel=Channel.EMAIL))

        assert desk.org.made[0].fields["AccountId"] == DOMAIN_ACCOUNT.id
        assert desk.task().fields["WhatId"] == DOMAIN_ACCOUNT.id

    def test_where_the_domain_leads_nowhere_nobody_is_created_under_it(self):
        desk = creating(Creates.CONTACT_UNDER_DOMAIN_ACCOUNT)

        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        assert "the e-mail's domain leads to no account" in reason(desk)

    def test_account_types_say_otherwise(self):
        desk = creating(account_types={"Installer": Creates.NEVER})
        desk.org.change(DOMAIN_ACCOUNT)

        desk.take_in(told(parties=caller(email="nora@sunny.example")))

        assert desk.org.made == []
        assert "Policy creates nobody for accounts of type Installer." in reason(desk)

    def test_nobody_by_a_number_that_is_an_accounts_own(self):
        desk = creating()
        desk.org.change(Record(kind=Kind.ACCOUNT, id="001000000000004AAA", name="Board", keys=(NEW_KEY,)))

        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        assert desk.task().fields["WhatId"] == "001000000000004AAA"

    def test_nobody_without_approval(self):
        signed = Condition("attributes.authorised_signer = true", lambda r: r["attributes"].get("signer") is True)
        desk = creating(approval=signed)

        desk.take_in(
            told(parties=caller()), told(id="c-2", parties=caller("+14155550189"), attributes={"signer": True})
        )

        assert [draft.fields["Phone"] for draft in desk.org.made] == ["+14155550189"]
        assert "Nobody is created without approval (attributes.authorised_signer = true)." in reason(desk)

    def test_nobody_where_unless_holds(self):
        owner = Condition("parties[0].role == 'customer'", lambda r: r["parties"][0]["role"] == "customer")
        desk = creating(unless=owner)

        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        assert "Nobody is created where parties[0].role == 'customer'." in reason(desk)

    def test_nobody_on_the_stop_list(self):
        desk = desk_with(create=CreatePolicy(policy=Creates.CONTACT), stop_list=StopList(frozenset({NEW_KEY})))

        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        assert "They are on the stop list. Nobody is created for them." in reason(desk)
        assert desk.task()

    def test_the_second_party_is_created_too(self):
        desk = creating()

        desk.take_in(told(parties=(CASEY_CALLS, Party(role="installer", phone=NEW, name="Nora New"))))

        assert len(desk.org.made) == 1
        assert len(desk.task().fields["TaskWhoIds"]) == 2

    def test_a_record_type_by_its_developer_name(self):
        desk = creating(record_type="Homeowner")
        desk.org.record_types[Kind.CONTACT, "Homeowner"] = "012000000000001AAA"

        desk.take_in(told(parties=caller()))

        assert desk.org.made[0].fields["RecordTypeId"] == "012000000000001AAA"

    def test_a_record_type_that_is_missing_is_said(self):
        desk = creating(record_type="Homeowner")

        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        assert "Contact has no active record type Homeowner." in reason(desk)


class TestWithoutMirror:
    """Nothing is copied of an org that does not want it; who is created is asked about as all else is."""

    @pytest.fixture
    def desk(self):
        desk = desk_with(
            create=CreatePolicy(policy=Creates.CONTACT), cases=(CaseRule(dispositions=frozenset({"complaint"})),)
        )
        desk.is_mirrored = False
        desk.writer = desk.new_writer()
        return desk

    def test_people_and_cases_are_created_once(self, desk):
        complaint = {"parties": caller(), "disposition": "complaint", "queue": "Care"}

        desk.take_in(told(**complaint), told(id="c-2", **complaint))
        desk.take_in(told(id="c-3", **complaint))

        assert [draft.kind for draft in desk.org.made] == [Kind.CONTACT, Kind.CASE]
        tasks = [desk.task(id).fields for id in ("c-1", "c-2", "c-3")]
        assert len({(task["WhoId"], task["WhatId"]) for task in tasks}) == 1
        assert "was opened for this interaction" in reason(desk)
        assert desk.store.mirror.around("main", [NEW_KEY], ()) == []

    def test_a_duplicate_rules_records_are_candidates(self, desk):
        desk.org.switches.unmade.append(Made(candidates=(CASEY.id,), reason="A rule points at this record."))

        desk.take_in(told(parties=caller()))

        assert [one["id"] for one in desk.row().match["parties"][0]["candidates"]] == [CASEY.id]


class TestOnce:
    def test_two_interactions_of_one_round_make_one_contact(self):
        desk = creating()

        desk.take_in(told(parties=caller()), told(id="c-2", parties=caller(email="nora@example.com")))

        assert len(desk.org.made) == 1
        assert desk.task("c-1").fields["WhoId"] == desk.task("c-2").fields["WhoId"]

    def test_who_was_typed_in_since_the_mirror_was_read_is_found(self):
        desk = creating()
        desk.take_in(told(id="c-0"))
        typed = Record(kind=Kind.CONTACT, id="003000000000077AAA", name="Nora N.", keys=(NEW_KEY,), account_id=HOUSE.id)
        desk.org.change(typed)

        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        assert desk.task().fields["WhoId"] == typed.id

    def test_a_case_that_came_with_the_number_is_nobody(self):
        desk = creating()
        web = Record(kind=Kind.CASE, id="500000000000009AAA", name="9 Web", number="00000009", keys=(NEW_KEY,))
        desk.org.change(web)

        desk.take_in(told(parties=caller()))

        assert len(desk.org.made) == 1

    def test_who_is_being_created_elsewhere_is_waited_for(self):
        desk = creating()
        other = {"by": "other", "now": desk.now(), "seconds": 120.0}
        desk.store.creations.claim("main", [_claim()], **other)

        desk.take_in(told(parties=caller()))

        assert desk.tasks() == []
        assert desk.row().attempts == 0
        record = Record(kind=Kind.CONTACT, id="003000000000078AAA", name="Nora New", keys=(NEW_KEY,))
        desk.org.change(record)
        desk.store.creations.settle("main", [NEW_KEY], by="other", record_id=record.id)
        desk.pass_time(2)
        desk.write()
        assert desk.org.made == []
        assert desk.task().fields["WhoId"] == record.id
        assert "Created from interaction other:1" in reason(desk)

    def test_what_a_dead_process_had_claimed_is_taken_over(self):
        desk = creating()
        desk.store.creations.claim("main", [_claim()], by="dead", now=desk.now(), seconds=120)
        desk.take_in(told(parties=caller()))
        assert desk.tasks() == []

        settle(desk)

        assert len(desk.org.made) == 1
        assert desk.task().fields["WhoId"]

    def test_what_a_dead_process_may_be_creating_is_not_repeated_before_it_has_settled(self):
        desk = creating()
        desk.store.creations.claim("main", [_claim()], by="dead", now=desk.now(), seconds=0)
        desk.store.creations.intend("main", [NEW_KEY], by="dead", now=desk.now())

        desk.take_in(told(parties=caller()))

        assert (desk.org.made, desk.tasks()) == ([], [])
        desk.pass_time(30)
        desk.write()
        assert desk.org.made == []
        desk.pass_time(31)
        desk.write()
        assert len(desk.org.made) == 1

    def test_what_a_dead_process_had_created_is_found(self):
        desk = creating()
        desk.take_in(told(id="c-0"))
        desk.store.creations.claim("main", [_claim()], by="dead", now=desk.now(), seconds=0)
        desk.store.creations.intend("main", [NEW_KEY], by="dead", now=desk.now())
        record = Record(kind=Kind.CONTACT, id="003000000000079AAA", name="Nora New", keys=(NEW_KEY,))
        desk.org.change(record)

        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        assert desk.task().fields["WhoId"] == record.id

    @pytest.mark.parametrize("carried_out", [True, False])
    def test_a_lost_answer_makes_no_second_contact(self, carried_out):
        desk = creating()
        lost = UnknownOutcomeError("lost", after=60)
        if carried_out:
            desk.org.switches.after.append(lost)
        else:
            _fail_making(desk, lost)

        with pytest.raises(UnknownOutcomeError):
            desk.take_in(told(parties=caller()))
        settle(desk)

        assert len(desk.org.made) == 1
        assert desk.task().fields["WhoId"]

    def test_an_org_that_is_busy_is_asked_again_at_once(self):
        desk = creating()
        _fail_making(desk, RetryableError("busy"))

        with pytest.raises(RetryableError):
            desk.take_in(told(parties=caller()))
        desk.write()

        assert len(desk.org.made) == 1
        assert desk.task().fields["WhoId"]

    def test_who_was_deleted_is_not_created_again(self):
        desk = creating()
        desk.take_in(told(parties=caller()))
        desk.org.delete(desk.task().fields["WhoId"])
        desk.pass_time(120)

        desk.take_in(told(id="c-2", parties=caller()))

        assert len(desk.org.made) == 1
        assert "is not there any more; nobody is created again" in reason(desk, "c-2")


class TestRefusals:
    def test_a_duplicate_rules_records_are_candidates(self):
        desk = creating()
        said = "Salesforce's duplicate rule Contacts points at this record."
        desk.org.switches.unmade.append(Made(candidates=(CASEY.id,), reason=said))

        desk.take_in(told(parties=caller()))
        desk.take_in(told(id="c-2", parties=caller()))

        for id in ("c-1", "c-2"):
            match = desk.row(id).match
            assert match["state"] == "ambiguous"
            (candidate,) = match["parties"][0]["candidates"]
            assert (candidate["id"], candidate["evidence"]) == (CASEY.id, [said])
            assert "WhoId" not in desk.task(id).fields
        assert desk.org.made == []
        assert desk.org.calls.count("composite") == 1 + 2

    def test_a_refused_record_leaves_the_task_and_the_reason(self):
        desk = creating()
        desk.org.switches.unmade.append(Made(reason="A validation rule of the org refuses this record."))

        desk.take_in(told(parties=caller()))

        assert "The org took no new Contact: A validation rule of the org refuses this record." in reason(desk)
        assert desk.task()
        assert desk.row().parked is None

    def test_what_passes_is_tried_again_while_the_task_stands(self):
        desk = creating()
        desk.org.switches.unmade.append(Made(reason="Locked.", passes=True))
        desk.take_in(told(parties=caller()))
        assert "WhoId" not in desk.task().fields

        settle(desk, 1)

        assert desk.task().fields["WhoId"]
        assert len(desk.tasks()) == 1
        assert desk.row().version == desk.row().written_version

    def test_a_search_that_fails_gives_the_claim_back(self):
        desk = creating()
        desk.take_in(told(id="c-0"))
        desk.org.switches.before.append(RetryableError("busy"))

        with pytest.raises(RetryableError):
            desk.take_in(told(parties=caller()))
        desk.write()

        assert len(desk.org.made) == 1
        assert desk.task().fields["WhoId"]

    def test_candidates_stay_where_a_case_is_opened_for_the_account(self):
        complaint = CaseRule(dispositions=frozenset({"complaint"}))
        desk = desk_with(create=CreatePolicy(policy=Creates.CONTACT), cases=(complaint,))
        desk.org.change(DOMAIN_ACCOUNT)
        desk.org.switches.unmade.append(Made(candidates=(CASEY.id,), reason="A rule points at this record."))

        desk.take_in(told(parties=caller(email="nora@sunny.example"), disposition="complaint"))

        assert [draft.kind for draft in desk.org.made] == [Kind.CASE]
        (candidate,) = desk.row().match["parties"][0]["candidates"]
        assert candidate["id"] == CASEY.id
        assert desk.task().fields["WhatId"].startswith("500")


class TestSettings:
    def test_a_contact_points_threshold_decides(self):
        assert "WhoId" in _task_of(desk_with())
        assert "WhoId" not in _task_of(desk_with(threshold=200))

    def test_a_second_party_is_asked_for(self):
        desk = desk_with(second_party=SecondParty(dispositions=frozenset({"complaint"})))

        desk.take_in(told(disposition="Complaint"), told(id="c-2"))

        assert [desk.row(id).match["state"] for id in ("c-1", "c-2")] == ["ambiguous", "matched"]


def _task_of(desk: Desk) -> dict[str, Any]:
    desk.take_in(told())
    return desk.task().fields


class Phonebook:
    """A system of record."""

    def __init__(self) -> None:
        self.people: dict[str, dict[str, Any]] = {}
        self.error: Exception | None = None

    def find_person(self, phone: str | None, email: str | None) -> dict[str, Any] | None:
        if self.error:
            raise self.error
        return self.people.get(phone or email or "")


class TestDirectory:
    @pytest.fixture
    def book(self) -> Phonebook:
        return Phonebook()

    @pytest.fixture
    def desk(self, book):
        desk = creating(source="crm")
        desk.directories["crm"] = book
        return desk

    def test_people_are_created_with_its_data(self, desk, book):
        book.people[NEW] = {"name": "Nora Newton", "phone": "(415) 555-0190", "email": "nora@example.com"}

        desk.take_in(told(parties=caller(name="nora?")))

        assert desk.org.made[0].fields == {
            "LastName": "Newton",
            "FirstName": "Nora",
            "Phone": "(415) 555-0190",
            "Email": "nora@example.com",
        }

    def test_whom_it_does_not_know_nobody_creates(self, desk):
        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        assert "Nobody is created: crm knows no such person." in reason(desk)

    def test_when_it_is_down_the_task_is_written_and_the_creation_postponed(self, desk, book):
        book.error = RetryableError("The directory does not answer.")
        desk.take_in(told(parties=caller()))
        assert "WhoId" not in desk.task().fields
        assert desk.row().parked is None

        book.error, book.people[NEW] = None, {"name": "Nora Newton", "phone": NEW}
        settle(desk, 1)

        assert desk.task().fields["WhoId"]

    def test_whom_the_org_knows_by_the_directorys_data_is_a_candidate(self, desk, book):
        book.people[NEW] = {"name": "Casey Customer", "phone": "+14155550123"}

        desk.take_in(told(parties=caller()))

        assert desk.org.made == []
        (candidate,) = desk.row().match["parties"][0]["candidates"]
        assert candidate["id"] == CASEY.id
        assert "crm knows the customer by a number or address of this record." in candidate["evidence"]


class TestCases:
    @pytest.fixture
    def desk(self):
        return desk_with(cases=(CaseRule(dispositions=frozenset({"complaint"})),))

    def test_a_case_is_opened_and_the_task_is_on_it(self, desk):
        desk.take_in(told(disposition="Complaint", queue="Support"))

        (draft,) = desk.org.made
        assert draft.kind is Kind.CASE
        assert draft.fields["Subject"] == "Support · Complaint"
        assert (draft.fields["AccountId"], draft.fields["ContactId"]) == (HOUSE.id, CASEY.id)
        assert desk.task().fields["WhatId"].startswith("500")
        assert "was opened for this interaction" in reason(desk)

    def test_only_by_the_rule(self, desk):
        desk.take_in(told(disposition="Resolved"))

        assert desk.org.made == []

    def test_once_an_interaction_though_it_is_told_of_again_and_the_case_is_closed(self, desk):
        desk.take_in(told(disposition="complaint"))
        case = desk.org.look_up((), {desk.task().fields["WhatId"]})[0]
        desk.org.change(replace(case, is_open=False))
        desk.pass_time(90)

        desk.take_in(told(at=2, disposition="complaint", notes="More."))

        assert len(desk.org.made) == 1
        assert desk.task().fields["WhatId"] == case.id

    def test_an_open_case_that_was_just_opened_by_a_person_is_taken(self, desk):
        desk.take_in(told(id="c-0"))
        case = Record(
            kind=Kind.CASE,
            id="500000000000001AAA",
            name="1 Complaint",
            number="00000001",
            contact_id=CASEY.id,
            account_id=HOUSE.id,
        )
        desk.org.change(case)

        desk.take_in(told(disposition="complaint"))

        assert desk.org.made == []
        assert desk.task().fields["WhatId"] == case.id

    def test_two_interactions_on_one_issue_open_one_case(self, desk):
        desk.take_in(told(disposition="complaint"), told(id="c-2", disposition="complaint"))

        assert len(desk.org.made) == 1
        assert desk.task("c-1").fields["WhatId"] == desk.task("c-2").fields["WhatId"]

    def test_nobody_known_no_case(self, desk):
        desk.take_in(told(parties=caller(), disposition="complaint"))

        assert desk.org.made == []

    def test_for_somebody_who_was_just_created(self):
        desk = desk_with(
            create=CreatePolicy(policy=Creates.CONTACT), cases=(CaseRule(dispositions=frozenset({"complaint"})),)
        )

        desk.take_in(told(parties=caller(), disposition="complaint"))

        contact, case = desk.org.made
        assert (contact.kind, case.kind) == (Kind.CONTACT, Kind.CASE)
        assert case.fields["ContactId"] == desk.task().fields["WhoId"]


class TestConsent:
    @pytest.fixture
    def desk(self):
        stop_list = StopList(frozenset({"phone:+14155550123"}), {"DoNotCall": True})
        return desk_with(stop_list=stop_list)

    def test_who_is_on_the_stop_list_is_marked_once(self, desk):
        desk.take_in(told(), told(id="c-2"))
        desk.take_in(told(id="c-3"), told(at=1, notes="More."))

        (draft,) = desk.org.amended
        assert (draft.kind, draft.fields) == (Kind.CONTACT, {"Id": CASEY.id, "DoNotCall": True})
        assert "They are on the stop list." in reason(desk, "c-3")
        assert desk.task("c-3").fields["WhoId"] == CASEY.id

    def test_nobody_else_is(self, desk):
        desk.take_in(told(parties=(OWEN_CALLS,)))

        assert desk.org.amended == []

    def test_what_may_have_been_set_is_not_set_again(self, desk):
        desk.org.switches.after.append(UnknownOutcomeError("lost"))

        with pytest.raises(UnknownOutcomeError):
            desk.take_in(told())
        settle(desk)

        assert len(desk.org.amended) == 1
        assert desk.task()

    def test_what_was_refused_is_said(self, desk):
        desk.org.switches.unmade.append(Made(reason="The field cannot be written."))

        desk.take_in(told())

        assert "The org took no change of the Contact: The field cannot be written." in reason(desk)
        desk.take_in(told(id="c-2"))
        assert len(desk.org.amended) == 1


def _claim() -> Claim:
    return Claim((NEW_KEY,), "other:1", "contact")


def _fail_making(desk: Desk, error: Exception) -> None:
    """The creating call fails, and nothing is carried out."""

    def on_call(resource: str) -> None:
        if resource == "composite/sobjects":
            desk.org.on_call = lambda _: None
            raise error

    desk.org.on_call = on_call
