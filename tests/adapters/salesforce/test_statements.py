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


def changes() -> Iterator[str]:
    after = [("", ""), (_MOMENT, ""), (_MOMENT, _ID)]
    merged = ["Id", "IsDeleted", "MasterRecordId", "SystemModstamp"]
    objects = {"Contact": merged, "Case": ["Id", "IsDeleted", "SystemModstamp"], "User": ["Id", "SystemModstamp"]}
    for (kind, columns), (at, id), load, began in product(objects.items(), after, (False, True), ("", _MOMENT)):
        yield soql.changes(kind, columns, at, id, is_load=load, began=began)


STATEMENTS: Mapping[str, Callable[[], Iterator[str]]] = {"tasks_by": tasks, "changes": changes}


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
