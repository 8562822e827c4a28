"""Asks the org itself for records by their identity keys, where no mirror can be asked.

A number is looked for in the spellings that people and programs use, which an index may serve. Only for numbers that
nobody was found by, a second call looks for their groups of digits with anything between, before and behind, such as
`%415%555%0123%`: no index serves that. What comes back is taken by its keys, as those of the mirror are: a number that
merely contains the wanted one is not it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

import phonenumbers
from phonenumbers import PhoneNumberFormat

from gateway.domain.identity import HANDLE_CHANNELS
from gateway.domain.records import PREFIXES, Kind, Record
from gateway.salesforce import soql
from gateway.salesforce.mirror import told
from gateway.salesforce.records import SHOWS_DOMAIN, Row, reader_of
from gateway.salesforce.schema import Schema, Visible
from gateway.salesforce.session import Session

Objects: TypeAlias = Mapping[Kind, Visible]

_FURTHEST = 4
"""So many steps from what was asked for: a converted lead's contact's related account's parent is the last."""

MANY_PATTERNS = 100
"""Most patterns in one statement: each is compared with every record."""

_ID = re.compile(r"[0-9A-Za-z]{18}")


class LookUp:
    """Look-ups in one org."""

    def __init__(self, session: Session, schema: Schema) -> None:
        self._session = session
        self._schema = schema

    def records(self, keys: Collection[str], ids: Collection[str]) -> list[Record]:
        """See `ports.Org.look_up`. Three or four calls for some two hundred keys."""
        objects = self._schema.description().objects
        wanted = set(keys)
        found = self._having(wanted, [*by_keys(objects, wanted), *_by_ids(objects, ids)], ids)
        phones = {key for key in wanted if key.startswith("phone:")}.difference(*(r.keys for r in found.values()))
        if phones:
            found |= self._having(phones, list(by_digits(objects, phones)), ())
        self._complete(objects, found, set(ids))
        return list(found.values())

    def _having(self, keys: set[str], statements: list[str], ids: Collection[str]) -> dict[str, Record]:
        found = self._ask(statements)
        return {id: record for id, record in found.items() if id in ids or not keys.isdisjoint(record.keys)}

    def _complete(self, objects: Objects, found: dict[str, Record], asked: set[str]) -> None:
        """Add what belongs to what was found, a step further each time."""
        new: Collection[Record] = list(found.values())
        for _ in range(_FURTHEST):
            ids = {id for record in new for id in _belongings(record)} - found.keys() - asked
            asked |= ids
            answered = self._ask([*_by_ids(objects, ids), *_of_people(objects, new)])
            new = [record for id, record in answered.items() if id not in found]
            found |= {record.id: record for record in new}

    def _ask(self, statements: list[str]) -> dict[str, Record]:
        rows: dict[Kind, list[Row]] = {}
        for row in self._session.queries(statements):
            rows.setdefault(Kind(row["attributes"]["type"]), []).append(row)
        objects = self._schema.description().objects
        region = self._session.settings.region
        answered = [told(rows[kind], reader_of(kind, objects[kind].meanings, region))[0] for kind in rows]
        return {record.id: record for records in answered for record in records}


def _belongings(record: Record) -> Iterator[str]:
    return (id for id in (record.account_id, record.contact_id, record.merged_into) if id)


# --- what to ask ---------------------------------------------------------------------------------------------------


def by_keys(objects: Objects, keys: Iterable[str]) -> Iterator[str]:
    """Statements for all records with one of the keys in a usual spelling."""
    keys = sorted(keys)
    for kind, visible in objects.items():
        values = [
            (field, value)
            for field, meaning in visible.meanings.items()
            for key in keys
            for value in _values(key, meaning)
        ]
        yield from soql.having(kind, visible.columns, values)
        ends = [each for field, meaning in visible.meanings.items() for each in _domains(kind, field, meaning, keys)]
        yield from soql.like(kind, visible.columns, ends, MANY_PATTERNS)


def _values(key: str, meaning: str) -> Iterable[str]:
    """What a field of that meaning holds if it is the key's; SOQL takes no notice of capitals."""
    sort, _, value = key.partition(":")
    match sort:
        case "phone" if meaning == "phone" or meaning in HANDLE_CHANNELS:
            return spellings(value)
        case "email" if meaning == "email":
            return (value,)
        case "case" if meaning == "case":
            return dict.fromkeys((value, value.lstrip("0") or value))
        case "handle" | "ref" if value.startswith(f"{meaning}:"):
            name = value.removeprefix(f"{meaning}:")
            return (name, f"@{name}") if sort == "handle" else (name,)
    return ()


