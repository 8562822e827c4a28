"""Salesforce's refusals, classified by `errorCode` rather than by HTTP status, and said so that an admin can act.

Codes: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm and the StatusCode list
of https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm.
No value of a record enters a message: neither ours nor one that the org repeats in its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.domain.tasks import Outcome, Verdict
from gateway.errors import ConfigError, GatewayError, RejectedError, RetryableError, UnknownOutcomeError

_LONGEST_QUOTE = 300
_SHORTEST_VALUE = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error as Salesforce reports it: `errorCode` of a whole call, `statusCode` of one record."""

    code: str
    message: str = ""
    fields: tuple[str, ...] = ()


def refusals_of(content: Any) -> tuple[Refusal, ...]:
    """The errors in an answer's body, which is a list of objects unless something in between has answered."""
    listed = content if isinstance(content, list) else [content]
    return tuple(_refusal(error) for error in listed if isinstance(error, Mapping))


def _refusal(error: Mapping[str, Any]) -> Refusal:
    code = error.get("errorCode") or error.get("statusCode") or error.get("error") or "UNKNOWN"
    return Refusal(str(code), str(error.get("message") or ""), tuple(map(str, error.get("fields") or ())))


class QueryRefusedError(ConfigError):
    """The org does not carry out a query or retrieve as it was put; a smaller one may pass."""


# --- whole calls ---------------------------------------------------------------------------------------------------

_LATER = {"UNABLE_TO_LOCK_ROW": None, "QUERY_TIMEOUT": 5.0, "UNKNOWN_EXCEPTION": None, "SERVER_UNAVAILABLE": None}
"""Codes that pass by themselves, with the seconds to wait at least."""

_CONCURRENT_AFTER = 5.0
_QUOTA_AFTER = 300.0
"""The daily allowance is counted over the last 24 hours, so that room appears little by little."""

_SETTINGS = {
    "INVALID_SESSION_ID": "the org refuses the login's token even when it is new: allow the integration user the API"
    " (permission API Enabled), and relax the session security level and the IP ranges of its profile",
    "API_CURRENTLY_DISABLED": "the integration user may not use the API: give it the permission API Enabled",
    "API_DISABLED_FOR_ORG": "this org's edition has no API: ask Salesforce to enable it",
    "INVALID_FIELD": "a field does not exist, or the integration user may not see it: deploy it or give the user"
    " field-level access",
    "INVALID_TYPE": "an object does not exist, or the integration user may not see it: give the user access to it",
    "MALFORMED_QUERY": "the org refuses a query of the gateway",
    "QUERY_TOO_COMPLICATED": "a query is too complex for this org, usually because of formula fields in its filter",
    "EXCEEDED_ID_LIMIT": "too many records changed since the last read: start a full load",
    "INVALID_REPLICATION_DATE": "the last read is too long ago to continue from: start a full load",
    "UNSUPPORTED_API_VERSION": "the org does not offer this API version any more: raise api_version",
    "INSUFFICIENT_ACCESS": "the integration user lacks access: assign the gateway's permission set",
    "INSUFFICIENT_ACCESS_OR_READONLY": "the integration user lacks access: assign the gateway's permission set",
    "FUNCTIONALITY_NOT_ENABLED": "a feature that is needed is off in this org",
    "ORG_LOCKED": "the org is locked",
    "NOT_FOUND": "the address is not known there: check login_url, api_version and the name of the key field",
}


def refused_call(org: str, status: int, refusals: Sequence[Refusal], *, writing: bool) -> GatewayError:
    """The error for an answer other than success. RejectedError: this body, and only this body, was refused."""
    first = refusals[0] if refusals else Refusal("UNKNOWN")
    said = f"Org {org!r} answered {status} {first.code}"
    if first.code == "REQUEST_LIMIT_EXCEEDED":
        return _limit(org, first)
    if status >= 500 or first.code == "SERVER_UNAVAILABLE":
        return UnknownOutcomeError(f"{said}.") if writing else RetryableError(f"{said}.")
    if first.code in _LATER or status in {408, 409, 425, 429}:
        return RetryableError(f"{said}.", after=_LATER.get(first.code))
    if first.code in _SETTINGS or status in {401, 403, 404, 405, 410} or status < 400:
        fix = _SETTINGS.get(first.code, "check login_url, api_version and the integration user's permissions")
        kind = QueryRefusedError if first.code == "MALFORMED_QUERY" else ConfigError
        return kind(f"{said}: {fix}.{_quote(first)}")
    if writing:
        return RejectedError(f"{said}.{_quote(first)}")
    return ConfigError(f"{said}.{_quote(first)}")


def _limit(org: str, refusal: Refusal) -> RetryableError:
    if "concurrent" in refusal.message.lower():
        return RetryableError(f"Org {org!r} has too many long calls at once.", after=_CONCURRENT_AFTER)
    return RetryableError(f"Org {org!r} has used up its API calls of the last 24 hours.", after=_QUOTA_AFTER)


# --- single records ------------------------------------------------------------------------------------------------

_RETRIED = frozenset({
    "UNABLE_TO_LOCK_ROW", "UNKNOWN_EXCEPTION", "UNKNOWN", "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED",
    "QUERY_TIMEOUT", "ALL_OR_NONE_OPERATION_ROLLED_BACK", "PROCESSING_HALTED", "CONFLICTING_UPDATE", "API_TIMEOUT",
})  # fmt: skip
"""Nothing is wrong with the record; every row of its call that could be saved was."""

