"""What queries answer: fields, parents, children, groups, and the order of it all."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.devorg import soql
from tests.adapters.devorg.test_soql_source import NOW, Memory, world


@pytest.fixture(scope="module")
def org() -> Memory:
    return world()


def test_a_record_carries_its_address_and_the_schemas_spelling(org: Memory) -> None:
    [record] = org.query(
        "select ID, name, account.NAME, birthDate, createddate FROM contact WHERE LASTNAME = 'CUSTOMER'"
    )

    assert record == {
        "attributes": {"type": "Contact", "url": f"/services/data/v62.0/sobjects/Contact/{record['Id']}"},
        "Id": "003Hu0000000001IAA",
        "Name": "Casey Customer",
        "Account": {
            "attributes": {"type": "Account", "url": "/services/data/v62.0/sobjects/Account/001Hu0000000001IAA"},
            "Name": "Sunrise Solar",
        },
        "Birthdate": "1990-05-01",
        "CreatedDate": "2026-03-04T09:00:00.000+0000",
    }


def test_a_missing_parent_is_null(org: Memory) -> None:
    [record] = org.query("SELECT Account.Owner.Name, Account.Parent.Name FROM Contact WHERE Name = 'o\\'Hara'")

    assert record["Account"] is None


def test_parents_nest(org: Memory) -> None:
    [record] = org.query("SELECT Parent.Owner.Email, Parent.Name FROM Account WHERE Name = 'North Valley'")

    assert record["Parent"]["Owner"]["Email"] == "ada@example.com"
    assert record["Parent"]["Name"] == "Sunrise Solar"


def test_children_come_as_a_result_of_their_own_or_as_null(org: Memory) -> None:
    sun, north = org.query(
        "SELECT Name, (SELECT Name FROM contacts WHERE Phone != null ORDER BY Name DESC LIMIT 1) FROM Account"
    )

    assert sun["Contacts"]["totalSize"] == 1
    assert sun["Contacts"]["done"] is True
    assert [child["Name"] for child in sun["Contacts"]["records"]] == ["Doe"]
    assert north["Contacts"] is None


def test_children_of_children(org: Memory) -> None:
    [sun] = org.query(
        "SELECT (SELECT Name, (SELECT CaseNumber FROM Cases) FROM Contacts ORDER BY Name) FROM Account WHERE Name LIKE 'Sun%'"
    )

    casey, doe = sun["Contacts"]["records"]
    assert casey["Cases"]["records"][0]["CaseNumber"] == "00001026"
    assert doe["Cases"] is None


def test_polymorphic_parents_show_what_all_of_them_have(org: Memory) -> None:
    call, mail = org.query("SELECT Who.Name, Who.Type, What.Name, What.Type, TaskWhoIds FROM Task ORDER BY Subject")

    assert call["Who"]["attributes"] == {
        "type": "Name",
        "url": "/services/data/v62.0/sobjects/Contact/003Hu0000000001IAA",
    }
    assert (call["Who"]["Name"], call["Who"]["Type"]) == ("Casey Customer", "Contact")
    assert (call["What"]["Name"], call["What"]["Type"]) == ("00001026", "Case")
    assert call["TaskWhoIds"] == ["003Hu0000000001IAA"]
    assert mail["Who"]["Type"] == "Lead"
    assert mail["What"] is None
    assert org.names("SELECT Subject FROM Task WHERE Who.Type = 'Lead'") == ["Mail"]


def test_typeof_reads_fields_by_kind(org: Memory) -> None:
    call, mail = org.query(
        "SELECT TYPEOF Who WHEN Contact THEN FirstName, Account.Name ELSE Name END, TYPEOF What WHEN Case THEN Subject END FROM Task ORDER BY Subject"
    )

    assert (call["Who"]["FirstName"], call["Who"]["Account"]["Name"]) == ("Casey", "Sunrise Solar")
    assert call["Who"]["attributes"]["type"] == "Contact"
    assert call["What"]["Subject"] == "Inverter"
    assert mail["Who"]["Name"] == "Lee"
    assert "FirstName" not in mail["Who"]


def test_deleted_and_archived_records_show_in_query_all_only(org: Memory) -> None:
    assert org.names("SELECT Name FROM Account WHERE Name = 'Old Roof'") == []
    assert org.names("SELECT Name FROM Account WHERE Name = 'Old Roof'", deleted=True) == ["Old Roof"]
    assert "Old" not in org.names("SELECT Subject FROM Task")
    assert "Old" in org.names("SELECT Subject FROM Task", deleted=True)


def test_fields_functions(org: Memory) -> None:
    [record] = org.query("SELECT FIELDS(ALL) FROM Account WHERE Name = 'Sunrise Solar' LIMIT 200")

    assert {"Id", "Name", "AnnualRevenue", "SystemModstamp"} < set(record)
    assert record["BillingAddress"]["city"] == "Reno"
    assert org.query("SELECT FIELDS(STANDARD) FROM Account")[1]["BillingAddress"] is None


@pytest.mark.parametrize(
    "text",
    [
        "SELECT Name FROM Contact c WHERE c.LastName = 'Doe'",
        "SELECT c.Name FROM Contact c, c.Account a WHERE a.Name LIKE 'sun%' AND c.FirstName = null",
        "SELECT Contact.Name FROM Contact USING SCOPE everything WHERE Contact.LastName = 'Doe' WITH SECURITY_ENFORCED FOR VIEW FOR UPDATE",
        "select Name\nfrom\tContact where LastName='doe' limit 1 for update",
        "SELECT toLabel(Name) FROM Contact WHERE toLabel(LastName) = 'Doe'",
    ],
)
def test_ways_to_say_one_thing(org: Memory, text: str) -> None:
    assert org.names(text) == ["Doe"]


def test_counting(org: Memory) -> None:
    result = soql.execute("SELECT COUNT() FROM Contact WHERE AccountId != null", org, include_deleted=False, now=NOW)

    assert (result.total, result.records) == (2, [])
    assert org.query("SELECT COUNT(Id), COUNT(AccountId), COUNT_DISTINCT(AccountId) accounts FROM Contact") == [
        {"attributes": {"type": "AggregateResult"}, "expr0": 3, "expr1": 2, "accounts": 1}
    ]


def test_groups(org: Memory) -> None:
    found = org.query(
        "SELECT Account.Name, COUNT(Id) n, MAX(Name), MIN(CreatedDate) FROM Contact GROUP BY Account.Name HAVING COUNT(Id) > 0 ORDER BY COUNT(Id) DESC"
    )

    kind = {"type": "AggregateResult"}
    assert found == [
        {"attributes": kind, "Name": "Sunrise Solar", "n": 2, "expr0": "Doe", "expr1": "2026-03-01T09:00:00.000+0000"},
        {"attributes": kind, "Name": None, "n": 1, "expr0": "o'Hara", "expr1": "2025-12-31T23:00:00.000+0000"},
    ]
    assert (
        org.query(
            "SELECT Industry, SUM(AnnualRevenue) FROM Account GROUP BY Industry HAVING SUM(AnnualRevenue) > 1 LIMIT 5"
        )[0]["expr0"]
        == 5000.0
    )


def test_groups_of_nothing(org: Memory) -> None:
    assert org.query("SELECT MAX(Name) FROM Contact WHERE Name = 'x'")[0]["expr0"] is None
    assert org.query("SELECT Name, COUNT(Id) FROM Contact WHERE Name = 'x' GROUP BY Name") == []


def test_groups_by_date_function_and_subtotals(org: Memory) -> None:
    years = org.query(
        "SELECT CALENDAR_YEAR(CreatedDate) y, COUNT(Id) n FROM Contact GROUP BY CALENDAR_YEAR(CreatedDate) ORDER BY CALENDAR_YEAR(CreatedDate)"
    )
    totals = org.query("SELECT Industry, GROUPING(Industry) g, COUNT(Id) n FROM Account GROUP BY ROLLUP(Industry)")

    assert [(each["y"], each["n"]) for each in years] == [(2025, 1), (2026, 2)]
    assert [(each["Industry"], each["g"], each["n"]) for each in totals] == [
        ("Energy", 0, 1),
        ("Banking", 0, 1),
        (None, 1, 2),
    ]


def test_semi_joins(org: Memory) -> None:
    assert org.names("SELECT Name FROM Account WHERE Id IN (SELECT AccountId FROM Contact WHERE Phone LIKE '+1%')") == [
        "Sunrise Solar"
    ]
    assert org.names("SELECT Name FROM Account WHERE Id NOT IN (SELECT AccountId FROM Contact)") == ["North Valley"]
    assert org.names(
        "SELECT Name FROM Contact WHERE AccountId IN (SELECT Id FROM Account WHERE Industry = 'Energy') AND LastName > 'D'"
    ) == ["Doe"]


def test_picklists_sort_by_their_values_and_nulls_first(org: Memory) -> None:
    assert org.names("SELECT LeadSource FROM Contact ORDER BY LeadSource") == [None, "Web", "Other"]
    assert org.names("SELECT LeadSource FROM Contact ORDER BY LeadSource DESC NULLS LAST") == ["Other", "Web", None]


_keys = st.one_of(st.none(), st.sampled_from(["a", "B", "b", "c"]))


@given(
    st.lists(st.tuples(_keys, _keys), max_size=12),
    st.lists(st.tuples(st.sampled_from(["FirstName", "Title"]), st.booleans(), st.booleans()), min_size=1, max_size=3),
    st.integers(0, 14),
    st.integers(0, 14),
)
def test_order_is_total_and_stable_and_limit_cuts_it(rows, keys, limit, offset) -> None:
    org = Memory()
    for first, title in rows:
        org.add("Contact", LastName="x", FirstName=first, Title=title)
    clause = ", ".join(
        f"{name} {'DESC' if down else 'ASC'} NULLS {'LAST' if last else 'FIRST'}" for name, down, last in keys
    )

    expected = list(org.held.get("Contact", []))
    for name, down, last in reversed(keys):
        empty = [row for row in expected if row[name] is None]
        full = sorted(
            (row for row in expected if row[name] is not None), key=lambda row: row[name].lower(), reverse=down
        )
        expected = full + empty if last else empty + full

    assert org.names(f"SELECT Id FROM Contact ORDER BY {clause}") == [row["Id"] for row in expected]
    cut = org.names(f"SELECT Id FROM Contact ORDER BY {clause} LIMIT {limit} OFFSET {offset}")
    assert cut == [row["Id"] for row in expected][offset : offset + limit]


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 3))
def test_a_keyset_walk_meets_every_record_once(ages: list[int], page: int) -> None:
    org = Memory()
    wanted = {org.add("Contact", LastName="x", SystemModstamp=NOW + timedelta(seconds=age)) for age in ages}
    met: list[str] = []
    where = ""
    for _ in range(len(ages) // page + 1):
        found = org.query(f"SELECT Id, SystemModstamp FROM Contact {where} ORDER BY SystemModstamp, Id LIMIT {page}")
        met += [record["Id"] for record in found]
        if found:
            at, last = found[-1]["SystemModstamp"].replace("+0000", "Z"), found[-1]["Id"]
            where = f"WHERE SystemModstamp > {at} OR (SystemModstamp = {at} AND Id > '{last}')"

    assert len(met) == len(wanted)
    assert set(met) == wanted


def test_a_deleted_parent_is_gone() -> None:
    org = Memory()
    gone = org.add("Account", Name="Gone", IsDeleted=True)
    org.add("Contact", LastName="x", AccountId=gone)

    assert org.names("SELECT Account.Name FROM Contact") == [None]
    assert org.names("SELECT LastName FROM Contact WHERE Account.Name = null") == ["x"]
    assert org.names("SELECT Account.Name FROM Contact", deleted=True)[0]["Name"] == "Gone"


def test_groups_do_not_tell_letter_case_apart() -> None:
    org = Memory()
    for title in ("Boss", "BOSS", "boss"):
        org.add("Contact", LastName="x", Title=title)

    [found] = org.query("SELECT Title, COUNT(Id) n, COUNT_DISTINCT(Title) d FROM Contact GROUP BY Title")

    assert (found["Title"], found["n"], found["d"]) == ("Boss", 3, 1)
