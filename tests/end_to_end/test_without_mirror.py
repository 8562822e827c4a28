"""People are recognised without a mirror, while it is loaded, and by what no mirror holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.salesforce import bulk, mirror
from tests.end_to_end.processes import CUSTOMERS, Gateway, Org, Store, event, eventually, run, write_settings
from tests.end_to_end.rounds import Bench


def test_an_org_that_wants_no_copy_gets_the_same_tasks(org: Org, id: str, tmp_path: Path) -> None:
    """Every customer's Task is on that person; the store holds no record, and the status says why."""
    write_settings(tmp_path, org.url, mirror=False)
    assert "no copy of the org's records is kept" in run(tmp_path, "check").stdout
    assert "No copy of the org's records is kept" in run(tmp_path, "doctor").stdout
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        for number, phone in enumerate(CUSTOMERS):
            gateway.post(event(f"{id}{number}", parties=[{"role": "customer", "phone": phone}]))
        eventually(lambda: store.are_written(id, len(CUSTOMERS)), "all Tasks")
        eventually(lambda: "mirror switched off" in " ".join(run(tmp_path, "status").stdout.split()))
        assert store._database.mirror.cursors("main") == {}

    for number, name in enumerate(CUSTOMERS.values()):
        assert org.task(f"{id}{number}")["WhoId"] == org.record_id(name)


@pytest.fixture
def bench(org: Org, tmp_path: Path) -> Iterator[Callable[[], Bench]]:
    """The gateway's work over one store; each is one that starts after the one before was killed."""
    write_settings(tmp_path, org.url, f"sqlite:///{tmp_path}/gateway.db")
    made: list[Bench] = []

    def start() -> Bench:
        made.append(Bench(tmp_path))
        return made[-1]

    yield start
    for each in made:
        each.close()


def test_a_first_load_that_is_killed_again_and_again_ends(
    org: Org, id: str, bench: Callable[[], Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every step; meanwhile and afterwards people are recognised, the last of them by the mirror alone."""
    people = [{"LastName": f"{id}{n}", "Phone": f"+1 628 555 {n:04}"} for n in range(2600)]
    ids = org.control("POST", "load", {"Contact": people})["ids"]["Contact"]
    monkeypatch.setattr(mirror, "MANY_PAGES", 1)
    monkeypatch.setattr(bulk, "ROWS_PER_CALL", 150)

    lives = 0
    while True:
        work = bench()
        phone = people[-1 - lives]["Phone"]
        work.tell(event(f"{id}{lives}", parties=[{"role": "customer", "phone": phone}]))
        work.work()
        assert org.task(f"{id}{lives}")["WhoId"] == ids[-1 - lives]
        work.feed._stopping.set()
        work.feed.load()
        lives += 1
        if not work.feed.state.loading:
            break
    assert lives > 4

    held = work.store.mirror.by_ids("main", ids)
    assert [record.id for record in held] == sorted(ids)
    counted = org.control("GET", "calls")["calls"]
    work.tell(event(f"{id}last", parties=[{"role": "customer", "phone": people[7]["Phone"]}]))
    work.work()
    assert org.task(f"{id}last")["WhoId"] == ids[7]
    spent = {n: c - counted.get(n, 0) for n, c in org.control("GET", "calls")["calls"].items() if c != counted.get(n)}
    assert sum(spent.values()) <= 2, spent


def test_a_case_that_was_closed_long_ago_is_found_when_it_is_named(
    org: Org, id: str, bench: Callable[[], Bench]
) -> None:
    """It is in no mirror."""
    contact = org.record_id("Linh Nguy\u1ec5n")
    (case,) = org.control("POST", "load", {"Case": [{"Subject": id, "Status": "Closed", "ContactId": contact}]})["ids"][
        "Case"
    ]
    work = bench()
    work.feed.reach(work.now())
    assert work.store.mirror.by_ids("main", [case]) == []

    work.tell(event(id, references={"case_id": case}))
    work.work()

    assert org.task(id)["WhatId"] == case
