"""The few Salesforce fields that matching needs, in one shape for every kind of record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Salesforce objects that matching knows; the value is the object's API name."""

    CONTACT = "Contact"
    LEAD = "Lead"
    ACCOUNT = "Account"
    CASE = "Case"
    USER = "User"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as mirrored. `keys` are its identity keys (see `domain.identity`); ids have 18 characters.

    `account_id` and `contact_id` are what it belongs to (for a converted lead, what it became); `number` is a case's
    number; `is_open` is false for closed cases, converted leads and inactive users; `topics` are a case's subject,
    type and reason.
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


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known about the keys of some interactions; what is not in here is not in the org.

    `cases` holds open cases by the contact or account they belong to; `domains` the accounts behind a `domain:…` key,
    each with the number of its records that show it.
    """

    by_key: Mapping[str, Sequence[Record]]
    by_id: Mapping[str, Record]
    cases: Mapping[str, Sequence[Record]]
    domains: Mapping[str, Mapping[str, int]]
