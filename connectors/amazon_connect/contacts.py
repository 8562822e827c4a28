"""The contacts of an instance as the Amazon Connect API tells them: what no record and no event brought.

`SearchContacts` lists what was disconnected, `DescribeContact` tells each, `DescribeUser`, `DescribeQueue` and
`DescribeUserHierarchyGroup` give the names of what it has the ids of. Fields, words and the kind of the times are those
of the service model, https://github.com/boto/botocore (`botocore/data/connect/2017-08-08/service-2.json`); the ARN of
an agent by https://docs.aws.amazon.com/service-authorization/latest/reference/list_connect.html. Quotas:
https://docs.aws.amazon.com/connect/latest/adminguide/amazon-connect-service-limits.html.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import quote

from msgspec import Struct

from connectors.amazon_connect.contact import EXTERNAL, LEVELS, MONITOR, told_by_record
from gateway.sdk import Cursor, Page, PartialInteraction, Pulled, RejectedError
from gateway.sdk.http import Api, MissingError
from gateway.sdk.kept import Kept
from gateway.sdk.reading import Fields, expecting, iso_time, objects_of
from gateway.sdk.recent import list_in

DESCRIPTION = "DescribeContact"
CONTACT, NEXT = "Contact", "Contacts"
"""What a description holds: the answer of `DescribeContact`, and of `SearchContacts` what the contact went on in."""
REFUSED = "Refused"
"""Or instead why AWS does not describe a contact that it lists."""
NAMES = {
    "User": ("users", "Username"),
    "Queue": ("queues", "Name"),
    "HierarchyGroup": ("user-hierarchy-groups", "Name"),
}
"""And the names that ids stand for: where each is asked for, and its field there."""
SAME = (
    "InitialContactId", "InitiationMethod", "Channel", "SegmentAttributes", "DisconnectReason", "CustomerId",
    "CustomerEndpoint", "SystemEndpoint", "Attributes", "Recordings",
)  # fmt: skip
"""What a description and a record call the same."""
TIMES = ("InitiationTimestamp", "DisconnectTimestamp", "LastUpdateTimestamp")
AGENT_TIMES = ("ConnectedToAgentTimestamp", "AfterContactWorkEndTimestamp")
BESIDE = frozenset({MONITOR, EXTERNAL})
"""Who listens in, or is brought in, takes nothing over."""

SETTLED = timedelta(hours=1)
"""After the end of a contact: by then the agent's work on it is done, and mostly what it went on in."""
FIRST = timedelta(days=1)
"""How far back the first reading goes."""
WINDOW = timedelta(hours=6)
"""Contacts that are listed together, by when they ended."""
A_SECOND = timedelta(seconds=1)
"""Whether a range holds its beginning is not documented."""
PAGE = 100
"""Most contacts of one answer."""
SEARCHES = 25
"""Searches in a row, after which the job shows that it goes on."""
FEW = 10
"""Contacts that are told together."""
NAMES_LAST = 86_400.0
"""Seconds for which a name is not asked for again."""

Names: TypeAlias = dict[str, str]


def told_by_description(told: Fields, names: Mapping[str, str]) -> tuple[PartialInteraction, ...]:
    """What is told of a contact, as its record would tell it; one that AWS refuses to describe is parked."""
    if refused := told.text(REFUSED):
        raise RejectedError(f"{DESCRIPTION} is refused: {refused}")
    return told_by_record(_as_record(told), names)


def _as_record(told: Fields) -> Fields:
    """The same by the names of a contact record, in whole seconds as that has them, so that both agree."""
    contact = told.inner(CONTACT)
    instance = (contact.text("Arn") or "").partition("/contact/")[0]
    queue = contact.inner("QueueInfo").text("Id")
    record = {
        "ContactId": contact.text("Id"),
        "NextContactId": next((following.text("Id") for following in told.inners(NEXT)), None),
        "Agent": _agent(told, contact.inner("AgentInfo"), instance),
        "Queue": queue and {"ARN": f"{instance}/queue/{queue}", "Name": _name(told, "Queue")},
    }
    return Fields({**{name: contact.anything(name) for name in SAME}, **_times(contact, TIMES), **record})


def _agent(told: Fields, agent: Fields, instance: str) -> dict[str, object] | None:
    id = agent.text("Id")
    if id is None:
        return None
    return {
        **_times(agent, AGENT_TIMES),
        "ARN": f"{instance}/agent/{id}",
        "Username": _name(told, "User"),
        "AfterContactWorkDuration": agent.whole("AfterContactWorkDuration"),
        "HierarchyGroups": {"Level1": {"GroupName": _name(told, "HierarchyGroup")}},
    }


def _name(told: Fields, kind: str) -> str | None:
    return told.inner(kind).text(NAMES[kind][1])


def _times(fields: Fields, names: Collection[str]) -> dict[str, str]:
    times = {name: fields.epoch_s(name) for name in names}
    return {name: time.isoformat(timespec="seconds") for name, time in times.items() if time}


class _Listed(Struct, frozen=True):
    """A contact of the list."""

    ended: datetime
    id: str
    previous: str | None


