"""Who is created and which case is opened: decisions over plain values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.cases import CaseChoice
from gateway.domain.creation import (
    Wish,
    case_wish,
    creation_record,
    objection,
    person_draft,
    real_name,
    told_keys,
    wish_of,
    with_candidates,
    with_own_case,
)
from gateway.domain.interactions import Channel, Direction, Interaction, Party, Status
from gateway.domain.mappings import compile_mapping
from gateway.domain.matching import Match, MatchState, Sought, match, sought
from gateway.domain.policies import CaseRule, ContactPoint, CreatePolicy, Creates, MatchPolicy, StopList
from gateway.domain.records import Kind, Known, Record
from tests.values import replace

NEW = "phone:+14155550188"
POLICY = MatchPolicy(version="t")
NOT_IDENTIFIED = "Nobody is created without a number or an e-mail address of their own."
ACCOUNT = Record(kind=Kind.ACCOUNT, id="001000000000001AAA", name="Sunny Roofs", keys=("domain:sunny.example",))
CASEY = Record(kind=Kind.CONTACT, id="003000000000001AAA", name="Casey Customer", keys=(NEW,), account_id=ACCOUNT.id)
ROBIN = replace(CASEY, id="003000000000002AAA", name="Robin Customer")


def interaction(*parties: Party, **more: Any) -> Interaction:
    nothing = dict.fromkeys(
        ("contact_point", "started_at", "ended_at", "duration_seconds", "queue", "subject", "disposition", "notes")
    )
    usual: dict[str, Any] = {
        "id": "c-1", "status": Status.COMPLETED, "channel": Channel.VOICE, "direction": Direction.INBOUND, "legs": (),
        "references": {}, "recording_url": None, "transcript": None, "attributes": {},
        "last_event_at": datetime(2026, 3, 2, tzinfo=UTC),
    }  # fmt: skip
    return Interaction(**{**nothing, **usual, "parties": parties, **more})


def known(*records: Record) -> Known:
    by_key: dict[str, list[Record]] = {}
    for record in records:
        for key in record.keys:
            by_key.setdefault(key, []).append(record)
    domains = {key: {r.id: 1 for r in found} for key, found in by_key.items() if key.startswith("domain:")}
    return Known(by_key, {record.id: record for record in records}, {}, domains)


def decided(told: Interaction, there: Known) -> Match:
    return match(told, sought(told, "US", POLICY), there, POLICY)


def wish(*records: Record, point: ContactPoint | None = None, **party: Any) -> Wish | str | None:
    told = interaction(Party(**{"phone": "+14155550188", **party}))
    there = known(*records)
    keys = sought(told, "US", POLICY).parties[0]
    point = point or ContactPoint(create=CreatePolicy(policy=Creates.CONTACT))
    return wish_of(0, keys, decided(told, there), point, there)


class TestWish:
    def test_somebody_unknown(self):
        assert wish() == Wish(0, Creates.CONTACT, (NEW,), None)

    def test_nobody_for_whom_there_is_a_candidate_however_weak(self):
        assert wish(CASEY) is None
        assert wish(CASEY, ROBIN) is None

    def test_nobody_by_a_number_of_an_account(self):
        assert wish(replace(ACCOUNT, keys=(NEW,))) is None

    def test_somebody_of_an_account_by_its_domain_alone(self):
        found = wish(ACCOUNT, phone=None, email="nora@sunny.example")

        assert isinstance(found, Wish)
        assert found.account == ACCOUNT

    def test_nobody_by_an_offices_address(self):
        assert wish(phone=None, email="info@sunny.example") == NOT_IDENTIFIED
        both = wish(email="info@sunny.example")
        assert isinstance(both, Wish)
        assert both.keys == (NEW,)

    def test_nobody_by_a_handle_alone(self):
        assert wish(phone=None, handle="@nora") == NOT_IDENTIFIED

    @given(
        policy=st.sampled_from(Creates),
        listed=st.booleans(),
        records=st.sets(st.sampled_from([CASEY, ROBIN, ACCOUNT]), max_size=3),
        email=st.sampled_from([None, "nora@sunny.example", "nora@gmail.com"]),
    )
    def test_only_as_policy_says_and_never_beside_a_candidate(self, policy, listed, records, email):
        stop_list = StopList(frozenset({NEW} if listed else ()))
        point = ContactPoint(create=CreatePolicy(policy=policy), stop_list=stop_list)

        found = wish(*records, point=point, email=email)

        if isinstance(found, Wish):
            assert found.policy is policy is not Creates.NEVER
            assert not listed
            assert records.isdisjoint({CASEY, ROBIN})
            assert policy is not Creates.CONTACT_UNDER_DOMAIN_ACCOUNT or found.account == ACCOUNT


class TestNames:
    @pytest.mark.parametrize("name", ["Nora New", "Leïla Ben", "Customer, Casey", "李小龍"])
    def test_names_of_people(self, name):
        assert real_name(f"  {name} ") == name

    @pytest.mark.parametrize(
        "name",
        [None, "", "Anonymous", "UNKNOWN CALLER", "Wireless Caller", "Visitor 4711", "+14155550188", "n@x.example", "—",
         "Private Number", "Guest user", "SAN JOSE CA", "Roof Repair LLC"],
    )  # fmt: skip
    def test_what_stands_in_the_place_of_one(self, name):
        assert real_name(name) is None

    @given(st.text(max_size=40))
    def test_a_name_has_letters_and_no_digits(self, text):
        name = real_name(text)

        assert name is None or (any(map(str.isalpha, name)) and not any(map(str.isdigit, name)))


class TestDraft:
    MAPPING = compile_mapping({"fields": {"LastName": {"from": "person.name", "as": "last_name", "required": True}}})

    def drafted(self, party: Party, told: dict[str, Any] | None = None) -> Any:
        seen = creation_record({"id": "c-1"}, party, (NEW,), ACCOUNT, told)
        return person_draft(Wish(0, Creates.CONTACT, (NEW,), ACCOUNT), seen, self.MAPPING)

    def test_a_contact_stands_under_its_account(self):
        assert self.drafted(Party(name="Nora New")).fields == {"LastName": "New", "AccountId": ACCOUNT.id}

    def test_what_the_directory_told_counts_alone(self):
        assert self.drafted(Party(name="Nora New"), {"name": "Newton, Nora"}).fields["LastName"] == "Newton"
        assert self.drafted(Party(name="Nora New"), {"phone": "1"}) == (
            "No contact is created: nothing is known for LastName."
        )

    def test_its_numbers_and_addresses_identify(self):
        told = {"phone": "(415) 555-0188", "mobile": 4155550189, "email": "Nora@Example.com", "name": "Nora"}

        assert told_keys(told, "US") == (NEW, "phone:+14155550189", "email:nora@example.com")
        assert told_keys({"phone": "none", "email": None}, "US") == ()

    def test_nobody_of_an_internal_call(self):
        assert objection({"direction": "internal"}, ContactPoint()) == "Nobody is created for an internal interaction."
        assert objection({"direction": None}, ContactPoint()) is None


COMPLAINT = (CaseRule(dispositions=frozenset({"complaint"})),)
ROOF = Record(kind=Kind.CASE, id="500000000000001AAA", name="1 Roof", number="00000001", topics=("Roof",))


class TestCases:
    def about(self, **more: Any) -> tuple[Interaction, Sought, Match]:
        told = interaction(Party(phone="+14155550188"), **{"disposition": "Complaint", **more})
        return told, sought(told, "US", POLICY), decided(told, known(CASEY, ACCOUNT))

    def test_by_the_first_rule_that_covers_it(self):
        rules = (CaseRule(queues=frozenset({"care"})), *COMPLAINT)

        assert case_wish(*self.about(), rules) == COMPLAINT[0]
        assert case_wish(*self.about(queue=" CARE "), rules) == rules[0]
        assert case_wish(*self.about(disposition="Resolved"), rules) is None

    def test_both_dispositions_and_queues_count_where_both_are_named(self):
        rules = (CaseRule(dispositions=frozenset({"complaint"}), queues=frozenset({"care"})),)

        assert case_wish(*self.about(), rules) is None
        assert case_wish(*self.about(queue="Care"), rules) == rules[0]

    def test_not_beside_a_case(self):
        told, keys, found = self.about()

        assert case_wish(told, keys, replace(found, case=CaseChoice(ROOF, "")), COMPLAINT) is None

    def test_not_beside_offered_ones_on_the_same_issue(self):
        told, keys, found = self.about(subject="Re: Roof")

        assert case_wish(told, keys, replace(found, case=CaseChoice(None, "", (ROOF,))), COMPLAINT) is None
        other = replace(ROOF, topics=("Panels",))
        assert case_wish(told, keys, replace(found, case=CaseChoice(None, "", (other,))), COMPLAINT) == COMPLAINT[0]

    def test_not_where_one_was_named_that_is_not_there(self):
        assert case_wish(*self.about(references={"case_number": "4711"}), COMPLAINT) is None

    def test_not_for_nobody(self):
        told = interaction(Party(phone="+14155550189"), disposition="complaint")

        assert case_wish(told, sought(told, "US", POLICY), decided(told, known()), COMPLAINT) is None

    def test_its_own_case_stands_unless_another_was_named(self):
        _, _, found = self.about()

        own = with_own_case(found, ROOF)
        assert (own.case.record, own.case.is_explicit) == (ROOF, False)
        assert "Case 00000001 was opened for this interaction." in own.reason
        named = replace(found, case=CaseChoice(replace(ROOF, id="500000000000002AAA"), "", is_explicit=True))
        assert with_own_case(named, ROOF) == named


class TestCandidates:
    def test_the_account_is_kept_where_all_of_them_share_it(self):
        told = interaction(Party(phone=None, email="nora@sunny.example"))
        found = decided(told, known(ACCOUNT))

        shared = with_candidates(found, 0, [CASEY, ROBIN], "A rule points at this record.")
        apart = with_candidates(found, 0, [CASEY, replace(ROBIN, account_id=None)], "A rule points at this record.")

        assert (shared.state, shared.account) == (MatchState.AMBIGUOUS, ACCOUNT)
        assert (apart.state, apart.account) == (MatchState.AMBIGUOUS, None)
        assert [c.record for c in shared.parties[0].candidates] == [CASEY, ROBIN]
        assert "Could be Casey Customer, Robin Customer: A rule points at this record." in shared.reason
