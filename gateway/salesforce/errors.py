"""Salesforce's refusals, classified by `errorCode` rather than by HTTP status, and said so that an admin can act.

Codes: https://developer.salesforce.com/docs/platform/api-rest/guide/errorcodes.html and the StatusCode list
of https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_concepts_core_data_objects.htm.
No value of a record enters a message, neither ours nor one that the org repeats in its own; ids of records may.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from gateway.domain.tasks import Outcome, Verdict
from gateway.errors import ConfigError, GatewayError, RejectedError, RetryableError, UnknownOutcomeError

_LONGEST_QUOTE = 300
_SHORTEST_VALUE = 3
_MOST_CANDIDATES = 10


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error as Salesforce reports it: `errorCode` of a whole call, `statusCode` of one record.

    `candidates` are the ids of the records that a duplicate rule, `rule`, took for the same.
    """

    code: str
    message: str = ""
    fields: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    rule: str | None = None


class RecordRefusedError(RejectedError):
    """The one record of a call is refused, for these reasons."""

    def __init__(self, reason: str, refusals: Sequence[Refusal]) -> None:
        super().__init__(reason)
        self.refusals = tuple(refusals)


def refusals_of(content: Any) -> tuple[Refusal, ...]:
    """The errors in an answer's body, which is a list of objects unless something in between has answered."""
    listed = content if isinstance(content, list) else [content]
    return tuple(_refusal(error) for error in listed if isinstance(error, Mapping))


def _refusal(error: Mapping[str, Any]) -> Refusal:
    code = error.get("errorCode") or error.get("statusCode") or error.get("error") or _NO_CODE
    fields = tuple(map(str, error.get("fields") or ()))
    rule = _duplicates(error).get("duplicateRule")
    return Refusal(str(code), str(error.get("message") or ""), fields, tuple(_candidates(error)), rule)


def _duplicates(error: Mapping[str, Any]) -> Mapping[str, Any]:
    """Versions up to 56.0 misspell the name."""
    return error.get("duplicateResult") or error.get("duplicateResut") or {}


def _candidates(error: Mapping[str, Any]) -> Iterator[str]:
    found = _duplicates(error)
    for result in found.get("matchResults") or ():
        for match in result.get("matchRecords") or ():
            yield str(match["record"]["Id"])


def says_used_up(refusals: Sequence[Refusal]) -> bool:
    """Whether the calls of the last 24 hours are used up, rather than too many long ones under way."""
    limits = [refusal for refusal in refusals if refusal.code == "REQUEST_LIMIT_EXCEEDED"]
    return any("concurrent" not in refusal.message.lower() for refusal in limits)


class QueryRefusedError(ConfigError):
    """The org does not carry out a query or retrieve as it was put; a smaller one may pass."""


class MissingError(ConfigError):
    """What was asked for by its address is not there."""


# --- whole calls ---------------------------------------------------------------------------------------------------

_NO_CODE = "UNKNOWN"

_LATER = {"UNABLE_TO_LOCK_ROW": None, "QUERY_TIMEOUT": 5.0, "UNKNOWN_EXCEPTION": None}
"""Codes that pass by themselves, with the seconds to wait at least."""

_NOT_CARRIED_OUT = frozenset({408, 409, 420, 425, 429})
"""Statuses that pass by themselves and say that nothing was done."""

_CONCURRENT_AFTER = 5.0
_QUOTA_AFTER = 300.0
"""The daily allowance is counted over the last 24 hours, so that room appears little by little."""

_MAINTENANCE_AFTER = 60.0
_LONGEST_WAIT = 3600.0
"""Nothing is left alone for longer than this, whatever an answer asks for."""

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

_CHECK = "check login_url, api_version and the integration user's permissions"
_BETWEEN = "the gateway sends nothing that asks for this: look for a proxy between it and Salesforce"
_STATUSES = {
    401: _CHECK,
    403: _CHECK,
    404: _SETTINGS["NOT_FOUND"],
    405: _CHECK,
    410: _SETTINGS["UNSUPPORTED_API_VERSION"],
    412: _BETWEEN,
    414: _BETWEEN,
    415: _BETWEEN,
    428: _BETWEEN,
    431: _BETWEEN,
}
"""Statuses under which the same call can never succeed, whatever the body was."""


