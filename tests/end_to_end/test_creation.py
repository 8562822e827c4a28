"""Whom nobody knows is created once, however many interactions, lanes, processes and crashes there are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from zlib import crc32

import pytest

from tests.end_to_end.processes import Gateway, Org, Store, event, eventually, run, write_settings
from tests.end_to_end.rounds import Bench

CREATING = "defaults: {create: contact, cases: [{when: {dispositions: [complaint]}, record_type: Claim}]}\n"
POSTED = "composite/sobjects$"


def contacts(org: Org, last_name: str) -> list[str]:
    return [row["Id"] for row in org.query(f"SELECT Id FROM Contact WHERE LastName = '{last_name}'")]


@pytest.fixture
def number(id: str) -> str:
    """A number that nobody in the org has."""
    return f"+1{930 + crc32(id.encode()) % 60}55501{crc32(id[::-1].encode()) % 100:02}"


@pytest.fixture
def surname(id: str) -> str:
    return "N" + "".join(chr(ord("a") + int(digit, 16)) for digit in id)


@pytest.fixture
def rules(org: Org) -> Iterator[None]:
    rule = {"name": "Names", "object": "Contact", "fields": ["FirstName", "LastName"], "action": "block"}
    org.control("POST", "setup", {"duplicate_rules": [rule]})
    yield
    org.control("POST", "setup", {"duplicate_rules": []})


def settle(folder: Path, org: Org, database: str = "sqlite:///gateway.db") -> None:
    write_settings(folder, org.url, database)
    with (folder / "gateway.yaml").open("a", encoding="utf-8") as settings:
        settings.write(CREATING)


def whos(org: Org, prefix: str) -> set[str]:
    return {who for tasks in org.tasks(prefix).values() for task in tasks for who in task["TaskWhoIds"] or ()}


def test_calls_from_one_unknown_number_at_once_make_one_contact(tmp_path, org, url, id, number, surname):
    """In lanes that differ by the first party; on PostgreSQL in two processes that do not know of one another."""
    caller = {"role": "customer", "phone": number, "name": f"Nora {surname}"}
    others = ["+14085550133", "+15305550170", "+15105550131", "+15105550138", "+12125550171"]
    events = [event(f"{id}-a", parties=[caller])]
    events += [event(f"{id}-{other}", parties=[{"role": "installer", "phone": other}, caller]) for other in others]
    settle(tmp_path, org, url)
    with ExitStack() as stack:
        gateways = [stack.enter_context(Gateway(tmp_path)) for _ in range(1 if url.startswith("sqlite") else 2)]
        posts = [
            threading.Thread(target=gateways[place % len(gateways)].post, args=(one,))
            for place, one in enumerate(events)
        ]
        for post in posts:
            post.start()
        for post in posts:
            post.join()
        store = stack.enter_context(Store(tmp_path, url))
        eventually(lambda: store.are_written(id, len(events)), "all Tasks")

    (contact,) = contacts(org, surname)
    assert all(contact in task["TaskWhoIds"] for tasks in org.tasks(id).values() for task in tasks)
    assert {name: len(tasks) for name, tasks in org.tasks(id).items()} == {one["id"]: 1 for one in events}


def test_a_kill_in_the_middle_of_a_creation_makes_no_second_contact(tmp_path, org, id, number, surname):
    settle(tmp_path, org)
    org.faults({"kind": "silence_after", "path": POSTED, "method": "POST", "milliseconds": 60000})
    with Gateway(tmp_path) as gateway:
        gateway.post(event(id, parties=[{"phone": number, "name": f"Nora {surname}"}]))
        (contact,) = eventually(lambda: contacts(org, surname), "the contact")
    assert org.tasks(id) == {}
    org.faults()

    with Gateway(tmp_path), Store(tmp_path) as store:
        eventually(lambda: store.are_written(id), "the Task")

    assert contacts(org, surname) == [contact]
    assert org.task(id)["WhoId"] == contact


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset_before"}, {"kind": "reset_after"}, {"kind": "status", "status": 503},
        {"kind": "status_after", "status": 500}, {"kind": "status", "status": 429}, {"kind": "truncate"},
        {"kind": "lock"}, {"kind": "trigger"}, {"kind": "expire_sessions"},
    ],
    ids=lambda fault: f"{fault['kind']} {fault.get('status', '')}".strip(),
)  # fmt: skip
@pytest.mark.parametrize("restart", [False, True], ids=["on", "restarted"])
def test_each_fault_of_a_creation_makes_one_contact(tmp_path, org, id, number, surname, fault, restart):
    settle(tmp_path, org, f"sqlite:///{tmp_path}/gateway.db")
    bench = Bench(tmp_path)
    bench.tell(event(id, parties=[{"phone": number, "name": f"Nora {surname}"}], disposition="complaint"))
    org.faults({"path": POSTED, "method": "POST", "times": 1, **fault})

    bench.work()
    if restart:
        bench.restart()
    bench.settle()
    bench.close()

    (contact,) = contacts(org, surname)
    (case,) = org.query(f"SELECT Id FROM Case WHERE ContactId = '{contact}'")
    task = org.task(id)
    assert (task["WhoId"], task["WhatId"]) == (contact, case["Id"])


def test_a_duplicate_rule_gives_a_candidate(tmp_path, org, id, number, rules):
    settle(tmp_path, org)
    xena = org.record_id("Xena Brooks")
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        gateway.post(event(id, parties=[{"phone": number, "name": "Xena Brooks"}]))
        eventually(lambda: store.are_written(id), "the Task")
        match = store.interaction(id).match

    assert match["state"] == "ambiguous"
    (candidate,) = match["parties"][0]["candidates"]
    assert candidate["id"] == xena
    assert candidate["evidence"] == ["Salesforce's duplicate rule Names points at this record."]
    assert contacts(org, "Brooks") == [xena]
    assert org.task(id)["WhoId"] is None


def test_a_complaint_of_somebody_new_has_a_contact_a_case_and_a_task(tmp_path, org, id, number, surname):
    settle(tmp_path, org)
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        for minute in (0, 1):
            gateway.post(
                event(
                    id,
                    minute=minute,
                    parties=[{"phone": number, "name": f"Nora {surname}"}],
                    disposition="Complaint",
                    queue=surname,
                    notes=f"Said {minute}.",
                )
            )
            eventually(lambda: store.are_written(id), "the Task")

    (contact,) = contacts(org, surname)
    (case,) = org.query(f"SELECT Id, Subject, RecordType.DeveloperName FROM Case WHERE ContactId = '{contact}'")
    assert (case["Subject"], case["RecordType"]["DeveloperName"]) == (f"{surname} · Complaint", "Claim")
    task = org.task(id)
    assert (task["WhoId"], task["WhatId"]) == (contact, case["Id"])
    assert "Said 1." in task["Description"]


def test_what_holds_where_is_shown(tmp_path, org):
    settle(tmp_path, org)

    shown = run(tmp_path, "check", "--effective")

    lines = (tmp_path / "gateway.yaml").read_text("utf-8").splitlines()
    label, create = (next(n for n, line in enumerate(lines, 1) if word in line) for word in ("label", "create"))
    assert shown.returncode == 0
    assert f'front-desk +18005550100: label: "Support"  (gateway.yaml:{label})' in shown.stdout
    assert f'front-desk +18005550100: create: "contact"  (gateway.yaml:{create})' in shown.stdout
    assert f'front-desk (all others): create: "contact"  (gateway.yaml:{create})' in shown.stdout
