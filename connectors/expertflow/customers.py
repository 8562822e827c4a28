"""Expertflow CX's customers, whose attributes a site defines itself.

Sources: https://github.com/expertflow/agent-desk-ui (`main.*.js`: how the agent desk lists, reads, writes and deletes
at `/customers`, and reads the attributes at `/customerSchema`); docs.expertflow.com/cx/4.5/customer-schema (attributes,
ten values of a channel identifier); docs.expertflow.com/cx/4.9/api-authentication-integration-guide (the log-in). An
update has the whole customer, as the desk sends it. Anonymous customers are nobody's contact.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from gateway.sdk import (
    ConfigError,
    ContactRecord,
    Entry,
    FieldLimits,
    Meaning,
    Reading,
    RejectedError,
    RetryableError,
    UnknownOutcomeError,
    Value,
    Values,
    entries,
)
from gateway.sdk.http import Api, MissingError
from gateway.sdk.listed import Held, Row, paged, plain_text
from gateway.sdk.naming import NAME_FIELDS, one_name, two_names
from gateway.sdk.reading import iso_time
from gateway.sdk.writing import answered

PAGE = 100
MOST_VALUES = 10
"""Values of a channel identifier."""
SETS = {"phones": Meaning.PHONES, "emails": Meaning.EMAILS}
NAME = "name"
"""Where first and last name are one attribute."""
_OF_ITS_OWN = {"_id", "__v"}
"""What an update does not have."""


class LogIn:
    """Who we are, by a user's name and password; safe for threads."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self._api = Api(url)
        self._url = url
        self._proof = {"username": username, "password": password}
        self._lock = threading.Lock()
        self._token: str | None = None

    def headers(self, renew: bool) -> Mapping[str, str]:
        """The header with the token; with True, with a new one."""
        with self._lock:
            if renew or self._token is None:
                self._token = self._new()
            return {"Authorization": f"Bearer {self._token}"}

    def _new(self) -> str:
        try:
            told = self._api.call("POST", self._url, json=self._proof).fields()
            return told.inner("data").needed("token", told.inner("data").as_is("token"))
        except RejectedError as error:
            raise ConfigError(f"The log-in at login_url fails: {error.reason} Check login_url and username.") from None


@dataclass(frozen=True, slots=True)
class Attribute:
    """One of the site's attributes, as far as it bears on what fits in."""

    key: str
    length: int | None
    is_required: bool
    is_several: bool
    default: Any

    def text(self, value: Value) -> Any:
        """The value as it is written; emptied text is an empty one."""
        value = "" if value is None else value
        return ([value] if value != "" else []) if self.is_several else value