def refused_call(
    org: str, status: int, refusals: Sequence[Refusal], *, writing: bool, headers: Mapping[str, str] | None = None
) -> GatewayError:
    """The error for an answer other than success. RejectedError: this body, and only this body, was refused."""
    first = refusals[0] if refusals else Refusal(_NO_CODE)
    said = f"Org {org!r} answered {status} {first.code}"
    after = wait_asked(headers or {})
    if first.code == "REQUEST_LIMIT_EXCEEDED":
        return _limit(org, first, after)
    if status >= 500 or first.code == "SERVER_UNAVAILABLE":
        return (UnknownOutcomeError if writing else RetryableError)(f"{said}.", after=after)
    if first.code in _LATER or status in _NOT_CARRIED_OUT:
        return RetryableError(f"{said}.", after=after or _LATER.get(first.code))
    if status == 300 and writing:
        return RejectedError(f"{_NEED_A_PERSON['DUPLICATE_EXTERNAL_ID']}. ({said})")
    if status < 400:
        return redirected(f"Org {org!r}", status, headers or {})
    return _refused(said, status, refusals, first, writing=writing)


def _refused(said: str, status: int, refusals: Sequence[Refusal], first: Refusal, *, writing: bool) -> GatewayError:
    is_theirs = bool(refusals)
    fix = _SETTINGS.get(first.code) or _STATUSES.get(status)
    if fix is None and writing and (is_theirs or status == 413):
        return RecordRefusedError(f"{said}.{_named(first)}{_quote(first)}", refusals)
    kind = {"MALFORMED_QUERY": QueryRefusedError, "NOT_FOUND": MissingError}.get(first.code, ConfigError)
    page = "" if is_theirs else " The answer is none of Salesforce's API, but a page, as a proxy's is."
    return kind(f"{said}: {fix or _CHECK}.{page}{_quote(first)}")


def _limit(org: str, refusal: Refusal, after: float | None) -> RetryableError:
    if not says_used_up([refusal]):
        return RetryableError(f"Org {org!r} has too many long calls at once.", after=after or _CONCURRENT_AFTER)
    return RetryableError(f"Org {org!r} has used up its API calls of the last 24 hours.", after=after or _QUOTA_AFTER)


def wait_asked(headers: Mapping[str, str]) -> float | None:
    """The seconds of a `Retry-After` header; None without one, and for one that gives a date."""
    asked = headers.get("Retry-After", "").strip()
    return min(float(asked), _LONGEST_WAIT) if asked.isascii() and asked.isdigit() else None


def redirected(who: str, status: int, headers: Mapping[str, str]) -> GatewayError:
    """The error for an answer that leads elsewhere: Salesforce's maintenance pages pass, a wrong address does not."""
    leads = urlsplit(headers.get("Location", ""))
    if "maintenance" in f"{leads.hostname}{leads.path}".lower():
        return RetryableError(f"{who} is down for maintenance.", after=_MAINTENANCE_AFTER)
    where = f" to {leads.scheme}://{leads.hostname}" if leads.hostname else ""
    return ConfigError(f"{who} answered {status}, which leads elsewhere{where}: correct login_url.")


def not_an_answer(who: str, *, writing: bool = False) -> RetryableError:
    """The error for an answer that is no JSON of the API's: a login or maintenance page, or a proxy's."""
    said = f"{who} answered with something other than the API does, such as a login page: if it lasts, check login_url"
    return (UnknownOutcomeError if writing else RetryableError)(f"{said} and proxies between.")


# --- single records ------------------------------------------------------------------------------------------------

_RETRIED = frozenset({
    "UNKNOWN_EXCEPTION", _NO_CODE, "SERVER_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "QUERY_TIMEOUT",
    "ALL_OR_NONE_OPERATION_ROLLED_BACK", "PROCESSING_HALTED", "CONFLICTING_UPDATE", "API_TIMEOUT",
})  # fmt: skip
"""Nothing is wrong with the record; every row of its call that could be saved was."""

_LOCK = "UNABLE_TO_LOCK_ROW"

STALE = "INVALID_FIELD"
"""The org has no such field, although its description had one: to be described again."""

