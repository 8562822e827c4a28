"""Requests that hold only if a record was, or was not, modified since a moment.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/intro_rest_conditional_requests.htm
"""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from gateway.devorg.errors import RequestError, bad_request
from gateway.devorg.exchange import Request
from gateway.devorg.records import Row

_MODIFIED, _UNMODIFIED = "if-modified-since", "if-unmodified-since"


def is_known(request: Request, row: Row) -> bool:
    """Whether a reader has the record as it is now; raises 412 where it asked for an older one only."""
    since = _moment(request.headers.get(_MODIFIED))
    refuse_if_modified(request, row)
    return since is not None and _modified(row) <= since


def refuse_if_modified(request: Request, row: Row) -> None:
    """Raise 412 where the record has been modified since the moment the request names."""
    text = request.headers.get(_UNMODIFIED)
    until = _moment(text)
    if until is None and text is not None and request.method != "GET":
        raise bad_request("INVALID_HEADER", f"If-Unmodified-Since is no date: {text}")
    if until is not None and _modified(row) > until:
        message = "The record was modified after the date of If-Unmodified-Since"
        raise RequestError(HTTPStatus.PRECONDITION_FAILED, "PRECONDITION_FAILED", message)


def _modified(row: Row) -> datetime:
    modified = row["LastModifiedDate"]
    assert isinstance(modified, datetime)  # noqa: S101  # every row has it
    return modified


def _moment(text: str | None) -> datetime | None:
    """``Mon, 30 Nov 2020 08:34:54 MST``; None where there is none, or it is no date."""
    try:
        return None if text is None else parsedate_to_datetime(text).astimezone(UTC)
    except ValueError:
        return None
