"""Faults on order: what goes wrong, on which requests, how often."""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum


class FaultKind(StrEnum):
    """What can go wrong. ``after`` means after the write is committed."""

    LATENCY = "latency"
    STATUS = "status"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    SILENCE_AFTER = "silence_after"
    TRUNCATE = "truncate"
    EXPIRE_SESSIONS = "expire_sessions"


@dataclass(frozen=True, slots=True)
class Fault:
    """One order, as a control call gives it."""

    kind: FaultKind
    path: str = "^/services/data"
    method: str | None = None
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    milliseconds: int = 0
    status: int = 503
    body: object = None


class FaultError(ValueError):
    """An order that makes no sense."""


def read(content: object) -> list[Fault]:
    """The faults of a control call's body, or FaultError saying what is wrong."""
    if not isinstance(content, list):
        raise FaultError("Send a list of faults.")
    return [_read_one(each) for each in content]


def _read_one(content: object) -> Fault:
    known = {field.name for field in fields(Fault)}
    if not isinstance(content, dict) or not set(content) <= known:
        raise FaultError(f"A fault has these members only: {', '.join(sorted(known))}")
    try:
        re.compile(content.get("path", ""))
        return Fault(**{**content, "kind": FaultKind(str(content.get("kind")))})
    except (ValueError, TypeError, re.error) as problem:
        raise FaultError(str(problem)) from problem


class _Armed:
    """A fault with its remaining count and its dice."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.left = fault.times
        self._pattern = re.compile(fault.path)
        self._dice = random.Random(fault.seed)  # noqa: S311  # repeatable on purpose

    def strikes(self, method: str, target: str) -> bool:
        if self.left == 0 or (self.fault.method or method).upper() != method or not self._pattern.search(target):
            return False
        if self._dice.random() >= self.fault.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True


class FaultBook:
    """The faults in force."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def order(self, faults: list[Fault]) -> None:
        """Put these in place of all former ones."""
        with self._lock:
            self._armed = [_Armed(fault) for fault in faults]

    def strike(self, method: str, target: str) -> dict[FaultKind, Fault]:
        """The faults that hit this request, each of them used up by one."""
        if not self._armed:
            return {}
        with self._lock:
            return {armed.fault.kind: armed.fault for armed in self._armed if armed.strikes(method, target)}

    def shown(self) -> list[Mapping[str, object]]:
        """Every order with what is left of it."""
        with self._lock:
            return [{**asdict(armed.fault), "left": armed.left} for armed in self._armed]
