"""contacts-sync.yaml: which fields of contacts are synced, and how; every problem is listed at once, with its line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from marshmallow import Schema, ValidationError, fields, post_load, validate

from gateway.config.document import parse, read
from gateway.config.points import one_of
from gateway.config.report import Report, Trail
from gateway.config.secrets import Secrets
from gateway.config.settings import ContactColumns
from gateway.config.shaping import Shaping
from gateway.domain.contacts import Meaning
from gateway.domain.records import Kind
from gateway.domain.sync import FieldRule, Flow, Wins

SMALLEST = 'version: "1"\nfields:\n  last: {salesforce: LastName, name: true}\n  emails: {salesforce: {work: Email}}\n'
"""A file that syncs next to nothing."""

SETS = {
    "phones": (Meaning.PHONES, ("mobile", "work", "home", "fax", "pager", "other")),
    "emails": (Meaning.EMAILS, ("work", "home", "other")),
}
"""What holds several numbers or addresses, and the types of these that platforms know."""

TEXTS = (
    "last", "first", "middle", "prefix", "suffix", "nickname", "title", "company", "department", "street", "city",
    "state", "postal_code", "country", "website", "notes",
)  # fmt: skip
"""What platforms call the other fields of a contact, if they have them."""

Column: TypeAlias = "str | None"

_KEYS = {Kind.CONTACT: "salesforce", Kind.LEAD: "lead"}
"""Where each object's fields are written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedField:
    """A field that is synced, and where it stands in an object: in one field, under "", or in one for each type.

    `place` is the file and the line that say so.
    """

    rule: FieldRule
    place: str
    columns: Mapping[Kind, Mapping[str, Column]]

    def places(self, kind: Kind) -> dict[str, str]:
        """The object's own fields."""
        return {type: column for type, column in self.columns[kind].items() if column}


@dataclass(frozen=True, slots=True)
class ContactMapping:
    """All fields that a file has synced."""

    fields: tuple[MappedField, ...]

    def rules(self, kind: Kind) -> tuple[FieldRule, ...]:
        """How the fields that an object has are synced."""
        return tuple(each.rule for each in self.fields if each.places(kind))

    def columns(self, kind: Kind) -> ContactColumns:
        """Where they stand in the object's records."""
        here = {each.rule.name: (each.rule.meaning.is_set, each.places(kind)) for each in self.fields}
        return ContactColumns(
            texts={name: places[""] for name, (is_set, places) in here.items() if places and not is_set},
            sets={name: places for name, (is_set, places) in here.items() if places and is_set},
        )

    def lacking(self, kind: Kind) -> set[str]:
        """What an object has no field for, such as `company` or `phones.home`."""
        return {_place(each, type) for each in self.fields for type, at in each.columns[kind].items() if not at}


def load_contact_mapping(path: Path, report: Report) -> ContactMapping:
    """The fields that are synced; what is wrong with them is reported. ConfigError: it cannot be read at all."""
    shaping = Shaping(report, Secrets(report, {}, path.parent))
    top = shaping.shaped(_FileSchema(), parse(read(path), report, SMALLEST), ())
    written = top.get("fields_", {})
    if written == {} and not report.problems:
        report.problem(("fields",), "names none; at least one must be synced")
    shaped = {name: shaping.shaped(_schema(name), raw, ("fields", name)) for name, raw in written.items()}
    if report.problems:
        return ContactMapping(())
    mapping = ContactMapping(tuple(_mapped(name, given, report) for name, given in shaped.items()))
    _check(mapping, report)
    return mapping


def _schema(name: str) -> Schema:
    return _SetSchema() if name in SETS else _TextSchema()


def _mapped(name: str, given: Mapping[str, Any], report: Report) -> MappedField:
    rule = FieldRule(
        name=name,
        meaning=SETS[name][0] if name in SETS else Meaning.TEXT,
        flow=Flow(given["direction"]),
        wins=Wins(given.get("wins", Wins.NOBODY)),
        is_name=given.get("is_name", False),
    )
    columns = {kind: given[key] for kind, key in _KEYS.items()}
    return MappedField(rule=rule, place=report.place(("fields", name)), columns=columns)


# --- what does not fit together ------------------------------------------------------------------------------------


def _check(mapping: ContactMapping, report: Report) -> None:
    if not any(each.rule.is_name for each in mapping.fields):
        report.problem(("fields",), "none is part of the person's name; write name: true at first and last names")
    for each in mapping.fields:
        _check_words(each, report)
    told: set[tuple[str, str]] = set()
    for kind, key in _KEYS.items():
        taken: dict[str, str] = {}
        for each, type, column in _placed(mapping, kind):
            place = _place(each, type)
            first = taken.setdefault(column.lower(), place)
            if first != place and (first, place) not in told:
                told.add((first, place))
                trail = ("fields", each.rule.name, key, *filter(None, [type]))
                report.problem(trail, f"{kind}.{column} is {first} already; take another field, or leave one out")


