"""For a contact side whose platform cannot search for a number in any spelling: who may have which, kept in memory."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from gateway.domain.contacts import ContactRecord, entries

_EXTENSION = re.compile(r"(?:;ext=|\bext(?:ension)?\b|\bx|#).*", re.IGNORECASE)
_TAIL = 7
"""Digits at a number's end that are the same in all its spellings, with its country and without."""


def marks_of_keys(keys: Collection[str]) -> frozenset[str]:
    """What values have that identity keys were made of: a number's last digits, or the address."""
    return frozenset(key if key.startswith("email:") else _tail(key) for key in keys)


def holds(record: ContactRecord, marks: Collection[str], other_ids: Collection[str]) -> bool:
    """Whether the record, as it is, has one of the marks, or bears one of the ids."""
    return not record.is_gone and (record.other_id in other_ids or any(mark in marks for mark in _marks_of(record)))


@dataclass(slots=True)
class Bearers:
    """The ids of the contacts that have, or had, a number or an address: whom to read when it is asked about."""

    _ids: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def remember(self, records: Iterable[ContactRecord]) -> None:
        """What was just read, or written."""
        for record in records:
            for mark in _marks_of(record):
                self._ids[mark].add(record.id)

    def of(self, marks: Collection[str]) -> set[str]:
        """Who is known to have, or have had, one of these marks."""
        return set().union(*(self._ids.get(mark, ()) for mark in marks))


def _marks_of(record: ContactRecord) -> Iterator[str]:
    for value in record.values.values():
        for entry in entries(value):
            text = entry.value.strip()
            yield f"email:{text.casefold()}" if "@" in text else _tail(_EXTENSION.sub("", text))


def _tail(number: str) -> str:
    return re.sub(r"\D", "", number)[-_TAIL:]
