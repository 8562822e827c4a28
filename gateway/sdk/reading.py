"""Reading what strangers send: bounded, typed, and refused with a sentence that names the place but never the value.

`read_objects` and `read_form` turn a body into `Fields`; each look at a field names the type it expects. Absent, null
and blank mean the same: *not said* (None). Everything else of the wrong type is a RejectedError.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from msgspec import DecodeError, Struct
from msgspec.json import Decoder

from gateway.domain.interactions import clean_text
from gateway.errors import RejectedError, RetryableError

T = TypeVar("T")

MAX_BYTES = 2 * 1024 * 1024
"""Largest body, as at the inlet."""
MAX_DEPTH = 32
"""Deepest nesting of lists and objects that is kept; real payloads stay under ten."""
TOO_DEEP = f"must nest at most {MAX_DEPTH} levels deep, but nests deeper."
MAX_FORM_FIELDS = 1000
MAX_DIGITS = 20
"""Longest whole number: 64 bits have 20 digits, no counter or id has more."""
_TOO_SMALL, _TOO_LARGE = -(10**MAX_DIGITS), 10**MAX_DIGITS
_TOO_LONG = f"holds a whole number of more than {MAX_DIGITS} digits."
MAX_KEY = 100
MAX_FILLED_IN = 500
"""Most entries looked at of a map that nobody but the platform's customer bounds."""
MAX_ENTRIES = 100
"""Most members of a list or entries of a map, unless the caller says otherwise."""

EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_EARLIEST_S, _LATEST_S = 315_532_800, int(LATEST.timestamp())  # 1980: seconds taken for milliseconds land in 1970
_EARLIEST_MS, _LATEST_MS = _EARLIEST_S * 1000, _LATEST_S * 1000
_MILLISECOND = timedelta(milliseconds=1)

_DIGITS = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}")


