"""The records the query tests run over, without any index, and that an index never changes an answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.devorg import ids, soql, sosl
from gateway.devorg.records import Records, blank_row
from gateway.devorg.schema import Features, SObject, build_schema

NOW = datetime(2026, 3, 4, 15, 30, tzinfo=UTC)  # a Wednesday
SCHEMA = build_schema(Features())

Row = dict[str, Any]


class Memory:
    """Rows in lists: the plainest source there can be."""

    def __init__(self) -> None:
        self.held: dict[str, list[Row]] = {}
        self.ids = ids.IdCounter()

    def add(self, kind: str, **values: Any) -> str:
        sobject = SCHEMA[kind.lower()]
        moment = NOW - timedelta(days=1)
        system = {"CreatedDate": moment, "LastModifiedDate": moment, "SystemModstamp": moment, "IsDeleted": False}
        row = blank_row(sobject) | system | {"Id": self.ids.take(sobject.key_prefix or "000")} | values
        self.held.setdefault(kind, []).append(row)
        return str(row["Id"])

    def sobject(self, name: str, /) -> SObject:
        return SCHEMA[name.lower()]

    def rows(self, name: str, include_deleted: bool, /) -> Iterable[Row]:
        return [row for row in self.held.get(name, []) if include_deleted or not row["IsDeleted"]]

    def row(self, name: str, id: str, /) -> Row | None:
        return next((row for row in self.held.get(name, []) if row["Id"] == id), None)

    def lookup(self, name: str, field: str, values: Collection[str], /) -> Iterable[Mapping[str, object]] | None:
        return None

    def query(self, text: str, *, deleted: bool = False) -> list[Row]:
        return soql.execute(text, self, include_deleted=deleted, now=NOW).records

    def names(self, text: str, *, deleted: bool = False) -> list[Any]:
        """The one column that ``text`` selects."""
        records = self.query(text, deleted=deleted)
        return [next(value for name, value in record.items() if name != "attributes") for record in records]

    def search(self, text: str) -> list[Row]:
        return sosl.execute(text, self, now=NOW)

    def refusal(self, text: str) -> tuple[str, str]:
        """The code and the last line of the message with which ``text`` is refused."""
        try:
            self.query(text)
        except soql.QueryError as error:
            return error.code, error.message.splitlines()[-1]
        raise AssertionError(f"not refused: {text}")


def world() -> Memory:
    """An installer with two contacts, a home owner on her own, and a call about them."""
    org = Memory()
    ada = org.add("User", Name="Ada Agent", FirstName="Ada", LastName="Agent", Email="ada@example.com")
    sun = org.add(
        "Account",
        Name="Sunrise Solar",
        Phone="+14155550100",
        AnnualRevenue=5000.0,
        OwnerId=ada,
        NumberOfEmployees=12,
        BillingCity="Reno",
        Industry="Energy",
    )
    org.add("Account", Name="North Valley", OwnerId=ada, ParentId=sun, Industry="Banking")
    org.add("Account", Name="Old Roof", OwnerId=ada, IsDeleted=True)
    casey = org.add(
        "Contact",
        FirstName="Casey",
        LastName="Customer",
        Name="Casey Customer",
        AccountId=sun,
        OwnerId=ada,
        Phone="+14155550100",
        Email="casey@example.com",
        Birthdate=date(1990, 5, 1),
        LeadSource="Web",
        CreatedDate=datetime(2026, 3, 4, 9, tzinfo=UTC),
        DoNotCall=True,
    )
    org.add(
        "Contact",
        LastName="Doe",
        Name="Doe",
        AccountId=sun,
        OwnerId=ada,
        Phone="(415) 555-0100",
        CreatedDate=datetime(2026, 3, 1, 9, tzinfo=UTC),
        LeadSource="Other",
        Description="likes roofs",
    )
    org.add(
        "Contact",
        LastName="o'Hara",
        Name="o'Hara",
        OwnerId=ada,
        Title="100%_done\\",
        CreatedDate=datetime(2025, 12, 31, 23, tzinfo=UTC),
    )
    lee = org.add("Lead", LastName="Lee", Name="Lee", Company="Lee Homes", OwnerId=ada)
    case = org.add("Case", CaseNumber="00001026", Subject="Inverter", AccountId=sun, ContactId=casey, OwnerId=ada)
    org.add(
        "Task",
        Subject="Call",
        WhoId=casey,
        WhatId=case,
        OwnerId=ada,
        ActivityDate=date(2026, 3, 4),
        TaskWhoIds=(casey,),
    )
    org.add("Task", Subject="Mail", WhoId=lee, OwnerId=ada, ActivityDate=date(2026, 3, 2))
    org.add("Task", Subject="Old", WhatId=sun, OwnerId=ada, IsArchived=True)
    org.add("AccountContactRelation", AccountId=sun, ContactId=casey, Roles="Business User;Decision Maker")
    org.add("AccountContactRelation", AccountId=sun, ContactId=casey, Roles="Other")
    return org


def indexed(org: Memory, store: Records | None = None) -> Records:
    """The same rows in the org's own store."""
    store = store or Records(SCHEMA)
    for kind, rows in org.held.items():
        for row in rows:
            store.put(kind, row)
    return store


