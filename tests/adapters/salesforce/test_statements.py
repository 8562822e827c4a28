"""Every statement of the gateway, in every form it takes, is one the org reads; so says the independent parser, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import getmembers, isfunction
from itertools import product

import pytest

from gateway.salesforce import soql
from gateway.salesforce.org import OrgSettings
from gateway.salesforce.session import Session
from tests.adapters.salesforce.local_org import KEY_FIELD

_MOMENT = "2026-03-02T11:00:00.000+0000"
_ID = "003000000000001AAA"


def tasks() -> Iterator[str]:
    awkward = ["plain", "it's", 'a "word"', "back\\slash", "line\nbreak\ttab\r\b\f", "{brace}", "%_"]
    for field in (KEY_FIELD, "CallObject"):
        yield from soql.tasks_by(field, ["desk:1"], ["Subject"])
        yield from soql.tasks_by(field, awkward, [])
        yield from soql.tasks_by(field, [f"{'x' * 200}{number}" for number in range(600)], [])


_MERGED = ["Id", "IsDeleted", "MasterRecordId", "SystemModstamp"]
_OBJECTS = {
    "Contact": _MERGED,
    "Case": [*_MERGED, "IsClosed", "ClosedDate"],
    "AccountContactRelation": ["Id", "IsDeleted", "IsDirect", "SystemModstamp"],
    "User": ["Id", "SystemModstamp"],
}


def worth_loading() -> Iterator[str]:
    for (kind, columns), began, days in product(_OBJECTS.items(), ("", _MOMENT), (0, 90)):
        yield soql.rows_after(kind, columns, "", "", soql.worth_loading(kind, columns, began, days))


def rows_after() -> Iterator[str]:
    for (kind, columns), (at, id) in product(_OBJECTS.items(), [("", ""), (_MOMENT, ""), (_MOMENT, _ID)]):
        for only in ("", soql.worth_loading(kind, columns, _MOMENT, 90)):
            yield soql.rows_after(kind, columns, at, id, only)


def changes() -> Iterator[str]:
    for (kind, columns), (at, id) in product(_OBJECTS.items(), [("", ""), (_MOMENT, ""), (_MOMENT, _ID)]):
        for only in ("", soql.worth_loading(kind, columns, _MOMENT, 90)):
            yield soql.changes(kind, columns, at, id, only)


def having() -> Iterator[str]:
    for kind, columns in _OBJECTS.items():
        yield from soql.having(kind, columns, [("Id", _ID)])
        yield from soql.having(kind, columns, [("Id", _ID)], f"SystemModstamp > {_MOMENT}")
    yield from soql.having("Contact", _MERGED, [("Phone", "it's"), ("Phone", "2"), ("Email", "back\\slash")])


def with_ids() -> Iterator[str]:
    for kind, columns in _OBJECTS.items():
        yield soql.with_ids(kind, columns, [_ID, _ID])


def touched() -> Iterator[str]:
    for after in ("", _ID):
        yield soql.touched("Contact", _MERGED, "Individual", _MOMENT, after)


def count() -> Iterator[str]:
    yield soql.count("Contact", "IsDeleted = false")
    yield soql.count("Lead", "IsDeleted = false AND IsConverted = false")


def like() -> Iterator[str]:
    patterns = [("Phone", "%415%555%0123%"), ("Email", "%@acme.example")]
    for kind in ("Contact", "Lead"):
        yield from soql.like(kind, _MERGED, patterns, 2)
        yield from soql.like(kind, _MERGED, patterns, 1)


def literally() -> Iterator[str]:
    for text in ("a_b", "100%", "it's", "back\\slash"):
        yield from soql.like("Account", _MERGED, [("Website", f"%{soql.literally(text)}%")], 1)


def record_types() -> Iterator[str]:
    yield soql.record_types("Contact", "Homeowner")


STATEMENTS: Mapping[str, Callable[[], Iterator[str]]] = {
    "tasks_by": tasks, "changes": changes, "worth_loading": worth_loading, "rows_after": rows_after, "having": having,
    "with_ids": with_ids, "count": count, "like": like, "literally": literally, "record_types": record_types,
    "touched": touched,
}  # fmt: skip


@pytest.fixture
def session(settings: OrgSettings) -> Iterator[Session]:
    session = Session(settings, sleep=lambda _: None, time_limits=(10.0, 60.0))
    yield session
    session.close()


def test_no_statement_is_left_out() -> None:
    public = {name for name, _ in getmembers(soql, isfunction) if not name.startswith("_")}

    assert public == {*STATEMENTS, "quoted"}


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_org_reads_every_statement(session: Session, name: str) -> None:
    for statement in STATEMENTS[name]():
        assert isinstance(session.query(statement), list)
