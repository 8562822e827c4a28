"""What a platform tells only when it is asked: pages behind a cursor, what a notification names, subscriptions.

The gateway runs these as jobs: each of a connection in one process at a time, again after a while where the platform
cannot be asked now (RetryableError, its `after` heeded), and no more where a person has to change something first
(ConfigError). What comes is stored as deliveries and parsed like what was posted, each only once however often it
comes: so a cursor may overlap, and reading again what was pushed finds what a push never delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeAlias

Cursor: TypeAlias = Mapping[str, Any]
"""How far something was read, as JSON in the words of its poller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """One record that a platform told when asked; `parse` gets it as it gets what is posted.

    `key` is what makes two of them the same; without one, the same bytes. What has changed must have another.
    """

    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """What came with one call, and the cursor behind it, which is kept once all of it is stored; None: as it was."""

    pulled: Sequence[Pulled]
    cursor: Cursor | None = None


class Poller(Protocol):
    """Reads what is new since a cursor. `every` is the pause between two readings.

    `name` is unique in the connection; `fetches` and `subscription` are taken.
    """

    @property
    def name(self) -> str: ...

    @property
    def every(self) -> timedelta: ...

    def pull(self, cursor: Cursor | None, now: datetime) -> Iterator[Page]:
        """The pages behind the cursor; None at the first time. A reading may be cut off after any page.

        Raises as the module says; what came before is kept.
        """


@dataclass(frozen=True, slots=True)
class Fetch:
    """Something that a delivery names, to be asked for when `after` has passed since the delivery came."""

    name: str
    after: timedelta = timedelta(0)


class Enricher(Protocol):
    """Fetches what deliveries name. `waits` are the pauses before it is asked again for what is not there yet."""

    @property
    def waits(self) -> Sequence[timedelta]: ...

    def fetch(self, name: str, now: datetime) -> Sequence[Pulled] | None:
        """What the platform tells of it; None if it may still come. RejectedError: it never will.

        A delivery that comes of it must not name itself again.
        """


@dataclass(frozen=True, slots=True)
class Renewal:
    """A subscription that stands until then, and what must be known to renew it, as JSON without secrets."""

    until: datetime
    state: Cursor


class Subscription(Protocol):
    """Has the platform post to us, where it must be told so and forgets it."""

    def renew(self, address: str, state: Cursor | None, now: datetime) -> Renewal:
        """Subscribe `address`, or prolong what stands; None the first time. Doing it twice leaves one subscription."""
