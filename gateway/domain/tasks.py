"""Tasks: what should stand in Salesforce for an interaction, and which of it has to be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

TaskFields: TypeAlias = dict[str, Any]
"""Task fields by API name, as JSON values; `TaskWhoIds` is a list of ids."""


class Verdict(StrEnum):
    """What became of one record of a write."""

    WRITTEN = "written"
    RETRY = "retry"
    PARK = "park"
    UNKNOWN = "unknown"
    """May or may not stand in the org: read back by the external key before it is sent again."""
    GONE = "gone"
    """The Task was deleted; it is not brought back unless asked."""


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """One Task to write: created under `key` where `task_id` is None, else updated."""

    key: str
    fields: Mapping[str, Any]
    task_id: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The settlement of one draft; `reason` is a sentence an admin understands, `after` seconds to wait at least."""

    verdict: Verdict
    task_id: str | None = None
    reason: str | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class FoundTask:
    """A Task found by its external key, with the values of the fields asked for."""

    task_id: str
    is_deleted: bool
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TaskField:
    """What the org's describe says of one Task field; `length` 0 means no limit, `picklist` is () unless restricted."""

    name: str
    type: str
    length: int
    createable: bool
    updateable: bool
    picklist: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an org allows a Task: its fields by API name, and the external key field if it has one."""

    task_fields: Mapping[str, TaskField]
    key_field: str | None

    @property
    def shared_activities(self) -> bool:
        """Whether one Task may name several contacts."""
        return "TaskWhoIds" in self.task_fields


def external_key(connection: str, external_id: str) -> str:
    """The value that makes an interaction's Task unique in its org."""
    return f"{connection}:{external_id}"