class Customers:
    """`Listed` by the customers' interface. `names` has an attribute for each field, and for each type of a set.

    `phones.mobile` is an attribute for one number of a type, `phones` one for all numbers. `bears` is the attribute
    with the id of the counterpart.
    """

    most = None

    def __init__(self, api: Api, names: Mapping[str, str], bears: str | None, region: str) -> None:
        self._api = api
        self._names = names
        self._bears = bears
        self._schema: Mapping[str, Attribute] | None = None
        self._numbers = Reading(Meaning.PHONES, region)

    @property
    def fields(self) -> Mapping[str, FieldLimits]:
        """As the schema is now."""
        self._schema = schema = self._asked_schema()
        texts = {
            name: FieldLimits(length=schema[key].length, is_required=schema[key].is_required)
            for name, key in self._names.items()
            if name != NAME and name.partition(".")[0] not in SETS
        }
        sets = {name: self._limits(name, schema) for name in SETS if self._types(name) or name in self._names}
        return {**texts, **(NAME_FIELDS if NAME in self._names else {}), **sets}

    def all(self) -> Iterator[Held]:
        rows = paged(self._page, lambda row: row.get("_id"))
        yield from (self._held(row) for row in rows if row.get("_id"))

    def some(self, ids: Collection[str]) -> Iterable[Held]:
        for id in ids:
            try:
                row = self._api.get(_place(id)).json()
            except MissingError:
                continue
            except RejectedError as error:
                raise RetryableError(f"The customer {id} cannot be read: {error.reason}") from None
            if isinstance(row, dict) and row.get("_id"):
                yield self._held(row)

    def create(self, values: Values, other_id: str | None) -> str:
        schema = self._attributes()
        defaults = {each.key: each.text(each.default) for each in schema.values() if each.is_required and each.default}
        borne = {self._bears: schema[self._bears].text(other_id)} if self._bears and other_id else {}
        row = {**defaults, "isAnonymous": False, "labels": [], **self._row(values, schema), **borne}
        reply = self._api.call("POST", "customers", json=row, writes=True)
        answer = answered(reply)
        if not isinstance(answer, dict) or not isinstance(answer.get("_id"), str):
            raise UnknownOutcomeError(f"{reply.host} does not name the customer that it made.")
        return str(answer["_id"])

    def update(self, held: Held, values: Values) -> None:
        kept = {name: value for name, value in held.row.items() if name not in _OF_ITS_OWN}
        changed = self._row({**_names_of(held.record, values), **values}, self._attributes())
        answered(self._api.call("PUT", _place(held.record.id), json={**kept, **changed}))

    def delete(self, id: str) -> None:
        answered(self._api.call("DELETE", _place(id)))

    # --- attributes

    def _attributes(self) -> Mapping[str, Attribute]:
        self._schema = self._schema or self._asked_schema()
        return self._schema

    def _asked_schema(self) -> Mapping[str, Attribute]:
        """The site's attributes by their keys. ConfigError: one of those that are named is none of them."""
        try:
            told = self._api.get("customerSchema").json()
        except RejectedError as error:
            raise ConfigError(f"The customer schema cannot be read: {error.reason} Check customer_url.") from None
        if not isinstance(told, list):
            raise RetryableError("The customer schema is none.")
        schema = {each.key: each for each in map(_attribute, told) if each.key}
        named = {**self._names, **({"id_attribute": self._bears} if self._bears else {})}
        if unknown := sorted(name for name, key in named.items() if key not in schema):
            known = ", ".join(sorted(schema))
            raise ConfigError(f"attributes: {', '.join(unknown)}: the customer schema has only the keys {known}.")
        return schema

    def _types(self, name: str) -> Mapping[str, str]:
        """The attribute of each type of a set."""
        return {each.partition(".")[2]: key for each, key in self._names.items() if each.startswith(f"{name}.")}

    def _limits(self, name: str, schema: Mapping[str, Attribute]) -> FieldLimits:
        types = self._types(name)
        keys = list(types.values()) or [self._names[name]]
        if several := [key for key in types.values() if schema[key].is_several]:
            raise ConfigError(
                f"attributes: {', '.join(several)} has several values: give it as {name}, without a type."
            )
        lengths = [length for key in keys if (length := schema[key].length) is not None]
        return FieldLimits(
            length=min(lengths, default=None),
            most=len(types) or (MOST_VALUES if schema[keys[0]].is_several else 1),
            types=tuple(types),
            one_of_each=bool(types),
            has_primary=False,
            is_required=not types and schema[keys[0]].is_required,
        )

    # --- rows

    def _page(self, offset: int) -> Sequence[Row]:
        try:
            told = self._api.get("customers", {"limit": PAGE, "offset": offset, "sort": "", "paginateQuery": ""}).json()
        except RejectedError as error:
            raise ConfigError(f"The customers cannot be listed: {error.reason} Check customer_url.") from None
        rows = told.get("docs") if isinstance(told, dict) else None
        if not isinstance(rows, list):
            raise RetryableError("The list of customers has no docs.")
        return [row for row in rows if isinstance(row, dict)]

    def _held(self, row: Row) -> Held:
        record = ContactRecord(
            id=str(row["_id"]),
            values=self._values(row),
            changed_at=_moment(row.get("updatedAt")),
            other_id=_first(row.get(self._bears)) if self._bears else None,
            is_deleted=row.get("isAnonymous") is True,
        )
        return Held(row, record)

    def _values(self, row: Row) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, key in self._names.items():
            kind, _, type = name.partition(".")
            if kind in SETS:
                told = row.get(key)
                found = tuple(Entry(text, type or None) for each in _several(told) if (text := plain_text(each)))
                values[kind] = (*entries(values.get(kind)), *found)
            elif name == NAME:
                values |= two_names(_first(row.get(key)))
            else:
                values[name] = _value(row.get(key))
        return values

    def _row(self, values: Values, schema: Mapping[str, Attribute]) -> dict[str, Any]:
        """The attributes that hold these values. RejectedError: one of them has no place."""
        row: dict[str, Any] = {}
        for name, value in values.items():
            if name in SETS:
                row |= self._entries(name, entries(value), schema)
            elif name in NAME_FIELDS and NAME in self._names:
                row[self._names[NAME]] = one_name(values)
            elif name in self._names:
                row[self._names[name]] = schema[self._names[name]].text(value)
        return row

    def _entries(self, name: str, wanted: Sequence[Entry], schema: Mapping[str, Attribute]) -> dict[str, Any]:
        spelt = [(each.type, self._spelt(name, each)) for each in wanted]
        if types := self._types(name):
            if unknown := {type for type, _ in spelt} - types.keys():
                raise RejectedError(f"There is no attribute for {name} of type {min(map(str, unknown))}.")
            given = dict(spelt)
            return {key: given.get(type, "") for type, key in types.items()}
        values = [text for _, text in spelt]
        key = self._names[name]
        return {key: values if schema[key].is_several else next(iter(values), "")}

    def _spelt(self, name: str, entry: Entry) -> str:
        """A number with its country, as channels know it; with an extension as it stands."""
        kind, _, number = self._numbers.key(entry).partition(":")
        is_number = SETS[name] is Meaning.PHONES and kind == "phone" and ";" not in number
        return number if is_number else entry.value


def _names_of(record: ContactRecord, changed: Values) -> Values:
    """Both names where one of them changes: they may be in one attribute."""
    return {n: record.values.get(n) for n in NAME_FIELDS} if NAME_FIELDS.keys() & changed.keys() else {}


def _attribute(told: Any) -> Attribute:
    row = told if isinstance(told, dict) else {}
    length = str(row.get("length") or "")
    return Attribute(
        key=str(row.get("key") or ""),
        length=int(length) if length.isdecimal() else None,
        is_required=row.get("isRequired") is True,
        is_several=row.get("isChannelIdentifier") is True,
        default=row.get("defaultValue"),
    )


def _place(id: str) -> str:
    return f"customers/{quote(id, safe='')}"


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else (value,)


def _first(value: Any) -> str | None:
    return next(filter(None, map(plain_text, _several(value))), None)


def _value(value: Any) -> Value:
    return value if isinstance(value, bool | int | float) else _first(value)


def _moment(value: Any) -> datetime | None:
    try:
        return iso_time(value)
    except (TypeError, ValueError):
        return None
