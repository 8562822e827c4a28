"""Every error code of Salesforce that has a meaning for us, for whole calls and for single records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from unittest.mock import ANY

import pytest
import responses

from gateway.domain.tasks import Outcome, TaskDraft, Verdict
from gateway.errors import ConfigError, GatewayError, RejectedError, RetryableError, UnknownOutcomeError
from gateway.salesforce.errors import Refusal, outcome_of, refusals_of, refused_call, without_personal_data
from gateway.salesforce.org import Flow, OrgSettings, SalesforceOrg
from tests.adapters.salesforce.local_org import LocalOrg

INSTANCE = "https://sunhill-1.my.salesforce.com"
QUERY_URL = f"{INSTANCE}/services/data/v62.0/queryAll/"
READ_URL = f"{INSTANCE}/services/data/v62.0/composite/sobjects/Task"
KEY = "Gateway_Interaction_Key__c"
WRITE_URL = f"{INSTANCE}/services/data/v62.0/composite/sobjects/Task/{KEY}"
REMOTE = OrgSettings(
    name="main",
    login_url="https://sunhill.my.salesforce.com",
    flow=Flow.CLIENT_CREDENTIALS,
    client_id="key",
    client_secret="s3cret",
    task_key=KEY,
)


@pytest.fixture
def web() -> Iterator[responses.RequestsMock]:
    """The real hosts, answered here; a token is given for every login."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
        web.post(f"{REMOTE.login_url}/services/oauth2/token", json={"access_token": "t1", "instance_url": INSTANCE})
        yield web


@pytest.fixture
def remote(connect: Callable[[OrgSettings], SalesforceOrg]) -> SalesforceOrg:
    return connect(REMOTE)


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


# --- over HTTP: one record among others


CALL = {"Subject": "Call", "Status": "Completed", "Priority": "Normal"}


@pytest.fixture
def contact(local: LocalOrg) -> str:
    (id,) = local.load("Contact", {"LastName": "Customer"})
    return id


@pytest.fixture
def deleted(local: LocalOrg) -> str:
    (id,) = local.load("Contact", {"LastName": "Former"})
    local.control("DELETE", f"records/{id}", {})
    return id


def written_with(org: SalesforceOrg, **fields: object) -> Outcome:
    """What becomes of one Task with these fields, between two that are in order."""
    drafts = [TaskDraft(f"desk:{number}", {**CALL, **(fields if number == 2 else {})}) for number in (1, 2, 3)]
    before, outcome, behind = org.create(drafts)
    assert before.verdict is behind.verdict is Verdict.WRITTEN
    return outcome


def changed_with(org: SalesforceOrg, **fields: object) -> Outcome:
    """The same for a change."""
    created = org.create([TaskDraft(f"desk:{number}", CALL) for number in (1, 2, 3)])
    drafts = [
        TaskDraft(f"desk:{number}", fields if number == 2 else {"Subject": "Changed"}, outcome.task_id)
        for number, outcome in enumerate(created, start=1)
    ]
    before, outcome, behind = org.update(drafts)
    assert before.verdict is behind.verdict is Verdict.WRITTEN
    return outcome


@pytest.mark.parametrize("write", [written_with, changed_with])
@pytest.mark.parametrize("field", ["WhoId", "TaskWhoIds"])
def test_a_related_record_that_is_gone(
    org: SalesforceOrg, deleted: str, write: Callable[..., Outcome], field: str
) -> None:
    """It is matched again; where that does not help, the admin reads what to do, and which record it was about."""
    outcome = write(org, **{field: [deleted] if field == "TaskWhoIds" else deleted})

    assert outcome.verdict is Verdict.REMATCH
    assert "deleted or merged" in (outcome.reason or "")
    assert "retry" in (outcome.reason or "")


@pytest.mark.parametrize("write", [written_with, changed_with])
def test_a_related_record_that_never_was(org: SalesforceOrg, contact: str, write: Callable[..., Outcome]) -> None:
    """So does one that the integration user cannot see."""
    outcome = write(org, WhoId=f"{contact[:8]}9999999{contact[15:]}")

    assert outcome.verdict is Verdict.REMATCH
    assert "hidden from the integration user" in (outcome.reason or "")


