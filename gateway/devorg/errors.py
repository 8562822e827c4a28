"""What the org refuses, in the two shapes the platform uses: one record's error, or the whole request's."""

from __future__ import annotations

from http import HTTPStatus


class RecordError(Exception):
    """One record cannot be written; its neighbours in the same call may still be."""

    def __init__(
        self, code: str, message: str, fields: tuple[str, ...] = (), status: int = HTTPStatus.BAD_REQUEST
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields
        self.status = status

    def as_result(self) -> dict[str, object]:
        """The error inside a per-record result, where the code is called ``statusCode``."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def as_body(self) -> list[dict[str, object]]:
        """The error as the body of a single-record answer, where the code is called ``errorCode``."""
        return [{"message": self.message, "errorCode": self.code, "fields": list(self.fields)}]


class RequestError(Exception):
    """The whole request is refused with ``status`` before any record is looked at."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = int(status)
        self.code = code
        self.message = message

    def as_body(self) -> list[dict[str, object]]:
        """The body of the answer."""
        return [{"message": self.message, "errorCode": self.code}]


class UnreadableValueError(Exception):
    """A JSON value of a kind the field cannot take; the request is refused as a whole."""

    def __init__(self, field: str, kind: str, value: object) -> None:
        super().__init__(field)
        self.field = field
        self.kind = kind
        self.value = value


def bad_request(code: str, message: str) -> RequestError:
    """A 400 with that code."""
    return RequestError(HTTPStatus.BAD_REQUEST, code, message)


def not_found(message: str = "The requested resource does not exist") -> RequestError:
    """The 404 of a path, object or record that does not exist."""
    return RequestError(HTTPStatus.NOT_FOUND, "NOT_FOUND", message)
