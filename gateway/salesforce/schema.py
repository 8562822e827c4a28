"""What the org's `describe` says: the fields a Task may carry, and the columns there are to mirror."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import structlog

from gateway.domain.policies import MirrorPolicy
from gateway.domain.records import Kind
from gateway.domain.tasks import Abilities, TaskField
from gateway.errors import ConfigError
from gateway.salesforce.records import MEANINGS, Meanings
from gateway.salesforce.session import Session, SubRequest
from gateway.salesforce.settings import OrgSettings

_REMEMBERED = 600.0

WANTED: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONTACT: (
        "Name", "AccountId", "Email", "Phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone",
        "MasterRecordId",
    ),
    Kind.ACCOUNT: ("Name", "Type", "ParentId", "Phone", "Website", "MasterRecordId"),
    Kind.LEAD: (
        "Name", "Email", "Phone", "MobilePhone", "IsConverted", "ConvertedAccountId", "ConvertedContactId",
        "MasterRecordId",
    ),
    Kind.CASE: (
        "CaseNumber", "Subject", "Type", "Reason", "IsClosed", "ClosedDate", "ContactId", "AccountId",
        "SuppliedPhone", "SuppliedEmail", "MasterRecordId",
    ),
    Kind.USER: ("Name", "Email", "IsActive"),
    Kind.RELATION: ("AccountId", "ContactId", "IsActive", "IsDirect", "Roles"),
}  # fmt: skip
"""The fields that matching reads, of each object; those the integration user may not see are left out."""

_OPTIONAL: Mapping[Kind, tuple[str, ...]] = {
    Kind.CONTACT: ("RecordTypeId", "IsPersonAccount"),
    Kind.ACCOUNT: (
        "RecordTypeId", "IsPersonAccount", "PersonContactId", "PersonEmail", "PersonMobilePhone", "PersonHomePhone",
        "PersonOtherPhone", "PersonAssistantPhone",
    ),
}  # fmt: skip
"""Fields of orgs that have record types or person accounts; others lack nothing without them."""

_ALWAYS = ("Id", "IsDeleted", "SystemModstamp")
_TEXTS = frozenset({"string", "textarea", "phone", "email", "url", "picklist", "combobox"})
_READING = 1
"""To be counted up whenever the same fields give another record: every object is then loaded anew."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Visible:
    """One object as we see it: the columns to read, and which of them identify somebody, and how."""

    columns: tuple[str, ...]
    meanings: Meanings


@dataclass(frozen=True, slots=True)
class Description:
    """The org as last described: what a Task may carry, and each object that is visible."""

    abilities: Abilities
    objects: Mapping[Kind, Visible]


class Schema:
    """The description, asked for in one call and remembered for ten minutes; for any number of threads."""

    def __init__(self, session: Session, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._session = session
        self._clock = clock
        self._asking = threading.Lock()
        self._known: Description | None = None
        self._until = 0.0

    def description(self) -> Description:
        """What the org allows. ConfigError: the configured key field cannot serve as one."""
        with self._asking:
            if self._known is None or self._clock() >= self._until:
                self._known = self._ask()
                self._until = self._clock() + _REMEMBERED
            return self._known

    def forget(self) -> None:
        """Ask again next time."""
        self._until = 0.0

    def _ask(self) -> Description:
        answers = describe(self._session)
        settings = self._session.settings
        if "Task" not in answers:
            raise ConfigError(
                f"Org {settings.name!r}: the integration user may not see Tasks; assign the gateway's permission set."
            )
        fields = {field["name"]: field for field in answers["Task"]["fields"]}
        if settings.task_key is not None:
            _check_key(settings.name, settings.task_key, fields.get(settings.task_key))
        abilities = Abilities(
            {name: _task_field(field) for name, field in fields.items()},
            settings.task_key,
            self._session.token.user_id if self._session.token else None,
        )
        seen = [kind for kind in WANTED if kind.value in answers]
        objects = {kind: _visible(kind, answers[kind.value], settings.mirror) for kind in seen}
        return Description(abilities, objects)


def describe(session: Session) -> dict[str, Any]:
    """The describes of Task and of every object to mirror, of those that are visible to us, in one call."""
    names = ("Task", *WANTED)
    return session.composite([SubRequest(name, f"sobjects/{name}/describe") for name in names], allow_missing=True)


def _task_field(field: Mapping[str, Any]) -> TaskField:
    values = [entry["value"] for entry in field["picklistValues"] if entry["active"]]
    return TaskField(
        name=field["name"],
        type=field["type"],
        length=field["length"],
        createable=field["createable"],
        updateable=field["updateable"],
        picklist=tuple(values) if field["restrictedPicklist"] else (),
    )


def _check_key(org: str, name: str, field: Mapping[str, Any] | None) -> None:
    if lack := key_lack(name, field):
        raise ConfigError(f"Org {org!r}: {' '.join(lack)}")
    if field and not field["unique"]:
        _log.warning("salesforce.key_field_not_unique", org=org, field=name)


def key_lack(name: str, field: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Why the field cannot serve as the key, and what to do about it; None where it can."""
    setup = "Setup → Object Manager → Activity → Fields & Relationships"
    if field is None:
        fix = (
            f"In {setup} add a Text(255) field of that name with External ID and Unique ticked (or deploy"
            " mappings/salesforce) and give the user access to it; or set task_key to null."
        )
        return f"Task has no field {name}, or the integration user may not see it.", fix
    if not field["externalId"]:
        return f"The field {name} on Task is not an External ID.", f"Tick External ID in {setup}."
    if not field["createable"]:
        return f"The integration user may not write {name} on Task.", "Give it edit access."
    return None


def _visible(kind: Kind, described: Mapping[str, Any], policy: MirrorPolicy) -> Visible:
    unfit = unusable(kind, described, policy)
    own = {name: meaning for name, meaning in policy.fields.get(kind, {}).items() if name not in unfit}
    there = {field["name"] for field in described["fields"]}
    wanted = dict.fromkeys((*_ALWAYS, *WANTED[kind], *_OPTIONAL.get(kind, ()), *own))
    columns = tuple(_column(name) for name in wanted if name in there)
    return Visible(columns, {name: meaning for name, meaning in {**MEANINGS[kind], **own}.items() if name in there})


def _column(name: str) -> str:
    return "RecordType.DeveloperName" if name == "RecordTypeId" else name


def unusable(kind: Kind, described: Mapping[str, Any], policy: MirrorPolicy) -> list[str]:
    """The org's own fields among those configured that are not there, hold no text or cannot be searched by."""
    fit = {field["name"] for field in described["fields"] if field["type"] in _TEXTS and field["filterable"]}
    return [name for name in policy.fields.get(kind, {}) if name not in fit]


def fingerprint(kind: Kind, visible: Visible, settings: OrgSettings) -> str:
    """Another one wherever the same rows would give other records, or other rows were to be read."""
    days = settings.mirror.closed_cases_days if kind is Kind.CASE else None
    read = (_READING, visible.columns, sorted(visible.meanings.items()), settings.region, days)
    return f"{crc32(repr(read).encode()):08x}"
