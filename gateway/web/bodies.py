"""Reading a request's body, bounded in memory whatever the sender does."""

from __future__ import annotations

import zlib
from typing import Any

from gateway.sdk import Connector
from gateway.web.problems import RefusedError

MAX_BODY = Connector.max_body
"""Longest body that is taken, decompressed, where a connector does not need more."""

_MAX_MEMBERS = 128
_GZIP = 16 + zlib.MAX_WBITS


class TooLargeError(Exception):
    """The body, as sent or decompressed, is longer than is taken."""


def read_body(environ: dict[str, Any], most: int = MAX_BODY) -> bytes:
    """The whole body, decompressed. TooLargeError; RefusedError: its encoding is not known, or it is broken."""
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in {"", "identity", "gzip", "x-gzip"}:
        raise RefusedError(
            415,
            "unsupported-encoding",
            "Unsupported content encoding",
            "The body may be compressed with gzip, or not at all.",
            {"Accept-Encoding": "gzip, identity"},
        )
    body = _read_raw(environ, most)
    return _gunzip(body, most) if encoding.endswith("gzip") and body else body


def _read_raw(environ: dict[str, Any], most: int) -> bytes:
    announced = _announced(environ)
    if announced is not None and announced > most:
        raise TooLargeError
    body: bytes = environ["wsgi.input"].read(most + 1 if announced is None else announced)
    if len(body) > most:
        raise TooLargeError
    if announced is not None and len(body) < announced:
        raise RefusedError(400, "incomplete", "Incomplete body", "The body is shorter than announced.")
    return body


def _announced(environ: dict[str, Any]) -> int | None:
    """The length that was announced; None where it is open and the server marks the end."""
    length = environ.get("CONTENT_LENGTH", "")
    if not length:
        return None if environ.get("wsgi.input_terminated") else 0
    if not (length.isascii() and length.isdigit()):
        raise RefusedError(400, "bad-length", "Bad Content-Length")
    return int(length[:16])


def _gunzip(packed: bytes, most: int) -> bytes:
    """All members of a gzip stream; zeros after the last one are padding, anything else there is refused."""
    unpacked = bytearray()
    for _ in range(_MAX_MEMBERS):
        member = zlib.decompressobj(_GZIP)
        unpacked += _inflate(member, packed, most - len(unpacked))
        packed = member.unused_data.lstrip(b"\0")
        if not packed:
            return bytes(unpacked)
    raise _corrupt()


def _inflate(member: Any, packed: bytes, room: int) -> bytes:
    try:
        # One byte more than there is room for tells an exact fit from an overflow.
        unpacked: bytes = member.decompress(packed, room + 1)
    except zlib.error as error:
        raise _corrupt() from error
    if len(unpacked) > room:
        raise TooLargeError
    if not member.eof:
        raise _corrupt()
    return unpacked


def _corrupt() -> RefusedError:
    return RefusedError(
        400, "corrupt-encoding", "Corrupt body", "The body is not the gzip stream that it is said to be."
    )
