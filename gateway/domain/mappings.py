"""Field mappings: which value each Salesforce field gets, as an admin wrote it down, compiled and applied.

A rule is one of

* a JMESPath over the canonical record (`disposition`, `legs[-1].team`),
* `{value: Completed}`, a constant,
* `{text: "{channel | title} with {who}"}`, where `{path | transform | …}` is filled in,
* `{lines: [...]}`, such texts under one another, a line left out where one of its values is missing
  (`{path?}` may be missing); `{each: legs, text: …}` makes one line per item,
* `{from: path, as: [transform, …], map: {ours: theirs}, default: …}`.

`create_only: true` keeps a field off updates; `required: true` parks the interaction if the field cannot be filled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jmespath.exceptions import JMESPathError

from gateway.domain.paths import compile_path
from gateway.errors import ConfigError

Rule = Callable[[Mapping[str, Any]], Any]
"""From a canonical record to a value, None where there is none."""


@dataclass(frozen=True, slots=True)
class FieldRule:
    """How one field is filled; `literals` are the values that stand in the rule itself."""

    field: str
    fill: Rule
    create_only: bool = False
    required: bool = False
    literals: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """All rules of one Salesforce object."""

    version: str
    rules: tuple[FieldRule, ...]

    def fill(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the fields that have one."""
        values: dict[str, Any] = {}
        for rule in self.rules:
            value = rule.fill(record)
            if value is not None and value != "":
                values[rule.field] = value
        return values

    def under(self, over: FieldMapping | None) -> FieldMapping:
        """This mapping with the rules of another one in place of its own for the same fields, and besides them."""
        rules = {rule.field: rule for rule in (*self.rules, *(over.rules if over else ()))}
        return FieldMapping(self.version, tuple(rules.values()))

    def missing(self, values: Mapping[str, Any]) -> list[str]:
        """The fields that the mapping requires, and that have no value."""
        return [rule.field for rule in self.rules if rule.required and rule.field not in values]


def compile_mapping(document: Mapping[str, Any]) -> FieldMapping:
    """Compile a mapping file's content. ConfigError: every problem at once, each naming its field."""
    problems: list[str] = []
    rules = []
    for name, rule in (document.get("fields") or {}).items():
        try:
            rules.append(_field_rule(str(name), rule))
        except ValueError as error:
            problems.append(f"fields.{name}: {error}")
    if not rules and not problems:
        problems.append("fields: at least one field must be mapped")
    if problems:
        raise ConfigError(*problems)
    return FieldMapping(str(document.get("version", "1")), tuple(rules))


def _field_rule(field: str, rule: Any) -> FieldRule:
    if not isinstance(rule, Mapping):
        return FieldRule(field, _path(rule))
    options = dict(rule)
    create_only = bool(options.pop("create_only", False))
    required = bool(options.pop("required", False))
    return FieldRule(field, _rule(options), create_only, required, _literals(options))


def _literals(options: Mapping[str, Any]) -> tuple[Any, ...]:
    written = [options.get("value"), *options.get("map", {}).values(), options.get("default")]
    return tuple(value for value in written if value is not None)


def _rule(options: dict[str, Any]) -> Rule:
    match options:
        case {"value": constant, **rest} if not rest:
            return lambda _: constant
        case {"text": template, **rest} if not rest:
            return _text(str(template))
        case {"lines": list(lines), **rest} if not rest:
            return _lines(lines)
        case {"from": path, **rest}:
            return _converted(_path(path), rest)
    known = "from (with as, map, default), text, lines, value"
    raise ValueError(f"a rule is a path or one of {known}, not {', '.join(map(str, options)) or 'empty'}")


def _path(expression: Any) -> Rule:
    try:
        return compile_path(str(expression))
    except JMESPathError as error:
        raise ValueError(f"{expression!r} is not a JMESPath expression ({str(error).splitlines()[0]})") from error


def _converted(source: Rule, options: dict[str, Any]) -> Rule:
    names = options.pop("as", [])
    steps = [_transform(name) for name in ([names] if isinstance(names, str) else names)]
    table = {str(key).casefold(): value for key, value in options.pop("map", {}).items()}
    default = options.pop("default", None)
    if options:
        raise ValueError(f"unknown option {', '.join(options)}; known: from, as, map, default, create_only, required")

    if table:
        steps.append(lambda value: table.get(str(value).casefold()))
    found = _through(source, steps)
    if default is None:
        return found
    return lambda record: default if (value := found(record)) is None else value


