"""Each fault of an org at each kind of call, in each kind of org, on each store: one right Task per interaction.

Between the gateway's writes people edit the Tasks; what they entered stands. That a create could not have doubled is
seen on the wire: none is sent again before it was looked up what became of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.domain.tasks import DELETED
from tests.end_to_end.processes import KEY, Org, event, eventually, write_settings
from tests.end_to_end.rounds import Bench

LINH, PAT, XENA = "+14085550133", "+15305550170", "+14085550114"
NAMES = {LINH: ("Linh Nguyễn", "Nguyễn Household"), PAT: ("Pat Miller", "Miller Household")}
KINDS = ("missed", "wrapped_up", "followed_up")
"""A missed call that is not yet completed: to write it locks its contact and its account."""

FAULTS: dict[str, dict[str, Any]] = {
    "latency": {"kind": "latency", "milliseconds": 30},
    "5xx before": {"kind": "status", "status": 503},
    "5xx after": {"kind": "status_after", "status": 502},
    "reset before": {"kind": "reset_before"},
    "reset after": {"kind": "reset_after"},
    "silence before": {"kind": "silence_before"},
    "silence after": {"kind": "silence_after"},
    "cut off": {"kind": "truncate"},
    "slow": {"kind": "trickle", "milliseconds": 5},
    "page of a proxy": {"kind": "status_after", "status": 200, "body": {"message": "Please log in"}},
    "session expired": {"kind": "expire_sessions"},
    "lock": {"kind": "lock"},
    "lock in a trigger": {"kind": "trigger"},
    "some fail": {"kind": "partial", "records": 2, "code": "PROCESSING_HALTED"},
    "some refused": {"kind": "partial", "records": 2, "code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"},
    "quota": {"kind": "quota"},
    "concurrent": {"kind": "concurrent"},
}
OF_ANY_CALL = [name for name, fault in FAULTS.items() if fault["kind"] not in {"lock", "trigger", "partial"}]
OF_RECORDS = [name for name in FAULTS if name not in OF_ANY_CALL]

UPDATE = {"path": "composite/sobjects$", "method": "PATCH"}
LOOK_UP = {"path": "queryAll.*Task", "method": "GET"}
READ = {"path": "composite/sobjects/Task$", "method": "POST"}
READ_CHANGES = {"path": "composite$", "method": "POST"}


def create_at(task_key: str | None) -> dict[str, str]:
    if task_key:
        return {"path": f"composite/sobjects/Task/{task_key}", "method": "PATCH"}
    return {"path": "composite/sobjects$", "method": "POST"}


@pytest.fixture(params=[KEY, None], ids=["key", "keyless"])
def task_key(request: pytest.FixtureRequest) -> str | None:
    return request.param


@pytest.fixture
def connect(org: Org, url: str, task_key: str | None, tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def connect(*, companion_tasks: bool = False, **more: Any) -> Bench:
        write_settings(tmp_path, org.url, url, task_key=task_key, companion_tasks=companion_tasks)
        made.append(Bench(tmp_path, **more))
        return made[-1]

    yield connect
    for bench in made:
        bench.close()


class Desk:
    """Four interactions of two customers, what is told of them, and what people do to their Tasks in between."""

    def __init__(self, bench: Bench, org: Org, prefix: str) -> None:
        self.bench, self.org, self.prefix = bench, org, prefix
        self.phones = {f"{prefix}-{number}": (LINH, PAT)[number % 2] for number in range(4)}
        self.edits: dict[str, dict[str, Any]] = {one: {} for one in self.phones}

    def tell(self, step: int) -> None:
        for one, phone in self.phones.items():
            self.bench.tell(
                event(
                    one, KINDS[step], step, parties=[{"role": "customer", "phone": phone}], disposition=f"Said {step}",
                    notes=f"Note {step}.", started_at="2026-03-02T13:55:00Z", ended_at="2026-03-02T14:00:00Z",
                    legs=[{"id": "l-1", "agent": {"email": "ada@example.com"}}],
                )
            )  # fmt: skip

    def edit(self, number: int, **fields: Any) -> None:
        """By a person, if the Task is there to be edited."""
        one = f"{self.prefix}-{number}"
        if task := self.org.task(one):
            self.org.edit(task["Id"], **fields)
            self.edits[one] |= fields

    def go_through(self, fault: Callable[[], None], at: int) -> None:
        """All that is told, with the fault in force from that step on, and people's edits after each attempt."""
        for step in range(len(KINDS)):
            if step == at:
                fault()
            self.bench.pass_time(60)
            self.tell(step)
            self.bench.work()
            self.edit(step, Priority="High" if step else "Low")
            if step:
                self.edit(3, CallDisposition=f"Mine {step}")
            self.bench.settle()
        self.bench.retry_parked()

    def check(self) -> None:
        tasks = self.org.tasks(self.prefix)
        assert {one: len(found) for one, found in tasks.items()} == dict.fromkeys(self.phones, 1)
        for one, (task,) in tasks.items():
            expected = self.expected(one)
            assert {name: task[name] for name in expected} == expected, one
            assert "Note 2." in task["Description"]
        assert [row.parked for row in self.bench.rows()] == [None] * 4
        assert [row.intended for row in self.bench.rows()] == [None] * 4
        assert self.bench.wire.risked == []

    def expected(self, one: str) -> Mapping[str, Any]:
        name, account = NAMES[self.phones[one]]
        return {
            "Subject": f"Inbound call from {name} · Said 2",
            "Status": "Completed",
            "Priority": "Normal",
            "ActivityDate": "2026-03-02",
            "TaskSubtype": "Call",
            "CallType": "Inbound",
            "CallDurationInSeconds": 300,
            "CallDisposition": "Said 2",
            "CallObject": f"front-desk:{one}",
            "WhoId": self.org.record_id(name),
            "WhatId": self.org.record_id(account, "Account"),
            "OwnerId": self.org.record_id("Ada Agent", "User"),
            "IsDeleted": False,
        } | self.edits[one]


