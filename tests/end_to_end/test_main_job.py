"""A webhook becomes a Task: real processes, real sockets, the local org."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from gateway.ports import DeliveryStatus
from tests.end_to_end.processes import PATIENCE, Process, event, eventually, post, run


def test_the_demo_shows_the_main_job_and_checks_it(tmp_path):
    shown = run(tmp_path, "demo", "--once")

    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Interactions and their Tasks" in shown.stdout
    assert "Every interaction has exactly the Task that is expected." in shown.stdout
    assert "Casey Customer" in shown.stdout
    assert not list(tmp_path.iterdir()), "it leaves nothing behind"


def test_a_demo_that_is_asked_to_end_takes_its_org_and_its_gateway_with_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with Process(tmp_path, "demo") as demo:
        addresses = re.findall(r"http://127.0.0.1:\d+", demo.announced)
        demo.terminate()
        demo.exit_code()

    assert len(addresses) == 2
    for address in addresses:
        with pytest.raises(requests.ConnectionError):
            requests.get(address, timeout=PATIENCE)
    assert [left.name for left in tmp_path.iterdir()] == ["demo.log"]


def test_a_call_becomes_a_task_with_contact_account_and_owner(gateway, org, id):
    leg = {"id": "l-1", "agent": {"email": "ada@example.com", "name": "Ada Agent"}, "disposition": "Resolved"}
    answer = gateway.post(event(id, legs=[leg], contact_point="+18005550100"))
    assert answer.status_code == 202
    assert answer.json()["duplicate"] is False

    task = eventually(lambda: org.task(id))
    assert task["WhoId"] == org.record_id("Linh Nguyễn")
    assert task["WhatId"] == org.record_id("Nguyễn Household", "Account")
    assert task["OwnerId"] == org.record_id("Ada Agent", "User")
    assert task["Subject"] == "Support · Inbound call from Linh Nguyễn · Resolved"
    assert (task["Status"], task["CallType"], task["TaskSubtype"]) == ("Completed", "Inbound", "Call")


def test_a_hundred_times_the_same_at_once_is_one_row_and_one_task(gateway, org, store, id):
    body = event(id)
    with ThreadPoolExecutor(20) as pool:
        answers = [each.result(PATIENCE) for each in [pool.submit(gateway.post, body) for _ in range(100)]]

    assert {answer.status_code for answer in answers} == {202}
    assert sum(not answer.json()["duplicate"] for answer in answers) == 1
    assert len({answer.json()["id"] for answer in answers}) == 1
    eventually(lambda: org.task(id))
    eventually(lambda: store.are_written(id))
    (delivery,) = store.deliveries(id)
    assert delivery.repeats == 99
    assert len(org.tasks(id)[id]) == 1


@pytest.mark.parametrize("order", ["scw", "wcs", "wsc", "cws"])
def test_the_order_of_arrival_does_not_matter(gateway, org, store, id, order):
    events = {
        "s": event(id, "started", started_at="2026-03-02T14:00:00Z"),
        "c": event(id, "completed", 5, ended_at="2026-03-02T14:05:00Z"),
        "w": {"id": id, "event": "wrapped_up", "occurred_at": "2026-03-02T14:07:00Z", "disposition": "Sold", "notes": "Two panels"},
    }  # fmt: skip
    for letter in order:
        assert gateway.post(events[letter]).status_code == 202
    eventually(lambda: len(store.deliveries(id)) == 3 and store.are_written(id))

    task = org.task(id)
    assert (task["CallDisposition"], task["CallDurationInSeconds"]) == ("Sold", 300)
    assert task["WhoId"] == org.record_id("Linh Nguyễn")
    assert "Two panels" in task["Description"]


def test_a_late_wrap_up_updates_the_same_task_and_a_persons_edit_stands(gateway, org, store, id):
    gateway.post(event(id, disposition="Resolved"))
    first = eventually(lambda: org.task(id))
    eventually(lambda: store.are_written(id))
    org.edit(first["Id"], CallDisposition="Escalated", Priority="High")

    gateway.post(event(id, "wrapped_up", 7, disposition="Sold", notes="Two panels"))
    task = eventually(lambda: (t := org.task(id)) and "Two panels" in t["Description"] and t)

    assert task["Id"] == first["Id"]
    assert (task["CallDisposition"], task["Priority"]) == ("Escalated", "High")
    eventually(lambda: store.are_written(id))
    assert store.interaction(id).kept == {"CallDisposition": "Escalated", "Priority": "High"}


def test_a_deleted_task_is_written_anew_only_when_asked(gateway, org, store, id):
    gateway.post(event(id))
    first = eventually(lambda: org.task(id))
    eventually(lambda: store.are_written(id))
    org.control("DELETE", f"records/{first['Id']}", {})
    gateway.post(event(id, "wrapped_up", 7, notes="Two panels"))
    row = eventually(lambda: (r := store.interaction(id)) and r.parked and r)
    assert org.task(id)["IsDeleted"]

    assert run(gateway.folder, "interactions", "retry", str(row.id)).returncode == 0
    standing = eventually(lambda: [t for t in org.tasks(id)[id] if not t["IsDeleted"]])
    assert len(standing) == 1
    assert "Two panels" in standing[0]["Description"]


def test_a_body_cut_in_half_is_kept_and_listed(gateway, store, id):
    body = f'{{"id": "{id}", "event": "comp'.encode()
    answer = gateway.post(body)
    assert answer.status_code == 202

    (delivery,) = eventually(lambda: [row for row in store.deliveries(id) if row.status is DeliveryStatus.PARKED])
    assert delivery.body == body
    token = run(gateway.folder, "token", "create", "--role", "operator").stdout.strip()
    headers = {"Authorization": f"Bearer {token}"}
    listed = requests.get(f"{gateway.url}/api/deliveries?status=parked", headers=headers, timeout=PATIENCE).json()
    reasons = {item["id"]: item["reason"] for item in listed["items"]}
    assert "cut off" in reasons[delivery.id]
    assert "cut off" in run(gateway.folder, "deliveries", "list", "--status", "parked").stdout


def test_nobody_without_the_token_gets_anything_in(gateway, store, id):
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = requests.post(f"{gateway.url}/webhooks/front-desk", json=event(id), headers=headers, timeout=PATIENCE)
        assert answer.status_code == 401
    assert store.deliveries(id) == []


def test_many_interactions_cost_few_calls(gateway, org, store, id):
    org.faults({"kind": "latency", "milliseconds": 1000})  # so that a backlog forms, however fast this machine is
    org.control("DELETE", "calls")
    with requests.Session() as http:
        for number in range(300):
            post(gateway.url, event(f"{id}-{number}", parties=[{"phone": f"+1415555{number:04}"}]), http)
    eventually(lambda: store.are_written(id, 300))

    assert len(org.tasks(id)) == 300
    writes = org.control("GET", "calls")["calls"]
    assert sum(writes.values()) <= 60, writes
