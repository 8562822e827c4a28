"""The yardstick of the drain: the gateway's own Tasks written again under fresh keys, with nothing left to decide.

Arguments: the org's address and how many Tasks. Prints how many it wrote per second.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from tests.bench.processes import LocalOrg
from tests.bench.salesforce_login import VERSION, session, token

KEY = "Gateway_Interaction_Key__c"
BATCH = 200
_FIELDS = (
    "Subject", "Status", "Priority", "ActivityDate", "TaskSubtype", "CallType", "CallDurationInSeconds",
    "CallDisposition", "Description", "WhoId", "WhatId",
)  # fmt: skip


def bodies(org: LocalOrg, count: int) -> list[bytes]:
    """The calls' bodies, ready to be sent."""
    tasks = [_again(task) for task in org.tasks() if task[KEY]][:count]
    return [
        json.dumps({"allOrNone": False, "records": tasks[start : start + BATCH]}).encode()
        for start in range(0, len(tasks), BATCH)
    ]


def _again(task: dict[str, Any]) -> dict[str, Any]:
    key = "again:" + task[KEY]
    fields = {name: task[name] for name in _FIELDS if task[name] is not None}
    return {"attributes": {"type": "Task"}, **fields, "CallObject": key, KEY: key}


def main(org_url: str, count: str) -> None:
    calls = bodies(LocalOrg(org_url), int(count))
    address = f"{org_url}/services/data/v{VERSION}/composite/sobjects/Task/{KEY}"
    headers = {"Authorization": f"Bearer {token(org_url)}", "Content-Type": "application/json"}
    with session() as http:
        began = time.perf_counter()
        for body in calls:
            results = http.patch(address, data=body, headers=headers).json()
            assert all(result["success"] for result in results), results
        print(int(count) / (time.perf_counter() - began))


if __name__ == "__main__":
    main(*sys.argv[1:])
