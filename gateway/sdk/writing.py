"""For a contact side whose platform takes one contact in one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gateway.domain.contacts import ContactWrite, WriteResult, Written
from gateway.errors import ConfigError, RejectedError, RetryableError, UnknownOutcomeError
from gateway.sdk.http import Reply

T = TypeVar("T")


def one_by_one(writes: Sequence[ContactWrite], send: Callable[[ContactWrite], T]) -> list[WriteResult | T]:
    """What became of each write, in their order; behind one that failed as others would, nothing is sent any more.

    RetryableError, ConfigError: the first one failed, and nothing was carried out.
    """
    results: list[WriteResult | T] = []
    failure: WriteResult | None = None
    for write in writes:
        try:
            results.append(failure or send(write))
        except UnknownOutcomeError as error:
            results.append(WriteResult(written=Written.UNKNOWN, reason=str(error)))
            failure = WriteResult(written=Written.RETRY, reason=str(error))
        except (RetryableError, ConfigError):
            if not results:
                raise
            failure = WriteResult(written=Written.RETRY, reason="The calls before it failed.")
            results.append(failure)
        except RejectedError as error:
            results.append(WriteResult(written=Written.REFUSED, reason=error.reason))
    return results


def answered(reply: Reply) -> Any:
    """The JSON that answers a write. UnknownOutcomeError: it is something else, so that nobody knows who answered."""
    try:
        return reply.json()
    except RetryableError as error:
        raise UnknownOutcomeError(str(error)) from None
