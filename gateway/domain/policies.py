"""What an admin decides: weights of the evidence, and the settings of connections and contact points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchPolicy:
    """Weights in points. A person is matched from `threshold` points on, and `margin` ahead of the runner-up.

    `version` names the set of weights in every match that they decided.
    """

    version: str
    threshold: float = 40
    margin: float = 15
    reference: float = 100
    email: float = 70
    phone: float = 60
    handle: float = 60
    case_contact: float = 40
    name: float = 30
    verified: float = 20
    public_domains: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorPolicy:
    """What we copy of an org's records; nothing where the copy is not `is_kept`.

    `fields` are the org's own fields that identify somebody: by object and field, what they hold (see
    `domain.identity.meant_key`). Of cases, the open ones and those closed within `closed_cases_days` are copied.
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
