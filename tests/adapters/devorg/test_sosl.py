"""What searches find, and what the real index would not find either."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.devorg import soql, sosl
from tests.adapters.devorg.test_soql_source import NOW, Memory, world


@pytest.fixture(scope="module")
def org() -> Memory:
    return world()


def _found(org: Memory, term: str, group: str = "ALL") -> set[str]:
    return {record["Name"] for record in org.search(f"FIND {{{term}}} IN {group} FIELDS RETURNING Contact(Name)")}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("(415) 555-0100", ["415", "555", "0100"]),
        ("+14155550100", ["14155550100"]),
        ("joe@gmail.com", ["joe", "gmail", "com"]),
        ("Acme2Go O'Hara_x", ["acme", "2", "go", "o", "hara", "x"]),
        ("", []),
    ],
)
def test_tokens(text: str, held: list[str]) -> None:
    assert sosl.tokens(text) == held


@pytest.mark.parametrize(
    ("term", "group", "found"),
    [
        ("14155550100", "PHONE", {"Casey Customer"}),
        ("4155550100", "PHONE", set()),
        ("415 0100", "PHONE", {"Doe"}),
        ("\\(415\\) 555\\-0100", "PHONE", {"Doe"}),
        ('"415 555"', "PHONE", {"Doe"}),
        ('"415 0100"', "PHONE", set()),
        ("1415*", "PHONE", {"Casey Customer"}),
        ("1415555010?", "PHONE", {"Casey Customer"}),
        ("casey", "NAME", {"Casey Customer"}),
        ("CASEY customer", "NAME", {"Casey Customer"}),
        ("casey doe", "NAME", set()),
        ("casey OR doe", "NAME", {"Casey Customer", "Doe"}),
        ("casey or doe AND nobody", "NAME", {"Casey Customer"}),
        ("(casey OR doe) AND customer", "NAME", {"Casey Customer"}),
        ("c* AND NOT doe", "NAME", {"Casey Customer"}),
        ("doe AND NOT roofs", "ALL", set()),
        ("roofs", "ALL", {"Doe"}),
        ("roofs", "NAME", set()),
        ("casey@example.com", "EMAIL", {"Casey Customer"}),
        ("example.com", "EMAIL", {"Casey Customer"}),
        ("ample", "EMAIL", set()),
        ("case", "ALL", set()),
        ("o\\'hara", "SIDEBAR", {"o'Hara"}),
    ],
)
def test_searches(org: Memory, term: str, group: str, found: set[str]) -> None:
    assert _found(org, term, group) == found


def test_each_object_has_its_own_fields_filter_order_and_limit(org: Memory) -> None:
    found = org.search(
        "find {sunrise OR casey OR doe OR solar} returning Account(Id, Name), Contact(Name, Account.Name WHERE Name != 'x' ORDER BY Name DESC LIMIT 1) LIMIT 10"
    )

    assert [(record["attributes"]["type"], record["Name"]) for record in found] == [
        ("Account", "Sunrise Solar"),
        ("Contact", "Doe"),
    ]
    assert found[1]["Account"]["Name"] == "Sunrise Solar"
    assert found[0]["attributes"]["url"] == f"/services/data/v62.0/sobjects/Account/{found[0]['Id']}"


def test_without_fields_there_are_ids(org: Memory) -> None:
    [record] = org.search("FIND {casey} RETURNING Lead, Contact")

    assert set(record) == {"attributes", "Id"}
    assert {each["attributes"]["type"] for each in org.search("FIND {casey OR sunrise}")} == {"Account", "Contact"}


def test_limits(org: Memory) -> None:
    assert len(org.search("FIND {casey OR doe OR hara} RETURNING Contact LIMIT 2")) == 2
    assert org.search("FIND {" + "casey " * 1700 + "} RETURNING Contact") == []
    assert len(org.search("FIND {" + "casey OR " * 500 + "customer} RETURNING Contact")) == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("FIND {a} RETURNING Contact", "INVALID_SEARCH"),
        ("FIND {*a} RETURNING Contact", "INVALID_SEARCH"),
        ("FIND {} RETURNING Contact", "INVALID_SEARCH"),
        ("FIND {*casey} RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND {casey AND} RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND {OR casey} RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND {(casey} RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND {casey)} RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND {casey NOT doe} RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND {casey RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND 'casey' RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND {casey} IN FAX FIELDS RETURNING Contact", "MALFORMED_SEARCH"),
        ("FIND {casey} RETURNING Contact(COUNT(Id))", "MALFORMED_SEARCH"),
        ("FIND {casey} RETURNING Foo", "INVALID_TYPE"),
        ("FIND {casey} RETURNING Contact(Foo)", "INVALID_FIELD"),
        ("FIND {casey} RETURNING TaskRelation", "INVALID_TYPE"),
    ],
)
def test_refusals(org: Memory, text: str, code: str) -> None:
    with pytest.raises(soql.QueryError) as refusal:
        org.search(text)

    assert refusal.value.code == code


@given(st.text(st.sampled_from("ab1 2(-)+"), min_size=1, max_size=14))
def test_a_record_is_found_by_each_of_its_tokens(text: str) -> None:
    org = Memory()
    org.add("Contact", LastName="x", Title=text)

    for token in sosl.tokens(text):
        if len(token) > 1:
            assert len(org.search(f"FIND {{{token}}} RETURNING Contact")) == 1
            assert len(org.search(f"FIND {{{token[0]}* {token}}} RETURNING Contact")) == 1


@given(st.text(st.sampled_from('ab1*?()"\\{}&|!^~:+-AND ORT '), max_size=16))
def test_any_term_is_answered_or_refused_by_name(term: str) -> None:
    try:
        sosl.execute(f"FIND {{{term}}} RETURNING Contact", world(), now=NOW)
    except soql.QueryError as error:
        assert error.code in {"MALFORMED_SEARCH", "INVALID_SEARCH"}
