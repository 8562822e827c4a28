"""Who, which account, which case: decided by evidence, and left open where the evidence does not decide."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from gateway.domain.interactions import Channel, Event, PartialInteraction, Party, fold, interaction_of
from gateway.domain.matching import Match, MatchState, match, sought
from gateway.domain.paths import compile_path
from gateway.domain.policies import MatchPolicy, ReferenceRule, SecondParty, WhenMissing
from gateway.domain.records import Kind, Known, Record, Remembered, full_id
from gateway.domain.reports import match_report
from gateway.domain.tasks import relations
from tests.values import replace

POLICY = MatchPolicy(version="1")
NOW = datetime(2026, 3, 2, 14, 54, tzinfo=UTC)


def account(id, name, *keys):
    return Record(kind=Kind.ACCOUNT, id=id, name=name, keys=keys)


def contact(id, name, account_id, *keys):
    return Record(kind=Kind.CONTACT, id=id, name=name, account_id=account_id, keys=keys)


def case(id, number, *, account_id=None, contact_id=None, is_open=True, topics=(), keys=()):
    return Record(
        kind=Kind.CASE, id=id, name=f"Case {number}", number=number, account_id=account_id, contact_id=contact_id,
        is_open=is_open, topics=topics, keys=(f"case:{number}", *keys),
    )  # fmt: skip


def known(*records, **more):
    """What a mirror with exactly these records knows."""
    by_key, cases, domains = {}, {}, {}
    for record in records:
        for key in record.keys:
            by_key.setdefault(key, []).append(record)
            owner = record.id if record.kind is Kind.ACCOUNT else record.account_id
            if key.startswith("domain:") and owner:
                domains.setdefault(key, {}).setdefault(owner, 0)
                domains[key][owner] += 1
        if record.kind is Kind.CASE and record.is_open:
            cases.setdefault(record.contact_id or record.account_id, []).append(record)
    return Known(by_key, {record.id: record for record in records}, cases, domains, **more)


def decide(records, *parties, policy=POLICY, mirrored=None, second_party=None, **told) -> Match:
    partial = PartialInteraction(id="c-1", event=Event.COMPLETED, occurred_at=NOW, parties=parties, **told)
    interaction = interaction_of("c-1", fold(None, [partial]))
    found = known(*records, **(mirrored or {}))
    return match(interaction, sought(interaction, "US", policy), found, policy, second_party)


def caller(phone="(415) 555-0123", **more):
    return Party(role="customer", phone=phone, **more)


NORTH = account("001N", "North Valley Solar", "phone:+15305550142", "domain:northvalley.example")
HOME = account("001H", "Customer household")
OTHER = account("001O", "Other household")
CASEY = contact("003C", "Casey Customer", "001H", "phone:+14155550123", "email:casey@example.com")


def test_one_contact_is_filled_in_with_the_account():
    decision = decide([HOME, CASEY], caller())

    assert (decision.state, decision.people, decision.account) == (MatchState.MATCHED, (CASEY,), HOME)
    assert "The number +14155550123 is theirs alone" in decision.reason


def test_chat_is_matched_as_voice_is():
    decision = decide([HOME, CASEY], Party(role="customer", email="Casey@Example.com"))

    assert decision.people == (CASEY,)


def test_contacts_of_one_account_on_a_switchboard_leave_the_person_open_and_fill_the_account():
    staff = [contact(f"003{n}", f"Staff {n}", "001N", "phone:+15305550142") for n in "ABCDE"]
    decision = decide([NORTH, *staff], caller("+1 530 555 0142"))

    assert (decision.state, decision.people, decision.account) == (MatchState.AMBIGUOUS, (), NORTH)
    assert len(decision.parties[0].candidates) == 5
    assert "All belong to North Valley Solar" in decision.reason


def test_the_name_given_decides_between_those_who_share_a_number():
    staff = [
        contact("003A", "Ann Archer", "001N", "phone:+15305550142"),
        contact("003B", "Bo Berg", "001N", "phone:+15305550142"),
    ]
    decision = decide([NORTH, *staff], caller("+15305550142", name="Archer, Ann"))

    assert decision.people == (staff[0],)


def test_a_family_on_one_number_over_two_accounts_stays_open_without_an_account():
    family = [
        contact("003A", "Ann Home", "001H", "phone:+14155550123"),
        contact("003B", "Bo Home", "001O", "phone:+14155550123"),
    ]
    decision = decide([HOME, OTHER, *family], caller())

    assert (decision.state, decision.people, decision.account) == (MatchState.AMBIGUOUS, (), None)
    assert relations(decision, shared=True) == {}


def test_a_named_case_decides_between_the_members_of_a_family():
    family = [
        contact("003A", "Ann Home", "001H", "phone:+14155550123"),
        contact("003B", "Bo Home", "001O", "phone:+14155550123"),
    ]
    theirs = case("500A", "00001026", account_id="001O", contact_id="003B")
    decision = decide([HOME, OTHER, *family, theirs], caller(), references={"case_number": "1026"})

    assert (decision.people, decision.account, decision.case.record) == ((family[1],), OTHER, theirs)


def test_who_calls_about_anothers_case_stays_who_they_are():
    bo = contact("003B", "Bo Berg", "001O", "phone:+15305550199")
    theirs = case("500A", "00001026", account_id="001O", contact_id="003B")
    decision = decide([HOME, OTHER, CASEY, bo, theirs], caller(), references={"case_number": "00001026"})

    assert (decision.people, decision.case.record) == ((CASEY,), theirs)


def test_a_closed_case_is_taken_when_it_is_named_and_only_then():
    closed = case("500A", "00001026", account_id="001H", contact_id="003C", is_open=False)

    assert decide([HOME, CASEY, closed], caller(), references={"case_number": "00001026"}).case.record == closed
    assert decide([HOME, CASEY, closed], caller()).case.record is None


def test_a_case_number_that_does_not_exist_is_said_and_does_not_stop_the_match():
    decision = decide([HOME, CASEY], caller(), references={"case_number": "999"})

    assert decision.people == (CASEY,)
    assert "Case 999 was named, but there is no such case." in decision.reason


def test_the_one_open_case_is_related():
    theirs = case("500A", "00001026", account_id="001H", contact_id="003C")
    decision = decide([HOME, CASEY, theirs], caller())

    assert relations(decision, shared=False) == {"WhoId": "003C", "WhatId": "500A"}


def test_the_open_case_of_a_colleague_is_never_taken():
    theirs = case("500A", "00001026", account_id="001H", contact_id="003X")
    decision = decide([HOME, CASEY, theirs], caller())

    assert decision.case.record is None
    assert relations(decision, shared=False)["WhatId"] == "001H"


def test_of_two_open_cases_none_is_chosen_and_both_are_offered():
    cases = [case(f"500{n}", f"0000102{n}", account_id="001H", contact_id="003C") for n in "67"]
    decision = decide([HOME, CASEY, *cases], caller())

    assert (decision.case.record, decision.case.offered) == (None, tuple(cases))
    assert relations(decision, shared=False)["WhatId"] == "001H"


def test_of_two_open_cases_the_one_on_the_topic_is_taken():
    cases = [
        case("5006", "00001026", account_id="001H", contact_id="003C", topics=("Billing",)),
        case("5007", "00001027", account_id="001H", contact_id="003C", topics=("Installation",)),
    ]
    decision = decide([HOME, CASEY, *cases], caller(), queue="billing")

    assert decision.case.record == cases[0]


def test_an_unknown_rep_on_a_company_domain_gets_the_account_and_no_contact():
    decision = decide([NORTH], Party(role="customer", email="new.rep@northvalley.example"))

    assert (decision.state, decision.people, decision.account) == (MatchState.MATCHED, (), NORTH)
    assert "northvalley.example belongs to North Valley Solar" in decision.reason


def test_a_public_mail_domain_says_nothing():
    shop = account("001S", "A shop", "domain:gmail.com")
    decision = decide([shop], Party(role="customer", email="joe@gmail.com"))

    assert (decision.state, decision.account) == (MatchState.UNMATCHED, None)


def test_a_domain_of_two_accounts_does_not_decide():
    south = account("001S", "South Valley", "domain:northvalley.example")
    decision = decide([NORTH, south], Party(role="customer", email="x@northvalley.example"))

    assert (decision.state, decision.account) == (MatchState.UNMATCHED, None)


def test_an_unknown_number_is_unmatched_and_says_so():
    decision = decide([HOME, CASEY], caller("+14155550199"))

    assert decision.state is MatchState.UNMATCHED
    assert "No contact or lead has the number +14155550199" in decision.reason


@pytest.mark.parametrize("number", ["anonymous", "+266696687", "Restricted", "client:ada", ""])
def test_a_withheld_number_is_nobody(number):
    decision = decide([HOME, CASEY], caller(number))

    assert decision.state is MatchState.UNMATCHED
    assert "Nothing that identifies the customer was given." in decision.reason


def test_an_interaction_with_nobody_outside_is_unmatched():
    assert decide([HOME]).state is MatchState.UNMATCHED


def test_a_lead_is_named_alone():
    lead = Record(kind=Kind.LEAD, id="00QL", name="Lee Lead", keys=("phone:+14155550123",))
    decision = decide([lead], caller())

    assert relations(decision, shared=True) == {"WhoId": "00QL"}


def test_a_lead_yields_to_a_named_case():
    lead = Record(kind=Kind.LEAD, id="00QL", name="Lee Lead", keys=("phone:+14155550123",))
    theirs = case("500A", "00001026", account_id="001H")
    decision = decide([lead, HOME, theirs], caller(), references={"case_number": "1026"})

    assert relations(decision, shared=True) == {"WhatId": "500A"}


def test_a_converted_lead_stands_for_its_contact():
    lead = Record(kind=Kind.LEAD, id="00QL", name="Lee", keys=("phone:+14155550123",), contact_id="003C", is_open=False)
    casey = contact("003C", "Casey Customer", "001H", "email:casey@example.com")
    decision = decide([lead, HOME, casey], caller())

    assert (decision.people, decision.account) == ((casey,), HOME)


def test_phone_and_email_that_name_different_people_do_not_decide():
    bo = contact("003B", "Bo Berg", "001O", "email:bo@example.com")
    decision = decide([HOME, OTHER, CASEY, bo], caller(email="bo@example.com"))

    assert decision.state is MatchState.AMBIGUOUS


def test_two_parties_are_both_matched_and_the_first_is_primary():
    installer = contact("003I", "Ida Installer", "001N", "phone:+15305550199")
    decision = decide([NORTH, HOME, CASEY, installer], Party(role="installer", phone="+15305550199"), caller())

    assert relations(decision, shared=True) == {"WhoId": "003I", "TaskWhoIds": ["003I", "003C"], "WhatId": "001N"}
    assert relations(decision, shared=False) == {"WhoId": "003I", "WhatId": "001N"}


def test_the_platforms_own_link_outweighs_a_number():
    bo = contact("003B", "Bo Berg", "001O")
    decision = decide([HOME, OTHER, CASEY, bo], caller(), references={"contact_id": "003B"})

    assert decision.people == (bo,)


def test_a_case_opened_from_the_web_with_the_same_email_is_theirs():
    theirs = case("500A", "00001026", account_id="001N", keys=("email:new.rep@northvalley.example",))
    decision = decide([NORTH, theirs], Party(role="customer", email="new.rep@northvalley.example"))

    assert decision.case.record == theirs


def test_the_threshold_is_policy():
    strict = MatchPolicy(version="2", threshold=65)
    decision = decide([HOME, CASEY], caller(), policy=strict)

    assert (decision.state, decision.policy.version, decision.account) == (MatchState.AMBIGUOUS, "2", HOME)


def test_an_open_case_of_the_account_alone_is_taken_for_a_known_person():
    theirs = case("500A", "00001026", account_id="001H")

    assert decide([HOME, CASEY, theirs], caller()).case.record == theirs


def test_an_open_case_that_a_stranger_opened_at_the_account_is_offered_only():
    theirs = case("500A", "00001026", account_id="001H", keys=("email:nat@example.com",))
    choice = decide([HOME, CASEY, theirs], caller()).case

    assert (choice.record, choice.offered) == (None, (theirs,))


def test_where_the_person_is_open_so_is_the_case():
    staff = [contact(f"003{n}", f"Staff {n}", "001N", "phone:+15305550142") for n in "AB"]
    theirs = case("500A", "00001026", account_id="001N")
    decision = decide([NORTH, *staff, theirs], caller("+15305550142"))

    assert relations(decision, shared=True) == {"WhatId": "001N"}
    assert decision.case.offered == (theirs,)


# --- ids that lead elsewhere

REF = "0035g00000XyZa1"
"""In 15 characters, as platforms show it in their links."""


def decide_named(known, **references) -> Match:
    partial = PartialInteraction(
        id="c-1", event=Event.COMPLETED, occurred_at=NOW, parties=(Party(role="customer"),), references=references
    )
    interaction = interaction_of("c-1", fold(None, [partial]))
    return match(interaction, sought(interaction, "US", POLICY), known, POLICY)


def under(id, record, *others):
    """What is known where the record is found under that id, too."""
    base = known(record, *others)
    return replace(base, by_id={**base.by_id, id: record})


@pytest.mark.parametrize("reference", [REF, full_id(REF)])
@pytest.mark.parametrize("name", ["contact_id", "lead_id"])
def test_a_person_is_named_by_either_form_of_the_id(name, reference):
    kind = {"contact_id": Kind.CONTACT, "lead_id": Kind.LEAD}[name]
    person = Record(kind=kind, id=full_id(REF), name="Casey")
    decision = decide_named(known(person), **{name: reference})

    assert decision.people == (person,)
    assert decision.reason == "Casey: The platform named this record."


def test_what_is_named_is_sought_in_the_long_form():
    partial = PartialInteraction(
        id="c-1",
        event=Event.COMPLETED,
        occurred_at=NOW,
        references={"contact_id": REF, "case_id": "5005g00000CaSe1AAF"},
    )

    looked_for = sought(interaction_of("c-1", fold(None, [partial])), "US", POLICY)
    assert looked_for.ids == ("0035g00000XyZa1AAF", "5005g00000CaSe1AAF")


@pytest.mark.parametrize("reference", [REF, full_id(REF)])
def test_who_was_merged_away_is_the_survivor_and_it_is_said(reference):
    decision = decide_named(under(full_id(REF), CASEY, HOME), contact_id=reference)

    assert (decision.people, decision.account) == ((CASEY,), HOME)
    assert decision.reason == f"Casey Customer: The platform named {reference}, which was merged into this record."


def test_a_converted_lead_is_the_contact_and_it_is_said():
    lead = Record(kind=Kind.LEAD, id="00QL", name="Lee", contact_id="003C", is_open=False)
    same = decide_named(known(lead, HOME, CASEY), lead_id="00QL")
    merged = decide_named(under(full_id(REF), lead, HOME, CASEY), lead_id=REF)

    assert (same.people, same.account) == (merged.people, merged.account) == ((CASEY,), HOME)
    assert "The platform named the lead that became this contact." in same.reason
    assert f"The platform named {REF}, which was merged into the lead that became this contact." in merged.reason


@pytest.mark.parametrize("reference", [REF, full_id(REF)])
def test_an_account_that_was_merged_away_is_the_survivor_and_it_is_said(reference):
    decision = decide_named(under(full_id(REF), NORTH), account_id=reference)

    assert (decision.state, decision.account) == (MatchState.MATCHED, NORTH)
    assert decision.reason.endswith(f"The platform named {reference}, which was merged into North Valley Solar.")


def test_an_account_that_is_named_is_said():
    assert decide_named(known(NORTH), account_id="001N").reason.endswith("The platform named North Valley Solar.")


@pytest.mark.parametrize("reference", [REF, full_id(REF)])
def test_a_case_that_was_merged_away_is_the_survivor_and_it_is_said(reference):
    other = case("500B", "00001027", account_id="001N")
    choice = decide_named(under(full_id(REF), other, NORTH), case_id=reference).case

    assert (choice.record, choice.is_explicit) == (other, True)
    assert choice.reason == f"Case {reference} was named, which was merged into case 00001027."


def test_the_number_of_a_case_that_was_merged_away_names_the_survivor():
    other = case("500B", "00001027", account_id="001N")
    base = known(other, NORTH)
    numbers = replace(base, by_key={**base.by_key, "case:00001026": [other]})
    choice = decide_named(numbers, case_number="1026").case

    assert choice.record == other
    assert choice.reason == "Case 1026 was named, which was merged into case 00001027."


@pytest.mark.parametrize("references", [{"case_number": "1027"}, {"case_id": "500B"}])
def test_a_case_that_stands_is_named_plainly(references):
    choice = decide_named(known(case("500B", "00001027", account_id="001N"), NORTH), **references).case

    assert choice.reason == "Case 00001027 was named."


# --- names that tell, for and against


def test_a_call_in_anothers_name_is_not_taken_for_the_holder_of_the_number():
    decision = decide([HOME, CASEY], caller(name="Robert Smith"))

    assert (decision.state, decision.people, decision.account) == (MatchState.AMBIGUOUS, (), None)
    assert "The name given is another." in decision.reason


def test_a_relative_on_the_number_leaves_the_person_open_and_fills_the_household():
    decision = decide([HOME, CASEY], caller(name="Maria Customer"))

    assert (decision.state, decision.people, decision.account) == (MatchState.AMBIGUOUS, (), HOME)


@pytest.mark.parametrize("name", ["Casey", "C. Customer", "CUSTOMER CASEY", "WIRELESS CALLER", "CHICAGO IL", "casey77"])
def test_what_telephone_systems_tell_for_a_name_does_not_stand_in_the_way(name):
    assert decide([HOME, CASEY], caller(name=name)).people == (CASEY,)


def test_the_name_of_the_company_is_no_other_person():
    owen = contact("003O", "Owen Park", "001N", "phone:+15305550151")

    assert decide([NORTH, owen], caller("+15305550151", name="NORTH VALLEY SO")).people == (owen,)


def test_a_first_name_tells_the_two_of_a_household_apart_and_not_a_switchboard():
    ann, bo = (contact(f"003{n}", f"{n} Home", "001H", "phone:+14155550123") for n in ("Ann", "Bo"))
    staff = [contact(f"003{n}", f"{n} Lane", "001N", "phone:+14155550123") for n in ("Cy", "Di", "Ed", "Flo", "Gus")]

    assert decide([HOME, ann, bo], caller(name="Ann")).people == (ann,)
    assert decide([HOME, NORTH, ann, bo, *staff], caller(name="Ann")).people == ()


def test_phone_and_email_of_one_person_add_up():
    both = caller(email="casey@example.com")
    decision = decide([HOME, CASEY], both)

    assert decision.parties[0].candidates[0].score == POLICY.phone + POLICY.email


def test_what_is_verified_decides_between_two_people():
    bo = contact("003B", "Bo Berg", "001O", "email:bo@example.com")
    decision = decide([HOME, OTHER, CASEY, bo], caller(email="bo@example.com", verified=True), channel=Channel.CHAT)

    assert decision.people == (bo,)


def test_who_is_in_a_great_many_records_counts_for_all_of_them():
    ann = contact("003A", "Ann Archer", "001N", "phone:+15305550142")
    decision = decide([NORTH, ann], caller("+15305550142"), mirrored={"sharing": {"phone:+15305550142": 500}})

    assert (decision.people, decision.account) == ((), NORTH)
    assert "is shared by 500 people" in decision.reason


def test_an_offices_mailbox_is_nobodys_alone():
    front = contact("003F", "Front Desk", "001N", "email:info@northvalley.example")
    decision = decide([NORTH, front], Party(email="info@northvalley.example"))

    assert (decision.people, decision.account) == ((), NORTH)


def test_a_number_typed_without_its_country_decides_with_the_name_only():
    uma = contact("003U", "Uma London", "001N", "national:2079460958")

    assert decide([NORTH, uma], caller("+442079460958")).people == ()
    assert decide([NORTH, uma], caller("+442079460958", name="Uma London")).people == (uma,)


def test_a_number_that_is_none_here_may_be_one_in_another_country():
    uma = contact("003U", "Uma London", "001N", "phone:+442079460958")
    abroad = replace(POLICY, regions=("DE", "GB"))

    assert decide([NORTH, uma], caller("020 7946 0958")).people == ()
    assert decide([NORTH, uma], caller("020 7946 0958"), policy=replace(POLICY, regions=("GB",))).people == (uma,)
    assert decide([NORTH, CASEY, HOME], caller(), policy=abroad).people == (CASEY,)


def test_a_lead_beside_a_contact_of_the_same_name_is_that_contact():
    lead = Record(kind=Kind.LEAD, id="00QL", name="Casey Customer", keys=("phone:+14155550123",))
    other = Record(kind=Kind.LEAD, id="00QM", name="Lee Lead", keys=("phone:+14155550123",))

    assert decide([HOME, CASEY, lead], caller()).people == (CASEY,)
    assert decide([HOME, CASEY, other], caller()).people == ()


def test_the_contact_of_an_open_case_that_was_opened_with_the_address():
    theirs = case("500A", "00001026", account_id="001H", contact_id="003C", keys=("email:casey@private.example",))
    decision = decide([HOME, CASEY, theirs], Party(email="casey@private.example"))

    assert (decision.people, decision.case.record) == ((CASEY,), theirs)


# --- what people decided before


def remembered(*memories):
    return {"remembered": {"phone:+14155550199": [Remembered(*memory) for memory in memories]}}


def test_a_number_that_people_confirmed_is_theirs():
    mirrored = remembered(("003C", 1, 0, NOW - timedelta(days=3)))
    decision = decide([HOME, CASEY], caller("+14155550199"), mirrored=mirrored)

    assert (decision.people, decision.account) == ((CASEY,), HOME)
    assert "1 of 1 times people chose this record for the number +14155550199, last on 2026-02-27." in decision.reason


def test_a_confirmation_wears_off():
    mirrored = remembered(("003C", 1, 0, NOW - timedelta(days=2 * 365)))

    assert decide([HOME, CASEY], caller("+14155550199"), mirrored=mirrored).people == ()


def test_a_correction_counts_against_the_holder_of_the_number():
    bo = contact("003B", "Bo Berg", "001O", "phone:+14155550199")
    mirrored = remembered(("003B", 0, 1, NOW), ("003C", 1, 0, NOW))

    assert decide([HOME, OTHER, CASEY, bo], caller("+14155550199")).people == (bo,)
    assert decide([HOME, OTHER, CASEY, bo], caller("+14155550199"), mirrored=mirrored).people == (CASEY,)


def test_one_choice_on_a_shared_number_says_little_and_several_say_much():
    bo = contact("003B", "Bo Home", "001H", "phone:+14155550199")
    cy = contact("003X", "Cy Home", "001H", "phone:+14155550199")

    def after(times):
        return decide([HOME, bo, cy], caller("+14155550199"), mirrored=remembered(("003B", times, 0, NOW))).people

    assert (after(1), after(3)) == ((), (bo,))


def test_who_was_confirmed_and_is_gone_is_nobody():
    assert decide([HOME], caller("+14155550199"), mirrored=remembered(("003Z", 3, 0, NOW))).people == ()


# --- accounts

NORTH_A = replace(account("001A", "North Valley Chico", "phone:+15305550171"), account_id="001N")
NORTH_B = replace(account("001B", "North Valley Davis", "domain:northvalley.example"), account_id="001N")


def test_a_person_account_is_the_contact_that_it_is():
    person = Record(kind=Kind.ACCOUNT, id="001P", name="Pat Person", keys=("phone:+15305550160",), contact_id="003P")
    pat = contact("003P", "Pat Person", "001P", "phone:+15305550160")
    decision = decide([person, pat], caller("+15305550160"))

    assert relations(decision, shared=False) == {"WhoId": "003P", "WhatId": "001P"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({}, HOME),
        ({"references": {"account_id": "001N"}}, NORTH),
        ({"references": {"case_number": "1026"}}, NORTH),
        ({"parties": (caller(email="someone@northvalley.example"),)}, NORTH),
        ({"parties": (Party(phone="+15305550142", email="casey@example.com"),)}, NORTH),
    ],
)
def test_of_several_accounts_the_one_that_the_evidence_names(told, expected):
    theirs = case("500A", "00001026", account_id="001N", is_open=False)
    parties = told.pop("parties", (caller(),))
    decision = decide([HOME, NORTH, CASEY, theirs], *parties, mirrored={"related": {"003C": ["001N"]}}, **told)

    assert (decision.people, decision.account) == ((CASEY,), expected)


def test_contenders_who_share_one_of_their_accounts_belong_there():
    ann = contact("003A", "Ann Archer", "001H", "phone:+15305550199")
    bo = contact("003B", "Bo Berg", "001O", "phone:+15305550199")
    related = {"003A": ["001N"], "003B": ["001N"]}
    decision = decide([HOME, OTHER, NORTH, ann, bo], caller("+15305550199"), mirrored={"related": related})

    assert (decision.people, decision.account) == ((), NORTH)


def test_contenders_in_branches_of_one_parent_belong_to_the_parent():
    ann = contact("003A", "Ann Archer", "001A", "phone:+15305550199")
    bo = contact("003B", "Bo Berg", "001B", "phone:+15305550199")
    decision = decide([NORTH, NORTH_A, NORTH_B, ann, bo], caller("+15305550199"))

    assert (decision.people, decision.account) == ((), NORTH)
    assert "All belong to branches of North Valley Solar." in decision.reason


def test_an_unknown_rep_on_a_domain_of_several_branches_belongs_to_the_parent():
    ann = contact("003A", "Ann Archer", "001A", "domain:northvalley.example")
    parent = account("001N", "North Valley Solar")
    decision = decide([parent, NORTH_A, NORTH_B, ann], Party(email="new.rep@northvalley.example"))

    assert (decision.state, decision.people, decision.account) == (MatchState.MATCHED, (), parent)


def test_one_stray_contact_does_not_take_a_domain_away():
    staff = [contact(f"003{n}", f"Staff {n}", "001N", "domain:northvalley.example") for n in range(18)]
    stray = contact("003X", "Stray", "001O", "domain:northvalley.example")
    decision = decide([NORTH, OTHER, *staff, stray], Party(email="new.rep@northvalley.example"))

    assert decision.account == NORTH


def test_parents_that_go_in_a_circle_lead_nowhere():
    one = replace(account("001A", "One", "domain:circle.example"), account_id="001B")
    other = replace(account("001B", "Other", "domain:circle.example"), account_id="001A")

    assert decide([one, other], Party(email="x@circle.example")).account in {one, other}


def test_the_account_of_the_switchboard_stands_though_the_contenders_belong_elsewhere():
    gone = contact("003A", "Ann Archer", "001O", "phone:+15305550142")
    here = contact("003B", "Bo Berg", "001N", "phone:+15305550142")

    assert decide([NORTH, OTHER, gone, here], caller("+15305550142")).account == NORTH


# --- what is named


@pytest.mark.parametrize(
    "subject",
    [
        "Re: Panels [ ref:_00D5g1gEW._5005gaSe1:ref ]",
        "ref:!00D5g01gEW.!5005g0aSe1:ref",
        "AW: [ref:_00D5g1gEW._5005gaSe1:ref] Panels",
    ],
)
def test_the_thread_in_the_subject_names_the_case(subject):
    theirs = case(full_id("5005g000000aSe1"), "00001026", account_id="001H", contact_id="003C")
    decision = decide([HOME, CASEY, theirs], Party(email="casey@work.example"), subject=subject)

    assert (decision.case.record, decision.people) == (theirs, (CASEY,))


def test_a_thread_of_which_the_case_is_not_here_names_nothing():
    decision = decide([HOME, CASEY], caller(), subject="[ ref:_00D5g1gEW._5005gzzzz:ref ]")

    assert (decision.people, decision.case.record) == ((CASEY,), None)


def rule(name, source, pattern):
    return ReferenceRule(name, compile_path(source), re.compile(pattern))


def test_rules_find_numbers_in_the_interactions_words():
    by_rules = replace(
        POLICY,
        references=(
            rule("case_number", "subject", r"\[(\d{8})\]"),
            rule("order", "attributes.order", r"[A-Z]-\d+"),
            rule("order", "legs[].notes", r"order (\S+)"),
        ),
    )
    theirs = case("500A", "00001026", account_id="001H", contact_id="003C")
    ordered = contact("003D", "Dee Order", "001O", "ref:order:a-17")

    assert decide([HOME, CASEY, theirs], caller(None), policy=by_rules, subject="[00001026] Hi").people == (CASEY,)
    assert decide([OTHER, ordered], caller(None), policy=by_rules, attributes={"order": "A-17"}).people == (ordered,)
    assert decide([OTHER, ordered], caller(None), policy=by_rules, attributes={"order": 17}).people == ()


def test_what_the_platform_itself_refers_to_counts_before_a_rule():
    by_rule = replace(POLICY, references=(rule("case_number", "subject", r"(\d{8})"),))
    cases = [case(f"500{n}", f"0000102{n}", account_id="001H") for n in "67"]
    references = {"case_number": "1027"}
    decision = decide([HOME, *cases], policy=by_rule, subject="00001026", references=references)

    assert decision.case.record == cases[1]


def test_an_account_is_named_by_a_number_that_it_alone_has():
    numbered = replace(NORTH, keys=("ref:customer_number:c-1001",))
    decision = decide([HOME, CASEY, numbered], caller(), references={"customer_number": "C-1001"})

    assert (decision.people, decision.account) == ((CASEY,), numbered)


def test_a_case_is_named_by_a_number_that_it_alone_has():
    theirs = case("500A", "00001026", account_id="001H", keys=("ref:ticket:t-9",))
    other = case("500B", "00001027", account_id="001H")
    choice = decide([HOME, CASEY, theirs, other], caller(), references={"ticket": "T-9"}).case

    assert (choice.record, choice.is_explicit, choice.reason) == (theirs, True, "Case 00001026 was named.")


def test_an_account_that_was_named_tells_a_family_apart():
    family = [
        contact("003A", "Ann Home", "001H", "phone:+14155550123"),
        contact("003B", "Bo Home", "001O", "phone:+14155550123"),
    ]
    decision = decide([HOME, OTHER, *family], caller(), references={"account_id": "001O"})

    assert (decision.people, decision.account) == ((family[1],), OTHER)


@pytest.mark.parametrize(
    "told", [{"queue": "Billing EN"}, {"subject": "Re: Billing"}, {"attributes": {"topic": "about billing"}}]
)
def test_the_topic_is_seen_in_longer_words(told):
    cases = [
        case("5006", "00001026", account_id="001H", contact_id="003C", topics=("Billing",)),
        case("5007", "00001027", account_id="001H", contact_id="003C", topics=("Installation",)),
    ]

    assert decide([HOME, CASEY, *cases], caller(), **told).case.record == cases[0]


# --- two parties

TWO = SecondParty(dispositions=frozenset({"Complaint"}), queues=frozenset({"Fraud"}))


@pytest.mark.parametrize("told", [{"disposition": "complaint"}, {"queue": "FRAUD"}])
def test_a_second_party_that_is_missing_is_asked_for(told):
    decision = decide([HOME, CASEY], caller(), second_party=TWO, **told)

    assert (decision.state, decision.people, decision.account) == (MatchState.AMBIGUOUS, (CASEY,), HOME)
    assert decision.reason.endswith("requires a second party, and only one is known.")


def test_a_second_party_that_is_missing_may_just_be_noted():
    noted = replace(TWO, when_missing=WhenMissing.NOTE)
    decision = decide([HOME, CASEY], caller(), second_party=noted, disposition="Complaint")

    assert decision.state is MatchState.MATCHED
    assert "Complaint requires a second party, and only one is known." in decision.reason


def test_two_parties_are_two_people():
    installer = contact("003I", "Ida Installer", "001N", "phone:+15305550199")
    records = [NORTH, HOME, CASEY, installer]
    both = decide(records, caller(), caller("+15305550199"), second_party=TWO, disposition="Complaint")
    same = decide(records, caller(), caller("4155550123"), second_party=TWO, disposition="Complaint")
    none = decide(records, second_party=TWO, disposition="Complaint")

    assert (both.state, same.state, none.state) == (MatchState.MATCHED, MatchState.AMBIGUOUS, MatchState.AMBIGUOUS)
    assert none.reason == "Complaint requires a second party, and none is known."


def test_nothing_is_required_elsewhere():
    assert decide([HOME, CASEY], caller(), second_party=TWO, disposition="Resolved").state is MatchState.MATCHED


# --- what is reported


def test_a_report_says_what_each_candidate_lacks():
    staff = [contact(f"003{n}", f"Staff {n}", "001N", "phone:+15305550142") for n in "AB"]
    report = match_report(decide([NORTH, *staff], caller("+15305550142")), ())
    first, second = report["parties"][0]["candidates"]

    assert (report["policy"], report["threshold"], report["margin"]) == ("1", 40, 15)
    assert (first["score"], first["points"], first["evidence"]) == (
        30.0, [30.0], ["The number +15305550142 is shared by 2 people."],
    )  # fmt: skip
    assert first["lacks"] == (
        "10 points short of the 40 that are needed; 0 points ahead of Staff B, where 15 are needed"
    )
    assert second["lacks"] == "10 points short of the 40 that are needed; 0 points behind Staff A"


def test_a_report_says_by_how_much_the_others_are_behind():
    bo = contact("003B", "Bo Berg", "001O", "email:bo@example.com")
    party = caller(email="bo@example.com", name="Bo Berg")
    first, second = match_report(decide([HOME, OTHER, CASEY, bo], party), ())["parties"][0]["candidates"]

    assert (first["id"], first["lacks"]) == ("003B", None)
    assert second["lacks"] == "30 points short of the 40 that are needed; 95 points behind Bo Berg"


def test_a_report_stays_small():
    staff = [contact(f"003{n}", f"Staff {n:02}", "001N", "phone:+15305550142") for n in range(60)]
    (party,) = match_report(decide([NORTH, *staff], caller("+15305550142")), ())["parties"]

    assert (len(party["candidates"]), party["candidates_in_all"]) == (10, 60)
