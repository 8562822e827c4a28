"""What CXone's rows name by ids only, looked up and put beside them, so that `parse` need not ask.

The names of dispositions and the addresses of agents, script variables (`custom-data`, at most 15 days at a time), the
contacts that a transfer came from; of digital contacts their messages, channel and queue. The fields are those of the
vendor's OpenAPI files, as https://github.com/calljacob/nice-cxone-api is generated from them.

What CXone refuses to tell of one contact is left out: it may not stop the reading of all others. A contact that it does
not know may come, after 15 minutes or more:
https://help.nicecxone.com/content/studio/actions/contact_id_v7/contact_id_v7.htm.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from connectors.cxone.asking import each_row, object_of, objects, written
from connectors.cxone.contact import LONGEST_CHAIN
from gateway.sdk import Pulled, RejectedError
from gateway.sdk.http import Api, MissingError
from gateway.sdk.kept import Kept
from gateway.sdk.reading import iso_time

Row: TypeAlias = Mapping[str, Any]

NAMES_LAST = 600.0
"""Seconds until dispositions, agents, channels and queues are read again."""
DETAILS_LAST = 3600.0
"""Seconds for which script variables and masters are kept: longer than a reading overlaps the one before."""
UNKNOWN_LASTS = 300.0
"""Seconds until a contact that CXone did not know is asked for again."""
YOUNG = timedelta(minutes=45)
"""How long after its last change a row waits for what is known of the contacts that it came from."""
FEW = 20
"""Contacts of a day up to which each is asked for by itself."""
LONGEST_RANGE = timedelta(days=15)
A_SECOND = timedelta(seconds=1)


class Contacts:
    """Completed contacts with what their ids stand for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._names = Kept[dict[str, str]](NAMES_LAST, clock)
        self._variables = Kept[dict[str, str]](DETAILS_LAST, clock)
        self._masters = Kept[str](DETAILS_LAST, clock)
        self._unknown = Kept[None](UNKNOWN_LASTS, clock)

    def told(self, api: Api, rows: Sequence[Row], now: datetime) -> tuple[list[Pulled], list[Row]]:
        """Each row as `parse` reads it, and the rows to be read again: where their chain begins is not known yet."""
        if not rows:
            return [], []
        masters = {_id(row, "contactId"): _master_in(row) for row in rows}
        ready, waiting, chains = [], [], []
        for row in rows:
            chain, is_whole = self._chain(api, _id(row, "contactId"), masters)
            if is_whole or not _is_young(row, now):
                ready.append(row)
                chains.append(chain)
            else:
                waiting.append(row)
        return self._pulled(api, ready, chains), waiting

    def _pulled(self, api: Api, rows: Sequence[Row], chains: Sequence[list[str]]) -> list[Pulled]:
        self._ask_for_variables(api, rows)
        return [
            _pulled(
                completedContact=row,
                dispositions=_some(self._listed(api, "dispositions", "dispositionId", "dispositionName"), _codes(row)),
                agents=_some(self._listed(api, "agents", "agentId", "emailAddress"), [_id(row, "agentId")]),
                customData=self._variables.get(_version(row), dict),
                masterContactIds=chain,
            )
            for row, chain in zip(rows, chains, strict=True)
        ]

    def _listed(self, api: Api, name: str, id: str, value: str) -> dict[str, str]:
        return self._names.get(name, lambda: _values(each_row(api, name, name, {"fields": f"{id},{value}"}), id, value))

    def _chain(self, api: Api, contact: str, masters: Mapping[str, str]) -> tuple[list[str], bool]:
        """The contacts that this one came from, the first one last: after several transfers a master has its own.

        And whether that is all: of the last one CXone may not know yet what it came from.
        """
        chain = [contact]
        while (master := self._master(api, chain[-1], masters)) and master not in chain and len(chain) <= LONGEST_CHAIN:
            chain.append(master)
        return chain[1:], master is not None

    def _master(self, api: Api, contact: str, masters: Mapping[str, str]) -> str | None:
        """None: CXone does not know the contact."""
        if contact in masters:
            return masters[contact]
        if contact in self._unknown:
            return None
        try:
            return self._masters.get(contact, lambda: _master_of(api, contact))
        except MissingError:
            self._unknown[contact] = None
            return None

    def _ask_for_variables(self, api: Api, rows: Sequence[Row]) -> None:
        """Of the contacts that are not known as they are now: of a day with many of them by a range of time."""
        days = defaultdict(list)
        for row in rows:
            if _version(row) not in self._variables:
                days[str(row.get("contactStartDate", row.get("contactStart")))[:10]].append(row)
        for few_or_many in days.values():
            span = _span(few_or_many) if len(few_or_many) > FEW else None
            found = _variables_between(api, *span) if span else _variables_of(api, few_or_many)
            for row in few_or_many:
                self._variables[_version(row)] = found.get(_id(row, "contactId"), {})


