"""The settings of contact points: their form, and which of them holds where.

Each stands on a contact point, on its connection, on the connection's platform, or in the defaults; the nearest wins,
as a whole. One that is null says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jmespath.exceptions import JMESPathError
from marshmallow import Schema, ValidationError, fields, post_load, validate
from phonenumbers import SUPPORTED_REGIONS

from gateway.config.report import Report, Trail
from gateway.domain.identity import email_key, phone_key
from gateway.domain.mappings import compile_mapping
from gateway.domain.paths import compile_path, is_false, names_in
from gateway.domain.policies import (
    CaseRule,
    Condition,
    ContactPoint,
    CreatePolicy,
    Creates,
    SecondParty,
    StopList,
    WhenMissing,
)
from gateway.errors import ConfigError

DEFAULT_REGION = "US"


class Region(fields.String):
    """A country by its two letters, as ISO 3166 and the numbering plans have it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        region = super()._deserialize(value, attr, data, **kwargs)
        if region in SUPPORTED_REGIONS:
            return region
        if region.upper() in SUPPORTED_REGIONS:
            raise ValidationError(f'countries are in capitals; write "{region.upper()}"')
        raise ValidationError("is not a country of two letters, such as US, DE or JP")


class Short(fields.Nested):
    """Settings of which the first may stand alone, in place of the whole."""

    def __init__(self, schema: type[Schema], alone: str, kinds: type | tuple[type, ...], **kwargs: Any) -> None:
        super().__init__(schema, **kwargs)
        self._alone, self._kinds = alone, kinds

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, partial: Any = None, **kwargs: Any
    ) -> Any:
        whole = {self._alone: value} if isinstance(value, self._kinds) else value
        return super()._deserialize(whole, attr, data, partial, **kwargs)