class Contacts:
    """Tells each contact once, when it has been over for an hour: the list does not tell when one was changed.

    Its requests are signed with the time: AWS refuses a clock that is minutes off, so that ours decides what is due.
    `searches` lists, `api` tells one at a time; each has a quota of its own.
    """

    name = "contacts"
    every = timedelta(hours=1)

    def __init__(self, searches: Api, api: Api, instance: str) -> None:
        self._searches = searches
        self._api = api
        self._instance = instance
        self._names = Kept[Names](NAMES_LAST)

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        """The cursor is since when contacts that have ended are to be told."""
        until = now.astimezone(UTC).replace(microsecond=0) - SETTLED
        since = iso_time(cursor["since"]) if cursor else until - FIRST
        if since > until:
            since = until - FIRST
        while since < until:
            end = min(since + WINDOW, until)
            yield from self._window(since, end)
            yield Page((), {"since": end.isoformat()})
            since = end

    def _window(self, since: datetime, end: datetime) -> Iterator[Page]:
        listed: list[_Listed] = []
        for number, contacts in enumerate(self._listed(since - A_SECOND, end + SETTLED), 1):
            listed += contacts
            if number % SEARCHES == 0:
                yield Page(())
        following = {contact.previous: contact.id for contact in listed if contact.previous}
        due = sorted([each for each in listed if since <= each.ended < end], key=lambda each: each.ended)
        for start in range(0, len(due), FEW):
            few = due[start : start + FEW]
            pulled = [told for each in few if (told := self._told(each.id, following.get(each.id)))]
            yield Page(pulled, {"since": few[-1].ended.isoformat(timespec="seconds")})

    def _listed(self, since: datetime, until: datetime) -> Iterator[list[_Listed]]:
        """All that ended in between, before any is asked for: how long a token stays good is not documented."""
        span = {"StartTime": int(since.timestamp()), "EndTime": int(until.timestamp())}
        asked: dict[str, Any] = {
            "InstanceId": self._instance,
            "TimeRange": {"Type": "DISCONNECT_TIMESTAMP", **span},
            "Sort": {"FieldName": "DISCONNECT_TIMESTAMP", "Order": "ASCENDING"},
            "MaxResults": PAGE,
        }
        more = True
        while more:
            rows, told = list_in(self._searches.call("POST", "search-contacts", json=asked), "Contacts")
            with expecting("a list of contacts"):
                contacts = [_listed(row) for row in objects_of(rows, "Contacts", PAGE)]
            yield contacts
            asked["NextToken"] = told.get("NextToken")
            more = bool(asked["NextToken"])

    def _told(self, id: str, following: str | None) -> Pulled | None:
        """A contact with the names of what it has ids of; None where it is no more.

        One that is refused, for what is wrong with it alone, is told by its id, so that it holds up no other.
        """
        try:
            told = self._api.get(f"contacts/{self._instance}/{_in_path(id)}").fields()
        except MissingError:
            return None
        except RejectedError as error:
            return _pulled({CONTACT: {"Id": id}, REFUSED: error.reason})
        with expecting("a contact"):
            contact = told.needed(CONTACT, told.anything(CONTACT))
        body = {CONTACT: contact, **{kind: self._named(kind, of) for kind, of in _ids(told).items()}}
        if following:
            body[NEXT] = [{"Id": following, "PreviousContactId": id}]
        return _pulled(body)

    def _named(self, kind: str, id: str) -> Names:
        path, name = NAMES[kind]

        def ask() -> Names:
            # What is deleted has no name, nor has the queue of a single agent.
            with suppress(RejectedError):
                told = self._api.get(f"{path}/{self._instance}/{_in_path(id)}").fields()
                with expecting(f"a {name}"):
                    return {name: told.inner(kind).text(name) or ""}
            return {}

        return self._names.get(f"{path}/{id}", ask)


def _pulled(body: Mapping[str, Any]) -> Pulled:
    return Pulled(body=json.dumps(body, sort_keys=True).encode())


def _listed(row: Fields) -> _Listed:
    ended = row.needed("DisconnectTimestamp", row.epoch_s("DisconnectTimestamp"))
    method = (row.text("InitiationMethod") or "").lower()
    previous = None if method in BESIDE else row.text("PreviousContactId")
    return _Listed(ended, row.needed("Id", row.text("Id")), previous)


def _ids(told: Fields) -> dict[str, str]:
    """What has a name to be looked up. A contact that cannot be read is told without, and parked."""
    try:
        contact = told.inner(CONTACT)
        agent = contact.inner("AgentInfo")
        ids = {
            "User": agent.text("Id"),
            "Queue": contact.inner("QueueInfo").text("Id"),
            "HierarchyGroup": _group(agent.inner("HierarchyGroups")),
        }
    except RejectedError:
        return {}
    return {kind: id for kind, id in ids.items() if id}


def _group(groups: Fields) -> str | None:
    """The id of the agent's own group, the deepest of the five levels."""
    arns = (groups.inner(level.capitalize()).text("Arn") for level in LEVELS)
    return next((arn.rpartition("/")[2] for arn in arns if arn), None)


def _in_path(id: str) -> str:
    return quote(id, safe="")
