"""The `mapping` setting: any JSON becomes the canonical one, field by field, by JMESPath (https://jmespath.org).

A field's rule is a path, or `{path, values, default, unit}`. `parties` and `legs` are an object of rules, or a list of
such objects; `each` in one of them names the list whose members its rules are read from. Everything is compiled when
the settings load, and every mistake is told with its key.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import jmespath
from jmespath.exceptions import JMESPathError
from marshmallow import ValidationError, fields

from gateway.sdk import RejectedError
from gateway.sdk.reading import TOO_DEEP, epoch_ms, kind_of, rfc2822_time

Read: TypeAlias = Callable[[object], object]
"""From the sender's JSON to one piece of the canonical JSON; None is not said."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the mapping, and at which key."""

    where: str
    message: str


UNITS: Mapping[str, Callable[[float], datetime]] = {"ms": epoch_ms, "s": lambda seconds: epoch_ms(seconds * 1000)}
RULE_KEYS = frozenset({"path", "values", "default", "unit"})
MAX_MEMBERS = 1000
"""Most members of a list that `each` names: each of them costs a search of its own."""
NEEDED = ("id", "event", "occurred_at")


class MappingField(fields.Field[Any]):
    """Loads as a function from the sender's JSON to a list of canonical events."""

    def _deserialize(self, value: Any, *_: object, **__: object) -> Callable[[object], list[object]]:
        if not isinstance(value, Mapping):
            raise ValidationError("must be an object with one rule for each field.")
        problems: list[Problem] = []
        compiled = compile_mapping(value, problems)
        if problems:
            raise ValidationError(_nested(problems))
        return compiled


def compile_mapping(given: Mapping[str, Any], problems: list[Problem]) -> Callable[[object], list[object]]:
    """The mapping as a function; what is wrong with it is appended to `problems`."""
    rules = dict(given)
    for name in NEEDED:
        if name not in rules:
            problems.append(Problem(name, "is needed: a JMESPath to the value in the sender's JSON."))
    each = _list_at(rules.pop("each"), "each", problems) if "each" in rules else None
    event, is_another = _object(rules, EVENT, "", problems), _another(rules.get("event"))

    def read(body: object) -> list[object]:
        try:
            return [event(member) for member in _each(each, body) if not is_another(member)]
        except RecursionError:
            raise RejectedError(f"The body {TOO_DEEP}") from None

    return read


def _another(rule: object) -> Callable[[object], bool]:
    """Whether something says an event that the rule does not list: none of our business, as it is in canonical JSON."""
    table = rule.get("values") if isinstance(rule, Mapping) else None
    if not isinstance(rule, Mapping) or not isinstance(table, Mapping) or "default" in rule:
        return lambda _: False
    listed, path = frozenset(map(_key, table)), _path(rule.get("path", "`null`"), "event", [])
    return lambda member: (word := path(member)) is not None and _key(word) not in listed


def _nested(problems: list[Problem]) -> dict[str | int, Any]:
    """The messages by key and by position in a list, as marshmallow nests them."""
    nested: dict[str | int, Any] = {}
    for problem in problems:
        inner = nested
        for step in re.findall(r"[^.\[\]]+", problem.where):
            inner = inner.setdefault(int(step) if step.isdecimal() else step, {})
        inner.setdefault("_schema", []).append(problem.message)
    return nested


