"""What has to be sent to a Task: ours where it differs, and never over what a person entered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from gateway.domain.tasks import Desired, TaskFields


class Changes(Struct, frozen=True):
    """What to send to bring a Task up to date, what it holds of ours, and a person's values, which are left alone."""

    send: TaskFields
    held: TaskFields
    kept: TaskFields


def changes(
    desired: Desired,
    written: Mapping[str, Any],
    intended: Mapping[str, Any] | None,
    current: Mapping[str, Any],
    *,
    our_user: str | None,
) -> Changes:
    """What to send to a Task that holds `current`, of which we wrote `written` and perhaps `intended`.

    A value that is neither is a person's: it wins and is reported as kept. Fields that the desired Task no longer has
    are emptied if they are still ours.
    """
    ours = [_as_held(fields, our_user) for fields in (written, {**written, **(intended or {})})]
    send, held, kept = {}, {}, {}
    for name in sorted({*desired.fields, *written, *(intended or {})} - desired.create_only):
        want, now = desired.fields.get(name), current.get(name)
        if same(now, want) or any(same(now, fields.get(name)) for fields in ours):
            held[name] = now
            if not same(now, want) and not (want is None and name in _NEVER_EMPTIED):
                send[name] = want
        else:
            kept[name] = now
    if not _PEOPLE.isdisjoint(kept):
        send = {name: value for name, value in send.items() if name not in _PEOPLE}
    return Changes(send, held, kept)


_PEOPLE = frozenset({"WhoId", "TaskWhoIds"})
"""Salesforce derives each from the other: who edits one has decided on both."""

_NEVER_EMPTIED = frozenset({"OwnerId", "TaskWhoIds", "Subject", "Status", "Priority"})


def _as_held(fields: Mapping[str, Any], our_user: str | None) -> TaskFields:
    """What the org holds after we wrote `fields`: an owner and the list of people follow where we name none."""
    held = {"OwnerId": our_user, **fields}
    if "WhoId" in held and "TaskWhoIds" not in held:
        held["TaskWhoIds"] = [held["WhoId"]]
    return held


def same(one: Any, other: Any) -> bool:
    """Whether Salesforce would hold both for equal: blanks around text, kinds of line end and order of ids aside."""
    return bool(_normal(one) == _normal(other))


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\r\n", "\n").strip() or None
    if isinstance(value, list | tuple):
        return frozenset(value) or None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return value
