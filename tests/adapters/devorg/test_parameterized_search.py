"""A search in parameters, as people write it who know no SOSL."""

from __future__ import annotations

from typing import Any

import pytest

SEARCH = "/parameterizedSearch/"


def found(org: Any, *parameters: tuple[str, str]) -> list[dict[str, Any]]:
    answer = org.call("GET", SEARCH, params=list(parameters))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["searchRecords"])


@pytest.fixture
def people(org: Any) -> dict[str, str]:
    return {
        "contact": org.create("Contact", FirstName="Zebedee", LastName="Sought", Email="zebedee@example.com"),
        "lead": org.create("Lead", FirstName="Zebedee", LastName="Another", Company="Sought"),
        "account": org.create("Account", Name="Zebedee"),
    }


def test_a_term_alone_finds_the_ids_of_everything(org: Any, people: dict[str, str]) -> None:
    records = found(org, ("q", "Zebedee"))

    assert {record["Id"] for record in records} == set(people.values())
    assert all(set(record) == {"attributes", "Id"} for record in records)


def test_objects_and_their_fields_are_chosen(org: Any, people: dict[str, str]) -> None:
    parameters = [("sobject", "Contact"), ("sobject", "Lead"), ("fields", "id"), ("Lead.fields", "Id,Company")]

    contact, lead = found(org, ("q", "Zebedee"), *parameters)

    assert {**contact, "attributes": ""} == {"attributes": "", "Id": people["contact"]}
    assert {**lead, "attributes": ""} == {"attributes": "", "Id": people["lead"], "Company": "Sought"}


def test_the_scope_is_chosen(org: Any, people: dict[str, str]) -> None:
    assert [record["Id"] for record in found(org, ("q", "Sought"), ("in", "NAME"))] == [people["contact"]]
    assert len(found(org, ("q", "Sought"), ("in", "ALL"))) == 2


def test_an_object_may_be_filtered_sorted_and_cut(org: Any) -> None:
    org.control("POST", "/load", {"Contact": [{"FirstName": "Zebedee", "LastName": f"N{n}"} for n in range(5)]})
    parameters = [
        ("sobject", "Contact"),
        ("Contact.fields", "LastName"),
        ("Contact.orderBy", "LastName DESC NULLS_LAST"),
    ]

    records = found(org, ("q", "Zebedee"), *parameters, ("Contact.where", "LastName != 'N4'"), ("Contact.limit", "2"))

    assert [record["LastName"] for record in records] == ["N3", "N2"]


@pytest.mark.parametrize(
    ("limits", "count"),
    [
        ([("defaultLimit", "2")], 2),
        ([("defaultLimit", "2"), ("Contact.limit", "3")], 3),
        ([("overallLimit", "4")], 4),
        ([("offset", "4")], 1),
    ],
)
def test_limits(org: Any, limits: list[tuple[str, str]], count: int) -> None:
    org.control("POST", "/load", {"Contact": [{"FirstName": "Zebedee", "LastName": f"N{n}"} for n in range(5)]})

    assert len(found(org, ("q", "Zebedee"), ("sobject", "Contact"), *limits)) == count


def test_a_body_says_the_same(org: Any, people: dict[str, str]) -> None:
    objects = [{"name": "Contact", "fields": ["Id", "LastName"], "limit": 5}]
    body = {"q": "Zebedee", "fields": ["Id"], "sobjects": objects, "in": "ALL", "overallLimit": 10, "defaultLimit": 2}

    (record,) = org.call("POST", SEARCH, body).json()["searchRecords"]

    assert (record["Id"], record["LastName"]) == (people["contact"], "Sought")


def test_braces_in_a_term_are_text(org: Any, people: dict[str, str]) -> None:
    assert [record["Id"] for record in found(org, ("q", "{zebedee} sought"), ("sobject", "Contact"))] == [
        people["contact"]
    ]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ([], "MALFORMED_SEARCH"),
        ([("q", "")], "MALFORMED_SEARCH"),
        ([("q", "x")], "INVALID_SEARCH"),
        ([("q", "Zebedee"), ("fields", "Id")], "MALFORMED_SEARCH"),
        ([("q", "Zebedee"), ("defaultLimit", "5")], "MALFORMED_SEARCH"),
        ([("q", "Zebedee"), ("in", "SHOES")], "MALFORMED_SEARCH"),
        ([("q", "Zebedee"), ("overallLimit", "2001")], "MALFORMED_SEARCH"),
        ([("q", "Zebedee"), ("metadata", "LABELS")], "MALFORMED_SEARCH"),
        ([("q", "Zebedee"), ("sobject", "Contact"), ("sobject", "Lead"), ("offset", "1")], "MALFORMED_SEARCH"),
        ([("q", "Zebedee"), ("sobject", "Contact"), ("Lead.fields", "Id")], "MALFORMED_SEARCH"),
        ([("q", "Zebedee"), ("sobject", "Nonsense")], "INVALID_TYPE"),
        ([("q", "Zebedee"), ("sobject", "Contact"), ("fields", "Nonsense")], "INVALID_FIELD"),
    ],
)
def test_what_is_no_search_is_refused(org: Any, parameters: list[tuple[str, str]], code: str) -> None:
    assert org.refusal("GET", SEARCH, params=parameters)[:2] == (400, code)


def test_the_api_of_before_has_no_such_search(org: Any) -> None:
    answer = org.session.get(f"{org.url}/services/data/v35.0{SEARCH}?q=Zebedee")

    assert answer.status_code == 404
