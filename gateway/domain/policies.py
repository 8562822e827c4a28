"""What an admin decides: weights of the evidence, and the settings of connections and contact points."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.domain.paths import Path


@dataclass(frozen=True, slots=True)
class ReferenceRule:
    """Where an interaction names something of the org's: the first group of `pattern` in what is found at `source`.

    `name` is one of the platforms' own references, such as `case_number`, or names a `ref:` key.
    """

    name: str
    source: Path
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchPolicy:
    """Weights in points. A person is matched from `threshold` points on, and `margin` ahead of the runner-up.

    `version` names the set of weights in every match that they decided. What people confirmed is worth half as much
    after `half_life` days. `domain_share` is the part of a domain's records from which on it is one account's.
    `regions` are further countries in which a number may have been meant that is none at the contact point.
    """

    version: str
    threshold: float = 40
    margin: float = 15
    half_life: float = 365
    domain_share: float = 0.9
    reference: float = 150
    remembered: float = 55
    email: float = 70
    phone: float = 60
    handle: float = 60
    supplied: float = 40
    case_contact: float = 40
    mailbox: float = 30
    national: float = 25
    name: float = 35
    first_name: float = 18
    relative: float = -35
    other_name: float = -50
    account: float = 20
    domain: float = 20
    verified: float = 30
    public_domains: frozenset[str] = frozenset()
    mailboxes: frozenset[str] = frozenset()
    regions: tuple[str, ...] = ()
    references: tuple[ReferenceRule, ...] = ()


class WhenMissing(StrEnum):
    """What becomes of an interaction that lacks the second party it requires."""

    ASK = "ask"
    """It is left open for a person to add the party."""
    NOTE = "note"
    """The decision says so, and that is all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondParty:
    """The dispositions and queues for which two outside people are required, letter case aside."""

    dispositions: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    when_missing: WhenMissing = WhenMissing.ASK

    def required_by(self, disposition: str | None, queue: str | None) -> str | None:
        """The disposition or queue that requires it, None if neither does."""
        for told, listed in ((disposition, self.dispositions), (queue, self.queues)):
            if told and told.casefold() in {name.casefold() for name in listed}:
                return told
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorPolicy:
    """What we copy of an org's records; nothing where the copy is not `is_kept`.

    `fields` are the org's own fields that identify somebody: by object and field, what they hold (see
    `domain.identity.meant_keys`). Of cases, the open ones and those closed within `closed_cases_days` are copied.
    """

    is_kept: bool = True
    fields: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    closed_cases_days: int = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPoint:
    """Settings of one brand address (a dialled number, queue, chat widget or page)."""

    label: str | None = None
    region: str | None = None
    create: str = "never"
    companion_tasks: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPolicy:
    """Settings of one connection, with those of its contact points by address.

    `companion_tasks`: where the parties belong to several accounts, each further account gets a Task of its own.
    """

    name: str
    org: str
    default_region: str = "US"
    companion_tasks: bool = False
    contact_points: Mapping[str, ContactPoint] = field(default_factory=dict)

    def at(self, address: str | None) -> ContactPoint:
        """The settings that hold at an address; the connection's own where it says nothing."""
        return self.contact_points.get(address or "", ContactPoint())

    def region_at(self, address: str | None) -> str:
        """The country in which a number without a country code is dialled."""
        return self.at(address).region or self.default_region

    def has_companions_at(self, address: str | None) -> bool:
        """Whether further accounts get Tasks of their own."""
        here = self.at(address).companion_tasks
        return self.companion_tasks if here is None else here