class Conversations:
    """Digital contacts with their messages."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._channels = Kept[Row](NAMES_LAST, clock)
        self._queues = Kept[Row](NAMES_LAST, clock)

    def told(self, api: Api, contacts: Sequence[Row]) -> list[Pulled]:
        """Each contact as `parse` reads it."""
        return [
            _pulled(
                digitalContact=contact,
                messages=_messages_of(api, _id(contact, "id")),
                channel=self._one(self._channels, api, "channels", _id(contact, "channelId")),
                routingQueue=self._one(self._queues, api, "routing-queues", _id(contact, "routingQueueId")),
            )
            for contact in contacts
        ]

    def _one(self, kept: Kept[Row], api: Api, path: str, id: str) -> Row:
        return kept.get(id, lambda: _by_id(api, path, id)) if id else {}


def _pulled(**told: Any) -> Pulled:
    """Without a key of its own: the same bytes are the same record, and whatever changes is another one."""
    return Pulled(body=json.dumps(told, sort_keys=True).encode())


def _id(row: Row, name: str) -> str:
    value = row.get(name)
    return str(value) if isinstance(value, int | str) else ""


def _master_in(row: Row) -> str:
    """The contact that this one came from; 0 is none."""
    id = _id(row, "masterContactId")
    return "" if id == "0" else id


def _is_young(row: Row, now: datetime) -> bool:
    with suppress(KeyError, TypeError, ValueError):
        return abs(now - iso_time(row["lastUpdateTime"])) <= YOUNG
    return False


def _codes(row: Row) -> list[str]:
    return [_id(row, "primaryDispositionId"), _id(row, "secondaryDispositionId")]


def _some(values: Mapping[str, str], ids: Sequence[str]) -> dict[str, str]:
    return {id: values[id] for id in ids if id in values}


def _version(row: Row) -> str:
    return f"{_id(row, 'contactId')} {row.get('lastUpdateTime')}"


def _values(rows: Iterator[dict[str, Any]], id: str, value: str) -> dict[str, str]:
    return {_id(row, id): row[value] for row in rows if row.get(value)}


def _master_of(api: Api, contact: str) -> str:
    """The master of a contact of another page, or one that is not completed yet; the row is a member of the answer.

    MissingError: it is not known.
    """
    try:
        told = object_of(api.get(f"contacts/{contact}"))
    except MissingError:
        raise
    except RejectedError:
        return ""
    inner = told.get("contactId")
    return _master_in(inner if isinstance(inner, dict) else told)


def _variables_of(api: Api, rows: Sequence[Row]) -> dict[str, dict[str, str]]:
    found = {}
    for id in (_id(row, "contactId") for row in rows):
        with suppress(RejectedError):
            told = object_of(api.get(f"contacts/{id}/custom-data"))
            found[id] = _values(iter(objects(told, "contactCustomData")), "name", "value")
    return found


def _variables_between(api: Api, since: datetime, until: datetime) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    while since < until:
        end = min(since + LONGEST_RANGE, until)
        asked = {"startDate": written(since), "endDate": written(end)}
        for row in each_row(api, "contacts/custom-data", "contactCustomData", asked):
            found[_id(row, "contactId")][_id(row, "name")] = row.get("value") or ""
        since = end
    return found


def _span(rows: Sequence[Row]) -> tuple[datetime, datetime] | None:
    """From the begin of the first to the last change: it is not documented which time of a contact the range means."""
    try:
        began = [iso_time(row.get("contactStartDate") or row["contactStart"]) for row in rows]
        return min(began) - A_SECOND, max(iso_time(row["lastUpdateTime"]) for row in rows) + A_SECOND
    except (KeyError, TypeError, ValueError):
        return None


def _by_id(api: Api, path: str, id: str) -> Row:
    """The one with this id: channels come as a list, queues as an object with one in `data`."""
    with suppress(RejectedError):
        told = api.get(path, {"id[]": id}).json()
        listed = objects(told, "data") if isinstance(told, dict) else told
        return next((each for each in listed or () if isinstance(each, dict) and each.get("id") == id), {})
    return {}


def _messages_of(api: Api, contact: str) -> list[dict[str, Any]]:
    with suppress(RejectedError):
        return objects(object_of(api.get(f"contacts/{contact}/messages")), "data")
    return []
