"""The org itself is asked for people: in all spellings, at all fields, with all that belongs to them, in few calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.identity import phone_key
from gateway.domain.policies import MirrorPolicy
from gateway.domain.records import Kind, Record
from gateway.salesforce import soql
from gateway.salesforce.lookup import spellings
from gateway.salesforce.org import OrgSettings, SalesforceOrg
from gateway.salesforce.records import MEANINGS, reader_of
from tests.adapters.salesforce.local_org import LocalOrg

KEY = "phone:+14155550161"
SPELT = [
    "+14155550161", "14155550161", "4155550161", "(415) 555-0161", "(415)555-0161", "415-555-0161", "415.555.0161",
    "415 555 0161", "1-415-555-0161", "+1 415-555-0161", "+1 (415) 555-0161", "1.415.555.0161", "+1.415.555.0161",
    "(415) 555-0161 x3", "+1 415/555/0161", "tel: 415 555 0161",
]  # fmt: skip


def found(org: SalesforceOrg, *keys: str, ids: tuple[str, ...] = ()) -> dict[str, Record]:
    return {record.id: record for record in org.look_up(keys, ids)}


@pytest.mark.parametrize("spelling", SPELT)
@pytest.mark.parametrize("field", ["Phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone"])
def test_a_number_is_found_however_it_is_written(
    org: SalesforceOrg, local: LocalOrg, spelling: str, field: str
) -> None:
    """At every field for numbers; with its account."""
    (account,) = local.load("Account", {"Name": "Household"})
    (id,) = local.load("Contact", {"LastName": "Casey", field: spelling, "AccountId": account})
    local.load("Contact", {"LastName": "Other", field: "415 555 0162"}, {"LastName": "Longer", field: "4415 555 01618"})

    records = found(org, KEY)

    assert records.keys() == {id, account}
    assert records[id].keys == (KEY,)


def test_faxes_identify_nobody(org: SalesforceOrg, local: LocalOrg) -> None:
    local.load("Contact", {"LastName": "Casey", "Fax": "+14155550161"})

    assert found(org, KEY) == {}


@given(st.sampled_from(["+49301234567", "+442079460958", "+33142340987", "+81332140987", "+390612345678"]))
def test_every_spelling_is_of_the_number(number: str) -> None:
    """What is looked for are no other numbers, wherever they are dialled at home."""
    region = {"+49": "DE", "+44": "GB", "+33": "FR", "+81": "JP", "+39": "IT"}[number[:3]]
    prefixed = [each for each in spellings(number) if each.startswith("+")]

    assert len(prefixed) >= 4
    assert {phone_key(each, region) for each in prefixed} == {f"phone:{number}"}
    assert any(each[:1] == "0" and phone_key(each, region) == f"phone:{number}" for each in spellings(number))


def test_every_kind_is_found_by_its_own(org: SalesforceOrg, local: LocalOrg) -> None:
    """Leads, accounts, cases by the number or address in them, users by theirs."""
    (lead,) = local.load("Lead", {"LastName": "Lead", "Company": "New", "MobilePhone": "415-555-0161"})
    (account,) = local.load("Account", {"Name": "Acme", "Phone": "(415) 555-0161"})
    (case,) = local.load("Case", {"Subject": "Web", "SuppliedPhone": "4155550161", "SuppliedEmail": "Web@x.example"})

    assert found(org, KEY).keys() == {lead, account, case}
    assert found(org, "email:web@x.example").keys() == {case}
    (ada,) = found(org, "email:ada@example.com").values()
    assert (ada.kind, ada.name) == (Kind.USER, "Ada Agent")


def test_a_domain_leads_to_its_organisation(org: SalesforceOrg, local: LocalOrg) -> None:
    """By the account's site and by its people's addresses; what merely ends alike is another."""
    (site,) = local.load("Account", {"Name": "Site", "Website": "https://www.acme_x.example/home"})
    (house,) = local.load("Account", {"Name": "House"})
    (one,) = local.load("Contact", {"LastName": "One", "Email": "one@acme-z.example", "AccountId": house})
    local.load("Account", {"Name": "Like", "Website": "acmeyx.example"})
    local.load("Contact", {"LastName": "Other", "Email": "other@not-acme-z.example"})

    assert found(org, "domain:acme_x.example").keys() == {site}
    assert found(org, "domain:acme-z.example").keys() == {house, one}


def test_a_case_is_found_by_its_number_however_old(org: SalesforceOrg, local: LocalOrg) -> None:
    """With its contact and account, and their open cases."""
    (account,) = local.load("Account", {"Name": "Household"})
    (casey,) = local.load("Contact", {"LastName": "Casey", "AccountId": account})
    named, still_open, of_nobody, closed = local.load(
        "Case",
        {"Subject": "Old", "Status": "Closed", "ContactId": casey},
        {"Subject": "Open", "ContactId": casey},
        {"Subject": "Nobody's", "AccountId": account},
        {"Subject": "Closed", "ContactId": casey, "Status": "Closed"},
    )
    (only,) = (record for record in org.look_up((), [named]) if record.id == named)

    records = found(org, f"case:{only.number}")

    assert not records[named].is_open
    assert records.keys() == {named, casey, account, still_open, of_nobody}
    assert closed not in records


def test_what_belongs_to_a_person(org: SalesforceOrg, local: LocalOrg) -> None:
    """Further accounts by active relations, the parent of the account, and what a converted lead became."""
    group, house, further, ended = local.load("Account", *({"Name": name} for name in "GHFE"))
    local.control("PATCH", f"records/{house}", {"fields": {"ParentId": group}})
    (casey,) = local.load("Contact", {"LastName": "Casey", "AccountId": house, "Phone": "4155550161"})
    (relation, _) = local.load(
        "AccountContactRelation",
        {"AccountId": further, "ContactId": casey, "Roles": "Decision Maker;Influencer"},
        {"AccountId": ended, "ContactId": casey, "IsActive": False},
    )

    records = found(org, KEY)

    assert records.keys() == {casey, house, group, further, relation}
    assert records[house].account_id == group
    assert records[relation] == Record(
        kind=Kind.RELATION, id=relation, name="", account_id=further, contact_id=casey,
        topics=("Decision Maker", "Influencer"),
    )  # fmt: skip


def test_what_was_merged_comes_with_its_survivor(org: SalesforceOrg, local: LocalOrg) -> None:
    """By its id; a number that only the loser had is nobody's."""
    start, middle, end = local.load("Contact", *({"LastName": n, "Phone": "4155550161"} for n in "SME"))
    local.control("POST", "merge", {"winner": middle, "losers": [start]})
    local.control("POST", "merge", {"winner": end, "losers": [middle]})

    records = found(org, ids=(start,))

    assert {id: records[id].merged_into for id in (start, middle, end)} == {start: middle, middle: end, end: None}
    assert found(org, KEY).keys() == {end}