@pytest.mark.parametrize("kind", ["lock", "trigger"])
@pytest.mark.parametrize("creating", [True, False])
def test_a_lock_held_by_another(org: SalesforceOrg, local: LocalOrg, contact: str, kind: str, creating: bool) -> None:
    """It is sent again with fewer others, also where automation met the lock."""
    drafts = [TaskDraft(f"desk:{number}", {**CALL, "WhoId": contact}) for number in range(4)]
    if not creating:
        drafts = [
            TaskDraft("", {"Subject": "Changed", "WhoId": contact}, outcome.task_id) for outcome in org.create(drafts)
        ]
    org.find(["desk:1"], [])
    local.fault(kind=kind, records=2, times=1, method="PATCH")

    outcomes = org.create(drafts) if creating else org.update(drafts)

    assert sorted(outcome.verdict for outcome in outcomes) == [Verdict.LOCKED] * 2 + [Verdict.WRITTEN] * 2
    (reason,) = {outcome.reason for outcome in outcomes if outcome.verdict is Verdict.LOCKED}
    assert "imports or automation" in (reason or "")


@pytest.mark.parametrize(
    ("code", "message", "creating", "updating"),
    [
        ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record", Verdict.LOCKED, Verdict.LOCKED),
        ("ALL_OR_NONE_OPERATION_ROLLED_BACK", "Record rolled back", Verdict.RETRY, Verdict.RETRY),
        ("PROCESSING_HALTED", "The transaction was halted", Verdict.RETRY, Verdict.RETRY),
        ("SERVER_UNAVAILABLE", "busy", Verdict.RETRY, Verdict.RETRY),
        ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Verdict.RETRY, Verdict.RETRY),
        ("QUERY_TIMEOUT", "Your query request was running for too long.", Verdict.RETRY, Verdict.RETRY),
        (
            "DUPLICATE_VALUE",
            f"duplicate value found: {KEY} duplicates value on record with id: 00T5g00000Ab3dEAAQ",
            Verdict.UNKNOWN,
            Verdict.PARK,
        ),
        (
            "DUPLICATE_VALUE",
            "duplicate value found: Ticket__c duplicates value on record with id: 00T5g00000Ab3dEAAQ",
            Verdict.PARK,
            Verdict.PARK,
        ),
        ("DUPLICATES_DETECTED", "Use one of these records?", Verdict.PARK, Verdict.PARK),
        ("ENTITY_IS_DELETED", "entity is deleted", Verdict.REMATCH, Verdict.GONE),
        ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", Verdict.REMATCH, Verdict.REMATCH),
        (
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            "insufficient access rights on cross-reference id: 0015g00000Ab3dEAAQ",
            Verdict.REMATCH,
            Verdict.REMATCH,
        ),
        ("INACTIVE_OWNER_OR_USER", "operation performed with inactive user", Verdict.REMATCH, Verdict.REMATCH),
        ("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id", Verdict.PARK, Verdict.PARK),
        ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Give a disposition.", Verdict.PARK, Verdict.PARK),
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [Status]", Verdict.PARK, Verdict.PARK),
        ("STRING_TOO_LONG", "Subject: data value too large: Call with Casey (max length=255)", *[Verdict.PARK] * 2),
        ("FIELD_INTEGRITY_EXCEPTION", "A lead allows no related record", Verdict.PARK, Verdict.PARK),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: CallType", Verdict.PARK, Verdict.PARK),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: TaskSubtype", *[Verdict.UNKNOWN, Verdict.PARK]),
        ("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "Call Type: bad value for restricted picklist field: Sideways", *[Verdict.PARK] * 2),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "TaskTrigger: execution of BeforeInsert caused by: No.", *[Verdict.PARK] * 2),
        (
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "TaskTrigger: System.LimitException: Apex CPU time limit exceeded",
            Verdict.LOCKED,
            Verdict.LOCKED,
        ),
        (
            "CANNOT_EXECUTE_FLOW_TRIGGER",
            "We can't save this record because the process failed. UNABLE_TO_LOCK_ROW: unable to obtain exclusive access",
            Verdict.LOCKED,
            Verdict.LOCKED,
        ),
        ("INVALID_FIELD", "No such column 'TaskWhoIds' on sobject of type Task", Verdict.RETRY, Verdict.RETRY),
        ("STORAGE_LIMIT_EXCEEDED", "storage limit exceeded", Verdict.PARK, Verdict.PARK),
    ],
)  # fmt: skip
def test_one_record_refused_by_the_org(
    org: SalesforceOrg, local: LocalOrg, code: str, message: str, creating: Verdict, updating: Verdict
) -> None:
    """Every code, for a new Task and for a change: one outcome, a sentence with the code, the others untouched."""
    drafts = [TaskDraft(f"desk:{number}", CALL) for number in range(3)]
    org.find(["desk:1"], [])
    local.fault(kind="partial", code=code, message=message, times=1, method="PATCH")
    made = org.create(drafts)
    ids = [outcome.task_id for outcome in org.create([TaskDraft(f"desk:{number}", CALL) for number in range(3, 6)])]
    local.fault(kind="partial", code=code, message=message, times=1, method="PATCH")
    changed = org.update([TaskDraft("", {"Subject": "Changed"}, id) for id in ids])

    for outcomes, verdict in ((made, creating), (changed, updating)):
        (refused,) = [outcome for outcome in outcomes if outcome.verdict is not Verdict.WRITTEN]
        assert refused.verdict is verdict
        assert code in (refused.reason or "") or verdict is Verdict.GONE
        assert "Casey" not in (refused.reason or "")
        assert "Sideways" not in (refused.reason or "")


