"""What an org lacks for a pair whose contacts are kept the same: the mapped fields as the org describes them to us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.domain.contacts import Meaning
from gateway.domain.records import Kind
from gateway.salesforce.contact_fields import of_person
from gateway.salesforce.findings import (
    Check,
    Described,
    Fields,
    Finding,
    but,
    field_security,
    is_required,
    ok,
    or_ok,
    wrong,
)

_HOLDING = {
    Meaning.PHONES: frozenset({"phone", "string", "textarea"}),
    Meaning.EMAILS: frozenset({"email", "string", "textarea"}),
}
"""The types of fields that can hold a number, and an address, as somebody writes it."""

_LONGEST = {Meaning.PHONES: 16, Meaning.EMAILS: 80}
"""Of a number with + and its country, and of the addresses that Salesforce's own fields hold."""

_COMPOUND = frozenset({"address", "location", "complexvalue", "base64", "anyType"})
_HIDDEN: Described = {"fields": ()}
_PICKY = frozenset({"date", "datetime", "time", "int", "double", "currency", "percent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncedField:
    """Where one of ours, such as `title` or `phones.work`, stands in an object's records, by the line at `place`."""

    ours: str
    column: str
    place: str
    meaning: Meaning = Meaning.TEXT
    is_written: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Synced:
    """A pair as an org sees it: its fields in the records of each object, and what is done to these.

    It `creates` records of the first object, or person accounts; `other_id` is the field for the platform's id.
    """

    pair: str
    fields: Mapping[Kind, Sequence[SyncedField]]
    other_id: str | None = None
    creates: bool = True
    deletes: bool = False
    are_persons: bool = False


def further_objects(pairs: Sequence[Synced], described: Mapping[str, Described]) -> set[str]:
    """What fields are read of through a record, and is not described yet."""
    synced = [(kind, each) for pair in pairs for kind, fields in pair.fields.items() for each in fields]
    return {name for kind, each in synced for name in _objects(kind, each, described)} - described.keys()


def pair_findings(pair: Synced, described: Mapping[str, Described]) -> list[Finding]:
    """What is wrong with each of the pair's fields, or that nothing is."""
    found = [finding for kind in pair.fields for finding in _object(pair, kind, described)]
    count = sum(map(len, pair.fields.values()))
    return or_ok(found, ok(Check.SYNC, f"{pair.pair}: its {count} fields can be read, and written as they are mapped."))


def _object(pair: Synced, kind: Kind, described: Mapping[str, Described]) -> Iterator[Finding]:
    if kind not in described:
        yield wrong(Check.SYNC, f"{pair.pair} does not run: {kind} is hidden.", _object_access(kind, "Read"))
        return
    fields = _fields(described[kind])
    written: Kind = Kind.ACCOUNT if pair.are_persons and kind is Kind.CONTACT else kind
    target = _fields(described.get(written, _HIDDEN))
    for each in pair.fields[kind]:
        seen = _seen(kind, each, described)
        if seen is None:
            yield _unseen(pair, kind, each)
        elif unfit := list(_fitting(kind, each, seen)):
            yield from unfit
        elif each.is_written:
            yield from _writable(written, each, target)
    if pair.other_id:
        yield from _other_id(pair.other_id, kind, fields)
    yield from _rights(pair, kind, written, described.get(written, _HIDDEN))
    if pair.creates and kind is next(iter(pair.fields)) and written is kind:
        yield from _unfilled(pair, kind, fields)


def _fields(described: Described) -> Fields:
    return {field["name"]: field for field in described["fields"]}


def _objects(kind: Kind, each: SyncedField, described: Mapping[str, Described]) -> list[str]:
    """Whose field it is: the record's own object, or those of what the record belongs to."""
    parent, dot, _ = each.column.partition(".")
    if not dot:
        return [kind]
    own = described.get(kind, _HIDDEN)["fields"]
    return [name for field in own if field["relationshipName"] == parent for name in field["referenceTo"]]


def _seen(kind: Kind, each: SyncedField, described: Mapping[str, Described]) -> Described | None:
    name = each.column.rpartition(".")[2]
    of_all = [_fields(described.get(object, _HIDDEN)) for object in _objects(kind, each, described)]
    return next((fields[name] for fields in of_all if name in fields), None)


def _unseen(pair: Synced, kind: Kind, each: SyncedField) -> Finding:
    parent, _, name = each.column.rpartition(".")
    way = field_security(parent or kind, name, "Edit" if each.is_written else "Read")
    message = f"{pair.pair} does not run: {kind}.{each.column} ({each.ours}) is not there or hidden."
    return wrong(Check.SYNC, message, f"{way} Or correct it, or take it out, in {each.place}.")


def _fitting(kind: Kind, each: SyncedField, field: Described) -> Iterator[Finding]:
    type, shown = field["type"], f"{kind}.{each.column} ({each.ours})"
    fix = f"Map another field in {each.place}."
    if type in _COMPOUND or type not in _HOLDING.get(each.meaning, {type}):
        what = "text" if each.meaning is Meaning.TEXT else each.meaning.value
        yield wrong(Check.SYNC, f"{shown} is of the type {type}, which cannot hold {what}.", fix)
    elif each.meaning.is_set and not field["filterable"]:
        yield wrong(Check.SYNC, f"{shown} cannot be searched by: nobody is found by it.", fix)
    elif each.is_written:
        yield from _taking(shown, each, field, fix)


def _taking(shown: str, each: SyncedField, field: Described, fix: str) -> Iterator[Finding]:
    """Whether what the platform has can be written there."""
    type, length, one_way = field["type"], field["length"], f"Or write direction: to_platform in {each.place}."
    if type == "reference":
        yield wrong(
            Check.SYNC, f"{shown} takes ids of records only: what the platform has is refused.", f"{fix} {one_way}"
        )
    elif type in _PICKY:
        yield but(Check.SYNC, f"{shown} is of the type {type}: what is none is refused, contact by contact.", one_way)
    elif field["restrictedPicklist"]:
        yield but(
            Check.SYNC, f"{shown} takes its picklist's values only: others are refused, contact by contact.", one_way
        )
    elif length and length < _LONGEST.get(each.meaning, 0):
        yield but(Check.SYNC, f"{shown} holds {length} characters only: what is longer finds no place.", fix)


def _writable(kind: Kind, each: SyncedField, fields: Fields) -> Iterator[Finding]:
    name = of_person(each.column) if kind is Kind.ACCOUNT else each.column
    field = fields.get(name)
    if not (field and field["createable"] and field["updateable"]):
        lack = "is not there or hidden" if field is None else "is read-only to the integration user"
        message = f"{kind}.{name} {lack}: {each.ours} does not come from the platform."
        fix = f"{field_security(kind, name)} Or write direction: to_platform in {each.place}."
        yield wrong(Check.SYNC, message, fix)


def _other_id(name: str, kind: Kind, fields: Fields) -> Iterator[Finding]:
    field = fields.get(name)
    if not (field and field["externalId"] and field["createable"] and field["updateable"]):
        fix = (
            f"Setup → Object Manager → {kind} → Fields & Relationships: {name} is a text field, External ID is ticked,"
            " and the integration user may edit it. Or take other_id out of gateway.yaml."
        )
        yield wrong(Check.SYNC, f"{kind}.{name} cannot hold the platform's id.", fix)


def _rights(pair: Synced, kind: Kind, written: Kind, described: Described) -> Iterator[Finding]:
    is_first = kind is next(iter(pair.fields))
    wanted = {
        "createable": ("Create", pair.creates and is_first),
        "updateable": ("Edit", any(each.is_written for each in pair.fields[kind])),
        "deletable": ("Delete", pair.deletes),
    }
    if lacking := [right for name, (right, is_needed) in wanted.items() if is_needed and not described.get(name)]:
        message = (
            f"{pair.pair}: the integration user lacks {' and '.join(lacking)} on {written}: such writes are refused."
        )
        yield wrong(Check.SYNC, message, _object_access(written, ", ".join(lacking)))


def _object_access(kind: Kind, rights: str) -> str:
    return (
        "Setup → Permission Sets → one of the integration user's (Gateway Creation has Create and Edit)"
        f" → Object Settings → {kind}: {rights}."
    )


def _unfilled(pair: Synced, kind: Kind, fields: Fields) -> Iterator[Finding]:
    filled = {each.column for each in pair.fields[kind] if each.is_written}
    for name, field in fields.items():
        if is_required(field) and name not in filled:
            message = (
                f"{pair.pair}: {kind}.{name} is required, and nothing fills it: no contact of the platform's is taken."
            )
            fix = (
                f"Map {name} in {pair.fields[kind][0].place.rpartition(':')[0]}, give it a default in Setup → Object"
                f" Manager → {kind} → {name}, or write create: {{salesforce: false}} at the pair."
            )
            yield wrong(Check.SYNC, message, fix)