class Fields(Struct, gc=False):
    """An object of unknown content, found at the path `at`; "" is the body itself.

    Where it is found is put in words only once there is something to complain of: as a place within `_outer`.
    """

    _values: Mapping[str, object]
    _place: str | int = ""
    _outer: Fields | None = None

    @property
    def at(self) -> str:
        """Where the object is, from the top of the body."""
        if isinstance(self._place, int):
            return f"{self._outer.at if self._outer else ''}[{self._place}]"
        return self._outer.path(self._place) if self._outer else self._place

    def __contains__(self, key: str) -> bool:
        return self._values.get(key) is not None

    def path(self, key: str) -> str:
        """Where `key` is, from the top of the body."""
        at = self.at
        return f"{at}.{key}" if at else key

    def needed(self, key: str, value: T | None) -> T:
        """`value`, just read from `key`; RejectedError where it is not said."""
        if value is None:
            raise RejectedError(f"{self.path(key)} is missing, or empty.")
        return value

    def text(self, key: str) -> str | None:
        """Text without control characters and lone surrogates; blank text is not said."""
        value = self._values.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self._wrong(key, "text", value)
        # The usual text is told apart here: every field of every delivery passes.
        return value if value.isprintable() and value.strip() else clean(value)

    def as_is(self, key: str) -> str | None:
        """Text with each of its characters, for signatures over it."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong(key, "text", value)
        return value

    def identifier(self, key: str) -> str | None:
        """Text, or a whole number written as text: platforms differ, and change, in how they write ids."""
        value = self._values.get(key)
        if isinstance(value, str):
            return value if value.isprintable() and value.strip() else clean(value)
        if value is None:
            return None
        if type(value) is not int:
            raise self._wrong(key, "text or a whole number", value)
        if not _TOO_SMALL < value < _TOO_LARGE:
            raise self._too_long(key)
        return str(value)

    def whole(self, key: str, *, least: int = 0, most: int = 2**63 - 1) -> int | None:
        """A whole number within the bounds."""
        value = self._values.get(key)
        if value is None:
            return None
        if type(value) is not int:
            raise self._wrong(key, "a whole number", value)
        if not least <= value <= most:
            raise self._out_of_range(key, least, most)
        return value

    def whole_text(self, key: str, *, least: int = 0, most: int = 2**63 - 1) -> int | None:
        """A whole number that the platform may write as text, as all forms do."""
        value = self._values.get(key)
        if not isinstance(value, str):
            return self.whole(key, least=least, most=most)
        text = clean(value)
        if text is None:
            return None
        if not _DIGITS.fullmatch(text):
            raise RejectedError(f"{self.path(key)} must be a whole number, but is text that is not one.")
        number = int(text)
        if not least <= number <= most:
            raise self._out_of_range(key, least, most)
        return number

    def number(self, key: str) -> float | None:
        """A finite number, whole or not."""
        value = self._values.get(key)
        if value is None:
            return None
        if type(value) is float and math.isfinite(value):
            return value
        if type(value) is not int:
            raise self._wrong(key, "a finite number", value)
        if not _TOO_SMALL < value < _TOO_LARGE:
            raise self._too_long(key)
        return value

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def word(self, key: str, words: Mapping[str, T]) -> T | None:
        """Our word for the platform's, whatever its capitals; None for a word that is not in the table."""
        value = self.text(key)
        return None if value is None else words.get(value.lower())

    def iso_time(self, key: str) -> datetime | None:
        """An ISO 8601 time with a zone, in UTC."""
        value = self.text(key)
        return None if value is None else self._time(key, value, iso_time)

    def rfc2822_time(self, key: str) -> datetime | None:
        """A time as e-mail headers have it, in UTC."""
        value = self.text(key)
        return None if value is None else self._time(key, value, rfc2822_time)

    def epoch_ms(self, key: str) -> datetime | None:
        """Milliseconds since 1970, in UTC; 0 is not said, as senders without a null have it."""
        value = self.number(key)
        return self._time(key, value, epoch_ms) if value else None

    def epoch_s(self, key: str) -> datetime | None:
        """Seconds since 1970, in UTC; 0 is not said."""
        value = self.number(key)
        return self._time(key, value, epoch_s) if value else None

    def lowered(self) -> Fields:
        """The same with its keys in lower case, for platforms that change their capitals; inner objects stay."""
        values = self._values
        return self._holding(dict(zip(map(str.lower, values), values.values(), strict=True))) if values else self

    def renamed(self, names: Mapping[str, str]) -> Fields:
        """The same with some keys by other names, for platforms that have renamed theirs."""
        if names.keys().isdisjoint(self._values.keys()):
            return self
        return self._holding({names.get(key, key): value for key, value in self._values.items()})

    def inner(self, key: str) -> Fields:
        """The object at `key`; one without fields where it is not said."""
        value = self._values.get(key)
        if value is None:
            return Fields({}, key, self)
        if not isinstance(value, dict):
            raise self._wrong(key, "an object", value)
        return Fields(value, key, self)

    def inners(self, key: str, *, most: int = MAX_ENTRIES) -> Sequence[Fields]:
        """The objects of the list at `key`, at most so many."""
        value = self._values.get(key)
        if value is None or value == []:
            return ()
        if not isinstance(value, list):
            raise self._wrong(key, "a list of objects", value)
        return _objects(value, Fields({}, key, self), most)

    def by_id(self, key: str) -> dict[str | None, Fields]:
        """The objects of the list at `key` by their `id`, at most 100."""
        return {each.identifier("id"): each for each in self.inners(key)}

    def strings(self, key: str, *, most: int = MAX_ENTRIES) -> list[str]:
        """The texts of the list at `key`, at most so many; blank ones are left out."""
        value = self._values.get(key)
        if value is None or value == []:
            return []
        if not isinstance(value, list) or not all(isinstance(member, str) for member in value):
            raise self._wrong(key, "a list of texts", value)
        if len(value) > most:
            raise RejectedError(f"{self.path(key)} must list at most {most} texts, but lists {len(value)}.")
        return [text for member in value if (text := clean(member))]

    def texts(self, key: str, *, most: int = MAX_ENTRIES) -> dict[str, str] | None:
        """A map from names to texts; whole numbers become text, null and blank entries are not said."""
        if self._values.get(key) is None:
            return None
        entries = self.inner(key).entries(most)
        told = {name: text for name, inner in entries if (text := inner.identifier(name)) is not None}
        return told or None

    def told(self, names: Mapping[str, str], read: Callable[[Fields, str], T | None]) -> dict[str, T]:
        """What `read`, such as `Fields.text`, finds under the platform's names, by ours; what is not said is left out.

        Most of a table's names are in few bodies: only those that are there are read.
        """
        values = self._values
        told: dict[str, Any] = {}
        if not values:
            return told
        as_is = _GIVEN_AS_IS.get(read)
        for theirs, ours in names.items():
            value: Any = values.get(theirs)
            if value is None:
                continue
            kind = type(value)
            # As in `text`, the usual is told apart here.
            if kind is not as_is or (kind is str and not (value.isprintable() and value.strip())):
                value = read(self, theirs)
            if value is not None:
                told[ours] = value
        return told

    def filled_in(self, key: str) -> dict[str, str]:
        """The texts and numbers of a map that the platform's customers fill as they like: whatever else is left out."""
        value = self._values.get(key)
        told: dict[str, str] = {}
        if not value or not isinstance(value, dict):
            return told
        for name, inner in itertools.islice(value.items(), MAX_FILLED_IN):
            text = clean(inner) if isinstance(inner, str) else _number_as_text(inner)
            if text and (here := clean(name)) and len(here) <= MAX_KEY:
                told[here] = text
        return told

    def plain(self, key: str, *, most: int = MAX_ENTRIES) -> dict[str, object] | None:
        """A map from names to any JSON; null entries are not said."""
        if self._values.get(key) is None:
            return None
        return self.inner(key).everything(most) or None

    def everything(self, most: int) -> dict[str, object]:
        """Any JSON under names that the sender chose; null and blank entries are not said."""
        told: dict[str, object] = {}
        for position, name, value in self._by_position(most):
            if isinstance(value, str):
                if text := clean(value):
                    told[name] = text
            elif problem := _unfit(value, MAX_DEPTH):
                raise RejectedError(f"{_Entry({}, position, self).at} {problem}")
            elif value is not None:
                told[name] = value
        return told

    def entries(self, most: int) -> Iterator[tuple[str, Fields]]:
        """Each name of a map whose names the sender chose, with the fields to read it from."""
        for position, name, value in self._by_position(most):
            yield name, _Entry({name: value}, position, self)

    def _by_position(self, most: int) -> Iterator[tuple[int, str, object]]:
        if len(self._values) > most:
            raise RejectedError(f"{self.at} must have at most {most} entries, but has {len(self._values)}.")
        for position, (name, value) in enumerate(self._values.items(), start=1):
            # The name may be personal data too: the path tells the position.
            here = clean(name)
            if here is None or len(here) > MAX_KEY:
                raise RejectedError(f"{self.at}, entry {position}, must have a name of 1 to {MAX_KEY} characters.")
            yield position, here, value

    def anything(self, key: str) -> object:
        """Any JSON, as it is, at most `MAX_DEPTH` levels deep; numbers finite."""
        value = self._values.get(key)
        if isinstance(value, str):
            return clean(value)
        if problem := _unfit(value, MAX_DEPTH):
            raise RejectedError(f"{self.path(key)} {problem}")
        return value

    def _out_of_range(self, key: str, least: int, most: int) -> RejectedError:
        return RejectedError(f"{self.path(key)} must be a whole number from {least} to {most}, but is out of range.")

    def _too_long(self, key: str) -> RejectedError:
        return RejectedError(f"{self.path(key)} {_TOO_LONG}")

    def _time(self, key: str, value: T, read: Callable[[T], datetime]) -> datetime:
        try:
            return read(value)
        except ValueError as error:
            raise RejectedError(f"{self.path(key)} must be {error}.") from None

    def _holding(self, values: Mapping[str, object]) -> Fields:
        return Fields(values, self._place, self._outer)

    def _wrong(self, key: str, expected: str, value: object) -> RejectedError:
        return RejectedError(f"{self.path(key)} must be {expected}, but is {kind_of(value)}.")