def limits(fault: str) -> dict[str, float]:
    """Short patience only where the answer never comes: elsewhere the machine may be slow."""
    return {"read_limit": 0.3} if fault.startswith("silence") else {}


def struck(org: Org) -> list[int]:
    """How often each fault met a call."""
    return [fault["struck"] for fault in org.control("GET", "faults")]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("step", [0, 1], ids=["create", "update"])
def test_a_write_meets_a_fault(connect, org, id, task_key, fault, step):
    desk = Desk(connect(**limits(fault)), org, id)
    where = UPDATE if step else create_at(task_key)

    desk.go_through(lambda: org.faults(FAULTS[fault] | where | {"times": 2}), at=step)

    assert all(struck(org))
    desk.check()


@pytest.mark.parametrize("step", [0, 1], ids=["create", "update"])
def test_somebody_else_holds_a_customer_and_an_account(connect, org, id, step):
    desk = Desk(connect(), org, id)
    held = [org.record_id("Linh Nguyễn"), org.record_id("Miller Household", "Account")]

    desk.go_through(lambda: org.control("POST", "locks", {"ids": held, "times": 2}), at=step)

    assert org.control("GET", "locks")["held"] == {}
    desk.check()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("fault", OF_ANY_CALL)
def test_looking_up_what_became_of_a_create_meets_a_fault(connect, org, id, task_key, fault):
    """More often than is tried again within a call."""
    desk = Desk(connect(**limits(fault)), org, id)
    lost = {"kind": "reset_after", "times": 1} | create_at(task_key)

    desk.go_through(lambda: org.faults(lost, FAULTS[fault] | LOOK_UP | {"times": 4}), at=0)

    assert all(struck(org))
    desk.check()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("task_key", [KEY], indirect=True)