def test_a_deleted_record_is_not_found(org: SalesforceOrg, local: LocalOrg) -> None:
    (casey,) = local.load("Contact", {"LastName": "Casey", "Phone": "4155550161"})
    local.control("DELETE", f"records/{casey}", {})

    assert found(org, KEY, ids=(casey,)) == {}


def test_what_is_no_record_costs_nothing(org: SalesforceOrg, counted: Counter[str]) -> None:
    """Ids of other objects, and a platform's own."""
    org.abilities()
    counted.clear()

    assert org.look_up((), ["12345", "00T000000000001AAA", "x' OR Id != '"]) == []
    assert counted == {}


def test_a_person_account_is_a_person_and_no_organisation() -> None:
    """Known by its own numbers and address, with the contact that it is; from JSON and from CSV alike."""
    account = {"Id": "001", "Name": "Casey", "PersonContactId": "003", "PersonEmail": "c@acme.example",
               "PersonMobilePhone": "4155550161", "ParentId": None, "RecordType": {"DeveloperName": "Person"}}  # fmt: skip
    table = {**account, "ParentId": "", "RecordType.DeveloperName": "Person"}
    del table["RecordType"]
    keys = (KEY, "email:c@acme.example")
    expected = Record(kind=Kind.ACCOUNT, id="001", name="Casey", keys=keys, contact_id="003", record_type="Person")
    read = reader_of(Kind.ACCOUNT, MEANINGS[Kind.ACCOUNT], "US")
    person = reader_of(Kind.CONTACT, MEANINGS[Kind.CONTACT], "US")

    assert read({**account, "IsPersonAccount": True}) == read({**table, "IsPersonAccount": "true"}) == expected
    assert read({**table, "IsPersonAccount": "false"}).contact_id is None
    hidden = {"Id": "003", "Name": "Casey", "Email": "c@acme.example", "IsPersonAccount": "true"}
    assert person(hidden).keys == ("email:c@acme.example",)
    assert person({**hidden, "IsPersonAccount": False}).keys == ("email:c@acme.example", "domain:acme.example")


