"""Rows of the org, from JSON or CSV, to records: names, belongings, and the keys under which somebody is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from gateway.domain.identity import case_key, domain_key, meant_keys
from gateway.domain.records import Kind, Record

Row: TypeAlias = Mapping[str, Any]
"""One record by column. Of a CSV everything is text, what is empty included, and a parent's field has a dotted name."""

Meanings: TypeAlias = Mapping[str, str]
"""What the fields of an object hold that identify somebody (see `domain.identity.meant_keys`)."""

_PHONES = ("Phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone")
_PERSON = ("PersonMobilePhone", "PersonHomePhone", "PersonOtherPhone", "PersonAssistantPhone")

MEANINGS: Mapping[Kind, Meanings] = {
    Kind.CONTACT: {**dict.fromkeys(_PHONES, "phone"), "Email": "email"},
    Kind.LEAD: {"Phone": "phone", "MobilePhone": "phone", "Email": "email"},
    Kind.ACCOUNT: {"Phone": "phone", **dict.fromkeys(_PERSON, "phone"), "PersonEmail": "email", "Website": "domain"},
    Kind.CASE: {"CaseNumber": "case", "SuppliedPhone": "phone", "SuppliedEmail": "email"},
    Kind.USER: {"Email": "email"},
    Kind.RELATION: {},
}
"""Of the standard fields; a fax number identifies nobody."""

SHOWS_DOMAIN = frozenset({Kind.CONTACT, Kind.LEAD})
"""Whose e-mail addresses tell the organisation that they belong to."""


def reader_of(kind: Kind, meanings: Meanings, region: str) -> Callable[[Row], Record]:
    """What makes a record of each row; numbers without a country code are meant in `region`."""
    build = _BUILDERS[kind]
    fields = tuple(meanings.items())
    domains = kind in SHOWS_DOMAIN

    def read(row: Row) -> Record:
        found: dict[str, None] = {}
        for name, meaning in fields:
            if not (text := row.get(name)):
                continue
            for key in meant_keys(meaning, text, region):
                found[key] = None
                if domains and meaning == "email" and not _is(row, "IsPersonAccount") and (domain := _domain(key)):
                    found[domain] = None
        return build(row, tuple(found))

    return read


def _domain(key: str) -> str | None:
    return _of_host(key.rpartition("@")[2])


_of_host = lru_cache(maxsize=8192)(domain_key)


def is_gone(row: Row) -> bool:
    """Whether the record is not in the org any more, or is a direct relation, which is not kept."""
    return _is(row, "IsDeleted") or _is(row, "IsDirect")


def merged(read: Callable[[Row], Record], row: Row) -> Record | None:
    """What is left of a record that was merged away: its id, and a case's number, which is nobody else's.

    A person's numbers and addresses are not: those that still hold are the survivor's own by now, and whoever merged
    the records could not take the others away from it any more.
    """
    if not (_is(row, "IsDeleted") and row.get("MasterRecordId")):
        return None
    loser = read(row)
    key = case_key(loser.number) if loser.number else None
    keys = (key,) if key else ()
    return Record(
        kind=loser.kind, id=loser.id, name="", keys=keys, number=loser.number, is_open=False,
        merged_into=row["MasterRecordId"],
    )  # fmt: skip


def _is(row: Row, name: str, otherwise: bool = False) -> bool:
    value = row.get(name)
    return otherwise if value is None else value in _TRUE


_TRUE = (True, "true")


def _record_type(row: Row) -> str | None:
    if parent := row.get("RecordType"):
        return str(parent["DeveloperName"])
    return row.get("RecordType.DeveloperName") or None


def _contact(row: Row, keys: tuple[str, ...]) -> Record:
    return Record(
        kind=Kind.CONTACT,
        id=row["Id"],
        name=row.get("Name") or "",
        keys=keys,
        account_id=row.get("AccountId") or None,
        record_type=_record_type(row),
    )


def _lead(row: Row, keys: tuple[str, ...]) -> Record:
    return Record(
        kind=Kind.LEAD,
        id=row["Id"],
        name=row.get("Name") or "",
        keys=keys,
        account_id=row.get("ConvertedAccountId") or None,
        contact_id=row.get("ConvertedContactId") or None,
        is_open=not _is(row, "IsConverted"),
    )


def _account(row: Row, keys: tuple[str, ...]) -> Record:
    return Record(
        kind=Kind.ACCOUNT,
        id=row["Id"],
        name=row.get("Name") or "",
        keys=keys,
        account_id=row.get("ParentId") or None,
        contact_id=(row.get("PersonContactId") or None) if _is(row, "IsPersonAccount") else None,
        type=row.get("Type") or None,
        record_type=_record_type(row),
    )


def _case(row: Row, keys: tuple[str, ...]) -> Record:
    number = row.get("CaseNumber") or ""
    return Record(
        kind=Kind.CASE,
        id=row["Id"],
        name=" ".join(part for part in (number, row.get("Subject")) if part),
        keys=keys,
        account_id=row.get("AccountId") or None,
        contact_id=row.get("ContactId") or None,
        number=number or None,
        is_open=not _is(row, "IsClosed"),
        topics=tuple(topic for name in ("Subject", "Type", "Reason") if (topic := row.get(name))),
    )


def _user(row: Row, keys: tuple[str, ...]) -> Record:
    is_active = _is(row, "IsActive", otherwise=True)
    return Record(kind=Kind.USER, id=row["Id"], name=row.get("Name") or "", keys=keys, is_open=is_active)


def _relation(row: Row, keys: tuple[str, ...]) -> Record:
    return Record(
        kind=Kind.RELATION,
        id=row["Id"],
        name="",
        keys=keys,
        account_id=row.get("AccountId") or None,
        contact_id=row.get("ContactId") or None,
        is_open=_is(row, "IsActive", otherwise=True),
        topics=tuple((row.get("Roles") or "").split(";")) if row.get("Roles") else (),
    )


_BUILDERS: Mapping[Kind, Callable[[Row, tuple[str, ...]], Record]] = {
    Kind.CONTACT: _contact,
    Kind.LEAD: _lead,
    Kind.ACCOUNT: _account,
    Kind.CASE: _case,
    Kind.USER: _user,
    Kind.RELATION: _relation,
}
