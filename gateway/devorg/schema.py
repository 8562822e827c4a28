"""What the org's objects and fields are: the descriptions every rule, query and describe answer reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from gateway.devorg import tables


class FieldType(StrEnum):
    """The type names that ``describe`` reports."""

    ID = "id"
    STRING = "string"
    TEXTAREA = "textarea"
    PHONE = "phone"
    EMAIL = "email"
    URL = "url"
    PICKLIST = "picklist"
    COMBOBOX = "combobox"
    MULTIPICKLIST = "multipicklist"
    BOOLEAN = "boolean"
    INT = "int"
    DOUBLE = "double"
    CURRENCY = "currency"
    PERCENT = "percent"
    DATE = "date"
    DATETIME = "datetime"
    REFERENCE = "reference"
    ADDRESS = "address"
    JUNCTION = "junctionidlist"


TEXT_TYPES = frozenset(
    {
        FieldType.STRING,
        FieldType.TEXTAREA,
        FieldType.PHONE,
        FieldType.EMAIL,
        FieldType.URL,
        FieldType.PICKLIST,
        FieldType.COMBOBOX,
        FieldType.MULTIPICKLIST,
    },
)
NUMBER_TYPES = frozenset({FieldType.INT, FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT})
ID_TYPES = frozenset({FieldType.ID, FieldType.REFERENCE})


@dataclass(frozen=True, slots=True)
class Field:
    """One field as ``describe`` presents it."""

    name: str
    label: str
    type: FieldType
    length: int = 0
    nillable: bool = True
    createable: bool = True
    updateable: bool = True
    filterable: bool = True
    sortable: bool = True
    groupable: bool = True
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    picklist: tuple[str, ...] = ()
    restricted: bool = False
    unique: bool = False
    external_id: bool = False
    id_lookup: bool = False
    default: object = None
    auto_number: bool = False
    name_field: bool = False
    child_relationship: str | None = None
    custom: bool = False
    precision: int = 0
    scale: int = 0

    @property
    def required(self) -> bool:
        """Whether a create must name it: not nillable and nothing fills it in."""
        return self.createable and not self.nillable and self.default is None and self.type is not FieldType.BOOLEAN

    @property
    def polymorphic(self) -> bool:
        """Whether it may point at more than one kind of object."""
        return len(self.reference_to) > 1


@dataclass(frozen=True, slots=True)
class ChildRelationship:
    """One field of another object that points here; ``name`` is what a sub-query calls it, if anything."""

    child: str
    field: str
    name: str | None


@dataclass(frozen=True, slots=True, eq=False)
class SObject:
    """One object: its fields by lower-case name, and its relationships by lower-case relationship name."""

    name: str
    label: str
    label_plural: str
    key_prefix: str | None
    fields: Mapping[str, Field]
    parents: Mapping[str, Field]
    children: Mapping[str, ChildRelationship]
    child_relationships: tuple[ChildRelationship, ...]
    createable: bool = True
    updateable: bool = True
    deletable: bool = True
    searchable: bool = True
    replicateable: bool = True
    custom: bool = False
    name_field: Field | None = None

    def find(self, name: str) -> Field | None:
        """The field of that name, in any letter case."""
        return self.fields.get(name) or self.fields.get(name.lower())


Schema = Mapping[str, SObject]
CustomFields = Mapping[str, tuple[str, ...]]
_ACTIVITIES = ("Task", "Event")


@dataclass(frozen=True, slots=True)
class Features:
    """The Setup switches that change which fields and objects exist."""

    shared_activities: bool = True
    person_accounts: bool = False
    custom_fields: CustomFields = field(default_factory=lambda: tables.CUSTOM_FIELDS)

    def has(self, tags: Iterable[str]) -> bool:
        """Whether nothing in ``tags`` asks for a feature that is off."""
        return ("shared" not in tags or self.shared_activities) and ("person" not in tags or self.person_accounts)


def build_schema(features: Features) -> Schema:
    """Every object that exists under ``features``, by lower-case name."""
    own = tuple((name, tuple(lines)) for name, lines in features.custom_fields.items())
    return _built(features.shared_activities, features.person_accounts, own)


@lru_cache(maxsize=32)  # a reset asks for the same again and again
def _built(shared_activities: bool, person_accounts: bool, own: tuple[tuple[str, tuple[str, ...]], ...]) -> Schema:
    features = Features(shared_activities, person_accounts, dict(own))
    drafts = [draft for draft in _parse(tables.OBJECTS) if features.has(draft.tags)]
    for draft in drafts:
        draft.lines += [_columns(line) for line in _custom_lines(draft.name, features.custom_fields)]
    names = {draft.name for draft in drafts}
    fields = {draft.name: _fields_of(draft, features, names) for draft in drafts}
    children = _children(fields)
    return MappingProxyType(
        {draft.name.lower(): _sobject(draft, fields[draft.name], children.get(draft.name, [])) for draft in drafts},
    )


def _custom_lines(name: str, fields: CustomFields) -> tuple[str, ...]:
    """The lines of an object's own custom fields; for Task and Event of Activity's, for Account of persons'."""
    shared = fields.get("Activity", ()) if name in _ACTIVITIES else ()
    persons = map(_of_person, fields.get("Contact", ())) if name == "Account" else ()
    return (*fields.get(name, ()), *shared, *persons)


