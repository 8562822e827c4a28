"""Contacts as the two sides of a sync have them: their values, what a side can hold, and when two values are the same.

Both sides speak of a contact in the same field names. A value is text, a number, a truth value or None; a phone or
e-mail field holds a set of entries, a tuple whose order means nothing. Each side spells values in its own way, so that
sides are compared with what they themselves returned, and with one another only by what a value means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from gateway.domain.identity import email_key, phone_key, phone_keys


class Side(StrEnum):
    """The two sides of a pair."""

    SALESFORCE = "salesforce"
    PLATFORM = "platform"

    @property
    def other(self) -> Side:
        """The side opposite."""
        return Side.PLATFORM if self is Side.SALESFORCE else Side.SALESFORCE


@dataclass(frozen=True, slots=True)
class Entry:
    """One of the phone numbers or addresses of a contact. `is_verified`: its side knows that it is theirs."""

    value: str
    type: str | None = None
    is_primary: bool = False
    is_verified: bool = False


Entries: TypeAlias = tuple[Entry, ...]
Value: TypeAlias = str | int | float | bool | Entries | None
Values: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactRecord:
    """One contact of a side.

    `version` changes with every change of the record; None where the side has none. `changed_at` is told by the side's
    clock. `other_id` is the id of its counterpart that the record bears. `merged_into` is what took its place when it
    was merged, or converted; such a record is gone, as a deleted one is.
    """

    id: str
    values: Values = field(default_factory=dict)
    version: str | None = None
    changed_at: datetime | None = None
    changed_by: str | None = None
    other_id: str | None = None
    is_deleted: bool = False
    merged_into: str | None = None

    @property
    def is_gone(self) -> bool:
        """Whether it is a contact no more."""
        return self.is_deleted or self.merged_into is not None


class Meaning(StrEnum):
    """What a field holds."""

    TEXT = "text"
    PHONES = "phones"
    EMAILS = "emails"

    @property
    def is_set(self) -> bool:
        """Whether its values are entries."""
        return self is not Meaning.TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLimits:
    """What a side can hold in one field.

    Text, and each entry, of up to `length` characters; of a set up to `most` entries, of the `types` named, each of
    them once where `one_of_each`. No types at all are (), any are None.
    """

    length: int | None = None
    most: int | None = None
    types: tuple[str, ...] | None = None
    one_of_each: bool = False
    has_primary: bool = True
    is_required: bool = False
    is_read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a side can hold: the fields that it knows, `most` records, of which there are `records` now.

    Up to `batch` of them are read or written in one call.
    """

    fields: Mapping[str, FieldLimits]
    records: int
    most: int | None = None
    batch: int = 200


class Act(StrEnum):
    """What is done to a record."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactWrite:
    """One record to write: the values that change, if it still has the `version` that was read.

    A new one has no `id` and bears `other_id`, the id of its counterpart.
    """

    act: Act
    values: Values = field(default_factory=dict)
    id: str | None = None
    version: str | None = None
    other_id: str | None = None


class Written(StrEnum):
    """What became of one write."""

    DONE = "done"
    STALE = "stale"
    """The record changed since it was read: read it again, and decide again."""
    GONE = "gone"
    """It was deleted or merged."""
    RETRY = "retry"
    REFUSED = "refused"
    """It cannot succeed as it is."""
    UNKNOWN = "unknown"
    """It may have been carried out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteResult:
    """The end of one write: the record as the side has it since, which tells what it made of the values.

    `reason` is a sentence an admin understands, `after` the seconds for which the side asks to be left alone where it
    is too busy. `candidates` are the ids of contacts there that the side takes for the same, and therefore has not
    taken this one.
    """

    written: Written
    record: ContactRecord | None = None
    reason: str | None = None
    after: float | None = None
    candidates: tuple[str, ...] = ()


# --- when two values are the same ----------------------------------------------------------------------------------

