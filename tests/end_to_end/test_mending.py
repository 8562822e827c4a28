"""What could not be decided is corrected in place by what appears in the org: real processes, nothing posted again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.end_to_end.processes import PATIENCE, Gateway, Org, Store, event, eventually, run, write_settings
from tests.values import replace

_numbers = count(1)


@pytest.fixture(scope="module")
def folder(running_org: Org, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mending")
    write_settings(folder, running_org.url, mirror_every="1s")
    return folder


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    """One that looks at the org every second while somebody waits."""
    with Gateway(folder) as gateway:
        yield gateway


@pytest.fixture
def store(gateway: Gateway) -> Iterator[Store]:
    with Store(gateway.folder) as store:
        yield store


@pytest.fixture
def phone() -> str:
    """A number that nobody in the org has."""
    return f"+1917555{next(_numbers):04}"


def call(id: str, phone: str, **more: Any) -> dict[str, Any]:
    return event(id, parties=[{"id": "p", "role": "customer", "phone": phone}], **more)


def written(gateway: Gateway, org: Org, store: Store, body: dict[str, Any]) -> dict[str, Any]:
    """The Task, once the gateway is done with what was posted."""
    assert gateway.post(body).status_code == 202
    eventually(lambda: store.are_written(body["id"]))
    task = org.task(body["id"])
    assert task
    return task


def load(org: Org, sobject: str, *rows: dict[str, Any]) -> list[str]:
    """New records, made now: without a time they would be as old as the seed, and no news."""
    made = {"CreatedDate": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}Z"}
    return list(org.control("POST", "load", {sobject: [made | row for row in rows]})["ids"][sobject])


def contacts(org: Org, phone: str, *names: str) -> tuple[str, list[str]]:
    """Contacts of one new account with this number."""
    (account,) = load(org, "Account", {"Name": f"Household {phone[-4:]}"})
    return account, load(org, "Contact", *({"LastName": name, "Phone": phone, "AccountId": account} for name in names))


def corrected(org: Org, id: str, who: str) -> dict[str, Any]:
    return eventually(lambda: (task := org.task(id)) and task["WhoId"] == who and task, "the correction")


def explained(gateway: Gateway, name: str, *more: str) -> dict[str, Any]:
    shown = run(gateway.folder, "explain", name, "--json", *more)
    assert shown.returncode == 0, shown.stderr
    return dict(json.loads(shown.stdout))


def headers(gateway: Gateway, role: str = "operator") -> dict[str, str]:
    secret = run(gateway.folder, "token", "create", "--role", role, "--name", "ops").stdout.strip()
    return {"Authorization": f"Bearer {secret}"}


def test_a_contact_that_appears_gets_the_call_that_had_nobody(gateway, org, store, id, phone):
    first = written(gateway, org, store, call(id, phone))
    assert first["WhoId"] is None
    account, (dana,) = contacts(org, phone, "Dana")
    task = corrected(org, id, dana)
    eventually(lambda: store.are_written(id))

    assert (task["Id"], task["WhatId"]) == (first["Id"], account)
    assert len(org.tasks(id)[id]) == 1
    (line,) = explained(gateway, f"front-desk:{id}")["history"]
    assert line["before"] == {"who": None, "what": None}
    assert line["after"]["who"] == {"id": dana, "name": "Dana"}
    row = store.interaction(id)
    shown = requests.get(f"{gateway.url}/api/interactions/{row.id}", headers=headers(gateway), timeout=PATIENCE).json()
    assert [one["what"] for one in shown["history"]] == [line["what"]]
    assert line["what"] in run(gateway.folder, "interactions", "show", str(row.id)).stdout


def test_a_merge_decides_between_two(gateway, org, store, id, phone):
    _, (one, other) = contacts(org, phone, "One", "Other")
    first = written(gateway, org, store, call(id, phone))
    assert first["WhoId"] is None
    org.control("POST", "merge", {"winner": one, "losers": [other]})
    task = corrected(org, id, one)

    assert task["Id"] == first["Id"]
    eventually(lambda: store.are_written(id))
    assert [line["after"]["who"]["id"] for line in explained(gateway, f"front-desk:{id}")["history"]] == [one]


def test_a_lead_that_is_converted_gives_its_contact(gateway, org, store, id, phone):
    _, (one,) = contacts(org, phone, "One")
    (lead,) = load(org, "Lead", {"LastName": "Lee", "Company": "New", "Phone": phone})
    first = written(gateway, org, store, call(id, phone))
    assert first["WhoId"] is None
    org.control("POST", "convert", {"lead": lead, "contact": one})

    assert corrected(org, id, one)["Id"] == first["Id"]


def test_a_case_that_is_opened_later_under_the_number_named_is_taken(gateway, org, store, id, phone):
    _, (dana,) = contacts(org, phone, "Dana")
    (before,) = load(org, "Case", {"Subject": "Before"})
    number = int(org.control("GET", f"records/{before}")["CaseNumber"]) + 1
    written(gateway, org, store, call(id, phone, references={"case_number": f"{number:08}"}))
    (later,) = load(org, "Case", {"Subject": "Later", "ContactId": dana})
    task = eventually(lambda: (t := org.task(id)) and t["WhatId"] == later and t)

    assert task["WhoId"] == dana


def test_a_persons_edit_in_between_stays(gateway, org, store, id, phone):
    first = written(gateway, org, store, call(id, phone))
    theirs = org.record_id("Linh Nguyễn")
    org.edit(first["Id"], WhoId=theirs)
    before = org.task(id)
    contacts(org, phone, "Dana")
    history = eventually(lambda: explained(gateway, f"front-desk:{id}")["history"])
    eventually(lambda: store.are_written(id))

    assert "In Salesforce a person put" in history[0]["what"]
    assert org.task(id) == before
    assert explained(gateway, f"front-desk:{id}")["by_a_person"]


def test_the_same_decision_again_writes_nothing(gateway, org, store, id, phone):
    written(gateway, org, store, call(id, phone))
    before, task = store.interaction(id), org.task(id)
    load(org, "Account", {"Name": "One Ltd", "Phone": phone}, {"Name": "Other Ltd", "Phone": phone})
    eventually(lambda: (row := store.interaction(id)) and row.matched_at > before.matched_at and row)

    assert org.task(id) == task
    assert replace(store.interaction(id), matched_at=before.matched_at) == before
    assert explained(gateway, f"front-desk:{id}", "--now")["now"]["is_same"]


def test_who_was_corrected_by_an_agent_is_remembered_for_the_number(gateway, org, store, id, phone):
    _, (one, other) = contacts(org, phone, "Dana", "Erin")
    named = {"parties": [{"id": "p", "role": "customer", "phone": phone, "name": "Dana"}]}
    first = written(gateway, org, store, {**call(id, phone), **named})
    corrected(org, id, one)
    org.edit(first["Id"], WhoId=other)
    written(gateway, org, store, {**call(id, phone), **named, "event": "wrapped_up", "notes": "It was Erin",
                                  "occurred_at": "2026-03-02T14:09:00Z"})  # fmt: skip

    found = store._database.choices.remembered("main", [f"phone:{phone}"])[f"phone:{phone}"]
    assert {(each.record_id, each.confirmed, each.rejected) for each in found} == {(one, 0, 1), (other, 1, 0)}
    assert gateway.post(call(f"next-{id}", phone)).status_code == 202
    corrected(org, f"next-{id}", other)


def test_what_is_chosen_over_the_api_is_written_for_good(gateway, org, store, id, phone):
    first = written(gateway, org, store, call(id, phone))
    row = store.interaction(id)
    linh = org.record_id("Linh Nguyễn")
    url = f"{gateway.url}/api/interactions/{row.id}/choice"
    refused = requests.post(url, json={"who": linh}, headers=headers(gateway, "reader"), timeout=PATIENCE)
    assert refused.status_code == 403
    assert requests.post(url, json={"who": linh}, headers=headers(gateway), timeout=PATIENCE).status_code == 202
    task = corrected(org, id, linh)
    contacts(org, phone, "Dana")
    written(gateway, org, store, call(f"{id}-2", phone))

    assert task["Id"] == first["Id"]
    assert task["WhatId"] == org.record_id("Nguyễn Household", "Account")
    assert org.tasks(id)[id][0]["WhoId"] == linh
    assert "Token ops chose Linh Nguyễn" in explained(gateway, str(row.id))["history"][0]["what"]


def test_what_is_chosen_on_the_command_line_beside_the_gateway(gateway, org, store, id, phone):
    written(gateway, org, store, call(id, phone))
    row = store.interaction(id)
    account = org.record_id("Nguyễn Household", "Account")
    shown = run(gateway.folder, "interactions", "choose", str(row.id), "--what", account)
    assert shown.returncode == 0, shown.stderr

    task = eventually(lambda: (t := org.task(id)) and t["WhatId"] == account and t)
    assert task["WhoId"] is None
    said = run(gateway.folder, "explain", str(row.id)).stdout
    assert "The command line chose Nguyễn Household" in said


def test_a_change_of_the_rules_is_previewed_and_applied_beside_the_gateway(org, id, phone, tmp_path):
    write_settings(tmp_path, org.url)
    _, (dana,) = contacts(org, phone, "Dana")
    with Store(tmp_path) as store:
        with Gateway(tmp_path) as gateway:
            written(gateway, org, store, call(id, phone))
            corrected(org, id, dana)
        mappings = tmp_path / "mappings"
        mappings.mkdir()
        (mappings / "matching.yaml").write_text('version: "2"\nthreshold: 100\n', encoding="utf-8")
        with Gateway(tmp_path) as gateway:
            shown = run(tmp_path, "rematch", "--since", "2020-01-01")
            assert f"(front-desk:{id}): matched: Dana" in shown.stdout, shown.stderr
            assert "1 of 1 would move" in shown.stdout
            assert org.task(id)["WhoId"] == dana
            assert run(tmp_path, "rematch", "--since", "2020-01-01", "--apply", "--yes").returncode == 0
            eventually(lambda: (task := org.task(id)) and task["WhoId"] is None)
            assert len(org.tasks(id)[id]) == 1
