"""`gateway status` and `/api/status` beside a running gateway, and an org whose calls of the day are used up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from gateway.ports import DeliveryStatus
from tests.end_to_end.processes import PATIENCE, Gateway, Org, Store, event, eventually, run, write_settings


@pytest.fixture
def own_org(tmp_path: Path) -> Any:
    with Org(tmp_path) as org:
        write_settings(tmp_path, org.url)
        yield org


def status(folder: Path) -> dict[str, Any]:
    shown = run(folder, "status", "--json")
    assert shown.returncode == 0, shown.stderr
    (org,) = json.loads(shown.stdout)
    return dict(org)


def test_a_used_up_day_stops_the_writing_and_nothing_else(own_org, tmp_path):
    assert status(tmp_path)["condition"] == "stopped"
    with Gateway(tmp_path) as gateway, Store(tmp_path) as store:
        gateway.post(event("before"))
        eventually(lambda: own_org.task("before"))
        told = eventually(lambda: (s := status(tmp_path))["condition"] == "working" and s.get("calls") and s)
        assert 0 < told["calls"]["used"] < told["calls"]["max"]
        assert told["interactions"]["written"] == 1
        assert told["connections"][0]["last_delivery_at"]

        own_org.control("POST", "quota", {"max": 1})
        assert gateway.post(event("after")).status_code == 202
        told = eventually(lambda: (s := status(tmp_path))["condition"] == "paused" and s)
        assert "has used up its API calls of the last 24 hours" in told["problem"]
        assert told["paused_until"] > told["told_at"]
        assert told["interactions"]["waiting"] == 1

        made = own_org.control("GET", "calls")["total"]
        for number in range(10):
            assert gateway.post(event(f"more-{number}")).status_code == 202
        eventually(lambda: store.interactions("more-9"))
        assert store.interaction("after").attempts == 0
        assert len(store.deliveries("more-")) == 10
        assert {row.status for row in store.deliveries("more-")} == {DeliveryStatus.FOLDED}
        assert own_org.control("GET", "calls")["total"] == made, "nothing is sent to an org that is closed"

        token = run(tmp_path, "token", "create", "--role", "reader").stdout.strip()
        headers = {"Authorization": f"Bearer {token}"}
        (shown,) = requests.get(f"{gateway.url}/api/status", headers=headers, timeout=PATIENCE).json()["items"]
        assert (shown["name"], shown["condition"]) == ("main", "paused")
        metrics = requests.get(f"{gateway.url}/metrics", timeout=PATIENCE).text
        assert 'gateway_paused{org="main"} 1.0' in metrics
        assert 'gateway_salesforce_allowance_limit{org="main"} 1.0' in metrics
        assert requests.get(f"{gateway.url}/health/ready", timeout=PATIENCE).status_code == 200

        gateway.terminate()
        assert gateway.exit_code() == 0
        assert status(tmp_path)["condition"] == "stopped"
        own_org.control("POST", "quota", {"max": 100_000})
    with Gateway(tmp_path), Store(tmp_path) as store:
        eventually(lambda: store.are_written("more-", 10) and own_org.task("after"))