_GIVEN_AS_IS: Mapping[object, type] = {Fields.text: str, Fields.identifier: str, Fields.flag: bool}
"""The kind of value that a way to read gives as it is; of text, what is clean."""


class _Entry(Fields):
    """One entry of a map: its path tells the position instead of the name."""

    @property
    def at(self) -> str:
        return f"{self._outer.at if self._outer else ''}, entry {self._place}"

    def path(self, key: str) -> str:  # noqa: ARG002 — the name may be personal data
        return self.at


@contextmanager
def expecting(what: str) -> Iterator[None]:
    """Read what a platform answers, and should: what is something else is asked for again later (RetryableError)."""
    try:
        yield
    except RejectedError as error:
        raise RetryableError(f"The answer is something else than {what}: {error.reason}") from None


def read_json(body: bytes) -> object:
    """The JSON value of a body: UTF-8, bounded in size; of duplicate keys the last one counts.

    What nests hundreds of levels deep, or has numbers of thousands of digits, is refused here. `Fields` gives away
    nothing of more than `MAX_DEPTH` levels and `MAX_DIGITS` digits.
    """
    if len(body) > MAX_BYTES:
        return _read_in_python(body)
    try:
        return _decode(body)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return _read_in_python(body)


def read_object(body: bytes) -> Fields:
    """The body as one JSON object."""
    value = read_json(body)
    if not isinstance(value, dict):
        raise RejectedError(f"The body must be a JSON object, but is {kind_of(value)}.")
    return Fields(value)