def _through(source: Rule, steps: Sequence[Callable[[Any], Any]]) -> Rule:
    """What the source gives, taken through the steps until nothing is left of it."""
    if not steps:
        return source

    def fill(record: Mapping[str, Any]) -> Any:
        value = source(record)
        for step in steps:
            if value is None:
                return None
            value = step(value)
        return value

    return fill


_HOLE = re.compile(r"\{([^{}]+)\}")


def _text(template: str) -> Rule:
    """The template filled in; None as soon as one value that may not be missing is."""
    literals = _HOLE.split(template)
    holes = [(*_hole(body), literal) for body, literal in zip(literals[1::2], literals[2::2], strict=True)]

    def fill(record: Mapping[str, Any]) -> str | None:
        made = literals[0]
        for source, optional, literal in holes:
            value = source(record)
            if not optional and (value is None or value == ""):
                return None
            made += literal if value is None else f"{value}{literal}"
        return made.strip()

    return fill


def _hole(body: str) -> tuple[Rule, bool]:
    path, *names = re.split(r"(?<!\|)\|(?!\|)", body)
    optional = path.strip().endswith("?")
    source, steps = _path(path.strip().removesuffix("?")), [_transform(name.strip()) for name in names]
    return _through(source, steps), optional


def _lines(lines: Sequence[Any]) -> Rule:
    parts = [_each(line) if isinstance(line, Mapping) else (None, _text(str(line))) for line in lines]

    def fill(record: Mapping[str, Any]) -> str | None:
        made = []
        for items, text in parts:
            for item in (record,) if items is None else items(record) or ():
                if line := text(item):
                    made.append(line)
        return "\n".join(made) or None

    return fill


def _each(line: Mapping[str, Any]) -> tuple[Rule, Rule]:
    if set(line) != {"each", "text"}:
        raise ValueError("a line is a text or {each: path of a list, text: …}")
    return _path(line["each"]), _text(str(line["text"]))


def _transform(call: str) -> Callable[[Any], Any]:
    """A named transform, with its argument after a colon: `date:America/Chicago`, `cut:80`."""
    name, _, argument = str(call).partition(":")
    if name not in TRANSFORMS:
        raise ValueError(f"there is no transform {name!r}; known: {', '.join(sorted(TRANSFORMS))}")
    try:
        return TRANSFORMS[name](argument)
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise ValueError(f"{call!r}: {error}") from error


def _timed(spell: Callable[[datetime], str]) -> Callable[[str], Callable[[Any], str]]:
    """How a time is spelt where it is shown."""

    def of_zone(zone: str) -> Callable[[Any], str]:
        place = ZoneInfo(zone) if zone else UTC
        return lambda moment: spell(moment.astimezone(place)) if isinstance(moment, datetime) else str(moment)

    return of_zone


def _plain(convert: Callable[[Any], Any]) -> Callable[[str], Callable[[Any], Any]]:
    return lambda _: convert


def _cut(length: str) -> Callable[[Any], str]:
    most = int(length)
    return lambda value: cut(str(value), most)


def cut(text: str, most: int) -> str:
    """`text` in at most `most` UTF-16 units, as Salesforce counts, never through a character; an ellipsis shows it."""
    if len(text) * 2 <= most or len(text.encode("utf-16-le")) // 2 <= most:
        return text
    kept = text.encode("utf-16-le")[: (most - 1) * 2].decode("utf-16-le", "ignore")
    return kept.rstrip() + "…"


def _parts(name: Any) -> tuple[str, str]:
    """First and last name: `Casey Customer` and `Customer, Casey` are the same person."""
    last, comma, first = str(name).partition(",")
    if not comma:
        first, _, last = str(name).strip().rpartition(" ")
    return first.strip(), last.strip()


def _clock(seconds: Any) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


TRANSFORMS: Mapping[str, Callable[[str], Callable[[Any], Any]]] = {
    "date": _timed(lambda moment: moment.date().isoformat()),
    "time": _timed(lambda moment: moment.time().isoformat("minutes")),
    "datetime": _timed(lambda moment: moment.replace(tzinfo=None).isoformat(" ", "minutes")),
    "title": _plain(lambda value: str(value).replace("_", " ").capitalize()),
    "upper": _plain(lambda value: str(value).upper()),
    "lower": _plain(lambda value: str(value).lower()),
    "trim": _plain(lambda value: str(value).strip()),
    "clock": _plain(_clock),
    "first_name": _plain(lambda name: _parts(name)[0] or None),
    "last_name": _plain(lambda name: _parts(name)[1] or None),
    "join": lambda separator: lambda values: (separator or ", ").join(str(v) for v in values if v) or None,
    "cut": _cut,
}
"""The fixed registry of transforms. Times are shown in UTC unless a zone is named."""
