"""The contacts, cases and interactions of a run: interaction number n is with contact number n."""

from __future__ import annotations

import json
from typing import Any

CONNECTION = "bench"
TOKEN = "bench-token"  # a local run's own
EVENT_BYTES = 600
CONTACTS_PER_ACCOUNT = 20


def phone(number: int) -> str:
    return f"+1415{2_000_000 + number}"


def external_key(number: int) -> str:
    return f"{CONNECTION}:{external_id(number)}"


def external_id(number: int) -> str:
    return f"call-{number:08}"


def population(contacts: int) -> dict[str, list[dict[str, Any]]]:
    """Records for the org: every second contact has an open case."""
    accounts = range((contacts + CONTACTS_PER_ACCOUNT - 1) // CONTACTS_PER_ACCOUNT)
    return {
        "Account": [{"$": f"account-{n}", "Name": f"Account {n}"} for n in accounts],
        "Contact": [_contact(n) for n in range(contacts)],
        "Case": [_case(n) for n in range(0, contacts, 2)],
    }


def _contact(number: int) -> dict[str, Any]:
    return {
        "$": f"contact-{number}",
        "FirstName": "Casey",
        "LastName": f"Customer {number}",
        "Phone": phone(number),
        "Email": f"casey.{number}@customers.example",
        "AccountId": _account_of(number),
    }


def _case(number: int) -> dict[str, Any]:
    return {
        "Subject": f"Question {number}",
        "Status": "New",
        "ContactId": f"$contact-{number}",
        "AccountId": _account_of(number),
    }


def _account_of(number: int) -> str:
    return f"$account-{number // CONTACTS_PER_ACCOUNT}"


def event(number: int) -> bytes:
    """A finished call with contact `number`, in the canonical form, of exactly EVENT_BYTES."""
    body = _event(number)
    body["legs"][0]["notes"] = "x" * (EVENT_BYTES - len(json.dumps(body)))
    return json.dumps(body).encode()


def _event(number: int) -> dict[str, Any]:
    return {
        "id": external_id(number),
        "event": "completed",
        "sequence": 3,
        "occurred_at": "2026-03-02T14:54:30Z",
        "channel": "voice",
        "direction": "inbound",
        "parties": [{"role": "customer", "phone": phone(number), "name": f"Casey {number}"}],
        "legs": [
            {
                "id": "l-1",
                "call_type": "inbound",
                "agent": {"id": "7", "name": "Ada Agent"},
                "team": "Support",
                "started_at": "2026-03-02T14:42:52Z",
                "ended_at": "2026-03-02T14:54:30Z",
                "disposition": "Resolved",
                "notes": "",
            }
        ],
        "queue": "Support",
    }
