"""How much of the org a client may use, and what time it is there."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests

HOUR = 3_600_000
SPENT = (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")


def skew(org: Any, milliseconds: int) -> None:
    org.control("POST", "/clock", {"skew_milliseconds": milliseconds})


def test_the_calls_used_are_shown_and_can_be_set(org: Any) -> None:
    org.control("POST", "/quota", {"max": 1000, "used": 990})

    answer = org.call("GET", "/limits")

    assert answer.headers["Sforce-Limit-Info"] == "api-usage=991/1000"
    assert answer.json()["DailyApiRequests"] == {"Max": 1000, "Remaining": 9}


def test_the_versions_tell_no_usage(org: Any) -> None:
    assert "Sforce-Limit-Info" not in requests.get(f"{org.url}/services/data", timeout=30).headers


def test_used_calls_come_back_after_24_hours(org: Any) -> None:
    org.control("POST", "/quota", {"max": 100, "used": 100})
    assert org.refusal("GET", "/limits") == SPENT

    skew(org, 22 * HOUR)
    assert org.refusal("GET", "/limits") == SPENT
    skew(org, 25 * HOUR)

    assert org.call("GET", "/limits").headers["Sforce-Limit-Info"] == "api-usage=1/100"


def test_the_quota_can_be_given_back(org: Any) -> None:
    org.control("POST", "/quota", {"max": 1, "used": 1})
    assert org.refusal("GET", "/limits") == SPENT

    assert org.control("POST", "/quota", {"used": 0}).json() == {"max": 1, "used": 0}
    assert org.call("GET", "/limits").status_code == 200


def test_the_orgs_clock_can_be_wrong(org: Any) -> None:
    right = parsedate_to_datetime(org.call("GET", "/limits").headers["Date"])

    skew(org, -3 * HOUR)

    answer = org.call("GET", "/limits")
    wrong = parsedate_to_datetime(answer.headers["Date"])
    task = org.get("Task", org.create("Task"))
    assert abs(right - wrong - timedelta(hours=3)) < timedelta(minutes=5)
    for name in ("CreatedDate", "SystemModstamp"):
        assert abs(datetime.fromisoformat(task[name]) - wrong) < timedelta(minutes=5)
    org.control("POST", "/reset", {})
    org.log_in()
    assert parsedate_to_datetime(org.call("GET", "/limits").headers["Date"]) >= right


def test_too_many_long_calls_at_once_are_refused(org: Any) -> None:
    org.control("POST", "/concurrency", {"max": 1, "milliseconds": 0})
    org.control("POST", "/faults", [{"kind": "silence_before", "path": "/sobjects"}])
    alone = org.call("GET", "/limits")
    with socket.create_connection(urlsplit(org.url).netloc.split(":"), timeout=30) as waiting:
        waiting.sendall(b"GET /services/data/v62.0/sobjects HTTP/1.1\r\nHost: x\r\n\r\n")
        while not org.control("GET", "/faults").json()[0]["struck"]:
            pass
        refused = org.refusal("GET", "/limits")
        org.control("POST", "/concurrency", {"max": 2, "milliseconds": 0})
        allowed = org.call("GET", "/limits")

    message = "ConcurrentRequests (Concurrent API Requests) Limit exceeded."
    assert refused == (403, "REQUEST_LIMIT_EXCEEDED", message)
    assert (alone.status_code, allowed.status_code) == (200, 200)
