"""The few Salesforce fields that matching needs, in one shape for every kind of record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """Salesforce objects that matching knows; the value is the object's API name."""

    CONTACT = "Contact"
    LEAD = "Lead"
    ACCOUNT = "Account"
    CASE = "Case"
    USER = "User"
    RELATION = "AccountContactRelation"


CONTACT, LEAD, ACCOUNT, CASE, USER, RELATION = Kind
"""To ask the enumeration for a member takes ten times as long, and a crowd has hundreds of records."""


PREFIXES: Mapping[str, Kind] = {"003": CONTACT, "00Q": LEAD, "001": ACCOUNT, "500": CASE, "005": USER}
"""How ids of the objects begin (https://help.salesforce.com/s/articleView?id=000385203)."""

PEOPLE = tuple(prefix for prefix, kind in PREFIXES.items() if kind in {CONTACT, LEAD})

_SHORT_ID = re.compile(r"[0-9A-Za-z]{15}")
_SUFFIX = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def full_id(text: str) -> str:
    """A record's id in its form of 18 characters; anything else as it is.

    The last three characters say which of each five before them are capitals
    (https://help.salesforce.com/s/articleView?id=000385585&type=1).
    """
    if not _SHORT_ID.fullmatch(text):
        return text
    fives = (text[:5], text[5:10], text[10:])
    return text + "".join(_SUFFIX[sum(one.isupper() << bit for bit, one in enumerate(five))] for five in fives)


class Record(Struct, frozen=True, kw_only=True):
    """One record as mirrored. `keys` are its identity keys (see `domain.identity`); ids have 18 characters.

    `account_id` and `contact_id` are what it belongs to: for a converted lead, what it became; for an account, its
    parent and, if it is a person, the contact that this person is; for a relation, the two that it joins. `number` is
    a case's number; `is_open` is false for closed cases, converted leads, ended relations and inactive users; `topics`
    are a case's subject, type and reason; `type` is an account's type, `record_type` the developer name of the record
    type; `merged_into` is who took the place of a record that was merged away.
    """

    kind: Kind
    id: str
    name: str
    keys: tuple[str, ...] = ()
    account_id: str | None = None
    contact_id: str | None = None
    number: str | None = None
    is_open: bool = True
    topics: tuple[str, ...] = ()
    merged_into: str | None = None
    type: str | None = None
    record_type: str | None = None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What people decided about an identity key: how often for the record, how often against it, and when last."""

    record_id: str
    confirmed: int
    rejected: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known about the keys of some interactions; what is not in here is not in the org.

    What was merged away leads to the record that took its place, under its own id and, for a case, its own number.
    `cases` holds open cases by the contact or account they belong to; `domains` the accounts behind a `domain:…` key,
    each with the number of its records that show it. `related` are the accounts that a contact belongs to besides its
    own, by contact id. Of a key that very many share only some records are in `by_key`; `sharing` has their number.
    `remembered` is what people decided about a key.
    """

    by_key: Mapping[str, Sequence[Record]]
    by_id: Mapping[str, Record]
    cases: Mapping[str, Sequence[Record]]
    domains: Mapping[str, Mapping[str, int]]
    related: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sharing: Mapping[str, int] = field(default_factory=dict)
    remembered: Mapping[str, Sequence[Remembered]] = field(default_factory=dict)

    def named(self, reference: str | None) -> Record | None:
        """The record that a platform names by its id, of 15 or 18 characters."""
        return self.by_id.get(full_id(reference or ""))