def test_a_change_that_relates_may_have_met_either(contact: str) -> None:
    """Without a field in the refusal it is the Task or the related record that went: the next round finds out."""
    refusal = Refusal("ENTITY_IS_DELETED", "entity is deleted")

    outcomes = [
        outcome_of([refusal], sent, key_field=KEY, creating=False) for sent in ({"WhoId": contact}, {"Subject": "x"})
    ]

    assert [outcome.verdict for outcome in outcomes] == [Verdict.REMATCH, Verdict.GONE]


def test_ids_are_told() -> None:
    """An admin needs the record that is meant; it says nothing about a person."""
    message = (
        "insufficient access rights on cross-reference id: 0015g00000Ab3dEAAQ, 00T000000000012AAA, 0055g00000Ab3dE"
    )
    refusal = Refusal("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", message)

    reason = outcome_of([refusal], {"WhatId": "0015g00000Ab3dEAAQ"}, key_field=KEY, creating=True).reason or ""

    assert all(id in reason for id in ("0015g00000Ab3dEAAQ", "00T000000000012AAA", "0055g00000Ab3dE"))


@pytest.mark.parametrize("value", ["Vandenbroeckxyz", "+14155550123", "14155550123", "001415555012345"])
def test_a_value_that_is_no_id_is_not_told(value: str) -> None:
    """Fifteen letters may be a name, fifteen digits a telephone number."""
    refusal = Refusal("FIELD_CUSTOM_VALIDATION_EXCEPTION", f"Not for {value}.")

    assert value not in (outcome_of([refusal], {"Subject": value}, key_field=KEY, creating=True).reason or "")


def test_the_candidates_of_a_duplicate_rule_are_named() -> None:
    """The shape of a DUPLICATES_DETECTED answer; nothing but ids is taken from it."""
    records = [{"matchConfidence": 100.0, "record": {"Id": f"0035g0000000{n}AAAAA", "Name": "Casey"}} for n in (1, 2)]
    found = {"matchResults": [{"entityType": "Contact", "matchRecords": records, "rule": "Standard", "success": True}]}
    body = [{"duplicateResult": found, "errorCode": "DUPLICATES_DETECTED", "message": "Use one of these records?"}]

    outcome = outcome_of(refusals_of(body), {}, key_field=KEY, creating=True)
    call = refused_call("main", 400, refusals_of(body), writing=True)

    assert outcome.verdict is Verdict.PARK
    for said in (outcome.reason or "", str(call)):
        assert "0035g00000001AAAAA, 0035g00000002AAAAA" in said
        assert "Casey" not in said


