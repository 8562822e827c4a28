"""Values that differ from others in something."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def replace(value: T, /, **changes: Any) -> T:
    """The same value with these fields changed, be it a dataclass or a Struct."""
    change: Any = msgspec.structs.replace if isinstance(value, msgspec.Struct) else dataclasses.replace
    return change(value, **changes)  # type: ignore[no-any-return]
