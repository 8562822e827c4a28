"""The tickets that are solved, as the incremental export has them: what no event told.

https://developer.zendesk.com/api-reference/ticketing/ticket-management/incremental_exports (tickets by cursor; without
the last minute, and with those that only the system changed, whose `updated_at` stays as it was), and
https://developer.zendesk.com/documentation/ticketing/using-the-zendesk-api/side_loading (`users`, `groups`): a metric
set comes in its ticket, by https://github.com/singer-io/tap-zendesk (`streams.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from connectors.zendesk.ticket import FINISHED, Names, told_by_export
from gateway.sdk import RetryableError
from gateway.sdk.http import Api
from gateway.sdk.reading import Fields, iso_time
from gateway.sdk.recent import Place, Recent, Rows, list_in

RECORD = "exported ticket"
PAGE = 1000
BESIDE = "users,groups,metric_sets"
PEOPLE = ("requester_id", "assignee_id")
KEPT = ("id", "name", "email", "phone")
"""What is kept of a user, and of a group."""


def tickets(exports: Api, names: Names) -> Recent:
    """The tickets that changed within the last day, in the order of their changes."""

    def page(since: datetime, place: Place | None) -> Rows:
        at = {"cursor": place} if place else {"start_time": int(since.timestamp())}
        reply = exports.get("incremental/tickets/cursor", {**at, "per_page": PAGE, "include": BESIDE})
        rows, told = list_in(reply, "tickets")
        users, groups = _by_id(told, "users"), _by_id(told, "groups")
        behind, ends = told.get("after_cursor"), told.get("end_of_stream") is not False
        records = [_record(ticket, users, groups) for ticket in rows if _changed(ticket, since)]
        return records, None if ends or behind == place else behind

    def read(record: Fields) -> object:
        return told_by_export(record, names)

    return Recent(name="tickets", kind=RECORD, read=read, is_over=_is_over, page=page)


def _changed(ticket: Any, since: datetime) -> bool:
    """Whether it was more than the system that changed it. What cannot be read is told, and parked."""
    with suppress(KeyError, TypeError, ValueError):
        return iso_time(ticket["updated_at"]) >= since
    return True


def _record(ticket: Any, users: Mapping[str, Any], groups: Mapping[str, Any]) -> Any:
    """A ticket with those of its page that are in it."""
    if not isinstance(ticket, dict):
        return ticket
    people = [users[id] for id in dict.fromkeys(str(ticket.get(key)) for key in PEOPLE) if id in users]
    group = [groups[id] for id in (str(ticket.get("group_id")),) if id in groups]
    return {"ticket": ticket, "users": people, "groups": group}


def _by_id(told: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Without whom all tickets would seem to be nobody's."""
    if not isinstance(told.get(key), list):
        raise RetryableError(f"The export of tickets comes without {key}.")
    members = [each for each in told[key] if isinstance(each, dict)]
    return {str(each.get("id")): {name: each[name] for name in KEPT if name in each} for each in members}


def _is_over(record: Mapping[str, Any]) -> bool:
    return str(record["ticket"].get("status")).lower() in FINISHED
