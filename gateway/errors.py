"""Every deliberate error, grouped by what the caller should do about it."""

from __future__ import annotations


class GatewayError(Exception):
    """Base of all deliberate errors; the message is one sentence for a person.

    `after` is the earliest wait in seconds before the same call may succeed, where it is known.
    """

    after: float | None = None


class ConfigError(GatewayError):
    """A person must change settings: what depends on them stops, the process does not.

    `problems` holds one sentence each: what is wrong, where, and the fix.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RetryableError(GatewayError):
    """The same call may succeed later."""

    def __init__(self, message: str, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class UnknownOutcomeError(RetryableError):
    """The call may or may not have taken effect: read back before it is repeated."""


class RejectedError(GatewayError):
    """This record can never succeed as it is: park it with `reason`, a sentence an admin understands."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnauthorizedError(GatewayError):
    """A request did not prove who sent it; `problem` is a short machine word such as `bad-signature`."""

    def __init__(self, message: str, *, problem: str = "bad-signature") -> None:
        super().__init__(message)
        self.problem = problem


class VersionConflictError(GatewayError):
    """Another writer changed the same row first: read again and decide again."""
