"""One JSON value into what a field stores, or the error the platform gives for it; and back into JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

from gateway.devorg import ids
from gateway.devorg.errors import RecordError, UnreadableValueError
from gateway.devorg.schema import Field, FieldType

Convert = Callable[[object], object]

_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+\Z"
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})\Z")
_YEARS = range(1700, 4001)
MAX_PEOPLE = 50


def converter(field: Field) -> Convert:
    """The function that turns a JSON value, null included, into what ``field`` stores."""
    return _MAKERS.get(field.type, _text)(field)


def _text(field: Field) -> Convert:
    length, name, label = field.length, field.name, field.label

    def convert(value: object) -> object:
        if value is None:
            return None
        if value.__class__ is not str:
            raise UnreadableValueError(name, "string", value)
        text = value.strip()
        if len(text) > length:
            message = f"{label}: data value too large: {text} (max length={length})"
            raise RecordError("STRING_TOO_LONG", message, (name,))
        return text or None

    return convert


def _picklist(field: Field) -> Convert:
    if not field.restricted:
        return _text(field)
    allowed = frozenset(field.picklist)

    def convert(value: object) -> object:
        if value is None or value == "":
            return None
        if value.__class__ is not str:
            raise UnreadableValueError(field.name, "string", value)
        if value not in allowed:
            message = f"{field.label}: bad value for restricted picklist field: {value}"
            raise RecordError("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message, (field.name,))
        return value

    return convert


def _email(field: Field) -> Convert:
    as_text = _text(field)

    def convert(value: object) -> object:
        text = as_text(value)
        if text is not None and not _EMAIL.match(str(text)):
            message = f"{field.label}: invalid email address: {text}"
            raise RecordError("INVALID_EMAIL_ADDRESS", message, (field.name,))
        return text

    return convert


def _boolean(field: Field) -> Convert:
    def convert(value: object) -> object:
        if value is None:
            message = f"{field.label}: value not of required type: "
            raise RecordError("INVALID_TYPE_ON_FIELD_IN_RECORD", message, (field.name,))
        if value.__class__ is not bool:
            raise UnreadableValueError(field.name, "boolean", value)
        return value

    return convert


def _integer(field: Field) -> Convert:
    limit = 10**field.precision

    def convert(value: object) -> object:
        if value is None:
            return None
        if value.__class__ is not int:
            raise UnreadableValueError(field.name, "int", value)
        if abs(value) >= limit:
            raise _outside(field, value)
        return value

    return convert


def _number(field: Field) -> Convert:
    limit = 10 ** (field.precision - field.scale)

    def convert(value: object) -> object:
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UnreadableValueError(field.name, field.type.value, value)
        if abs(value) >= limit:
            raise _outside(field, value)
        return round(float(value), field.scale)

    return convert


def _outside(field: Field, value: object) -> RecordError:
    message = f"{field.label}: value outside of valid range on numeric field: {value}"
    return RecordError("NUMBER_OUTSIDE_VALID_RANGE", message, (field.name,))


def _date(field: Field) -> Convert:
    def convert(value: object) -> object:
        if value is None or value == "":
            return None
        if not isinstance(value, str) or not _DATE.match(value):
            raise UnreadableValueError(field.name, "date", value)
        try:
            day = date.fromisoformat(value)
        except ValueError:
            raise UnreadableValueError(field.name, "date", value) from None
        if day.year not in _YEARS:
            raise RecordError("NUMBER_OUTSIDE_VALID_RANGE", f"{field.label}: invalid date: {value}", (field.name,))
        return day

    return convert


def _datetime(field: Field) -> Convert:
    def convert(value: object) -> object:
        if value is None or value == "":
            return None
        moment = parse_datetime(value) if isinstance(value, str) else None
        if moment is None:
            raise UnreadableValueError(field.name, "datetime", value)
        if moment.year not in _YEARS:
            raise RecordError("NUMBER_OUTSIDE_VALID_RANGE", f"{field.label}: invalid date: {value}", (field.name,))
        return moment

    return convert


def parse_datetime(text: str) -> datetime | None:
    """The moment in UTC, to the second as the platform keeps it, or None where ``text`` is none."""
    if not _DATETIME.match(text):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        return None


def _reference(field: Field) -> Convert:
    def convert(value: object) -> object:
        if value is None or value == "":
            return None
        if value.__class__ is not str:
            raise UnreadableValueError(field.name, "string", value)
        record_id = ids.canonical(value.strip())
        if record_id is None:
            raise wrong_id_type(field, value)
        return record_id

    return convert


def wrong_id_type(field: Field, value: object) -> RecordError:
    """The error of an id that cannot stand in ``field``: malformed, or of another object."""
    return RecordError("MALFORMED_ID", f"{field.label}: id value of incorrect type: {value}", (field.name,))


def _junction(field: Field) -> Convert:
    one = _reference(field)

    def convert(value: object) -> object:
        if value is None:
            return ()
        if not isinstance(value, list):
            raise UnreadableValueError(field.name, "list", value)
        people = tuple(dict.fromkeys(one(each) for each in value))
        if None in people:
            raise wrong_id_type(field, "null")
        return people

    return convert


_MAKERS: Mapping[FieldType, Callable[[Field], Convert]] = {
    FieldType.PICKLIST: _picklist,
    FieldType.EMAIL: _email,
    FieldType.BOOLEAN: _boolean,
    FieldType.INT: _integer,
    FieldType.DOUBLE: _number,
    FieldType.CURRENCY: _number,
    FieldType.PERCENT: _number,
    FieldType.DATE: _date,
    FieldType.DATETIME: _datetime,
    FieldType.REFERENCE: _reference,
    FieldType.ID: _reference,
    FieldType.JUNCTION: _junction,
}


def to_json(value: object) -> object:
    """A stored value as REST shows it; moments as ``2026-03-02T14:54:30.000+0000``."""
    kind = value.__class__
    if kind is datetime:
        return value.strftime("%Y-%m-%dT%H:%M:%S.000+0000")  # type: ignore[attr-defined]
    if kind is date:
        return value.isoformat()  # type: ignore[attr-defined]
    if kind is tuple:
        return list(value)  # type: ignore[call-overload]
    return value
