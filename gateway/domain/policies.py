"""What an admin decides: weights of the evidence, and the settings of connections and contact points."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from gateway.domain.identity import phone_key
from gateway.domain.mappings import FieldMapping
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


class Creates(StrEnum):
    """Who is created for an outside person whom nobody knows."""

    NEVER = "never"
    CONTACT = "contact"
    CONTACT_UNDER_DOMAIN_ACCOUNT = "contact_under_domain_account"
    LEAD = "lead"


@dataclass(frozen=True, slots=True)
class Condition:
    """Something asked of a record; `text` is how the admin wrote it, `names` are the fields that it asks for."""

    text: str
    holds: Callable[[Mapping[str, Any]], bool] = field(compare=False)
    names: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePolicy:
    """Whether somebody unknown is created, as what and from where.

    `account_types` says otherwise for accounts of a type. `values` stand over the mapping of the object. `source` is
    the connection whose directory knows people, None for the interaction itself. Nobody is created where `unless`
    holds, or where the `approval` does not. `record_type` is a developer name.
    """

    policy: Creates = Creates.NEVER
    record_type: str | None = None
    account_types: Mapping[str, Creates] = field(default_factory=dict)
    values: FieldMapping | None = None
    unless: Condition | None = None
    approval: Condition | None = None
    source: str | None = None

    @property
    def policies(self) -> frozenset[Creates]:
        """All that it may say."""
        return frozenset({self.policy, *self.account_types.values()})

    @property
    def is_active(self) -> bool:
        """Whether it creates anybody at all."""
        return self.policies != {Creates.NEVER}

    def under(self, account_type: str | None) -> Creates:
        """What it says for people of an account of that type, None for those of no known account."""
        return self.account_types.get(account_type or "", self.policy)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRule:
    """A case is opened where it is about one of the dispositions or queues, all in lower case; none means any.

    `mapping` fills the case, and is a file's name in the mappings' folder.
    """

    dispositions: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    record_type: str | None = None
    mapping: str = "case.yaml"

    def covers(self, disposition: str | None, queue: str | None) -> bool:
        """Whether an interaction that ended so, in that queue, has a case."""
        return _is_among(disposition, self.dispositions) and _is_among(queue, self.queues)


def _is_among(word: str | None, words: frozenset[str]) -> bool:
    return not words or (word or "").strip().casefold() in words


@dataclass(frozen=True, slots=True)
class StopList:
    """Who opted out: identity keys, and `@host` for everybody there; `consent` are the fields set on their contact."""

    identities: frozenset[str] = frozenset()
    consent: Mapping[str, Any] = field(default_factory=dict)

    def covers(self, keys: Collection[str]) -> bool:
        """Whether somebody with these identity keys opted out."""
        hosts = {f"@{key.rpartition('@')[2]}" for key in keys if key.startswith("email:")}
        return not self.identities.isdisjoint({*keys, *hosts})


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
    """All settings that hold at one brand address (a dialled number, queue, chat widget or page), none left open.

    `threshold` and `margin` stand over the match policy's. `companion_tasks`: where the parties belong to several
    accounts, each further account gets a Task of its own. `region` is where numbers without a country code are dialled.
    """

    label: str | None = None
    region: str = "US"
    companion_tasks: bool = False
    threshold: float | None = None
    margin: float | None = None
    create: CreatePolicy = CreatePolicy()
    cases: tuple[CaseRule, ...] = ()
    second_party: SecondParty | None = None
    stop_list: StopList = StopList()

    def weighing(self, policy: MatchPolicy) -> MatchPolicy:
        """The match policy with this contact point's own thresholds."""
        if self.threshold is None and self.margin is None:
            return policy
        own = {"threshold": self.threshold, "margin": self.margin}
        given: dict[str, Any] = {name: points for name, points in own.items() if points is not None}
        return replace(policy, **given)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPolicy:
    """Settings of one connection: its `own`, and those of its contact points by address as written."""

    name: str
    org: str
    own: ContactPoint = ContactPoint()
    contact_points: Mapping[str, ContactPoint] = field(default_factory=dict)
    _by_address: Mapping[str, ContactPoint] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        points = {address_key(address, point.region): point for address, point in self.contact_points.items()}
        object.__setattr__(self, "_by_address", points)

    @property
    def points(self) -> tuple[ContactPoint, ...]:
        """The settings of all places."""
        return self.own, *self.contact_points.values()

    def at(self, address: str | None, queue: str | None = None) -> ContactPoint:
        """The settings that hold at an address, in any spelling, else in the queue; the connection's own otherwise."""
        if not self._by_address:
            return self.own
        keys = (address_key(place, self.own.region) for place in (address, queue) if place)
        return next((self._by_address[key] for key in keys if key in self._by_address), self.own)


def address_key(address: str, region: str) -> str:
    """The same for each spelling of a brand address: a number's identity key, any other text in lower case."""
    return phone_key(address, region) or address.strip().casefold()