_WRAPPING = frozenset({"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER"})
"""Failures of an Apex trigger or a flow, with the code of what really happened in their messages."""

_GOVERNOR_LIMIT = re.compile(r"LimitException|CPU time limit exceeded|Too many (?:SOQL|DML)", re.IGNORECASE)
"""https://developer.salesforce.com/docs/atlas.en-us.apexcode.meta/apexcode/apex_gov_limits.htm: counted per call."""

_RELATIONS = frozenset({"WhoId", "WhatId", "OwnerId", "TaskWhoIds"})

_UNRELATABLE = {
    "ENTITY_IS_DELETED": "A related record was deleted or merged: retry the interaction to match it again",
    "INVALID_CROSS_REFERENCE_KEY": "A related record does not exist, has another type, or is hidden from the"
    " integration user: share it with the user, then retry the interaction",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "The integration user may not use a related record: share it with"
    " the user, or assign the gateway's permission set",
    "INACTIVE_OWNER_OR_USER": "The owner is an inactive user: name another owner in the mapping",
}
"""What another match may put right where it concerns a relation of the Task."""

_NEED_A_PERSON = {
    **_UNRELATABLE,
    _LOCK: "Something else changes a related record, such as its account, whenever this Task is written: look for"
    " imports or automation that run all the time",
    "DUPLICATES_DETECTED": "A duplicate rule of the org blocks this record: decide which record is meant",
    "DUPLICATE_VALUE": "Another record already has this value in a unique field",
    "DUPLICATE_EXTERNAL_ID": "Several Tasks have the same key: delete the surplus ones and make the key field unique",
    "INSUFFICIENT_ACCESS_OR_READONLY": "The integration user may not change this record: share it with the user, or"
    " assign the gateway's permission set",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "A validation rule of the org refuses this record",
    "REQUIRED_FIELD_MISSING": "A required field is empty: fill it in the mapping",
    "STRING_TOO_LONG": "A text is longer than its field allows: shorten it in the mapping",
    "FIELD_INTEGRITY_EXCEPTION": "Values do not go together (a Task has, for example, one lead and no related record,"
    " or up to 50 contacts)",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "A field cannot be set in this way: take it out of the mapping",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "A value is not in a restricted picklist: add it there or map another",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "Automation of the org (an Apex trigger or a flow) refuses this record",
    "CANNOT_EXECUTE_FLOW_TRIGGER": "A flow of the org fails on this record",
    STALE: "A field does not exist, or the integration user may not see it: correct the mapping or access",
    "INVALID_TYPE_ON_FIELD_IN_RECORD": "A value has the wrong type for its field: correct the mapping",
    "JSON_PARSER_ERROR": "A value has the wrong type for its field: correct the mapping",
    "MALFORMED_ID": "A record id in the mapping is not an id",
    "STORAGE_LIMIT_EXCEEDED": "The org has no storage left",
}
_OVER_LIMIT = "Automation of the org (an Apex trigger or a flow) exceeds a governor limit when this Task is written"


def outcome_of(
    refusals: Sequence[Refusal], sent: Mapping[str, Any], *, key_field: str | None, creating: bool
) -> Outcome:
    """What the refusal of one record means for it. Of `sent`, no values but ids may be repeated."""
    first = refusals[0] if refusals else Refusal(_NO_CODE)
    if passing := _passing(first, sent):
        return passing
    if first.code in _UNRELATABLE and (not first.fields or not _RELATIONS.isdisjoint(first.fields)):
        return _unrelated(first, sent, creating=creating)
    if creating and key_field is not None and _says_it_exists(first, key_field):
        return Outcome(Verdict.UNKNOWN, reason=f"Another Task has this key already ({first.code}).")
    return Outcome(Verdict.PARK, reason=_sentence(first, sent))


