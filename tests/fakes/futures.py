"""Futures that are done."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def done(compute: Callable[[], T]) -> Future[T]:
    """With what `compute` returns or raises."""
    future: Future[T] = Future()
    try:
        future.set_result(compute())
    except Exception as error:  # noqa: BLE001 - whatever it is, the future has it
        future.set_exception(error)
    return future
