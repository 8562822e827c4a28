"""A platform's contacts, to be kept the same as those of an org: what a connector with a contact store implements.

The gateway reads the changes of both sides, decides field by field, and writes to each side what it lacks. It compares
a side only with what the side itself returned: so a side may spell numbers as it likes, trim and cut, as long as it
tells in its results what it made of what was sent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.domain.contacts import ContactRecord, ContactWrite, Limits, WriteResult
from gateway.sdk.pulling import Cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactPage:
    """Contacts that changed, and the cursor behind them, which is kept once they are; None: as it was.

    Deleted and merged ones come too, where the side tells them. A side that can only list everything gives all pages
    of one listing the same name, and says with which one it `ends`: who was linked and is in none of them is looked at.
    """

    records: Sequence[ContactRecord]
    cursor: Cursor | None = None
    listing: str | None = None
    ends: bool = False


class ContactSide(Protocol):
    """One side of a contact sync.

    All methods raise RetryableError (it cannot be asked now, and nothing was carried out; its `after` is heeded),
    UnknownOutcomeError (a write may have been carried out) and ConfigError (a person must change something).
    """

    def limits(self) -> Limits:
        """What the side can hold, and how many contacts it holds now."""

    def changes(self, cursor: Cursor | None, now: datetime) -> Iterator[ContactPage]:
        """The pages of what changed since the cursor, everything there is for None.

        A reading may be cut off after any page. What is told may come again, late, and in any order; what is never
        told is never synced, so that cursors overlap.
        """

    def get(self, ids: Collection[str]) -> Sequence[ContactRecord]:
        """The contacts as they are now, whatever was written last included; up to `Limits.batch` of them.

        Those that are gone come as such, with what they were merged into, as long as the side can tell; else not.
        """

    def find(self, keys: Collection[str], other_ids: Collection[str]) -> Sequence[ContactRecord]:
        """The contacts there now with one of the identity keys, or that bear one of the ids of the other side.

        A contact that was created a minute ago must be among them. For more than a hundred keys those may be left out
        whom `changes` told of in this process, once it was read to its end, and who have not changed since.
        """

    def write(self, writes: Sequence[ContactWrite]) -> Sequence[WriteResult]:
        """Carry out up to `Limits.batch` writes, each by itself; the results in their order.

        A write with a version is STALE, and changes nothing, if the record has another one. A DONE one has the record
        as this write left it. Deleting what is gone is DONE.
        """