def _placed(mapping: ContactMapping, kind: Kind) -> Iterator[tuple[MappedField, str, str]]:
    for each in mapping.fields:
        for type, column in each.places(kind).items():
            yield each, type, column


def _check_words(each: MappedField, report: Report) -> None:
    """A name that looks misspelt may be the platform's all the same."""
    name = each.rule.name
    _note_misspelt(name, (*TEXTS, *SETS), ("fields", name), report)
    for type in each.columns[Kind.CONTACT] if name in SETS else ():
        _note_misspelt(type, SETS[name][1], ("fields", name, "salesforce", type), report)


def _note_misspelt(word: str, known: tuple[str, ...], trail: Trail, report: Report) -> None:
    close = get_close_matches(word, known, 1, 0.75)
    if word not in known and close:
        report.warn(trail, f'only what the platform calls "{word}" is synced; did you mean "{close[0]}"?')


def _place(each: MappedField, type: str) -> str:
    return f"{each.rule.name}.{type}" if type else each.rule.name


# --- the form ------------------------------------------------------------------------------------------------------

_WORD = validate.Regexp(r"[a-z][a-z0-9_]{0,39}\Z", error="must be of a-z, 0-9 and _, and begin with a letter")
_API_NAME = validate.Regexp(
    r"[A-Za-z]\w{0,79}\Z", error="must be the API name of a field of the record itself, such as Phone"
)
_API_PATH = validate.Regexp(
    r"[A-Za-z]\w{0,79}(\.[A-Za-z]\w{0,79})?\Z",
    error="must be the API name of a field, such as Title, or of one of the record's account or other parent, such as"
    " Account.Name",
)
_COMPOUND = validate.NoneOf(
    ("MailingAddress", "OtherAddress", "Address"), error="is several fields in one; write each, such as MailingCity"
)
_ONE: dict[str, Any] = {
    "invalid": "must be the API name of one field, such as Title; only phones and emails have types"
}
_TYPES: dict[str, Any] = {"invalid": "must have a field for each type, such as {{work: Phone, mobile: MobilePhone}}"}


class _FileSchema(Schema):
    version = fields.String(required=True, validate=validate.Length(1, 40, error="must have 1 to 40 characters"))
    fields_ = fields.Dict(keys=fields.String(validate=_WORD), required=True, data_key="fields")


def _column(name: validate.Validator = _API_NAME, **kwargs: Any) -> fields.String:
    return fields.String(validate=[name, _COMPOUND], allow_none=True, error_messages=_ONE, **kwargs)


def _columns(**kwargs: Any) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(validate=_WORD), values=_column(), allow_none=True, error_messages=_TYPES, **kwargs
    )


class _FieldSchema(Schema):
    direction = fields.String(load_default=Flow.BOTH.value, validate=one_of([*Flow]))
    wins = fields.String(validate=one_of([*Wins]))

    @post_load
    def _sound(self, given: dict[str, Any], **_: Any) -> dict[str, Any]:
        if "wins" in given and given["direction"] != Flow.BOTH:
            raise ValidationError("decides nothing where only one side is written; remove it", "wins")
        columns = self._by_type(given)
        if not any(column for each in columns.values() for column in each.values()):
            raise ValidationError("names no field of Salesforce at all", "salesforce")
        return {**given, **columns}

    def _by_type(self, given: Mapping[str, Any]) -> dict[str, Mapping[str, Column]]:
        """The fields of each object; a lead's are those of a contact where nothing else is said."""
        raise NotImplementedError


class _TextSchema(_FieldSchema):
    salesforce = _column(_API_PATH, required=True)
    lead = _column(_API_PATH)
    is_name = fields.Boolean(data_key="name")

    def _by_type(self, given: Mapping[str, Any]) -> dict[str, Mapping[str, Column]]:
        found = {key: given.get(key, given["salesforce"]) for key in _KEYS.values()}
        for key, column in found.items():
            if "." in (column or "") and given["direction"] != Flow.TO_PLATFORM:
                raise ValidationError("is read from another record, and never written; add direction: to_platform", key)
        return {key: {"": column} for key, column in found.items()}


class _SetSchema(_FieldSchema):
    salesforce = _columns(required=True)
    lead = _columns()

    def _by_type(self, given: Mapping[str, Any]) -> dict[str, Mapping[str, Column]]:
        contact = given["salesforce"] or {}
        lead = given.get("lead", {})
        if lead is None:
            lead = dict.fromkeys(contact)
        if unknown := sorted(lead.keys() - contact.keys()):
            raise ValidationError(
                f"{unknown[0]} is not among salesforce; add it there, null if a contact has none", "lead"
            )
        return {"salesforce": contact, "lead": {**contact, **lead}}
