"""One HTTP exchange in our own words: what came in, what goes out, and the codes between JSON text and objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

from gateway.devorg.errors import RequestError, UnreadableValueError, bad_request

if TYPE_CHECKING:
    from gateway.devorg.faults import Fault

_NOTHING = object()
_COMPACT = (",", ":")


@dataclass(slots=True)
class Request:
    """A request, its path cut into decoded segments, header names in lower case.

    ``query`` has the last value of each parameter, ``parameters`` all of them in order.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    content: object = _NOTHING
    doom: Fault | None = None
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def segments(self) -> tuple[str, ...]:
        """The path's non-empty parts, percent-decoding done after cutting."""
        return tuple(unquote(part) for part in self.path.split("/") if part)

    def json(self) -> object:
        """The body as JSON, or the platform's refusal of it."""
        if self.content is _NOTHING:
            _check_media_type(self.headers.get("content-type", ""))
            self.content = parse_json(self.body)
        return self.content

    def record(self) -> dict[str, object]:
        """The body as one JSON object."""
        content = self.json()
        if not isinstance(content, dict):
            raise bad_request(
                "JSON_PARSER_ERROR", "The HTTP entity body is required to be a JSON object at [line:1, column:1]"
            )
        return content

    def flag(self, name: str) -> bool:
        """Whether a query parameter says true."""
        return self.query.get(name, "").lower() == "true"


def request_for(
    method: str, target: str, headers: Mapping[str, str], body: bytes = b"", content: object = _NOTHING
) -> Request:
    """A request for ``target``, a path with an optional query."""
    parts = urlsplit(target)
    parameters = tuple(parse_qsl(parts.query, keep_blank_values=True))
    return Request(method, parts.path, dict(parameters), headers, body, content, parameters=parameters)


@dataclass(slots=True)
class Response:
    """An answer: JSON unless ``html`` or ``csv`` is given; ``content`` None is an empty body."""

    status: int = HTTPStatus.OK
    content: object = None
    headers: dict[str, str] = field(default_factory=dict)
    html: str | None = None
    csv: str | None = None

    def body(self) -> bytes:
        """The bytes to send."""
        text = self.html if self.csv is None else self.csv
        if text is not None:
            return text.encode()
        return b"" if self.content is None else to_json_bytes(self.content)

    @property
    def media_type(self) -> str:
        """What the bytes are."""
        if self.csv is not None:
            return "text/csv"
        return "text/html; charset=utf-8" if self.html is not None else "application/json;charset=UTF-8"


def to_json_bytes(content: object) -> bytes:
    """Compact UTF-8 JSON."""
    return json.dumps(content, separators=_COMPACT, ensure_ascii=False).encode("utf-8", "surrogatepass")


def parse_json(body: bytes) -> object:
    """JSON of the strict kind: no NaN, no bytes outside UTF-8."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as problem:
        raise bad_request(
            "JSON_PARSER_ERROR", f"Invalid UTF-8 start byte at [line:1, column:{problem.start + 1}]"
        ) from None
    except json.JSONDecodeError as problem:
        message = f"{problem.msg} at [line:{problem.lineno}, column:{problem.colno}]"
        raise bad_request("JSON_PARSER_ERROR", message) from None
    except RecursionError:
        raise bad_request("JSON_PARSER_ERROR", "nested too deeply at [line:1, column:1]") from None


def _refuse_constant(text: str) -> NoReturn:
    raise bad_request("JSON_PARSER_ERROR", f"Non-standard token '{text}' at [line:1, column:1]")


def _check_media_type(text: str) -> None:
    kind = text.partition(";")[0].strip().lower()
    if kind != "application/json":
        message = f"Content type {kind or 'none'} not supported. Supported: application/json"
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)


def unreadable(problem: UnreadableValueError, body: bytes) -> RequestError:
    """The refusal of a JSON value of the wrong kind, with where it stands."""
    line, column = _position(body, problem)
    kind = _token(problem.value)
    message = (
        f"Cannot deserialize instance of {problem.kind} from {kind} or request may be missing a required field "
        f"at [line:{line}, column:{column}]"
    )
    return bad_request("JSON_PARSER_ERROR", message)


def _token(value: object) -> str:
    if isinstance(value, bool):
        return f"VALUE_{str(value).upper()} value {str(value).lower()}"
    if isinstance(value, int):
        return f"VALUE_NUMBER_INT value {value}"
    if isinstance(value, float):
        return f"VALUE_NUMBER_FLOAT value {value}"
    if isinstance(value, str):
        return f"VALUE_STRING value {value}"
    return "START_ARRAY value [" if isinstance(value, list) else "START_OBJECT value {"


def _position(body: bytes, problem: UnreadableValueError) -> tuple[int, int]:
    """Line and column just after the field's name and colon."""
    text = body.decode("utf-8", "replace")
    start = max(text.find(f'"{problem.field}"'), 0)
    colon = text.find(":", start) + 2
    return text.count("\n", 0, colon) + 1, colon - (text.rfind("\n", 0, colon) + 1)