_EXTENSION = re.compile(r"(?:\bext(?:ension)?\.?|;ext=|\bx|#)\s*(\d{1,7})\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """How a field's values are read: what they mean, and the `region` in which numbers without a country are."""

    meaning: Meaning = Meaning.TEXT
    region: str = "US"

    def key(self, entry: Entry) -> str:
        """What makes two entries the same number or address; its extension belongs to a number."""
        return _key(self.meaning, self.region, entry.value.strip())

    def same(self, one: Value, other: Value) -> bool:
        """Whether both say the same, whatever the spelling."""
        return one == other or bool(self._normal(one) == self._normal(other))

    def keyed(self, value: Value) -> dict[str, Entry]:
        """The entries of a set by their keys."""
        return {self.key(entry): entry for entry in reversed(entries(value))}

    def _normal(self, value: Value) -> Any:
        if self.meaning.is_set:
            return frozenset((self.key(each), each.type, each.is_primary) for each in entries(value))
        return (value.replace("\r\n", "\n").strip() or None) if isinstance(value, str) else value


@lru_cache(maxsize=20_000)
def _key(meaning: Meaning, region: str, text: str) -> str:
    """A contact's numbers are compared with those of its link and its counterpart, over and over in one run."""
    if meaning is Meaning.EMAILS:
        return email_key(text) or text.casefold()
    extension = _EXTENSION.search(text)
    number = text[: extension.start()] if extension else text
    digits = "".join(filter(str.isalnum, number)).casefold()
    key = phone_key(number.strip(), region) or digits
    return f"{key};{extension[1]}" if extension else key


def entries(value: Value) -> Entries:
    """The entries of a set; none where there is no set."""
    return value if isinstance(value, tuple) else ()


def is_empty(value: Value) -> bool:
    """Whether nothing is there, blanks apart."""
    return value is None or value == () or (isinstance(value, str) and not value.strip())


def identity_keys(values: Values, readings: Mapping[str, Reading]) -> dict[str, bool]:
    """The identity keys of a contact, each with whether its side has verified it."""
    found: dict[str, bool] = {}
    for name, reading in readings.items():
        for entry in entries(values.get(name)):
            for key in _identifying(entry.value, reading):
                found[key] = found.get(key, False) or entry.is_verified
    return found


def _identifying(text: str, reading: Reading) -> Sequence[str]:
    if reading.meaning is Meaning.PHONES:
        return phone_keys(text, reading.region)
    key = email_key(text)
    return (key,) if key else ()


# --- what a side can hold ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fitted:
    """A value as a side can hold it, and in a sentence what of it finds no place there."""

    value: Value
    problem: str | None = None


def fitted(value: Value, limits: FieldLimits, reading: Reading, held: Value = None) -> Fitted:
    """The value cut to what the side can hold; of a set, what the side holds already stays first."""
    if isinstance(value, tuple):
        return _fitted_entries(value, limits, reading, held)
    if isinstance(value, str) and limits.length is not None and len(value) > limits.length:
        return Fitted(value[: limits.length].rstrip(), f"The text is cut to {limits.length} characters.")
    return Fitted(value)


def _fitted_entries(wanted: Entries, limits: FieldLimits, reading: Reading, held: Value) -> Fitted:
    here = reading.keyed(held)
    kept = sorted(wanted, key=lambda each: (reading.key(each) not in here, not each.is_primary))
    short = [each for each in kept if limits.length is None or len(each.value) <= limits.length]
    chosen = short[: limits.most]
    free = list(limits.types or ())
    placed: dict[int, Entry] = {}
    # Those that stay where they are come first: nobody is put out of a place.
    for at in sorted(range(len(chosen)), key=lambda at: _type_here(chosen[at], here, reading) != chosen[at].type):
        entry = _placed(chosen[at], limits, free)
        if entry:
            placed[at] = entry if limits.has_primary else replace(entry, is_primary=False)
    fit = tuple(placed[at] for at in sorted(placed))
    missing = len(wanted) - len(fit)
    return Fitted(fit, f"{missing} of {len(wanted)} find no place." if missing else None)


def _type_here(entry: Entry, here: Mapping[str, Entry], reading: Reading) -> str | None:
    own = here.get(reading.key(entry))
    return own.type if own else ""


def _placed(entry: Entry, limits: FieldLimits, free: list[str]) -> Entry | None:
    """The entry with a type that the side knows and, where each is there but once, that is free."""
    if limits.types is None:
        return entry
    if not limits.types:
        return replace(entry, type=None)
    if not limits.one_of_each:
        return entry if entry.type is None or entry.type in limits.types else replace(entry, type=limits.types[-1])
    if not free:
        return None
    type = entry.type if entry.type in free else free[0]
    free.remove(type)
    return replace(entry, type=type)


# --- as JSON -------------------------------------------------------------------------------------------------------


def as_json(values: Values) -> dict[str, Any]:
    """Values as plain JSON."""
    return {name: [*map(_entry_json, value)] if isinstance(value, tuple) else value for name, value in values.items()}


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "value": entry.value, "type": entry.type, "is_primary": entry.is_primary, "is_verified": entry.is_verified,
    }  # fmt: skip


def values_of(document: Mapping[str, Any]) -> dict[str, Value]:
    """The values that `as_json` made."""
    return {name: _value_of(value) for name, value in document.items()}


def _value_of(value: Any) -> Value:
    return tuple(Entry(**each) for each in value) if isinstance(value, list) else value


def first_text(values: Values, names: Iterable[str]) -> str:
    """The texts of some fields, joined by blanks."""
    return " ".join(str(values[name]).strip() for name in names if not is_empty(values.get(name)))