_PHONES = ["+14155550100", "(415) 555-0100", "+1", "none"]
_leaf = st.one_of(
    st.sampled_from(_PHONES).map(lambda phone: f"Phone = '{phone}'"),
    st.lists(st.sampled_from(_PHONES), min_size=1).map(
        lambda found: "MobilePhone IN (" + ", ".join(f"'{p}'" for p in found) + ")"
    ),
    st.sampled_from(["Name LIKE '%a%'", "Phone != null", "AccountId = null", "Email = 'CASEY@example.com'"]),
    st.sampled_from(["SystemModstamp >= 2026-03-03T15:30:00Z", "SystemModstamp > 2026-03-03T15:30:00Z"]),
    st.integers(0, 3).map(lambda number: f"Id = '003Hu000000000{number}'"),
)
_where = st.recursive(
    _leaf,
    lambda inner: st.tuples(st.sampled_from([" AND ", " OR "]), st.lists(inner, min_size=2, max_size=3)).map(
        lambda pair: "(" + pair[0].join(pair[1]) + ")"
    ),
    max_leaves=6,
)


@given(_where, st.lists(st.tuples(st.sampled_from(_PHONES), st.sampled_from(_PHONES)), max_size=4), st.booleans())
def test_an_index_never_changes_an_answer(where: str, phones: list[tuple[str, str]], deleted: bool) -> None:
    org = world()
    for place, (phone, mobile) in enumerate(phones):
        org.add(
            "Contact",
            Name=f"n{place}",
            LastName="n",
            Phone=phone,
            MobilePhone=mobile,
            IsDeleted=place == 1,
            SystemModstamp=NOW - timedelta(days=place),
        )
    text = f"SELECT Id FROM Contact WHERE {where} ORDER BY Id"

    plain = soql.execute(text, org, include_deleted=deleted, now=NOW)

    assert soql.execute(text, indexed(org), include_deleted=deleted, now=NOW) == plain


class Unreadable(Records):
    """The org's own store, in which nothing may be read from end to end."""

    def rows(self, name: str, include_deleted: bool) -> list[Row]:
        raise AssertionError(f"read all of {name}")


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("Phone = '+14155550100'", 1),
        ("Phone IN ('+14155550100', '(415) 555-0100') AND Name != 'x'", 2),
        ("Phone IN ('+14155550100') OR MobilePhone IN ('1') OR Id = '003Hu0000000002'", 2),
        ("Name != 'x' AND (Email = 'CASEY@example.com' OR Phone = '\\u0028415) 555-0100')", 2),
        ("SystemModstamp >= 2026-03-03T15:30:00Z", 3),
    ],
)
def test_keys_and_changes_are_found_by_index(where: str, found: int) -> None:
    store = indexed(world(), Unreadable(SCHEMA))

    result = soql.execute(f"SELECT Id FROM Contact WHERE {where}", store, include_deleted=False, now=NOW)

    assert result.total == found
