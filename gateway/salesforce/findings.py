"""What is found about an org: one finding a point, and the words for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

PERMISSIONS = "Setup → Permission Sets → Gateway Integration"
DEPLOY = "Deploy mappings/salesforce once more and assign its permission set, or by hand: "

Described: TypeAlias = Mapping[str, Any]
"""One object or field as the org's describe presents it to our user, who sees only what field-level security shows."""

Fields: TypeAlias = Mapping[str, Described]


class Level(StrEnum):
    """How bad it is: fine; works, but not as well as it could; does not work."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


class Check(StrEnum):
    """What was looked at."""

    NETWORK = "network"
    CLOCK = "clock"
    LOGIN = "login"
    VERSION = "API version"
    ACCESS = "API access"
    USER = "user"
    MIRROR = "mirror"
    ALLOWANCE = "API calls"
    TASKS = "tasks"
    KEY = "key field"
    SHARED = "shared activities"
    CALLS = "call fields"
    MAPPING = "mapping"
    CREATION = "creation"
    SYNC = "contact sync"
    RECORDS = "records"


@dataclass(frozen=True, slots=True)
class Finding:
    """One point of an org: what was found, and what to do where it is not fine."""

    check: Check
    level: Level
    message: str
    fix: str | None = None


def ok(check: Check, message: str) -> Finding:
    """It is fine."""
    return Finding(check, Level.OK, message)


def but(check: Check, message: str, fix: str) -> Finding:
    """It works, but not as well as it could."""
    return Finding(check, Level.WARNING, message, fix)


def wrong(check: Check, message: str, fix: str) -> Finding:
    """It does not work."""
    return Finding(check, Level.PROBLEM, message, fix)


def or_ok(findings: Iterable[Finding], ok: Finding) -> list[Finding]:
    """The findings, or that all is fine."""
    return list(findings) or [ok]


def field_access(kind: str, name: str, access: str = "Edit") -> str:
    """How the integration user gets access to a field that our permission sets name, or one of the org's own."""
    return f"{'' if name.endswith('__c') else DEPLOY}{field_security(kind, name, access)}"


def field_security(kind: str, name: str, access: str = "Edit") -> str:
    """The way to a field's security in Setup."""
    place = "Activity" if name.endswith("__c") and kind == "Task" else kind
    return (
        f"Setup → Object Manager → {place} → Fields & Relationships → {name}"
        f" → Set Field-Level Security ({access} for the integration user)."
    )


def is_required(field: Described) -> bool:
    """Whether no record is taken without a value for it."""
    return field["createable"] and not (field["nillable"] or field["defaultedOnCreate"] or field["type"] == "boolean")