def test_an_org_that_changed_is_described_again(org: SalesforceOrg, local: LocalOrg) -> None:
    """A field that went since the description was read is not asked for a second time, and no Task is parked for it."""
    contacts = local.load("Contact", {"LastName": "One"}, {"LastName": "Two"})
    assert org.abilities().shared_activities
    local.control("POST", "shared-activities", {"on": False})

    (outcome,) = org.create([TaskDraft("desk:1", {**CALL, "TaskWhoIds": contacts})])

    assert outcome.verdict is Verdict.RETRY
    assert not org.abilities().shared_activities


# --- over HTTP: whole calls


PAGE = "<html><head><title>Log in</title></head><body>We will be back soon</body></html>"
UNSURE, LATER, SETTINGS, DRAFT = UnknownOutcomeError, RetryableError, ConfigError, "parked"


def errors(code: str, message: str = "said") -> list[dict[str, object]]:
    return [{"errorCode": code, "message": message}]


@pytest.mark.parametrize(
    ("status", "headers", "body", "writing", "reading"),
    [
        (300, {}, ["/services/data/v62.0/sobjects/Task/00T5g00000Ab3dEAAQ"], DRAFT, SETTINGS),
        (302, {"Location": "https://sunhill.my.salesforce.com/maintenance"}, "", LATER, LATER),
        (302, {"Location": "https://maintenance.salesforce.com/down"}, PAGE, LATER, LATER),
        (302, {"Location": "https://sunhill.my.salesforce.com/login"}, PAGE, SETTINGS, SETTINGS),
        (307, {}, "", SETTINGS, SETTINGS),
        (400, {}, PAGE, SETTINGS, SETTINGS),
        (400, {}, "", SETTINGS, SETTINGS),
        (400, {}, errors("JSON_PARSER_ERROR"), DRAFT, SETTINGS),
        (400, {}, errors("DUPLICATE_VALUE"), DRAFT, SETTINGS),
        (400, {}, errors("UNABLE_TO_LOCK_ROW"), LATER, LATER),
        (400, {}, errors("QUERY_TIMEOUT"), LATER, LATER),
        (400, {}, errors("INVALID_FIELD"), SETTINGS, SETTINGS),
        (400, {}, errors("INVALID_TYPE"), SETTINGS, SETTINGS),
        (400, {}, errors("MALFORMED_QUERY"), SETTINGS, SETTINGS),
        (400, {}, errors("QUERY_TOO_COMPLICATED"), SETTINGS, SETTINGS),
        (401, {}, errors("INVALID_SESSION_ID"), SETTINGS, SETTINGS),
        (401, {}, PAGE, SETTINGS, SETTINGS),
        (403, {}, PAGE, SETTINGS, SETTINGS),
        (403, {}, errors("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), LATER, LATER),
        (403, {}, errors("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded."), LATER, LATER),
        (403, {}, errors("API_CURRENTLY_DISABLED"), SETTINGS, SETTINGS),
        (403, {}, errors("API_DISABLED_FOR_ORG"), SETTINGS, SETTINGS),
        (404, {}, errors("NOT_FOUND"), SETTINGS, SETTINGS),
        (404, {}, PAGE, SETTINGS, SETTINGS),
        (405, {}, errors("METHOD_NOT_ALLOWED"), SETTINGS, SETTINGS),
        (408, {}, PAGE, LATER, LATER),
        (409, {}, errors("CONFLICT"), LATER, LATER),
        (410, {}, errors("UNSUPPORTED_API_VERSION"), SETTINGS, SETTINGS),
        (410, {}, errors("GONE"), SETTINGS, SETTINGS),
        (412, {}, errors("PRECONDITION_FAILED"), SETTINGS, SETTINGS),
        (413, {}, PAGE, DRAFT, SETTINGS),
        (414, {}, errors("URI_TOO_LONG"), SETTINGS, SETTINGS),
        (415, {}, errors("UNSUPPORTED_MEDIA_TYPE"), SETTINGS, SETTINGS),
        (420, {}, PAGE, LATER, LATER),
        (428, {}, errors("PRECONDITION_REQUIRED"), SETTINGS, SETTINGS),
        (429, {"Retry-After": "7"}, "", LATER, LATER),
        (431, {}, errors("REQUEST_HEADER_TOO_LARGE"), SETTINGS, SETTINGS),
        (500, {}, errors("UNKNOWN_EXCEPTION"), UNSURE, LATER),
        (502, {}, PAGE, UNSURE, LATER),
        (503, {}, errors("SERVER_UNAVAILABLE"), UNSURE, LATER),
        (503, {"Retry-After": "30"}, PAGE, UNSURE, LATER),
        (504, {}, "", UNSURE, LATER),
        (200, {}, PAGE, UNSURE, LATER),
        (200, {}, "", UNSURE, LATER),
        (200, {}, [], UNSURE, LATER),
        (200, {}, {"status": "maintenance"}, UNSURE, LATER),
        (204, {}, "", UNSURE, LATER),
    ],
)
def test_a_whole_call_refused(
    remote: SalesforceOrg,
    web: responses.RequestsMock,
    status: int,
    headers: dict[str, str],
    body: object,
    writing: type[Exception] | str,
    reading: type[Exception],
) -> None:
    """Whatever comes back in place of an answer: no crash, nothing is parked for a page, and a sentence says it."""
    shown = {"body": body} if isinstance(body, str) else {"json": body}
    for method, url in (("PATCH", WRITE_URL), ("GET", QUERY_URL), ("POST", READ_URL)):
        web.add(method, url, status=status, headers=headers, **shown)
    for call, expected in (
        (lambda: remote.find(["desk:1"], []), reading),
        (lambda: remote.read(["00T"], ["Subject"]), reading),
        (lambda: remote.create([TaskDraft("desk:1", CALL)]), writing),
    ):
        if expected == DRAFT:
            assert [outcome.verdict for outcome in call()] == [Verdict.PARK]
            continue
        with pytest.raises(GatewayError) as caught:
            call()
        assert isinstance(caught.value, expected)
        assert isinstance(caught.value, UnknownOutcomeError) == (expected is UnknownOutcomeError)
        assert "main" in str(caught.value)
        assert "<" not in str(caught.value)
        assert getattr(caught.value, "after", None) == AFTER.get(str(headers.get("Retry-After")), ANY)


AFTER = {"7": 7.0, "30": 30.0}


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (302, {"Location": "https://sunhill.my.salesforce.com/maintenance"}, "down for maintenance"),
        (302, {"Location": "https://sunhill.my.salesforce.com/x?secret=1"}, "leads elsewhere to https://sunhill.my.salesforce.com: correct login_url"),
        (410, {}, "raise api_version"),
        (412, {}, "look for a proxy"),
        (403, {}, "a page, as a proxy's is"),
        (200, {}, "something other than the API does, such as a login page"),
    ],
)  # fmt: skip
def test_a_page_in_place_of_an_answer_is_explained(
    remote: SalesforceOrg, web: responses.RequestsMock, status: int, headers: dict[str, str], said: str
) -> None:
    """The sentence names the cause that is likely and the setting to look at."""
    web.get(QUERY_URL, status=status, headers=headers, body=PAGE)

    with pytest.raises(GatewayError, match=re.escape(said)):
        remote.find(["desk:1"], [])


@pytest.mark.parametrize(("asked", "after"), [("7", 7.0), ("99999", 3600.0), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_the_wait_that_is_asked_for(asked: str, after: float | None) -> None:
    """A number of seconds is kept to, within reason; a date would depend on whose clock it is."""
    error = refused_call("main", 429, (), writing=True, headers={"Retry-After": asked})

    assert isinstance(error, RetryableError)
    assert error.after == after