@pytest.mark.parametrize("call", [READ, READ_CHANGES], ids=["Tasks", "changes"])
@pytest.mark.parametrize("fault", OF_ANY_CALL)
def test_reading_meets_a_fault(connect, org, id, call, fault):
    desk = Desk(connect(**limits(fault)), org, id)

    desk.go_through(lambda: org.faults(FAULTS[fault] | call | {"times": 4}), at=1)

    assert all(struck(org))
    desk.check()


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("deed", ["archive", "delete"])
def test_a_task_that_was_put_away_before_it_was_looked_for_is_found(connect, org, id, task_key, deed):
    """An archived one is brought up to date; a deleted one is not brought back, unless somebody asks."""
    bench = connect()
    org.faults({"kind": "reset_after", "times": 1} | create_at(task_key))
    bench.tell(event(id, disposition="Said 0"))
    bench.work()
    first = org.task(id)
    if deed == "archive":
        org.control("POST", "archive", {"ids": [first["Id"]]})
    else:
        org.control("DELETE", f"records/{first['Id']}", {})
    bench.tell(event(id, "wrapped_up", 1, disposition="Said 1"))
    bench.settle()

    assert org.task(id)["Id"] == first["Id"]
    assert bench.wire.risked == []
    if deed == "archive":
        assert org.task(id)["CallDisposition"] == "Said 1"
    else:
        assert bench.rows()[0].parked == DELETED
        bench.retry_parked()
        assert [task["IsDeleted"] for task in org.tasks(id)[id]] == [True, False]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("step", [0, 1], ids=["create", "update"])
def test_a_write_that_was_given_up_takes_effect_late(connect, org, id, task_key, step):
    """The org was slower than our patience, and went on when we had gone; more is told meanwhile."""
    bench = connect(read_limit=0.4)
    org.control("DELETE", "calls")
    for n, kind in enumerate(KINDS):
        if n == step:
            slow = {"kind": "latency", "milliseconds": 1500, "times": 1}
            org.faults(slow | (UPDATE if step else create_at(task_key)))
        bench.tell(event(id, kind, n, disposition=f"Said {n}"))
        bench.work()
    eventually(lambda: (task := org.task(id)) and task["CallDisposition"] == f"Said {step}")
    eventually(lambda: writes_of(org) == bench.wire.writes)
    bench.settle()

    assert org.task(id)["CallDisposition"] == "Said 2"
    assert (bench.rows()[0].kept, bench.wire.risked) == ({}, [])


def writes_of(org: Org) -> int:
    calls = org.control("GET", "calls")["calls"]
    return sum(calls.get(f"{call} composite/sobjects", 0) for call in ("POST", "PATCH")) + calls.get(
        "PATCH composite/sobjects/Task", 0
    )


FURTHER = {name: FAULTS[name] for name in ("5xx after", "reset before", "reset after", "some fail")}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("nth", [1, 2], ids=["own", "further"])
@pytest.mark.parametrize("fault", FURTHER)
@pytest.mark.parametrize("step", [0, 1], ids=["create", "update"])
def test_the_tasks_of_two_accounts_keep_step(connect, org, id, task_key, fault, step, nth):
    """The interaction's own Tasks are sent in one call, those of the further account in the next."""
    bench = connect(companion_tasks=True)
    ids = [f"{id}-{number}" for number in range(3)]
    parties = [{"role": "customer", "phone": LINH}, {"role": "installer", "phone": XENA}]
    for n, kind in enumerate(KINDS):
        if n == step:
            org.faults(FURTHER[fault] | (UPDATE if step else create_at(task_key)) | {"nth": nth})
        for one in ids:
            bench.tell(event(one, kind, n, parties=parties, disposition=f"Said {n}"))
        bench.settle()

    site = org.record_id("Bayside Renewables San José", "Account")
    expected = {
        "": {"WhoId": org.record_id("Linh Nguyễn"), "WhatId": org.record_id("Nguyễn Household", "Account")},
        f":{site}": {"WhoId": org.record_id("Xena Brooks"), "WhatId": site},
    }
    assert struck(org) == [1]
    tasks = org.tasks(id)
    assert {key: len(found) for key, found in tasks.items()} == {one + end: 1 for one in ids for end in expected}
    for key, (task,) in tasks.items():
        fields = {"CallDisposition": "Said 2", "IsDeleted": False} | expected[key.removeprefix(key.partition(":")[0])]
        assert {name: task[name] for name in fields} == fields, key
    assert bench.wire.risked == []
