"""Every error code of Salesforce that has a meaning for us, for whole calls and for single records."""

from __future__ import annotations

import pytest

from gateway.domain.tasks import Verdict
from gateway.errors import ConfigError, RejectedError, RetryableError, UnknownOutcomeError
from gateway.salesforce.errors import Refusal, outcome_of, refusals_of, refused_call, without_personal_data

KEY = "Gateway_Interaction_Key__c"


@pytest.mark.parametrize(
    ("status", "code", "reading", "writing"),
    [
        (401, "INVALID_SESSION_ID", ConfigError, ConfigError),
        (403, "REQUEST_LIMIT_EXCEEDED", RetryableError, RetryableError),
        (503, "SERVER_UNAVAILABLE", RetryableError, UnknownOutcomeError),
        (502, "UNKNOWN", RetryableError, UnknownOutcomeError),
        (500, "UNKNOWN_EXCEPTION", RetryableError, UnknownOutcomeError),
        (400, "UNABLE_TO_LOCK_ROW", RetryableError, RetryableError),
        (400, "QUERY_TIMEOUT", RetryableError, RetryableError),
        (429, "UNKNOWN", RetryableError, RetryableError),
        (409, "CONFLICT", RetryableError, RetryableError),
        (400, "QUERY_TOO_COMPLICATED", ConfigError, ConfigError),
        (400, "MALFORMED_QUERY", ConfigError, ConfigError),
        (400, "INVALID_FIELD", ConfigError, ConfigError),
        (400, "INVALID_TYPE", ConfigError, ConfigError),
        (403, "API_CURRENTLY_DISABLED", ConfigError, ConfigError),
        (403, "API_DISABLED_FOR_ORG", ConfigError, ConfigError),
        (400, "EXCEEDED_ID_LIMIT", ConfigError, ConfigError),
        (400, "INVALID_REPLICATION_DATE", ConfigError, ConfigError),
        (404, "NOT_FOUND", ConfigError, ConfigError),
        (410, "UNSUPPORTED_API_VERSION", ConfigError, ConfigError),
        (302, "UNKNOWN", ConfigError, ConfigError),
        (400, "JSON_PARSER_ERROR", ConfigError, RejectedError),
        (400, "SOMETHING_NEW", ConfigError, RejectedError),
    ],
)
def test_a_refused_call(status: int, code: str, reading: type[Exception], writing: type[Exception]) -> None:
    """What the caller should do follows from the code, and from whether something may have been written."""
    refusals = (Refusal(code, "for casey@example.com"),)

    error = refused_call("main", status, refusals, writing=True)

    assert isinstance(refused_call("main", status, refusals, writing=False), reading)
    assert isinstance(error, writing)
    assert isinstance(error, UnknownOutcomeError) == (writing is UnknownOutcomeError)
    assert "casey" not in str(error)


@pytest.mark.parametrize(
    ("message", "after"),
    [
        ("TotalRequests Limit exceeded.", 300.0),
        ("ConcurrentPerOrgLongTxn Limit exceeded.", 5.0),
    ],
)
def test_the_allowance(message: str, after: float) -> None:
    """The daily allowance and the one for long concurrent calls share a code, but not the time to wait."""
    error = refused_call("main", 403, (Refusal("REQUEST_LIMIT_EXCEEDED", message),), writing=True)

    assert isinstance(error, RetryableError)
    assert error.after == after