def _text(value: object) -> object:
    """Numbers are text where text is wanted: a phone number may well be a JSON number elsewhere."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _seconds(value: object) -> object:
    return round(value) if isinstance(value, float) and math.isfinite(value) else _whole(value)


def _whole(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19 else value


def _as_is(value: object) -> object:
    return value


Shape: TypeAlias = "Mapping[str, Shape | Read]"

AGENT: Shape = {"id": _text, "email": _text, "name": _text}
PARTY: Shape = {
    "id": _text, "role": _text, "phone": _text, "email": _text, "name": _text, "handle": _text, "verified": _as_is,
}  # fmt: skip
LEG: Shape = {
    "id": _text, "call_type": _text, "agent": AGENT, "team": _text, "started_at": _as_is, "ended_at": _as_is,
    "disposition": _text, "notes": _text,
}  # fmt: skip
EVENT: Shape = {
    "id": _text, "event": _text, "occurred_at": _as_is, "sequence": _whole, "channel": _text, "direction": _text,
    "contact_point": _text, "parties": PARTY, "legs": LEG, "started_at": _as_is, "ended_at": _as_is,
    "duration_seconds": _seconds, "queue": _text, "subject": _text, "disposition": _text, "notes": _text,
    "references": {}, "recording_url": _text, "transcript": _text, "attributes": {},
}  # fmt: skip
LISTED = frozenset({"parties", "legs"})
OPEN = frozenset({"references", "attributes"})
"""Maps whose names the admin chooses."""


def _object(rules: Mapping[str, Any], shape: Shape, at: str, problems: list[Problem]) -> Read:
    readers: dict[str, Read] = {}
    for name, rule in rules.items():
        where = f"{at}.{name}" if at else str(name)
        if name in shape:
            readers[name] = _member(name, rule, shape[name], where, problems)
        else:
            problems.append(Problem(where, f"is no field of the canonical JSON; here are {', '.join(sorted(shape))}."))
    return _reading(readers)


def _member(name: str, rule: Any, kind: Shape | Read, where: str, problems: list[Problem]) -> Read:
    if not isinstance(kind, Mapping):
        return _rule(rule, kind, where, problems)
    if name in LISTED:
        return _list(rule, kind, where, problems)
    if not isinstance(rule, Mapping):
        problems.append(Problem(where, "must be an object with one rule for each name."))
        return _as_is
    return _object(rule, kind or dict.fromkeys(map(str, rule), _as_is), where, problems)


def _list(rule: Any, shape: Shape, where: str, problems: list[Problem]) -> Read:
    listed = rule if isinstance(rule, list) else [rule]
    parts = [
        _part(one, shape, f"{where}[{position}]" if isinstance(rule, list) else where, problems)
        for position, one in enumerate(listed)
    ]
    return lambda body: [found for part in parts for found in part(body) if found]


def _part(rule: Any, shape: Shape, where: str, problems: list[Problem]) -> Callable[[object], Iterator[object]]:
    if not isinstance(rule, Mapping):
        problems.append(Problem(where, "must be an object with one rule for each field, and `each` for a list."))
        return lambda _: iter(())
    rules = dict(rule)
    each = _list_at(rules.pop("each"), f"{where}.each", problems) if "each" in rules else None
    member = _object(rules, shape, where, problems)
    return lambda body: (member(one) for one in _each(each, body))


def _reading(readers: Mapping[str, Read]) -> Read:
    def read(source: object) -> object:
        told = ((name, reader(source)) for name, reader in readers.items())
        return {name: value for name, value in told if value is not None}

    return read


def _rule(rule: Any, kind: Read, where: str, problems: list[Problem]) -> Read:
    """One field's value: found by its path, translated by `values` or `unit`, else the default."""
    if not isinstance(rule, Mapping):
        return _after(_path(rule, where, problems), kind)
    for name in rule.keys() - RULE_KEYS:
        problems.append(Problem(f"{where}.{name}", f"is no part of a rule; there are {', '.join(sorted(RULE_KEYS))}."))
    path = _path(rule.get("path", "`null`"), where, problems)
    default, steps = rule.get("default"), [kind]
    if "unit" in rule:
        steps.insert(0, _unit(rule["unit"], where, problems))
    if "values" in rule:
        steps.insert(0, _values(rule["values"], where, problems))
    return lambda source: default if (value := _through(steps, path(source))) is None else value


def _after(first: Read, second: Read) -> Read:
    return lambda source: second(first(source))


def _through(steps: list[Read], value: object) -> object:
    for step in steps:
        if value is not None:
            value = step(value)
    return value


def _values(table: Any, where: str, problems: list[Problem]) -> Read:
    if not isinstance(table, Mapping):
        problems.append(Problem(f"{where}.values", "must be an object: the sender's word, then ours."))
        return _as_is
    words = {_key(word): ours for word, ours in table.items()}
    return lambda value: words.get(_key(value))


def _key(value: object) -> str:
    """A word as YAML and JSON both may write it: yes and true, 1 and "1" are the same."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unit(unit: Any, where: str, problems: list[Problem]) -> Read:
    if unit == "iso":
        return _as_is
    if unit == "rfc2822":
        return lambda value: _moment(rfc2822_time, str(value), where)
    if unit in UNITS:
        return lambda value: _moment(UNITS[unit], _number(value, where), where)
    problems.append(Problem(f"{where}.unit", "must be ms, s, iso or rfc2822."))
    return _as_is


def _moment(read: Callable[[Any], datetime], value: object, where: str) -> str:
    try:
        return read(value).isoformat()
    except ValueError as error:
        raise RejectedError(f"{where} must be {error}.") from None


def _number(value: object, where: str) -> float:
    """A number, or text that is one."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ValueError, OverflowError):
            return float(value)
    raise RejectedError(f"{where} must be a number, but is {kind_of(value)}.")


def _each(path: Read | None, body: object) -> list[object]:
    """The members of the list at the path; a single object counts as a list of one, nothing as an empty one."""
    found = body if path is None else path(body)
    if found is None:
        return []
    return found if isinstance(found, list) and path is not None else [found]


def _list_at(text: Any, where: str, problems: list[Problem]) -> Read:
    """What `each` names, bounded."""
    path = _path(text, where, problems)

    def read(body: object) -> object:
        found = path(body)
        if isinstance(found, list) and len(found) > MAX_MEMBERS:
            raise RejectedError(f"The list at {where} must have at most {MAX_MEMBERS} members, but has {len(found)}.")
        return found

    return read


def _path(text: Any, where: str, problems: list[Problem]) -> Read:
    try:
        compiled = _compiled(text)
    except (JMESPathError, PendingDeprecationWarning, TypeError) as error:
        reason = str(error).partition("\n")[0].rstrip(":")
        problems.append(Problem(where, f"is no JMESPath; a fixed word is written \"'word'\" in YAML. {reason}"))
        return _as_is
    return lambda source: _found(compiled, source, where)


def _compiled(text: Any) -> Any:
    if not isinstance(text, str) or not text.strip():
        raise TypeError("It must be text.")
    with warnings.catch_warnings():
        # `word` in backticks without quotes is accepted with this warning only, and will not be for ever.
        warnings.simplefilter("error", PendingDeprecationWarning)
        return jmespath.compile(text)


def _found(compiled: Any, source: object, where: str) -> object:
    try:
        return compiled.search(source)
    except (JMESPathError, ArithmeticError, AttributeError, TypeError, ValueError):
        raise RejectedError(f"The mapping's path for {where} does not fit the body.") from None
