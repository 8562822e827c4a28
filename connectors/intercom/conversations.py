"""The conversations that are closed, as a search finds them: what no notification told.

https://github.com/intercom/Intercom-OpenAPI (`descriptions/2.16`: `/conversations/search`, `/contacts/search`,
`/admins`). A search does not tell what was written, and names people by ids, who are looked up. That its times are
exact, unlike those of a search for contacts, is from https://github.com/estuary/connectors (`source-intercom-native`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from connectors.intercom.conversation import CLOSED_STATE, Names, contacts_in, teammates_in, told_by_search
from gateway.sdk import RejectedError
from gateway.sdk.http import Api
from gateway.sdk.reading import Fields, expecting
from gateway.sdk.recent import Place, Recent, Rows, list_in

RECORD = "closed conversation"
PAGE = 150
FILTERS = 15
"""Filters of a group at most; a list of ids stands for as many."""
KEPT = ("type", "id", "name", "email", "phone")
"""What is kept of a contact, and of a teammate."""


def conversations(api: Api, names: Names) -> Recent:
    """The closed conversations that changed within the last day."""

    def page(since: datetime, place: Place | None) -> Rows:
        filters = [_filter("updated_at", ">", str(int(since.timestamp()))), _filter("state", "=", CLOSED_STATE)]
        pagination = {"per_page": PAGE, **({"starting_after": place} if place else {})}
        asked = {"query": {"operator": "AND", "value": filters}, "pagination": pagination}
        rows, told = list_in(api.call("POST", "conversations/search", json=asked), "conversations")
        with expecting("conversations"):
            behind = Fields(told).inner("pages").inner("next").text("starting_after")
        return _records(api, rows), None if behind == place else behind

    def read(record: Fields) -> object:
        return told_by_search(record, names)

    return Recent(name="conversations", kind=RECORD, read=read, is_over=_is_over, page=page)


def _records(api: Api, rows: Sequence[Any]) -> list[Any]:
    """Each conversation with the people in it. What cannot be read is told, and parked."""
    named = [_named(row) for row in rows]
    admins = _by_id(list_in(api.get("admins"), "admins")[0]) if rows else {}
    contacts = _contacts(api, sorted({id for _, ids in named for id in ids}))
    return [
        {
            "conversation": row,
            "admins": [admins[id] for id in teammates if id in admins],
            "contacts": [contacts[id] for id in ids if id in contacts],
        }
        if isinstance(row, dict)
        else row
        for row, (teammates, ids) in zip(rows, named, strict=True)
    ]


def _named(row: Any) -> tuple[list[str], list[str]]:
    """The ids of the teammates and of the contacts in it."""
    told = Fields(row if isinstance(row, dict) else {})
    with suppress(RejectedError):
        return teammates_in(told), contacts_in(told)
    return [], []


def _contacts(api: Api, ids: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for at in range(0, len(ids), FILTERS):
        asked = {"query": _filter("id", "IN", ids[at : at + FILTERS]), "pagination": {"per_page": FILTERS}}
        found |= _by_id(list_in(api.call("POST", "contacts/search", json=asked), "data")[0])
    return found


def _by_id(people: Sequence[Any]) -> dict[str, Any]:
    """Their records by their ids, cut down to what is kept."""
    return {
        str(each.get("id")): {name: each[name] for name in KEPT if name in each}
        for each in people
        if isinstance(each, dict)
    }


def _filter(field: str, operator: str, value: object) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


def _is_over(record: Mapping[str, Any]) -> bool:
    return bool(record["conversation"].get("state") == CLOSED_STATE)