def _of_person(line: str) -> str:
    """A contact's own field as an account has it."""
    columns = line.split("|")
    return "|".join([columns[0].replace("__c", "__pc"), *columns[1:3], f"{columns[3]} person ", *columns[4:]])


def custom_fields(content: object) -> CustomFields:
    """Custom fields as a seed or a control call gives them: lists of ``tables`` lines by object, or ValueError."""
    if not isinstance(content, Mapping):
        raise ValueError("custom_fields: give lists of field lines by object")  # noqa: TRY004  # as all that is wrong
    known = {draft.name for draft in _parse(tables.OBJECTS)} - set(_ACTIVITIES) | {"Activity"}
    for name, lines in content.items():
        if name not in known or not isinstance(lines, list):
            raise ValueError(f"custom_fields: {name} is no object that has a list of fields (Task and Event: Activity)")
        for line in lines:
            _check_custom(str(line))
    return {str(name): tuple(map(str, lines)) for name, lines in content.items()}


def _check_custom(line: str) -> None:
    columns = _columns(line)
    form = "Name__c | type(length) | label | flags | extras"
    if len(columns) < 4 or not columns[0].endswith("__c"):
        raise ValueError(f"custom_fields: '{line}' does not read {form}")
    try:
        _field(columns, set())
    except ValueError as problem:
        raise ValueError(f"custom_fields: '{line}': {problem}") from problem


@dataclass(slots=True)
class _Draft:
    name: str
    key_prefix: str | None
    label: str
    label_plural: str
    tags: frozenset[str]
    lines: list[list[str]]


def _parse(text: str) -> list[_Draft]:
    drafts: list[_Draft] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        columns = _columns(line)
        if line.startswith(" "):
            drafts[-1].lines.append(columns)
        else:
            name, prefix, label, plural, tags = columns
            drafts.append(_Draft(name, prefix or None, label, plural, frozenset(tags.split()), []))
    return drafts


def _columns(line: str) -> list[str]:
    return [column.strip() for column in line.split("|")]


def _fields_of(draft: _Draft, features: Features, names: set[str]) -> dict[str, Field]:
    system = _parse("System | | | |\n" + tables.SYSTEM_FIELDS)[0].lines
    hidden = _hidden_system_fields(draft.tags)
    lines = [line for line in system if line[0] not in hidden] + draft.lines
    parsed = [_field(line, names) for line in lines if features.has(line[3].split())]
    return {each.name.lower(): each for each in parsed}


