"""The switches' page: each form does what its control call does, and the page shows it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests


def press(org: Any, call: str, status: int = 200, **fields: str) -> str:
    """Send a form as a browser does, and give the text of the page it leads to."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(f"{org.url}/devorg/{call}", data=fields, headers=headers, timeout=30)
    assert answer.status_code == status
    assert (answer.url == f"{org.url}/devorg/") is (status == 200)
    return " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())


def shown(org: Any) -> str:
    answer = requests.get(f"{org.url}/devorg/", timeout=30)
    assert answer.status_code == 200
    return answer.text


def test_the_page_is_reached_from_every_page(org: Any) -> None:
    assert '<a href="/devorg/">Switches</a>' in requests.get(f"{org.url}/", timeout=30).text
    assert requests.get(f"{org.url}/devorg", timeout=30).text == shown(org)


def test_faults_are_added_seen_and_ended(org: Any) -> None:
    text = press(org, "faults", kind="status", path="/limits", method="", times="2", status_="", probability="1")
    assert "method" not in text

    assert org.call("GET", "/limits").status_code == 503
    assert "path=/limits" in shown(org)
    assert "left=1" in shown(org)
    press(org, "faults", script='["quota", null]', path="/sobjects")
    assert org.call("GET", "/sobjects").status_code == 403
    press(org, "faults", _method="DELETE")

    assert org.control("GET", "/faults").json() == []


def test_sessions_quota_clock_and_search_are_switched(org: Any) -> None:
    press(org, "quota", max="50", used="7")
    press(org, "concurrency", max="3", milliseconds="10")
    press(org, "clock", skew_milliseconds="-5000")
    press(org, "search", lag_milliseconds="60000")

    page = shown(org)
    for name, value in (
        ("max", 50),
        ("used", 7),
        ("max", 3),
        ("skew_milliseconds", -5000),
        ("lag_milliseconds", 60000),
    ):
        assert f'name="{name}" type="number" value="{value}"' in page
    assert org.call("GET", "/limits").headers["Sforce-Limit-Info"] == "api-usage=8/50"
    press(org, "sessions/expire")
    assert org.refusal("GET", "/limits")[0] == 401


def test_features_and_rules_are_switched(org: Any) -> None:
    assert "Shared Activities: off" in press(org, "shared-activities", on="false")
    assert "Person accounts: on" in press(org, "person-accounts", on="true")
    press(org, "setup", activity_key="absent")
    rule = '[{"object": "Task", "when": "Subject = null", "message": "Say <what>"}]'
    press(org, "setup", validation_rules=rule)

    assert "<what>" not in shown(org)
    assert org.control("GET", "/setup").json()["activity_key"] == "absent"
    assert org.refusal("POST", "/sobjects/Task", {})[2] == "Say <what>"


def test_records_are_locked_archived_and_restored(org: Any, casey: str, robin: str) -> None:
    task = org.create("Task")
    assert f"{casey} (2 more)" in press(org, "locks", ids=f"{casey} {robin}", times="2")
    press(org, "locks", **{"contention.probability": "0.5", "contention.seed": "3", "contention.milliseconds": "10"})
    assert org.control("GET", "/locks").json()["contention"]["probability"] == 0.5
    assert "Held: none" in press(org, "locks", _method="DELETE")

    press(org, "archive", ids=task)
    assert org.control("GET", f"/records/{task}").json()["IsArchived"] is True
    org.call("DELETE", f"/sobjects/Task/{task}")
    press(org, "undelete", ids=task)
    assert org.control("GET", f"/records/{task}").json()["IsDeleted"] is False
    press(org, "purge")
    press(org, "reset")
    assert requests.get(f"{org.url}/devorg/records/{task}", timeout=30).status_code == 404


@pytest.mark.parametrize(
    ("call", "fields", "problem"),
    [
        ("faults", {"kind": "flood"}, "is not a valid FaultKind"),
        ("quota", {"max": "many"}, "max must be a whole number"),
        ("setup", {"duplicate_rules": "[{}]"}, "there is none called None"),
        ("nothing", {}, "No such control call"),
    ],
)
def test_what_makes_no_sense_is_said_on_the_page(org: Any, call: str, fields: dict[str, str], problem: str) -> None:
    assert problem in press(org, call, 400, **fields)