def objects_of(values: list[object], at: str, most: int) -> list[Fields]:
    """The members of the list at this path, each of which must be an object."""
    return _objects(values, Fields({}, at), most)


def _objects(values: list[object], place: Fields, most: int) -> list[Fields]:
    if len(values) > most:
        raise RejectedError(f"{place.at or 'The body'} must list at most {most} objects, but lists {len(values)}.")
    found = []
    for position, value in enumerate(values):
        if not isinstance(value, dict):
            raise RejectedError(f"{place.at}[{position}] must be an object, but is {kind_of(value)}.")
        found.append(Fields(value, position, place))
    return found


def form_pairs(body: bytes) -> list[tuple[str, str]]:
    """The pairs of a form-encoded body, in order, blank ones and repeated ones included."""
    if len(body) > MAX_BYTES:
        raise RejectedError(f"The body must have at most {MAX_BYTES} bytes, but has {len(body)}.")
    try:
        return parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS)
    except ValueError:
        raise RejectedError(f"The form must have at most {MAX_FORM_FIELDS} fields.") from None


def read_form(body: bytes) -> Fields:
    """A form-encoded body; of repeated fields the last one counts."""
    return Fields(dict(form_pairs(body)))


def clean(text: str) -> str | None:
    """`text` as stores and CRMs can hold it; None where nothing is left."""
    if not text.isprintable():
        text = clean_text(text)
    return None if not text or text.isspace() else text


def kind_of(value: object) -> str:
    """What a value is, in words, without showing it."""
    for kind, words in _KINDS:
        if isinstance(value, kind):
            return words
    return "something else"


