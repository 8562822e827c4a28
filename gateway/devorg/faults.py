"""Faults on order: what goes wrong, on which requests, how often.

An order is a fault ``{kind, …}`` or a script ``{script: [step, …], path, method}``: the nth request that matches gets
the nth step, a kind or a fault without path and method; nothing happens to it where that is null, nor after the last.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum

from gateway.devorg.errors import RecordError
from gateway.devorg.locks import unable_to_lock


class FaultKind(StrEnum):
    """What can go wrong. ``before`` and ``after`` mean before and after the write is committed."""

    LATENCY = "latency"
    STATUS = "status"
    STATUS_AFTER = "status_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    SILENCE_BEFORE = "silence_before"
    SILENCE_AFTER = "silence_after"
    TRICKLE = "trickle"
    TRUNCATE = "truncate"
    EXPIRE_SESSIONS = "expire_sessions"
    QUOTA = "quota"
    CONCURRENT = "concurrent"
    PARTIAL = "partial"
    LOCK = "lock"
    TRIGGER = "trigger"


RECORD_KINDS = (FaultKind.PARTIAL, FaultKind.LOCK, FaultKind.TRIGGER)
"""What befalls some records of a call while the others are committed."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One order, as a control call gives it: on requests that match ``path`` and ``method``, or on the ``nth`` of them.

    ``milliseconds`` belongs to latency, silence and trickle; ``status`` and ``body`` to statuses; ``records``, how many
    of a call fail, to partial, lock and trigger; ``code`` and ``message`` to partial.
    """

    kind: FaultKind
    path: str = "^/services/data"
    method: str | None = None
    times: int | None = None
    nth: int | None = None
    probability: float = 1.0
    seed: int = 0
    milliseconds: int = 0
    status: int = 503
    body: object = None
    records: int = 1
    code: str | None = None
    message: str = "injected"

    def doomed(self, count: int) -> frozenset[int]:
        """Which of ``count`` records fail; repeatable by the seed."""
        dice = random.Random(self.seed)  # noqa: S311  # repeatable on purpose
        return frozenset(dice.sample(range(count), min(self.records, count)))

    def error(self, record: Mapping[str, object]) -> RecordError:
        """What the failing ``record`` gets."""
        if self.kind is FaultKind.PARTIAL:
            return RecordError(self.code or "", self.message)
        lock = unable_to_lock([str(value) for name in _PARENTS if (value := record.get(name))][:1])
        if self.kind is FaultKind.LOCK:
            return lock
        return RecordError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", _FROM_TRIGGER.format(lock.code, lock.message))


_PARENTS = ("WhatId", "WhoId", "AccountId", "id", "Id")
_FROM_TRIGGER = (
    "TaskTrigger: execution of AfterInsert\n\ncaused by: System.DmlException: Update failed. First exception on row 0; "
    "first error: {}, {}: []\n\nTrigger.TaskTrigger: line 12, column 1"
)


class FaultError(ValueError):
    """An order that makes no sense."""


def read(content: object) -> list[Fault]:
    """The faults of a control call's body, or FaultError saying what is wrong."""
    if not isinstance(content, list):
        raise FaultError("Send a list of faults.")
    return [fault for each in content for fault in read_one(each)]


def read_one(content: object) -> list[Fault]:
    """One fault, or the faults a script comes to."""
    if isinstance(content, dict) and "script" in content:
        return _read_script(content)
    return [_read_fault(content)]


def _read_script(content: Mapping[str, object]) -> list[Fault]:
    steps, shared = content["script"], {name: value for name, value in content.items() if name != "script"}
    if not isinstance(steps, list) or not set(shared) <= {"path", "method"}:
        raise FaultError("A script has these members only: script (a list of steps), path, method")
    return [
        _read_fault({**(step if isinstance(step, dict) else {"kind": step}), **shared, "nth": number})
        for number, step in enumerate(steps, start=1)
        if step is not None
    ]


def _read_fault(content: object) -> Fault:
    known = {field.name for field in fields(Fault)}
    if not isinstance(content, dict) or not set(content) <= known:
        raise FaultError(f"A fault has these members only: {', '.join(sorted(known))}")
    try:
        re.compile(content.get("path", ""))
        fault = Fault(**{**content, "kind": FaultKind(str(content.get("kind")))})
    except (ValueError, TypeError, re.error) as problem:
        raise FaultError(str(problem)) from problem
    if fault.kind is FaultKind.PARTIAL and not fault.code:
        raise FaultError("partial: give the code, and perhaps the message, that failing records get")
    return fault


class _Armed:
    """A fault with its remaining count and its dice."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self.struck = 0
        self._matched = 0
        self._pattern = re.compile(fault.path)
        self._dice = random.Random(fault.seed)  # noqa: S311  # repeatable on purpose

    def strikes(self, method: str, target: str) -> bool:
        if self.left == 0 or (self.fault.method or method).upper() != method or not self._pattern.search(target):
            return False
        self._matched += 1
        if self.fault.nth not in {None, self._matched} or self._dice.random() >= self.fault.probability:
            return False
        self.struck += 1
        if self.left is not None:
            self.left -= 1
        return True

    def blow(self) -> Fault:
        """The fault with a seed of this blow's own: other records are chosen the next time."""
        return replace(self.fault, seed=self.fault.seed * 1_000_003 + self.struck)


class FaultBook:
    """The faults in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def order(self, faults: list[Fault]) -> None:
        """Put these in place of all former ones."""
        with self._lock:
            self._armed = [_Armed(fault) for fault in faults]

    def add(self, faults: list[Fault]) -> None:
        """Put these besides the former ones."""
        with self._lock:
            self._armed = [*self._armed, *map(_Armed, faults)]

    def strike(self, method: str, target: str) -> dict[FaultKind, Fault]:
        """The faults that hit this request, each of them used up by one."""
        if not self._armed:
            return {}
        with self._lock:
            return {armed.fault.kind: armed.blow() for armed in self._armed if armed.strikes(method, target)}

    def shown(self) -> list[Mapping[str, object]]:
        """Every order with what is left of it and how often it struck."""
        with self._lock:
            return [{**asdict(armed.fault), "left": armed.left, "struck": armed.struck} for armed in self._armed]
