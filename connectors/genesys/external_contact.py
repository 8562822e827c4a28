"""An external contact of Genesys Cloud in our fields, and one that says something else.

The names and lengths are those of `ExternalContact`, `PhoneNumber`, `ContactAddress` and `ExternalId` in
https://github.com/MyPureCloud/platform-client-sdk-python (version 257).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from gateway.sdk import (
    ContactRecord,
    Entry,
    FieldLimits,
    Meaning,
    Reading,
    Value,
    Values,
    entries,
    identity_keys,
)
from gateway.sdk.comparing import versioned
from gateway.sdk.reading import iso_time

Entity: TypeAlias = Mapping[str, Any]

TEXTS: Mapping[str, tuple[tuple[str, ...], int | None]] = {
    "last": (("lastName",), 1000),
    "first": (("firstName",), 1000),
    "middle": (("middleName",), 1000),
    "prefix": (("salutation",), 1000),
    "title": (("title",), 1000),
    "street": (("address", "address1"), 200),
    "address2": (("address", "address2"), 200),
    "city": (("address", "city"), 100),
    "state": (("address", "state"), 50),
    "postal_code": (("address", "postalCode"), 25),
    "country": (("address", "countryCode"), 25),
    "survey_opt_out": (("surveyOptOut",), None),
}
"""Our field, where it is, and how long it may be."""

PHONES = {"mobile": "cellPhone", "work": "workPhone", "home": "homePhone", "other": "otherPhone"}
EMAILS = {"work": "workEmail", "home": "personalEmail", "other": "otherEmail"}

LIMITS: Mapping[str, FieldLimits] = {
    **{name: FieldLimits(length=length) for name, (_, length) in TEXTS.items()},
    "phones": FieldLimits(length=512, most=4, types=tuple(PHONES), one_of_each=True, has_primary=False),
    "emails": FieldLimits(length=256, most=3, types=tuple(EMAILS), one_of_each=True, has_primary=False),
}

_WRITTEN_BY_GENESYS = {
    "identifiers", "modifyDate", "createDate", "externalDataSources", "type", "canonicalContact", "mergeSet",
    "mergedFrom", "mergedTo", "mergeOperation", "selfUri",
}  # fmt: skip
_OF_A_NUMBER = ("acceptsSMS", "normalizationCountryCode")
_WRITTEN_OF_A_NUMBER = ("display", "extension", *_OF_A_NUMBER)
_EXTENSION = re.compile(r"(?:;ext=|\bext(?:ension)?\.?|\bx|#)\s*(\d{1,7})\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How contacts are read and written.

    `source` is the external source whose ids are those of the counterparts; `custom_fields` are theirs by our names, of
    the `schema` that a contact without one takes; `region` is where numbers without a country are.
    """

    source: str
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    schema: Entity | None = None
    region: str = "US"

    @property
    def limits(self) -> dict[str, FieldLimits]:
        """What a contact can hold."""
        return {**LIMITS, **{name: FieldLimits() for name in self.custom_fields}}

    @property
    def readings(self) -> dict[str, Reading]:
        """How numbers and addresses are read."""
        return {"phones": Reading(Meaning.PHONES, self.region), "emails": Reading(Meaning.EMAILS)}

    def record(self, entity: Entity) -> ContactRecord:
        """The contact that it is; one that was merged is gone."""
        id, head = str(entity["id"]), _id(entity.get("canonicalContact")) or _id(entity.get("mergedTo"))
        values: dict[str, Value] = {name: _plain(_at(entity, path)) for name, path in self._paths().items()}
        values["phones"] = tuple(
            Entry(told, type) for type, name in PHONES.items() if (told := _number(entity.get(name)))
        )
        values["emails"] = tuple(
            Entry(str(email), type) for type, name in EMAILS.items() if (email := _plain(entity.get(name)))
        )
        return versioned(
            ContactRecord(
                id=id,
                values=values,
                changed_at=_moment(entity.get("modifyDate")),
                other_id=self.other_id(entity),
                merged_into=head if head not in {None, id} else None,
            )
        )

    def other_id(self, entity: Entity) -> str | None:
        """The id of its counterpart that it bears."""
        ours = (
            each.get("value")
            for each in entity.get("externalIds") or ()
            if _id(each.get("externalSource")) == self.source
        )
        return next((str(value) for value in ours if value), None)

    def entity(self, values: Values, held: Entity) -> dict[str, Any]:
        """What is held, saying these values instead, as it is written: whole."""
        made = {name: value for name, value in held.items() if name not in _WRITTEN_BY_GENESYS}
        made |= {name: _some(phone, _WRITTEN_OF_A_NUMBER) for name in PHONES.values() if (phone := held.get(name))}
        for name, path in self._paths().items():
            if name in values:
                made[path[0]] = _with(made.get(path[0]), path[1:], _plain(values[name]))
        if made.get("customFields") and not made.get("schema"):
            made["schema"] = self.schema
        for name, places in (("phones", PHONES), ("emails", EMAILS)):
            if name in values:
                told = {entry.type: entry.value for entry in entries(values[name])}
                made |= {place: self._spelt(name, told.get(type), held.get(place)) for type, place in places.items()}
        return made

    def bearing(self, other_id: str | None) -> dict[str, Any]:
        """A contact to begin with, which bears the id of its counterpart."""
        return {"externalIds": [self.external_id(other_id)]} if other_id else {}

    def external_id(self, value: str) -> dict[str, Any]:
        """An id of the external source."""
        return {"externalSource": {"id": self.source}, "value": value}

    def _paths(self) -> dict[str, tuple[str, ...]]:
        custom = {ours: ("customFields", theirs) for ours, theirs in self.custom_fields.items()}
        return {**{name: path for name, (path, _) in TEXTS.items()}, **custom}

    def _spelt(self, name: str, told: str | None, held: Any) -> str | dict[str, Any] | None:
        if not told or name == "emails":
            return told or None
        return self._phone(told, held if isinstance(held, dict) else {})

    def _phone(self, told: str, held: Entity) -> dict[str, Any]:
        """A number, in full where it is one: Genesys takes what has no country for a North American one."""
        extension = _EXTENSION.search(told)
        number = told[: extension.start()].strip() if extension else told
        keys = identity_keys({"phones": (Entry(number),)}, self.readings)
        spelt = [key.removeprefix("phone:") for key in keys if key.startswith("phone:")]
        display = spelt[0] if len(keys) == len(spelt) == 1 else number
        is_same = display in {held.get("e164"), held.get("display")}
        kept = _some(held, _OF_A_NUMBER) if is_same else {}
        return {**kept, "display": display, "extension": extension[1] if extension else None}


def _id(reference: Any) -> str | None:
    id = reference.get("id") if isinstance(reference, dict) else None
    return str(id) if id else None


def _some(held: Entity, names: Iterable[str]) -> dict[str, Any]:
    return {name: held[name] for name in names if held.get(name) is not None}


def _at(entity: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        entity = entity.get(name) if isinstance(entity, dict) else None
    return entity


def _with(held: Any, path: tuple[str, ...], value: Any) -> Any:
    """What is held, with another value at that place in it."""
    if not path:
        return value
    return {**(held if isinstance(held, dict) else {}), path[0]: _with(_at(held, path[:1]), path[1:], value)}


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, str):
        return value.strip() or None
    return value if isinstance(value, bool | int | float) else None


def _number(phone: Any) -> str:
    number, extension = (str(_plain(_at(phone, (name,))) or "") for name in ("e164", "extension"))
    number = number or str(_plain(_at(phone, ("display",))) or "")
    return f"{number} x{extension}" if number and extension else number


def _moment(told: Any) -> datetime | None:
    with suppress(ValueError):
        return iso_time(told) if isinstance(told, str) else None
    return None