def _hidden_system_fields(tags: frozenset[str]) -> set[str]:
    """Setup objects cannot be deleted and so have no ``IsDeleted``."""
    return {"IsDeleted"} if tags & {"minimal", "noisdeleted"} else set()


def _field(columns: list[str], names: set[str]) -> Field:
    name, type_text, label, flag_text = columns[:4]
    extras = dict(part.split("=", 1) for part in columns[4].split(";") if part) if len(columns) > 4 else {}
    flags = set(flag_text.split())
    kind, _, size = type_text.rstrip(")").partition("(")
    kind_type = FieldType(kind)
    length, precision, scale = _size(kind_type, size)
    long_text = kind_type is FieldType.TEXTAREA and length > tables.LONGEST_FILTERABLE_TEXT
    flat = kind_type not in {FieldType.ADDRESS, FieldType.JUNCTION} and not long_text
    return Field(
        name=name,
        label=label,
        type=kind_type,
        length=length,
        precision=precision,
        scale=scale,
        nillable="!" not in flags,
        createable="cu" in flags or "c" in flags,
        updateable="cu" in flags or "u" in flags,
        filterable=flat and "nofilter" not in flags,
        sortable=flat and kind_type is not FieldType.MULTIPICKLIST,
        groupable=flat and kind_type not in {FieldType.DATETIME, FieldType.DOUBLE, FieldType.CURRENCY},
        reference_to=tuple(target for target in extras.get("ref", "").split(",") if target in names),
        relationship_name=extras.get("rel"),
        picklist=tables.PICKLISTS.get(extras.get("pick", ""), ()),
        restricted="restricted" in flags,
        unique="unique" in flags,
        external_id="external" in flags,
        id_lookup="idlookup" in flags or "external" in flags,
        default=_default(kind_type, extras.get("default")),
        auto_number="autonumber" in flags,
        name_field="name" in flags,
        child_relationship=extras.get("child"),
        custom=name.endswith(("__c", "__pc")),
    )


def _size(kind: FieldType, size: str) -> tuple[int, int, int]:
    """Length, precision and scale of ``size`` (``255`` for text, ``16,2`` for numbers)."""
    if kind in ID_TYPES:
        return 18, 0, 0
    if kind in {FieldType.DOUBLE, FieldType.CURRENCY, FieldType.PERCENT}:
        whole, _, scale = size.partition(",")
        return 0, int(whole or 18), int(scale or 0)
    if kind is FieldType.INT:
        return 0, int(size or 9), 0
    return int(size or tables.DEFAULT_LENGTHS.get(kind.value, 0)), 0, 0


def _default(kind: FieldType, text: str | None) -> object:
    if kind is FieldType.BOOLEAN:
        return text == "true"
    if text is not None and kind in NUMBER_TYPES:
        return float(text) if kind is not FieldType.INT else int(text)
    return text


def _children(fields: Mapping[str, Mapping[str, Field]]) -> dict[str, list[ChildRelationship]]:
    found: dict[str, list[ChildRelationship]] = {}
    for name, of_object in fields.items():
        for each in of_object.values():
            for target in each.reference_to:
                found.setdefault(target, []).append(ChildRelationship(name, each.name, each.child_relationship))
    return found


def _sobject(draft: _Draft, fields: dict[str, Field], children: list[ChildRelationship]) -> SObject:
    return SObject(
        name=draft.name,
        label=draft.label,
        label_plural=draft.label_plural,
        key_prefix=draft.key_prefix,
        fields=MappingProxyType(fields),
        parents=MappingProxyType({f.relationship_name.lower(): f for f in fields.values() if f.relationship_name}),
        children=MappingProxyType({child.name.lower(): child for child in children if child.name}),
        child_relationships=tuple(children),
        createable="nocreate" not in draft.tags,
        updateable="noupdate" not in draft.tags,
        deletable="nodelete" not in draft.tags,
        searchable="nosearch" not in draft.tags,
        replicateable="noreplicate" not in draft.tags,
        name_field=next((f for f in fields.values() if f.name_field), None),
    )