_NEED_A_PERSON = {
    "DUPLICATES_DETECTED": "A duplicate rule of the org blocks this record: decide which record is meant",
    "DUPLICATE_VALUE": "Another record already has this value in a unique field",
    "DUPLICATE_EXTERNAL_ID": "Several Tasks have the same key: delete the surplus ones and make the key field unique",
    "INVALID_CROSS_REFERENCE_KEY": "A related record does not exist, has another type, or is hidden from the"
    " integration user: check the match",
    "ENTITY_IS_DELETED": "A related record was deleted or merged: match again",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "The integration user may not use a related record: share it with"
    " the user, or assign the gateway's permission set",
    "INSUFFICIENT_ACCESS_OR_READONLY": "The integration user may not change this record: share it with the user, or"
    " assign the gateway's permission set",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "A validation rule of the org refuses this record",
    "REQUIRED_FIELD_MISSING": "A required field is empty: fill it in the mapping",
    "STRING_TOO_LONG": "A text is longer than its field allows: shorten it in the mapping",
    "FIELD_INTEGRITY_EXCEPTION": "Two fields contradict each other (a lead, for example, allows no related record)",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "A field cannot be set in this way: take it out of the mapping",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "A value is not in a restricted picklist: add it there or map another",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "Automation of the org (an Apex trigger or a flow) refuses this record",
    "INVALID_FIELD": "A field does not exist, or the integration user may not see it: correct the mapping or access",
    "INVALID_TYPE_ON_FIELD_IN_RECORD": "A value has the wrong type for its field: correct the mapping",
    "JSON_PARSER_ERROR": "A value has the wrong type for its field: correct the mapping",
    "MALFORMED_ID": "A record id in the mapping is not an id",
    "INACTIVE_OWNER_OR_USER": "The owner is an inactive user: name another owner in the mapping",
    "STORAGE_LIMIT_EXCEEDED": "The org has no storage left",
}

_KNOWN_INSIDE = re.compile(r"\b([A-Z]{3,}(?:_[A-Z]+)+)\b")


def outcome_of(
    refusals: Sequence[Refusal], sent: Mapping[str, Any], *, key_field: str | None, creating: bool
) -> Outcome:
    """What the refusal of one record means for it. `sent` are the values that must not be repeated."""
    first = _innermost(refusals[0]) if refusals else Refusal("UNKNOWN")
    if first.code in _RETRIED:
        return Outcome(Verdict.RETRY, reason=f"Salesforce asks to try again ({first.code}).")
    if first.code == "ENTITY_IS_DELETED" and not creating and not first.fields:
        return Outcome(Verdict.GONE, reason="The Task was deleted in Salesforce.")
    if creating and _says_it_exists(first, key_field):
        return Outcome(Verdict.UNKNOWN, reason=f"A Task with this key exists already ({first.code}).")
    return Outcome(Verdict.PARK, reason=_sentence(first, sent))


def _says_it_exists(refusal: Refusal, key_field: str | None) -> bool:
    """A create that met a Task of the same key: ours, from a call whose answer was lost."""
    if refusal.code == "DUPLICATE_VALUE":
        return key_field is not None and _names(refusal, key_field)
    return refusal.code == "INVALID_FIELD_FOR_INSERT_UPDATE" and _names(refusal, "TaskSubtype")


def _names(refusal: Refusal, field: str) -> bool:
    return field in refusal.fields or field in refusal.message


def _innermost(refusal: Refusal) -> Refusal:
    """A trigger's failure carries the code of what really happened, a lock for example, in its message."""
    if refusal.code != "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":
        return refusal
    inside = [code for code in _KNOWN_INSIDE.findall(refusal.message) if code in _RETRIED]
    return Refusal(inside[0], refusal.message, refusal.fields) if inside else refusal


def _sentence(refusal: Refusal, sent: Mapping[str, Any]) -> str:
    meaning = _NEED_A_PERSON.get(refusal.code, "Salesforce refuses this record")
    named = f" [{', '.join(refusal.fields)}]" if refusal.fields else ""
    return f"{meaning}{named}.{_quote(refusal, sent.values())} ({refusal.code})"


# --- messages ------------------------------------------------------------------------------------------------------

_REPEATED_VALUE = re.compile(
    r"(data value too large|bad value for restricted picklist field|id value of incorrect type|invalid email address"
    r"|Cannot deserialize instance of \w+ from \w+ value):? .*?(?= \(max length|$)",
    re.DOTALL | re.IGNORECASE,
)
_EMAIL = re.compile(r"[^\s<>\"']+@[^\s<>\"']+")
_PHONE = re.compile(r"\+?\d[\d ().-]{7,}\d")


def without_personal_data(message: str, values: Iterable[Any] = ()) -> str:
    """The org's own words without the values of the record, e-mail addresses and telephone numbers."""
    said = _REPEATED_VALUE.sub(r"\1", message)
    for value in values:
        text = value if isinstance(value, str) else ""
        if len(text) >= _SHORTEST_VALUE and text in said:
            said = said.replace(text, "…")
    said = _PHONE.sub("…", _EMAIL.sub("…", said))
    return " ".join(said.split())[:_LONGEST_QUOTE]


def _quote(refusal: Refusal, values: Iterable[Any] = ()) -> str:
    said = without_personal_data(refusal.message, values)
    return f" The org says: {said}" if said else ""
