"""How a contact is laid out in the columns of a file, and how a cell is kept from being taken for a formula.

A contact is kept as its cells, by the names of their columns: `first` for a field, `phones.mobile` for the one number
of a type. A file may have some of the columns only, and changes only those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gateway.sdk import Entry, FieldLimits, Meaning, Reading, RejectedError, Value, Values, entries

Cells: TypeAlias = Mapping[str, str]
"""Texts by the names of their columns; a blank one is not there."""

SETS = {"phones": Meaning.PHONES, "emails": Meaning.EMAILS}
"""The fields of which each type has a column."""

LONGEST = 32_000
"""The longest text: spreadsheets cut what has more than 32,767 characters."""

_FORMULA = re.compile("'*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
"""What spreadsheets take for a formula (the wide signs as well), or looks like one that was defused."""


def defused(cell: str) -> str:
    """The cell with an apostrophe in front where a spreadsheet would calculate it."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def undefused(cell: str) -> str:
    """The cell that `defused` made this of."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns by name, each with its header; `required` are fields, `region` is where numbers are at home."""

    columns: Mapping[str, str]
    required: frozenset[str] = frozenset()
    region: str = "US"

    @property
    def fields(self) -> dict[str, FieldLimits]:
        """What a contact can hold."""
        return {name: self._limits(name) for name in dict.fromkeys(_field(column) for column in self.columns)}

    @property
    def readings(self) -> dict[str, Reading]:
        """How numbers and addresses are read."""
        return {name: Reading(meaning, self.region) for name, meaning in SETS.items()}

    def values(self, cells: Cells) -> dict[str, Value]:
        """The contact that the cells are."""
        made: dict[str, Value] = {name: cells.get(name) for name in self.fields if name not in SETS}
        for name in SETS.keys() & self.fields.keys():
            made[name] = tuple(
                Entry(cells[f"{name}.{type}"], type) for type in self._types(name) if cells.get(f"{name}.{type}")
            )
        return made

    def cells(self, values: Values) -> dict[str, str]:
        """The cells of some fields, blank ones included. RejectedError: there is no column for it."""
        made: dict[str, str] = {}
        for name, value in values.items():
            made |= self._entries(name, value) if name in SETS else self._text(name, value)
        self._check_length(made)
        return made

    def check(self, cells: Cells) -> None:
        """RejectedError: a contact cannot be this."""
        self._check_length(cells)
        filled = {_field(column) for column, cell in cells.items() if cell}
        if missing := sorted(self.required - filled):
            raise RejectedError(f"{self._headers(missing)}: must not be empty.")

    def _check_length(self, cells: Cells) -> None:
        if long := [column for column, cell in cells.items() if len(cell) > LONGEST]:
            raise RejectedError(f"{self._headers(long)}: longer than {LONGEST} characters.")

    def _headers(self, names: Iterable[str]) -> str:
        return ", ".join(self.columns.get(name, name) for name in names)

    def _limits(self, name: str) -> FieldLimits:
        if name not in SETS:
            return FieldLimits(length=LONGEST, is_required=name in self.required)
        types = self._types(name)
        return FieldLimits(
            length=LONGEST, most=len(types), types=types, one_of_each=True, has_primary=False,
            is_required=name in self.required,
        )  # fmt: skip

    def _types(self, name: str) -> tuple[str, ...]:
        return tuple(column.partition(".")[2] for column in self.columns if _field(column) == name)

    def _text(self, name: str, value: Value) -> dict[str, str]:
        if name not in self.columns:
            raise RejectedError(f"There is no column for {name}.")
        return {name: "" if value is None else str(value).strip()}

    def _entries(self, name: str, value: Value) -> dict[str, str]:
        made = {f"{name}.{type}": "" for type in self._types(name)}
        for entry in entries(value):
            column = f"{name}.{entry.type}"
            if made.get(column) != "":
                raise RejectedError(f"There is no column, or no other one, for {name} of type {entry.type}.")
            made[column] = entry.value.strip()
        return made


def _field(column: str) -> str:
    return column.partition(".")[0]
