"""A person's name where a platform keeps it in one field, and we in two."""

from __future__ import annotations

from gateway.domain.contacts import FieldLimits, Value, Values

NAMES = ("first", "last")
NAME_FIELDS = dict.fromkeys(NAMES, FieldLimits())

_NO_BREAK = "\N{NO-BREAK SPACE}"
"""Stands for a blank within the last name, so that where it begins is still known when the name comes back."""


def one_name(values: Values) -> str:
    """The first and the last name in one; "" where there is neither."""
    first, last = (str(values.get(name) or "").strip() for name in NAMES)
    return f"{first} {last.replace(' ', _NO_BREAK)}".strip()


def two_names(name: str | None) -> dict[str, Value]:
    """The first and the last name of one: what `one_name` made of them, else the last word is the last name."""
    first, _, last = (name or "").strip(" ").rpartition(" ")
    return {"first": first.strip() or None, "last": last.replace(_NO_BREAK, " ") or None}