# --- fields of the org's own


@pytest.fixture
def own(connect: Callable[[OrgSettings], SalesforceOrg], settings: OrgSettings, local: LocalOrg) -> SalesforceOrg:
    """An org with fields of its own, one of them not there."""
    fields = {
        "Contact": ["Mobile_2__c | phone | Mobile 2 | cu", "Instagram__c | string(80) | Instagram | cu",
                    "WhatsApp__c | string(80) | WhatsApp | cu"],
        "Case": ["Order_Number__c | string(40) | Order | cu"],
    }  # fmt: skip
    local.control("POST", "setup", {"custom_fields": {**local.control("GET", "setup")["custom_fields"], **fields}})
    policy = MirrorPolicy(
        fields={
            "Contact": {
                "Mobile_2__c": "phone",
                "Instagram__c": "instagram",
                "WhatsApp__c": "whatsapp",
                "No__c": "email",
            },
            "Case": {"Order_Number__c": "order"},
        }
    )
    return connect(replace(settings, mirror=policy))


OWN: list[tuple[str, dict[str, Any], str]] = [
    ("Contact", {"LastName": "C", "Mobile_2__c": "(415) 555-0161"}, KEY),
    ("Contact", {"LastName": "C", "Instagram__c": "@Casey"}, "handle:instagram:casey"),
    ("Contact", {"LastName": "C", "WhatsApp__c": "+1 415 555 0161"}, KEY),
    ("Case", {"Subject": "C", "Order_Number__c": "A-17"}, "ref:order:a-17"),
]


@pytest.mark.parametrize(("kind", "fields", "key"), OWN)
def test_the_orgs_own_fields_identify(
    own: SalesforceOrg, local: LocalOrg, kind: str, fields: dict[str, Any], key: str
) -> None:
    """In a look-up and in the mirror alike; what is configured and not there is left out."""
    (id,) = local.load(kind, fields)

    assert key in found(own, key)[id].keys
    mirrored = {record.id: record for page in own.changes({}) for record in page.records}
    assert key in mirrored[id].keys


def test_other_fields_are_loaded_anew(own: SalesforceOrg, org: SalesforceOrg) -> None:
    """Of the objects that have them; what was deleted since the last walk is told."""
    cursors = {name: cursor for page in org.changes({}) for name, cursor in page.cursors.items()}

    assert org.loading(cursors) == {}
    assert own.loading(cursors).keys() == {"Contact", "Case"}


# --- how much is asked


def test_many_keys_are_a_few_calls(org: SalesforceOrg, local: LocalOrg, counted: Counter[str]) -> None:
    """A round's two hundred customers, each with a number and an address; statements keep to the length allowed."""
    people = [{"LastName": f"C{n}", "Phone": f"(415) 555-{n:04}", "Email": f"c{n}@x.example"} for n in range(200)]
    ids = local.load("Contact", *people)
    org.abilities()
    counted.clear()

    keys = [key for n in range(200) for key in (f"phone:+1415555{n:04}", f"email:c{n}@x.example")]
    assert set(ids) <= found(org, *keys).keys()
    assert sum(counted.values()) <= 8


def test_a_statement_is_cut_where_it_would_be_too_long() -> None:
    values = [("Phone", f"{n:040}") for n in range(4000)]

    statements = list(soql.having("Contact", ("Id", "IsDeleted"), values))

    assert len(statements) == 2
    assert all(len(statement) <= soql.LONGEST for statement in statements)
    assert sum(statement.count("'") for statement in statements) == 8000
