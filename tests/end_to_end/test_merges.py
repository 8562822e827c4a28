"""What people merge while the gateway works: the Task ends on the record that is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.processes import Org, event, write_settings
from tests.end_to_end.rounds import Bench


@dataclass(frozen=True)
class Named:
    """A kind of record that a platform names, and the field of the Task that then holds it."""

    kind: str
    reference: str
    field: str
    fields: Mapping[str, Any]


NAMED = [
    Named("Contact", "contact_id", "WhoId", {"LastName": "Customer"}),
    Named("Lead", "lead_id", "WhoId", {"LastName": "Lead", "Company": "New"}),
    Named("Account", "account_id", "WhatId", {"Name": "Customer Household"}),
    Named("Case", "case_id", "WhatId", {"Subject": "Meter"}),
]


@pytest.fixture
def bench(org: Org, tmp_path: Path) -> Iterator[Bench]:
    write_settings(tmp_path, org.url, f"sqlite:///{tmp_path}/gateway.db")
    bench = Bench(tmp_path)
    yield bench
    bench.close()


@pytest.fixture(params=NAMED, ids=lambda named: named.kind)
def named(request: pytest.FixtureRequest) -> Named:
    return request.param


@pytest.fixture
def ids(org: Org, named: Named) -> list[str]:
    """Three such records."""
    return org.control("POST", "load", {named.kind: [named.fields] * 3})["ids"][named.kind]


def telling(id: str, step: int, named: Named, record_id: str) -> dict[str, Any]:
    return event(
        id, "completed", step, parties=[{"role": "customer"}], references={named.reference: record_id}, notes=f"{step}"
    )


def merge(org: Org, loser: str, winner: str) -> None:
    org.control("POST", "merge", {"winner": winner, "losers": [loser]})


def just_before(bench: Bench, call: str, act: Callable[[], None]) -> None:
    """Do something once, between the match and the write."""
    write = getattr(bench.salesforce, call)

    def acting_first(drafts: Any) -> Any:
        setattr(bench.salesforce, call, write)
        act()
        return write(drafts)

    setattr(bench.salesforce, call, acting_first)


def check(bench: Bench, org: Org, id: str, named: Named, loser: str, winner: str) -> None:
    (row,) = bench.store.interactions.list(external_id=id)
    assert row.parked is None
    assert org.task(id)[named.field] == winner
    assert re.search(rf"{loser}\b.* which was merged into ", row.match["reason"])


def test_merged_between_the_match_and_the_create(bench, org, id, named, ids):
    loser, between, winner = ids
    bench.work()
    merges = []

    def merge_twice() -> None:
        merge(org, loser, between)
        merge(org, between, winner)
        merges.append(org.task(id))

    just_before(bench, "create", merge_twice)
    bench.tell(telling(id, 0, named, loser))
    bench.settle()

    assert merges == [None]
    check(bench, org, id, named, loser, winner)


def test_merged_between_the_match_and_an_update(bench, org, id, named, ids):
    first, loser, winner = ids
    bench.tell(telling(id, 0, named, first))
    bench.settle()
    assert org.task(id)[named.field] == first

    just_before(bench, "update", lambda: merge(org, loser, winner))
    bench.tell(telling(id, 1, named, loser))
    bench.settle()

    check(bench, org, id, named, loser, winner)


def test_merged_long_after_and_told_of_again_in_the_short_form(bench, org, id, named, ids):
    """The org moves the Task itself; what the platform says later does not move it back."""
    loser, _, winner = ids
    bench.tell(telling(id, 0, named, loser))
    bench.settle()
    merge(org, loser, winner)
    bench.pass_time(3600)
    bench.tell(telling(id, 1, named, loser[:15]))
    bench.settle()

    check(bench, org, id, named, loser[:15], winner)
    assert "1" in org.task(id)["Description"]