def _passing(refusal: Refusal, sent: Mapping[str, Any]) -> Outcome | None:
    """The outcome where the same record may be taken later, or in other company."""
    if refusal.code in _RETRIED or _wraps(refusal, _RETRIED):
        return Outcome(Verdict.RETRY, reason=f"Salesforce asks to try again ({refusal.code}).")
    if refusal.code == STALE:
        return Outcome(Verdict.RETRY, reason=_sentence(refusal, sent))
    if refusal.code == _LOCK or _wraps(refusal, {_LOCK}):
        return Outcome(Verdict.LOCKED, reason=_sentence(refusal, sent, _NEED_A_PERSON[_LOCK]))
    if refusal.code in _WRAPPING and _GOVERNOR_LIMIT.search(refusal.message):
        return Outcome(Verdict.LOCKED, reason=_sentence(refusal, sent, _OVER_LIMIT))
    return None


def _unrelated(refusal: Refusal, sent: Mapping[str, Any], *, creating: bool) -> Outcome:
    """An update that relates to nothing can have met one deleted record only: its Task."""
    itself = not (creating or refusal.fields) and _RELATIONS.isdisjoint(sent)
    if refusal.code == "ENTITY_IS_DELETED" and itself:
        return Outcome(Verdict.GONE, reason="The Task was deleted in Salesforce.")
    return Outcome(Verdict.REMATCH, reason=_sentence(refusal, sent))


def _says_it_exists(refusal: Refusal, key_field: str) -> bool:
    """A create that met a Task of the same key: ours, from a call whose answer was lost."""
    if refusal.code == "DUPLICATE_VALUE":
        return _names(refusal, key_field)
    return refusal.code == "INVALID_FIELD_FOR_INSERT_UPDATE" and _names(refusal, "TaskSubtype")


def _names(refusal: Refusal, field: str) -> bool:
    return field in refusal.fields or field in refusal.message


def _wraps(refusal: Refusal, codes: Iterable[str]) -> bool:
    """Whether a trigger's or a flow's failure was one of these; `UNKNOWN` alone is no code, but a word."""
    inside = [code for code in codes if "_" in code]
    return refusal.code in _WRAPPING and any(re.search(rf"\b{code}\b", refusal.message) for code in inside)


def _sentence(refusal: Refusal, sent: Mapping[str, Any], meaning: str | None = None) -> str:
    meaning = meaning or _NEED_A_PERSON.get(refusal.code, "Salesforce refuses this record")
    return f"{meaning}{_named(refusal)}.{_quote(refusal, sent.values())} ({refusal.code})"


def _named(refusal: Refusal) -> str:
    fields = f" [{', '.join(refusal.fields)}]" if refusal.fields else ""
    alike = ", ".join(refusal.candidates[:_MOST_CANDIDATES])
    return f"{fields} Records taken for the same: {alike}" if alike else fields


# --- messages ------------------------------------------------------------------------------------------------------

_REPEATED_VALUE = re.compile(
    r"(data value too large|bad value for restricted picklist field|id value of incorrect type|invalid email address"
    r"|Cannot deserialize instance of \w+ from \w+ value):? .*?(?= \(max length|$)",
    re.DOTALL | re.IGNORECASE,
)
_EMAIL = re.compile(r"[^\s<>\"']+@[^\s<>\"']+")
_ID = r"\b(?=\d*[A-Za-z])(?=(?:[A-Za-z]*\d){4})[0-9am]\d[0-9A-Za-z]{13}(?:[0-9A-Za-z]{3})?\b"
"""Looks like a record's id, and unlike a name, which has no digits, and a telephone number, which has no letters."""
_ID_OR_PHONE = re.compile(rf"({_ID})|\+?\d[\d ().-]{{7,}}\d")


def without_personal_data(message: str, values: Iterable[Any] = ()) -> str:
    """The org's own words without the values of the record, e-mail addresses and telephone numbers; ids stay."""
    said = _REPEATED_VALUE.sub(r"\1", message)
    for value in values:
        text = value if isinstance(value, str) else ""
        if len(text) >= _SHORTEST_VALUE and text in said and not re.fullmatch(_ID, text):
            said = said.replace(text, "…")
    said = _ID_OR_PHONE.sub(lambda found: found[1] or "…", _EMAIL.sub("…", said))
    return " ".join(said.split())[:_LONGEST_QUOTE]


def _quote(refusal: Refusal, values: Iterable[Any] = ()) -> str:
    said = without_personal_data(refusal.message, values)
    return f" The org says: {said}" if said else ""