def iso_time(text: str) -> datetime:
    """An ISO 8601 time with a zone, in UTC; the ValueError tells what was expected."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a time such as 2026-03-02T14:54:30Z, but is text that is not one") from None
    return _within(moment)


def rfc2822_time(text: str) -> datetime:
    """A time as in e-mail headers, in UTC; the ValueError tells what was expected."""
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        raise ValueError("a time such as Mon, 02 Mar 2026 14:46:27 +0000, but is text that is not one") from None
    # "-0000" says that the time is UTC and the sender's zone unknown (RFC 2822, 3.3).
    return _within(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def epoch_ms(value: float) -> datetime:
    """Milliseconds since 1970, in UTC; the ValueError tells what was expected."""
    if not _EARLIEST_MS <= value < _LATEST_MS:
        raise ValueError("a time in milliseconds since 1970, but is a number that is too small or too large")
    return EARLIEST + value * _MILLISECOND


def epoch_s(value: float) -> datetime:
    """Seconds since 1970, in UTC; the ValueError tells what was expected."""
    if not _EARLIEST_S <= value < _LATEST_S:
        raise ValueError("a time in seconds since 1970, but is a number that is too small or too large")
    return datetime.fromtimestamp(value, UTC)


def _within(moment: datetime) -> datetime:
    zone = moment.tzinfo
    if zone is None:
        raise ValueError("a time with its zone, such as 2026-03-02T14:54:30Z, but has no zone")
    # Times are compared with less effort in one zone; those near the calendar's ends need not be in another.
    if zone is not UTC and MINYEAR < moment.year < MAXYEAR:
        moment = moment.astimezone(UTC)
    if not EARLIEST <= moment < LATEST:
        raise ValueError("a time from 1970 to 8999, but is earlier or later")
    return moment


def decoded(body: bytes, largest: int = MAX_BYTES) -> str:
    """The text of a body that is UTF-8, bounded, and not empty."""
    if len(body) > largest:
        raise RejectedError(f"The body must have at most {largest} bytes, but has {len(body)}.")
    try:
        text = body.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise RejectedError(f"The body must be UTF-8, but is not at byte {error.start}.") from None
    if not text or text.isspace():
        raise RejectedError("The body is empty.")
    return text


def _read_in_python(body: bytes) -> object:
    """What msgspec does not take may still be JSON: Python's slower reader takes all of it, or says where it breaks."""
    text = decoded(body)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise RejectedError(_broken_json(error, text)) from None
    except RecursionError:
        raise RejectedError(f"The body {TOO_DEEP}") from None


def _broken_json(error: json.JSONDecodeError, text: str) -> str:
    where = f"line {error.lineno}, column {error.colno}"
    # A string that never closes is reported where it opens.
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return f"The body is not complete JSON: it was cut off at {where}."
    return f"The body is not JSON: it breaks at {where}."


def _unfit(value: object, levels: int) -> str | None:
    """What is wrong with any JSON, as the end of a sentence; None where nothing is."""
    if isinstance(value, int):
        return None if _TOO_SMALL < value < _TOO_LARGE else _TOO_LONG
    if isinstance(value, (dict, list)):
        return _unfit_within(value.values() if isinstance(value, dict) else value, levels - 1) if levels else TOO_DEEP
    if value is None or isinstance(value, str) or (isinstance(value, float) and math.isfinite(value)):
        return None
    return f"must be text, a number, true, false, a list or an object, but is {kind_of(value)}."


def _unfit_within(values: Iterable[object], levels: int) -> str | None:
    for value in values:
        if not isinstance(value, str) and (problem := _unfit(value, levels)):
            return problem
    return None


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise RejectedError(f"The body holds a whole number of more than {MAX_DIGITS} digits.")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise RejectedError("The body holds a number that is too large.")
    return value


def _no_constant(name: str) -> float:
    raise RejectedError(f"The body holds {name}, which JSON does not have.")


def _number_as_text(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return str(value) if _TOO_SMALL < value < _TOO_LARGE else None


_decode = Decoder().decode
_DECODER = json.JSONDecoder(parse_int=_whole, parse_float=_finite, parse_constant=_no_constant)
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "true or false"),
    (str, "text"),
    (int, "a whole number"),
    (float, "a number"),
    (list, "a list"),
    (dict, "an object"),
    (type(None), "null"),
)