def _domains(kind: Kind, field: str, meaning: str, keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """An organisation's site anywhere in a field for it, its people's addresses at their end."""
    hosts = [soql.literally(key.removeprefix("domain:")) for key in keys if key.startswith("domain:")]
    if meaning == "domain":
        yield from ((field, f"%{host}%") for host in hosts)
    elif meaning == "email" and kind in SHOWS_DOMAIN:
        yield from ((field, f"%@{host}") for host in hosts)


def _by_ids(objects: Objects, ids: Iterable[str]) -> Iterator[str]:
    for kind, values in ids_by_kind(ids).items():
        if kind in objects:
            yield from soql.having(kind, objects[kind].columns, [("Id", id) for id in values])


def ids_by_kind(ids: Iterable[str]) -> dict[Kind, list[str]]:
    """The ids of each object, told by how they begin; what is no id is left out."""
    of_kind: dict[Kind, list[str]] = {}
    for id in sorted(ids):
        kind = PREFIXES.get(id[:3]) if _ID.fullmatch(id) else None
        if kind is not None:
            of_kind.setdefault(kind, []).append(id)
    return of_kind


def by_digits(objects: Objects, phones: Iterable[str]) -> Iterator[str]:
    """Statements for all records with the digits of one of the numbers, whatever stands between them."""
    patterns = [f"%{'%'.join(_digits(key))}%" for key in sorted(phones)]
    for kind, visible in objects.items():
        fields = [field for field, meaning in visible.meanings.items() if meaning == "phone"]
        pairs = [(field, pattern) for pattern in patterns for field in fields]
        yield from soql.like(kind, visible.columns, pairs, MANY_PATTERNS)


def _of_people(objects: Objects, records: Iterable[Record]) -> Iterator[str]:
    """The relations of contacts; open cases of contacts, and those of accounts that name no contact."""
    contacts = [r.id for r in records if r.kind is Kind.CONTACT and not r.merged_into]
    accounts = [r.id for r in records if r.kind is Kind.ACCOUNT and not r.merged_into]
    if cases := objects.get(Kind.CASE):
        are_open = "IsClosed = false"
        yield from soql.having(Kind.CASE, cases.columns, [("ContactId", id) for id in contacts], are_open)
        of_nobody = f"{are_open} AND ContactId = null"
        yield from soql.having(Kind.CASE, cases.columns, [("AccountId", id) for id in accounts], of_nobody)
    if relations := objects.get(Kind.RELATION):
        further = "IsActive = true AND IsDirect = false"
        yield from soql.having(Kind.RELATION, relations.columns, [("ContactId", id) for id in contacts], further)


# --- numbers -------------------------------------------------------------------------------------------------------


def spellings(number: str) -> list[str]:
    """How people and programs write an E.164 number.

    As it is, in its country's and the international form, with spaces, hyphens or dots between its groups, each with
    and without the country's code and the prefix that is dialled at home.
    """
    parsed = _parsed(number)
    code, digits = str(parsed.country_code), phonenumbers.national_significant_number(parsed)
    national = phonenumbers.format_number(parsed, PhoneNumberFormat.NATIONAL)
    trunk = re.sub(r"\D", "", national).removesuffix(digits)
    spelt = [number, number[1:], digits, f"{trunk}{digits}", f"00{code}{digits}", f"{code}{trunk}{digits}"]
    spelt += [national, national.replace(") ", ")"), f"+{code} {national}", f"{code} {national}"]
    spelt.append(phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL))
    for between in (" ", "-", "."):
        grouped = between.join(_groups(parsed))
        spelt += [grouped, f"{trunk}{grouped}", f"+{code}{between}{grouped}", f"{code}{between}{grouped}"]
    return list(dict.fromkeys(spelt))


def _parsed(number: str) -> phonenumbers.PhoneNumber:
    return phonenumbers.parse(number)


def _digits(key: str) -> Iterable[str]:
    """As they are grouped where the country is known, each by itself where it is not."""
    sort, _, number = key.partition(":")
    return _groups(_parsed(number)) if sort == "phone" else number


def _groups(parsed: phonenumbers.PhoneNumber) -> list[str]:
    """The number's digits as they are spoken, without its country's code."""
    return re.findall(r"[0-9]+", phonenumbers.format_number(parsed, PhoneNumberFormat.INTERNATIONAL))[1:]