@pytest.mark.parametrize(
    ("refusal", "creating", "verdict"),
    [
        (Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access"), False, Verdict.LOCKED),
        (Refusal("UNKNOWN_EXCEPTION"), False, Verdict.RETRY),
        (Refusal("SERVER_UNAVAILABLE"), False, Verdict.RETRY),
        (Refusal("REQUEST_LIMIT_EXCEEDED"), False, Verdict.RETRY),
        (Refusal("QUERY_TIMEOUT"), False, Verdict.RETRY),
        (Refusal("ALL_OR_NONE_OPERATION_ROLLED_BACK"), False, Verdict.RETRY),
        (Refusal("DUPLICATE_VALUE", f"duplicate value found: {KEY} duplicates value on record"), True, Verdict.UNKNOWN),
        (Refusal("DUPLICATE_VALUE", "duplicate value found", (KEY,)), True, Verdict.UNKNOWN),
        (Refusal("DUPLICATE_VALUE", "duplicate value found: Other__c duplicates"), True, Verdict.PARK),
        (Refusal("DUPLICATE_VALUE", f"duplicate value found: {KEY}"), False, Verdict.PARK),
        (Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to write", ("TaskSubtype",)), True, Verdict.UNKNOWN),
        (Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to write", ("WhatId",)), True, Verdict.PARK),
        (Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to write", ("TaskSubtype",)), False, Verdict.PARK),
        (Refusal("ENTITY_IS_DELETED", "entity is deleted"), False, Verdict.GONE),
        (Refusal("ENTITY_IS_DELETED", "entity is deleted", ("WhoId",)), False, Verdict.REMATCH),
        (Refusal("ENTITY_IS_DELETED", "entity is deleted"), True, Verdict.REMATCH),
        (Refusal("ENTITY_IS_DELETED", "entity is deleted", ("Site__c",)), True, Verdict.PARK),
        (Refusal("DUPLICATES_DETECTED", "Use one of these records?"), True, Verdict.PARK),
        (Refusal("DUPLICATE_EXTERNAL_ID"), True, Verdict.PARK),
        (Refusal("INVALID_CROSS_REFERENCE_KEY"), False, Verdict.REMATCH),
        (Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ("WhatId",)), True, Verdict.REMATCH),
        (Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", ("Site__c",)), True, Verdict.PARK),
        (Refusal("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"), False, Verdict.REMATCH),
        (Refusal("INACTIVE_OWNER_OR_USER", "", ("OwnerId",)), True, Verdict.REMATCH),
        (Refusal("INSUFFICIENT_ACCESS_OR_READONLY"), False, Verdict.PARK),
        (Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Give a reason."), False, Verdict.PARK),
        (Refusal("REQUIRED_FIELD_MISSING", "", ("Status",)), True, Verdict.PARK),
        (Refusal("STRING_TOO_LONG", "", ("Subject",)), True, Verdict.PARK),
        (Refusal("FIELD_INTEGRITY_EXCEPTION", "", ("WhoId", "WhatId")), True, Verdict.PARK),
        (Refusal("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "", ("CallType",)), True, Verdict.PARK),
        (
            Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "TaskTrigger: UNABLE_TO_LOCK_ROW, wait"),
            True,
            Verdict.LOCKED,
        ),
        (Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "TaskTrigger: No way"), True, Verdict.PARK),
        (Refusal("SOMETHING_NEW", "Says the org."), True, Verdict.PARK),
    ],
)
def test_a_refused_record(refusal: Refusal, creating: bool, verdict: Verdict) -> None:
    """What becomes of one record; a parked one says why, and names its fields."""
    outcome = outcome_of([refusal], {}, key_field=KEY, creating=creating)

    assert outcome.verdict is verdict
    assert outcome.reason
    assert verdict is not Verdict.PARK or all(field in outcome.reason for field in refusal.fields)


def test_a_record_without_a_reason_is_tried_again() -> None:
    """An empty list of errors names nothing a person could change."""
    assert outcome_of([], {}, key_field=KEY, creating=True).verdict is Verdict.RETRY


def test_an_admins_own_words_are_kept() -> None:
    """The message of a validation rule is what helps most."""
    refusal = Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Completed calls need a disposition.", ("CallDisposition",))

    outcome = outcome_of([refusal], {}, key_field=KEY, creating=True)

    assert "Completed calls need a disposition." in (outcome.reason or "")
    assert "CallDisposition" in (outcome.reason or "")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (
            "Subject: data value too large: Call with Casey (max length=255)",
            "Subject: data value too large (max length=255)",
        ),
        (
            "Call Type: bad value for restricted picklist field: Sideways",
            "Call Type: bad value for restricted picklist field",
        ),
        ("What ID: id value of incorrect type: 00000", "What ID: id value of incorrect type"),
        ("No user casey@example.com, +1 (415) 555-0123", "No user … …"),
        ("The rule met Casey Customer.", "The rule met …."),
    ],
)
def test_values_are_kept_out(message: str, said: str) -> None:
    """Whatever the org repeats of the record is taken out of its message."""
    assert without_personal_data(message, ["Casey Customer", 12, None, ""]) == said


@pytest.mark.parametrize(
    ("content", "codes"),
    [
        ([{"errorCode": "A", "message": "m", "fields": ["F"]}, {"statusCode": "B"}], ["A", "B"]),
        ({"error": "invalid_grant"}, ["invalid_grant"]),
        ([{}], ["UNKNOWN"]),
        ("<html>", []),
        (None, []),
        (["text"], []),
    ],
)
def test_bodies_of_errors(content: object, codes: list[str]) -> None:
    """Salesforce names errors in two ways, and what stands between answers as it likes."""
    assert [refusal.code for refusal in refusals_of(content)] == codes