def _words(given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with lists of a platform's words as sets: letter case means nothing there."""
    return {
        name: frozenset(word.strip().casefold() for word in value) if isinstance(value, list) else value
        for name, value in given.items()
    }


class _Path(fields.String):
    """A JMESPath over the record that mappings see."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        expression = super()._deserialize(value, attr, data, **kwargs)
        try:
            compile_path(expression)
        except JMESPathError:
            raise ValidationError("is not a JMESPath expression, such as attributes.authorised_signer") from None
        return expression


class _Rules(fields.Dict):
    """Rules for fields, as in the mappings' files."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        rules = super()._deserialize(value, attr, data, **kwargs)  # type: ignore[no-untyped-call]
        try:
            return compile_mapping({"fields": rules})
        except ConfigError as error:
            said = [problem.removeprefix("fields.").partition(": ") for problem in error.problems]
            raise ValidationError({name: [text] for name, _, text in said}) from None


def one_of(names: Sequence[str]) -> validate.OneOf:
    """Whether it is one of these words."""
    return validate.OneOf(names, error="must be one of: {choices}")


MAPPING_FILE = validate.Regexp(r"[\w.-]+\.yaml\Z", error="must be a file's name, such as case.yaml")
"""A file in the mappings' folder."""

_CREATES = [each.value for each in Creates]


class ConditionSchema(Schema):
    """Something asked of a record: that a path leads to something, or to a certain value."""

    path = _Path(data_key="from", required=True)
    equals = fields.Raw(allow_none=True)

    @post_load
    def _made(self, given: dict[str, Any], **_: Any) -> Condition:
        find, names = compile_path(given["path"]), names_in(given["path"])
        if "equals" not in given:
            return Condition(given["path"], lambda record: not is_false(find(record)), names)
        wanted = given["equals"]
        text = f"{given['path']} = {json.dumps(wanted, ensure_ascii=False)}"
        return Condition(text, lambda record: find(record) == wanted and type(find(record)) is type(wanted), names)


class _CreateSchema(Schema):
    policy = fields.String(load_default=Creates.NEVER.value, validate=one_of(_CREATES))
    record_type = fields.String(allow_none=True)
    account_types = fields.Dict(keys=fields.String(), values=fields.String(validate=one_of(_CREATES)))
    values = _Rules()
    unless = Short(ConditionSchema, "from", str)
    approval = Short(ConditionSchema, "from", str)
    source = fields.String(data_key="from")

    @post_load
    def _made(self, given: dict[str, Any], **_: Any) -> CreatePolicy:
        types = {name: Creates(policy) for name, policy in given.get("account_types", {}).items()}
        source = given.get("source", "interaction")
        told = {"policy": Creates(given["policy"]), "account_types": types}
        return CreatePolicy(**{**given, **told, "source": None if source == "interaction" else source})


class _WhenSchema(Schema):
    dispositions = fields.List(fields.String())
    queues = fields.List(fields.String())


class _CaseSchema(Schema):
    when = fields.Nested(_WhenSchema, required=True)
    record_type = fields.String(allow_none=True)
    mapping = fields.String(validate=MAPPING_FILE)

    @post_load
    def _made(self, given: dict[str, Any], **_: Any) -> CaseRule:
        when = given.pop("when")
        if not any(when.values()):
            raise ValidationError("names neither dispositions nor queues; a case for everything is nobody's", "when")
        return CaseRule(**given, **_words(when))


class _SecondPartySchema(Schema):
    dispositions = fields.List(fields.String())
    queues = fields.List(fields.String())
    when_missing = fields.String(data_key="missing", validate=one_of([each.value for each in WhenMissing]))

    @post_load
    def _made(self, given: dict[str, Any], **_: Any) -> SecondParty:
        missing = {"when_missing": WhenMissing(given["when_missing"])} if "when_missing" in given else {}
        return SecondParty(**_words(given) | missing)


class _StopListSchema(Schema):
    identities = fields.List(fields.String())
    file = fields.String()
    consent = fields.Dict(keys=fields.String())


class PointSchema(Schema):
    """What may stand at each level."""

    label = fields.String(allow_none=True)
    region = Region(allow_none=True)
    create = Short(_CreateSchema, "policy", str, allow_none=True)
    companion_tasks = fields.Boolean(allow_none=True)
    threshold = fields.Float(allow_none=True, validate=validate.Range(0, error="must not be below 0"))
    margin = fields.Float(allow_none=True, validate=validate.Range(0, error="must not be below 0"))
    second_party = fields.Nested(_SecondPartySchema, allow_none=True)
    stop_list = Short(_StopListSchema, "identities", list, allow_none=True)
    cases = fields.List(fields.Nested(_CaseSchema), allow_none=True)


NAMES = tuple(PointSchema().fields)


@dataclass(frozen=True, slots=True)
class Level:
    """The settings that stand at one place of the file, and how they are written there."""

    trail: Trail
    given: Mapping[str, Any]
    shown: Mapping[str, str]

    def says(self, name: str) -> bool:
        """Whether it says anything about a setting."""
        return self.given.get(name) is not None


@dataclass(frozen=True, slots=True)
class Effective:
    """A setting that holds at a contact point (None: elsewhere in the connection), and where it is written."""

    connection: str
    address: str | None
    setting: str
    value: str
    written_in: str


def point_of(levels: Sequence[Level]) -> ContactPoint:
    """What holds where these levels meet, the nearest first."""
    given = {name: level.given[name] for name, level in _nearest(levels)}
    return ContactPoint(**{"region": DEFAULT_REGION, **given, "cases": tuple(given.get("cases", ()))})


def effective(connection: str, address: str | None, levels: Sequence[Level], report: Report) -> list[Effective]:
    """The same, told for people."""
    return [
        Effective(connection, address, name, level.shown[name], report.place((*level.trail, name)))
        for name, level in _nearest(levels)
    ]


def _nearest(levels: Sequence[Level]) -> list[tuple[str, Level]]:
    found = ((name, next((level for level in levels if level.says(name)), None)) for name in NAMES)
    return [(name, level) for name, level in found if level]


# --- stop lists ----------------------------------------------------------------------------------------------------


def read_stop_list(given: Mapping[str, Any], folder: Path, trail: Trail, report: Report) -> StopList:
    """The list with the identities of its file; each that is none is reported."""
    identities = {_identity(text, (*trail, "identities", str(index)), report) for index, text in _listed(given)}
    if file := given.get("file"):
        identities |= _identities_in(folder / file, (*trail, "file"), report)
    return StopList(frozenset(filter(None, identities)), given.get("consent", {}))


def _listed(given: Mapping[str, Any]) -> list[tuple[int, str]]:
    return list(enumerate(given.get("identities", ())))


def _identities_in(path: Path, trail: Trail, report: Report) -> set[str | None]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError):
        report.problem(trail, f"{path} cannot be read; write a text file of lines, each a number, an e-mail or @domain")
        return set()
    found: set[str | None] = set()
    for number, line in enumerate(lines, start=1):
        if text := line.partition("#")[0].strip():
            found.add(_identity(text, trail, report, f"{path.name}:{number}: "))
    return found


def _identity(text: str, trail: Trail, report: Report, where: str = "") -> str | None:
    key = _key(text.strip())
    if key is None:
        report.problem(trail, f"{where}is no number with + and country code, no e-mail address and no @domain")
    return key


def _key(text: str) -> str | None:
    if text.startswith("@"):
        probe = email_key(f"x{text}")
        return f"@{probe.rpartition('@')[2]}" if probe else None
    return phone_key(text) if text.startswith("+") else email_key(text)
