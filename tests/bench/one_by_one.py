"""The yardstick of the drain: what people write with simple-salesforce, three calls per interaction.

Arguments: the org's address and how many interactions. Prints how many it wrote per second.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from simple_salesforce import Salesforce, format_soql

from tests.bench.people import event
from tests.bench.salesforce_login import log_in


def write(salesforce: Salesforce, interaction: dict[str, Any]) -> None:
    party, leg = interaction["parties"][0], interaction["legs"][0]
    by_phone = format_soql("SELECT Id, AccountId FROM Contact WHERE Phone = {}", party["phone"])
    contact = salesforce.query(by_phone)["records"][0]
    of_contact = format_soql("SELECT Id FROM Case WHERE ContactId = {} AND IsClosed = false", contact["Id"])
    cases = salesforce.query(of_contact)["records"]
    task = {
        "Subject": f"Inbound call from {party['name']}",
        "Status": "Completed",
        "TaskSubtype": "Call",
        "CallType": "Inbound",
        "CallDisposition": leg["disposition"],
        "Description": leg["notes"],
        "ActivityDate": leg["ended_at"][:10],
        "WhoId": contact["Id"],
        "WhatId": cases[0]["Id"] if cases else contact["AccountId"],
    }
    salesforce.Task.create(task)


def main(org_url: str, count: str) -> None:
    interactions = [json.loads(event(number)) for number in range(int(count))]
    salesforce = log_in(org_url)
    began = time.perf_counter()
    for interaction in interactions:
        write(salesforce, interaction)
    print(int(count) / (time.perf_counter() - began))


if __name__ == "__main__":
    main(*sys.argv[1:])
