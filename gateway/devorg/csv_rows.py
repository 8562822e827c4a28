"""CSV as Bulk API 2.0 reads and writes it, and what the text of a cell means to a field.

https://developer.salesforce.com/docs/atlas.en-us.api_asynch.meta/api_asynch/datafiles_prepare_csv.htm
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.devorg.errors import RecordError
from gateway.devorg.schema import NUMBER_TYPES, Field, FieldType
from gateway.devorg.values import parse_datetime

NULL = "#N/A"
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:Z|[+-]\d{2}:?\d{2})?\Z")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


class ColumnDelimiter(StrEnum):
    """The character between cells."""

    BACKQUOTE = "BACKQUOTE"
    CARET = "CARET"
    COMMA = "COMMA"
    PIPE = "PIPE"
    SEMICOLON = "SEMICOLON"
    TAB = "TAB"


class LineEnding(StrEnum):
    """The characters between rows."""

    LF = "LF"
    CRLF = "CRLF"


_CHARACTERS = dict(zip(ColumnDelimiter, "`^,|;\t", strict=True))
_ENDS = {LineEnding.LF: "\n", LineEnding.CRLF: "\r\n"}


class CsvError(Exception):
    """An upload that is not the CSV its job announced."""


@dataclass(frozen=True, slots=True)
class CsvForm:
    """How the CSV of one job is written."""

    delimiter: ColumnDelimiter = ColumnDelimiter.COMMA
    ending: LineEnding = LineEnding.LF

    def read(self, content: bytes) -> tuple[list[str], list[list[str]]]:
        """The header, and the rows below it."""
        try:
            text = content.decode()
        except UnicodeDecodeError as problem:
            raise CsvError(f"The data is not UTF-8 at byte {problem.start}") from None
        self._check_ending(text)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_CHARACTERS[self.delimiter], strict=True)
        try:
            header, *rows = [row for row in reader if row] or [[]]
        except csv.Error as problem:
            raise CsvError(f"{problem} in line {reader.line_num}") from None
        if not header:
            raise CsvError("The data has no header")
        for number, row in enumerate(rows, 1):
            if len(row) != len(header):
                raise CsvError(f"Row {number} has {len(row)} cells and the header {len(header)}")
        return header, rows

    def _check_ending(self, text: str) -> None:
        first = text.find("\n")
        found = LineEnding.CRLF if text[first - 1 : first] == "\r" else LineEnding.LF
        if first > 0 and found is not self.ending:
            raise CsvError(f"LineEnding is invalid on user data. Current LineEnding setting is {self.ending}")

    def write(self, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        """Every cell in quotes."""
        text = io.StringIO()
        writer = csv.writer(
            text,
            delimiter=_CHARACTERS[self.delimiter],
            lineterminator=_ENDS[self.ending],
            quoting=csv.QUOTE_ALL,
        )
        writer.writerows([header, *rows])
        return text.getvalue()


def value_of(field: Field, text: str) -> object:
    """What a cell that is not empty says of ``field``, as JSON would say it."""
    if text == NULL:
        return None
    read = _READERS.get(field.type)
    if read is None:
        return text
    try:
        return read(text)
    except (ValueError, KeyError):
        message = f"{field.label}: value not of required type: {text}"
        raise RecordError("INVALID_TYPE_ON_FIELD_IN_RECORD", message, (field.name,)) from None


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _date(text: str) -> str:
    """A day may carry a zone, which moves nothing."""
    found = _DATE.match(text)
    if found is None:
        raise ValueError(text)
    return date.fromisoformat(found.group(1)).isoformat()


def _datetime(text: str) -> str:
    if parse_datetime(text) is None:
        raise ValueError(text)
    return text


_READERS: dict[FieldType, Callable[[str], object]] = {
    FieldType.BOOLEAN: lambda text: _BOOLEANS[text.lower()],
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    **dict.fromkeys(NUMBER_TYPES, _number),
    FieldType.INT: int,
}


def cell_of(value: object) -> str:
    """A JSON value of a record as a query job writes it."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
