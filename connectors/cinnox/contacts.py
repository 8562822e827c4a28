"""CINNOX's external contacts: listed in one shape, written in another.

Sources: https://docs.cinnox.com/docs/get-external-contact-list, https://docs.cinnox.com/docs/create-external-contact,
https://docs.cinnox.com/docs/update-external. Not documented, and not relied on: whether an update keeps what it does
not name. So all is sent that the list shows and an update can say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from urllib.parse import quote

from connectors.cinnox.reports import list_in
from gateway.sdk import (
    ConfigError,
    ContactRecord,
    Entry,
    FieldLimits,
    Meaning,
    Reading,
    RejectedError,
    UnknownOutcomeError,
    Value,
    Values,
    entries,
    is_empty,
)
from gateway.sdk.http import Api
from gateway.sdk.listed import Held, Row, paged, plain_text
from gateway.sdk.writing import answered

TEXTS: Mapping[str, tuple[str, str]] = {
    "first": ("firstName", "firstName"),
    "last": ("lastName", "lastName"),
    "title": ("jobTitle", "jobTitle"),
    "company": ("companyName", "company"),
    "department": ("department", "team"),
    "birthday": ("birthday", "birthDate"),
    "language": ("language", "language"),
    "customer_type": ("customerType", "type"),
    "group": ("group", "group"),
    "level": ("level", "level"),
}
"""Our field, its name in the list, and its name where it is written."""

ADDRESS = {"street": "street", "city": "city", "state": "state", "postal_code": "zipcode", "country": "country"}
"""Our field, and its name within `address` and `addresses`."""

PHONES = {
    "mobile": ("mobilePhone", "Mobile"),
    "work": ("workPhone", "Work"),
    "home": ("homePhone", "Home"),
    "other": ("otherPhone", "Other"),
}
EMAILS = {"work": ("email", "Work"), "home": ("personalEmail", "Personal"), "other": ("otherEmail", "Other")}
"""Our type, its field in the list, and its type where it is written."""

CHOICES: Mapping[str, Collection[str]] = {
    "customer_type": ("Lead", "Prospect", "Customer", "Others"),
    "level": ("Primary", "Secondary", "Tertiary"),
}

FIELDS: Mapping[str, FieldLimits] = {
    **{name: FieldLimits(is_required=name == "last") for name in (*TEXTS, *ADDRESS)},
    "phones": FieldLimits(most=len(PHONES), types=tuple(PHONES), one_of_each=True, has_primary=False),
    "emails": FieldLimits(most=len(EMAILS), types=tuple(EMAILS), one_of_each=True, has_primary=False),
}

_BIRTHDAY = "%d/%m/%Y"
_COUNTRY = re.compile(r"[A-Z]{2}")
_NUMBER = re.compile(r"\+?([1-9][0-9]{6,14})")


class ExternalContacts:
    """`Listed` by the Open API. `deletes_at` is the path of a contact, with `{contactID}`, where a site can delete."""

    fields = FIELDS

    def __init__(self, api: Api, *, page_size: int, most: int, region: str, deletes_at: str | None) -> None:
        self.most = most
        self._api = api
        self._page_size = max(page_size, 2)
        self._numbers = Reading(Meaning.PHONES, region)
        self._deletes_at = deletes_at

    def all(self) -> Iterator[Held]:
        """Those who are listed; who was merged into one of them comes last, as such."""
        rows = [row for row in paged(self._page, lambda row: row.get("id")) if plain_text(row.get("id"))]
        yield from (Held(row, ContactRecord(id=_id(row), values=values_of(row))) for row in rows)
        for row in rows:
            for id in _merged(row):
                yield Held({}, ContactRecord(id=id, merged_into=_id(row)))

    def some(self, ids: Collection[str]) -> Iterable[Held] | None:  # noqa: ARG002 — a single one cannot be asked for
        return None

    def create(self, values: Values, other_id: str | None) -> str:  # noqa: ARG002 — there is no place for it
        return self._written("POST", "management/create_externalcontact", values, {})

    def update(self, held: Held, values: Values) -> None:
        path = f"management/update_externalcontact/{quote(held.record.id, safe='')}"
        self._written("PUT", path, values, held.record.values)

    def delete(self, id: str) -> None:
        if self._deletes_at is None:
            raise RejectedError("CINNOX's interface deletes no contacts: delete it there, or set delete_contact_path.")
        answered(self._api.call("DELETE", self._deletes_at.replace("{contactID}", quote(id, safe=""))))

    def _page(self, offset: int) -> Sequence[Row]:
        try:
            answer = self._api.get("contacts/extcontact-list", {"offset": offset, "limit": self._page_size}).json()
        except RejectedError as error:
            hint = "Check base_url and app_id, and try a smaller page_size."
            raise ConfigError(f"The external contacts cannot be listed: {error.reason} {hint}") from None
        return [row for row in list_in(answer) if isinstance(row, dict)]

    def _written(self, method: str, path: str, values: Values, before: Values) -> str:
        self._judge(values)
        told = {**{name: value for name, value in before.items() if not is_empty(value)}, **values}
        reply = self._api.call(method, path, json=self._body(told), writes=True)
        answer = answered(reply)
        id = plain_text(answer.get("id")) if isinstance(answer, dict) else None
        if id is None:
            raise UnknownOutcomeError(f"{reply.host} does not name the contact that it wrote.")
        return id

    def _judge(self, values: Values) -> None:
        """RejectedError: CINNOX cannot hold it, by its own words."""
        for name, choices in CHOICES.items():
            if not is_empty(values.get(name)) and values[name] not in choices:
                raise RejectedError(f"{name} must be one of {', '.join(choices)}.")
        country, birthday = str(values.get("country") or ""), str(values.get("birthday") or "")
        if country and not _COUNTRY.fullmatch(country):
            raise RejectedError("country must be a code of two letters, such as HK.")
        if birthday and _day(birthday) is None:
            raise RejectedError("birthday must be a date, such as 1990-12-31.")
        for entry in entries(values.get("phones")):
            if self._international(entry) is None:
                raise RejectedError(f"The {entry.type} number is none of those that can be called from abroad.")

    def _body(self, values: Values) -> dict[str, Any]:
        body: dict[str, Any] = {
            theirs: _written_day(values[name]) if name == "birthday" else str(values[name] or "")
            for name, (_, theirs) in TEXTS.items()
            if name in values
        }
        address = {theirs: str(values.get(name) or "") for name, theirs in ADDRESS.items() if name in values}
        if address:
            body["addresses"] = [address]
        if "phones" in values:
            body["phones"] = [
                {"type": PHONES[each.type or "other"][1], "phone": self._international(each) or each.value}
                for each in entries(values["phones"])
            ]
        if "emails" in values:
            body["emails"] = [
                {"type": EMAILS[each.type or "other"][1], "email": each.value} for each in entries(values["emails"])
            ]
        return body

    def _international(self, entry: Entry) -> str | None:
        """The number with its country; an extension has no place."""
        kind, _, number = self._numbers.key(entry).partition(";")[0].partition(":")
        return number if kind == "phone" else None


def values_of(row: Row) -> dict[str, Value]:
    """What the list says of a contact, in our fields."""
    address = row.get("address")
    parts = address if isinstance(address, dict) else {}
    values: dict[str, Value] = {name: plain_text(row.get(listed)) for name, (listed, _) in TEXTS.items()}
    values |= {name: plain_text(parts.get(theirs)) for name, theirs in ADDRESS.items()}
    if (day := _day(str(values["birthday"] or ""))) is not None:
        values["birthday"] = day.isoformat()
    phones = {type: _number(row.get(listed)) for type, (listed, _) in PHONES.items()}
    emails = {type: plain_text(row.get(listed)) for type, (listed, _) in EMAILS.items()}
    values["phones"] = tuple(Entry(number, type) for type, number in phones.items() if number)
    values["emails"] = tuple(Entry(address, type) for type, address in emails.items() if address)
    return values


def _id(row: Row) -> str:
    return plain_text(row.get("id")) or ""


def _merged(row: Row) -> Sequence[str]:
    """The ids of those who were merged into this one: a list, or text, as the vendor's page has it."""
    told = row.get("slaveContacts")
    return [str(each) for each in told] if isinstance(told, list) else re.findall(r"[^\s,;]+", plain_text(told) or "")


def _number(value: Any) -> str | None:
    """Country code and number with a plus, which the list, whose type is Number, may leave out."""
    text = plain_text(value)
    number = _NUMBER.fullmatch(text or "")
    return f"+{number[1]}" if number else text


def _day(text: str) -> date | None:
    for read in (date.fromisoformat, lambda text: datetime.strptime(text, _BIRTHDAY).date()):  # noqa: DTZ007 — a day
        try:
            return read(text)
        except ValueError:
            continue
    return None


def _written_day(value: Value) -> str:
    day = _day(str(value or ""))
    return day.strftime(_BIRTHDAY) if day else str(value or "")
