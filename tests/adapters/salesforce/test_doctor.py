"""The doctor: what it finds in a sound org, and in orgs with one thing wrong, each with the way to mend it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from urllib3.exceptions import MaxRetryError, NameResolutionError

from gateway.bootstrap import field_mapping, task_mapping
from gateway.domain.contacts import Meaning
from gateway.domain.mappings import FieldMapping, compile_mapping
from gateway.domain.policies import MirrorPolicy
from gateway.domain.records import Kind
from gateway.salesforce.doctor import examine
from gateway.salesforce.findings import Check, Finding, Level
from gateway.salesforce.org import Flow, OrgSettings
from gateway.salesforce.schema import WANTED
from gateway.salesforce.synced import Synced, SyncedField
from tests.adapters.salesforce.local_org import KEY_FIELD, LocalOrg

MAPPING = task_mapping(Path("nowhere"))
CREATED = {
    kind: [field_mapping(Path("nowhere"), f"{kind.value.lower()}.yaml")]
    for kind in (Kind.CONTACT, Kind.LEAD, Kind.CASE)
}
FILE = "mappings/contacts-sync.yaml"
SYNCED = Synced(
    pair="crm-phonebook",
    deletes=True,
    fields={
        Kind.CONTACT: [
            SyncedField(ours="last", column="LastName", place=f"{FILE}:3"),
            SyncedField(ours="company", column="Account.Name", place=f"{FILE}:4", is_written=False),
            SyncedField(ours="phones.work", column="Phone", place=f"{FILE}:5", meaning=Meaning.PHONES),
            SyncedField(ours="emails.work", column="Email", place=f"{FILE}:6", meaning=Meaning.EMAILS),
        ]
    },
)
LOGIN = "https://sunhill.my.salesforce.com"
INSTANCE = "https://sunhill-1.my.salesforce.com"
NOW = 1_772_463_267.0
USER = "005000000000001AAA"


def of(check: Check, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.check is check]


def only(check: Check, findings: list[Finding]) -> Finding:
    (finding,) = of(check, findings)
    return finding


def not_fine(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.level is not Level.OK]


# --- the local org


def test_a_sound_org_has_no_problem_and_costs_two_calls(local: LocalOrg, settings: OrgSettings) -> None:
    before = local.control("GET", "tasks")

    findings = examine(settings, MAPPING, created=CREATED, synced=[SYNCED])

    assert {finding.check for finding in findings} == set(Check)
    assert only(Check.SYNC, findings).message.startswith("crm-phonebook: its 4 fields can be read")
    assert [finding for finding in findings if finding.level is Level.PROBLEM] == []
    assert "integration@devorg.example" in only(Check.USER, findings).message
    assert len(of(Check.RECORDS, findings)) == len(WANTED)
    assert [found.level for found in of(Check.CREATION, findings)] == [Level.OK] * 3
    assert local.calls() == Counter({"POST composite": 1, "GET sobjects/User": 1})
    assert local.control("GET", "tasks") == before


def test_no_finding_shows_a_secret(local: LocalOrg, settings: OrgSettings) -> None:
    for tried in (settings, replace(settings, client_secret="a-wrong-secret"), replace(settings, client_id="other")):
        told = repr(examine(tried, MAPPING))

        assert "devorg-secret" not in told
        assert "a-wrong-secret" not in told
        assert "Bearer" not in told


@pytest.mark.parametrize(
    ("wrong", "fix"),
    [
        ({"client_id": "other"}, "Consumer Key"),
        ({"client_secret": "other"}, "Consumer Secret"),
        ({"flow": Flow.REFRESH_TOKEN, "refresh_token": "old"}, "auth.refresh_token"),
    ],
    ids=str,
)
def test_a_refused_login_names_the_step_in_setup(
    local: LocalOrg, settings: OrgSettings, wrong: dict[str, Any], fix: str
) -> None:
    findings = examine(replace(settings, **wrong), MAPPING)

    assert only(Check.NETWORK, findings).level is Level.OK
    assert only(Check.LOGIN, findings).level is Level.PROBLEM
    assert fix in str(only(Check.LOGIN, findings).fix)
    assert of(Check.ACCESS, findings) == []


def test_a_key_that_the_org_does_not_know_is_named_after_the_certificate(
    local: LocalOrg, settings: OrgSettings
) -> None:
    """The app knows another certificate than the one of our key."""
    ours, theirs = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    public = theirs.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private = ours.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    local.control("POST", "public-key", {"client_id": "jwt-app", "public_key": public.decode()})
    by_jwt = replace(
        settings, flow=Flow.JWT_BEARER, client_id="jwt-app", username="integration@devorg.example",
        private_key=private.decode(),
    )  # fmt: skip

    refused = only(Check.LOGIN, examine(by_jwt, MAPPING))

    assert refused.level is Level.PROBLEM
    assert "upload the certificate that belongs to auth.private_key" in str(refused.fix)


def test_without_shared_activities_everything_else_works(local: LocalOrg, settings: OrgSettings) -> None:
    local.control("POST", "shared-activities", {"on": False})

    findings = examine(settings, MAPPING)

    assert only(Check.SHARED, findings).level is Level.WARNING
    assert "Allow Users to Relate Multiple Contacts to Tasks and Events" in str(only(Check.SHARED, findings).fix)
    assert [finding for finding in findings if finding.level is Level.PROBLEM] == []


def test_a_missing_key_field_does_not_hide_other_findings(local: LocalOrg, settings: OrgSettings) -> None:
    findings = examine(replace(settings, task_key="Other__c"), MAPPING, created=CREATED, synced=[SYNCED])

    assert only(Check.KEY, findings).level is Level.PROBLEM
    assert "Text(255)" in str(only(Check.KEY, findings).fix)
    assert {finding.check for finding in findings} == set(Check)


@pytest.mark.parametrize(
    ("setup", "check", "level"),
    [
        ({"activity_key": "absent"}, Check.KEY, Level.PROBLEM),
        ({"activity_key": "plain"}, Check.KEY, Level.WARNING),
        ({"custom_fields": {"Activity": ["Region__c | string(20) | Region | cu !"]}}, Check.MAPPING, Level.PROBLEM),
    ],
    ids=["no key field", "not unique", "required field"],
)
def test_what_an_admin_set_up_is_seen(
    local: LocalOrg, settings: OrgSettings, setup: dict[str, Any], check: Check, level: Level
) -> None:
    before = local.control("GET", "setup")
    local.control("POST", "setup", setup)
    try:
        findings = examine(settings, MAPPING)
    finally:
        local.control("POST", "setup", before)

    assert only(check, findings).level is level


def test_an_org_without_a_key_field_is_told_what_it_misses(local: LocalOrg, settings: OrgSettings) -> None:
    assert only(Check.KEY, examine(replace(settings, task_key=None), MAPPING)).level is Level.WARNING


@pytest.mark.parametrize(
    ("version", "level"), [("99.0", Level.PROBLEM), ("33.0", Level.WARNING), ("62.0", Level.OK)], ids=str
)
def test_an_api_version_is_judged_by_what_the_org_offers(
    local: LocalOrg, settings: OrgSettings, version: str, level: Level
) -> None:
    findings = examine(replace(settings, api_version=version), MAPPING)

    assert only(Check.VERSION, findings).level is level
    assert bool(of(Check.ACCESS, findings)) is bool(of(Check.TASKS, findings)) is (level is not Level.PROBLEM)


def test_used_up_calls_are_told_with_where_to_look(local: LocalOrg, settings: OrgSettings) -> None:
    local.control("POST", "quota", {"max": 0})
    try:
        findings = examine(settings, MAPPING)
    finally:
        local.control("POST", "quota", {"max": 100_000})

    assert only(Check.ACCESS, findings).level is Level.PROBLEM
    assert "API Requests" in str(only(Check.ACCESS, findings).fix)
    assert of(Check.TASKS, findings) == []


def test_few_calls_left_are_a_warning(local: LocalOrg, settings: OrgSettings) -> None:
    local.control("POST", "quota", {"max": 2})
    try:
        findings = examine(settings, MAPPING)
    finally:
        local.control("POST", "quota", {"max": 100_000})

    assert only(Check.ALLOWANCE, findings).level is Level.WARNING


def test_an_org_that_is_not_there_is_one_finding() -> None:
    settings = OrgSettings(
        name="main", login_url="http://127.0.0.1:9", flow=Flow.CLIENT_CREDENTIALS, client_id="x", client_secret="y"
    )

    (finding,) = examine(settings, MAPPING)

    assert (finding.check, finding.level) == (Check.NETWORK, Level.PROBLEM)
    assert "127.0.0.1 does not answer" in finding.message
    assert finding.fix == "Correct login_url, or let this machine connect to 127.0.0.1 (HTTP, port 9)."


# --- a stand-in, for what the local org cannot be made to lack


def described(name: str, **fields: dict[str, Any]) -> dict[str, Any]:
    rights = dict.fromkeys(("queryable", "createable", "updateable", "deletable"), True)
    return {"name": name, **rights, "fields": list(fields.values())}


def field(name: str, type: str = "string", **more: Any) -> dict[str, Any]:
    usual = {
        "name": name, "type": type, "length": 255, "createable": True, "updateable": True, "nillable": True,
        "defaultedOnCreate": False, "unique": False, "externalId": False, "caseSensitive": False,
        "restrictedPicklist": False, "picklistValues": [], "filterable": True, "relationshipName": None,
        "referenceTo": [],
    }  # fmt: skip
    return usual | more


def picklist(name: str, *values: str, **more: Any) -> dict[str, Any]:
    entries = [{"value": value, "active": True} for value in values]
    return field(name, "picklist", picklistValues=entries, **more)


TASK_FIELDS = [
    field("WhoId", "reference"), field("WhatId", "reference"), field("OwnerId", "reference", nillable=False, defaultedOnCreate=True),
    field("TaskWhoIds", "junctionidlist"), field("Subject", "combobox"), field("ActivityDate", "date"), field("Description", "textarea"),
    picklist("Status", "Not Started", "Completed", nillable=False, defaultedOnCreate=True),
    picklist("Priority", "Normal", nillable=False, defaultedOnCreate=True),
    picklist("TaskSubtype", "Task", "Call", "Email", restrictedPicklist=True, updateable=False),
    picklist("CallType", "Inbound", "Internal", "Outbound", restrictedPicklist=True),
    field("CallDurationInSeconds", "int", length=0), field("CallDisposition"), field("CallObject"),
    field("IsReminderSet", "boolean", nillable=False),
    field(KEY_FIELD, unique=True, externalId=True, caseSensitive=True),
]  # fmt: skip


class StandIn:
    """An org that answers with whatever describes a test has left it."""

    def __init__(self) -> None:
        self.objects = {"Task": described("Task", **{each["name"]: deepcopy(each) for each in TASK_FIELDS})}
        for kind, names in WANTED.items():
            self.objects[kind.value] = described(kind.value, **{name: field(name) for name in names})
        self.login: tuple[int, dict[str, Any]] = (
            200,
            {"access_token": "t", "instance_url": INSTANCE, "id": f"{LOGIN}/id/00D/{USER}"},
        )
        self.api: tuple[int, Any] | None = None
        self.date: str | None = formatdate(NOW, usegmt=True)

    def task_field(self, name: str) -> dict[str, Any]:
        return next(each for each in self.objects["Task"]["fields"] if each["name"] == name)

    def hide(self, kind: str, name: str) -> None:
        self.objects[kind]["fields"] = [each for each in self.objects[kind]["fields"] if each["name"] != name]

    def serve(self, web: responses.RequestsMock) -> None:
        versions = [{"version": "62.0", "label": "Spring '25"}, {"version": "66.0", "label": "Spring '26"}]
        headers = {"Date": self.date} if self.date else {}
        web.get(f"{LOGIN}/services/data/", json=versions, headers=headers)
        web.post(f"{LOGIN}/services/oauth2/token", status=self.login[0], json=self.login[1])
        web.get(f"{INSTANCE}/services/data/", json=versions)
        web.add_callback(responses.POST, f"{INSTANCE}/services/data/v62.0/composite", self._composite)
        web.get(f"{INSTANCE}/services/data/v62.0/sobjects/User/{USER}", json={"Username": "integration@example.com"})

    def _composite(self, request: Any) -> tuple[int, dict[str, str], str]:
        if self.api:
            return self.api[0], {}, json.dumps(self.api[1])
        names = [part["referenceId"] for part in json.loads(request.body)["compositeRequest"]]
        return (
            200,
            {"Sforce-Limit-Info": "api-usage=18/5000"},
            json.dumps({"compositeResponse": list(map(self._part, names))}),
        )

    def _part(self, name: str) -> dict[str, Any]:
        found = self.objects.get(name)
        missing = [{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}]
        return {
            "referenceId": name,
            "httpStatusCode": 200 if found else 404,
            "body": found or missing,
            "httpHeaders": {},
        }


Diagnose = Callable[..., list[Finding]]


@pytest.fixture
def org() -> StandIn:
    return StandIn()


@pytest.fixture
def diagnose(org: StandIn) -> Iterator[Diagnose]:
    settings = OrgSettings(
        name="main",
        login_url=LOGIN,
        flow=Flow.CLIENT_CREDENTIALS,
        client_id="app",
        client_secret="s",
        task_key=KEY_FIELD,
    )

    def diagnose(mapping: FieldMapping = MAPPING, created: Any = (), synced: Any = (), **changed: Any) -> list[Finding]:
        with responses.RequestsMock(assert_all_requests_are_fired=False) as web:
            org.serve(web)
            org_settings = replace(settings, **changed)
            return examine(org_settings, mapping, created=dict(created), synced=synced, clock=lambda: NOW)

    yield diagnose


def test_the_stand_in_is_sound(diagnose: Diagnose) -> None:
    assert not_fine(diagnose()) == []


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        ({"error": "invalid_grant", "error_description": "no client credentials user enabled"}, "Run As"),
        ({"error": "invalid_grant", "error_description": "user hasn't approved this consumer"}, "pre-authorized"),
    ],
    ids=["run as", "pre-authorized"],
)
def test_a_refusal_of_a_login_is_told_with_its_place_in_setup(
    org: StandIn, diagnose: Diagnose, answer: dict[str, str], fix: str
) -> None:
    org.login = (400, answer)

    refused = only(Check.LOGIN, diagnose())

    assert refused.level is Level.PROBLEM
    assert (
        refused.message
        == f"client_credentials is refused; Salesforce answers 400 invalid_grant ({answer['error_description']})."
    )
    assert fix in str(refused.fix)


def test_a_login_that_was_not_judged_is_told_as_that(org: StandIn, diagnose: Diagnose) -> None:
    org.login = (400, {"error": "invalid_request", "error_description": "login rate exceeded"})

    assert "logins come too fast" in only(Check.LOGIN, diagnose()).message


def test_a_user_without_the_api_is_told_which_permission_to_give(org: StandIn, diagnose: Diagnose) -> None:
    org.api = (403, [{"errorCode": "API_CURRENTLY_DISABLED", "message": "API is disabled for this User"}])

    refused = only(Check.ACCESS, diagnose())

    assert refused.level is Level.PROBLEM
    assert "API Enabled" in str(refused.fix)


@pytest.mark.parametrize(
    ("ahead", "flow", "level"),
    [
        (0, Flow.CLIENT_CREDENTIALS, Level.OK),
        (59, Flow.CLIENT_CREDENTIALS, Level.OK),
        (61, Flow.CLIENT_CREDENTIALS, Level.WARNING),
        (-900, Flow.CLIENT_CREDENTIALS, Level.WARNING),
        (120, Flow.JWT_BEARER, Level.WARNING),
        (121, Flow.JWT_BEARER, Level.PROBLEM),
        (-120, Flow.JWT_BEARER, Level.WARNING),
        (-121, Flow.JWT_BEARER, Level.PROBLEM),
    ],
)
def test_a_clock_that_is_off_breaks_logins_by_jwt_only(
    org: StandIn, diagnose: Diagnose, ahead: int, flow: Flow, level: Level
) -> None:
    org.date = formatdate(NOW - ahead, usegmt=True)

    assert only(Check.CLOCK, diagnose(flow=flow, username="u@example.com", private_key="k")).level is level


def test_nothing_is_said_of_a_clock_that_was_not_heard(org: StandIn, diagnose: Diagnose) -> None:
    org.date = "yesterday"

    assert of(Check.CLOCK, diagnose()) == []


@pytest.mark.parametrize("right", ["createable", "updateable", "queryable"])
def test_tasks_that_may_not_be_written_are_a_problem(org: StandIn, diagnose: Diagnose, right: str) -> None:
    org.objects["Task"][right] = False

    lacking = of(Check.TASKS, diagnose())[0]

    assert lacking.level is Level.PROBLEM
    assert right in lacking.message
    assert "Edit Tasks" in str(lacking.fix)


def test_hidden_tasks_leave_the_records_to_be_looked_at(org: StandIn, diagnose: Diagnose) -> None:
    del org.objects["Task"]

    findings = diagnose()

    assert only(Check.TASKS, findings).level is Level.PROBLEM
    assert of(Check.MAPPING, findings) == []
    assert len(of(Check.RECORDS, findings)) == len(WANTED)


def test_a_relation_that_may_not_be_written_is_a_problem(org: StandIn, diagnose: Diagnose) -> None:
    org.task_field("WhatId")["updateable"] = False
    org.hide("Task", "WhoId")

    assert [(f.level, f.message) for f in of(Check.TASKS, diagnose())] == [
        (Level.PROBLEM, "The integration user may not write Task.WhoId."),
        (Level.PROBLEM, "The integration user may not write Task.WhatId."),
    ]


@pytest.mark.parametrize(
    ("flaw", "level", "fix"),
    [
        ({"externalId": False}, Level.PROBLEM, "External ID"),
        ({"createable": False}, Level.PROBLEM, "edit access"),
        ({"unique": False, "caseSensitive": False}, Level.WARNING, "tick Unique"),
        ({"caseSensitive": False}, Level.WARNING, "case sensitive"),
        ({"length": 80}, Level.WARNING, "Length 255"),
    ],
    ids=str,
)
def test_each_flaw_of_the_key_field_is_told(
    org: StandIn, diagnose: Diagnose, flaw: dict[str, Any], level: Level, fix: str
) -> None:
    org.task_field(KEY_FIELD).update(flaw)

    found = only(Check.KEY, diagnose())

    assert found.level is level
    assert fix in str(found.fix)


def test_missing_call_fields_are_named(org: StandIn, diagnose: Diagnose) -> None:
    org.hide("Task", "CallType")

    findings = diagnose()

    assert "CallType" in only(Check.CALLS, findings).message
    assert "Task.CallType" in only(Check.MAPPING, findings).message


def test_a_mapped_field_that_is_hidden_or_read_only_is_a_problem(org: StandIn, diagnose: Diagnose) -> None:
    org.hide("Task", "ActivityDate")
    org.task_field("Description")["createable"] = False

    found = of(Check.MAPPING, diagnose())

    assert {finding.level for finding in found} == {Level.PROBLEM}
    assert [finding.message.split()[0] for finding in found] == ["Task.ActivityDate", "Task.Description"]


def test_a_custom_field_of_a_task_is_found_under_activity(diagnose: Diagnose) -> None:
    mapping = compile_mapping({"fields": {"Team__c": "legs[-1].team"}})

    fix = str(only(Check.MAPPING, diagnose(mapping)).fix)

    assert fix.startswith("Setup → Object Manager → Activity → Fields & Relationships → Team__c → ")


def test_a_field_for_new_tasks_only_is_told_unless_the_mapping_knows(diagnose: Diagnose) -> None:
    knowing = compile_mapping({"fields": {"TaskSubtype": {"value": "Call", "create_only": True}}})
    unaware = compile_mapping({"fields": {"TaskSubtype": {"value": "Call"}}})

    assert only(Check.MAPPING, diagnose(knowing)).level is Level.OK
    assert only(Check.MAPPING, diagnose(unaware)).level is Level.WARNING


@pytest.mark.parametrize(
    ("name", "rule", "level"),
    [
        ("CallType", {"from": "direction", "map": {"inbound": "Eingehend"}}, Level.PROBLEM),
        ("Status", {"from": "status", "map": {"missed": "Verpasst"}, "default": "Completed"}, Level.WARNING),
        ("Status", {"value": "Completed"}, Level.OK),
        ("CallDurationInSeconds", {"value": "long"}, Level.PROBLEM),
        ("CallDurationInSeconds", {"value": 60}, Level.OK),
        ("IsReminderSet", {"value": "yes"}, Level.PROBLEM),
        ("IsReminderSet", {"value": False}, Level.OK),
        ("Subject", {"value": True}, Level.PROBLEM),
        ("Subject", {"value": "x" * 256}, Level.WARNING),
    ],
)
def test_the_values_of_a_mapping_are_compared_with_the_field(
    diagnose: Diagnose, name: str, rule: dict[str, Any], level: Level
) -> None:
    assert only(Check.MAPPING, diagnose(compile_mapping({"fields": {name: rule}}))).level is level


def test_a_picklist_value_that_was_retired_counts_as_missing(org: StandIn, diagnose: Diagnose) -> None:
    org.task_field("Priority")["picklistValues"][0]["active"] = False

    assert "Task.Priority: 'Normal'" in only(Check.MAPPING, diagnose()).message


def test_a_required_field_that_the_mapping_leaves_empty_is_a_problem(org: StandIn, diagnose: Diagnose) -> None:
    org.objects["Task"]["fields"].append(field("Region__c", nillable=False))

    found = only(Check.MAPPING, diagnose())

    assert found.level is Level.PROBLEM
    assert "Task.Region__c is required" in found.message


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("Contact", Level.PROBLEM), ("Account", Level.PROBLEM), ("Lead", Level.WARNING), ("Case", Level.WARNING),
        ("User", Level.WARNING),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_there", [True, False])
def test_an_object_that_cannot_be_read_says_what_is_lost(
    org: StandIn, diagnose: Diagnose, kind: str, level: Level, is_there: bool
) -> None:
    if is_there:
        org.objects[kind]["queryable"] = False
    else:
        del org.objects[kind]

    (lost,) = not_fine(diagnose())

    assert (lost.check, lost.level) == (Check.RECORDS, level)
    assert lost.message.startswith(f"{kind} cannot be read: ")
    assert "Permission Sets → Gateway Integration" in str(lost.fix)


def test_a_hidden_field_of_a_record_is_a_warning(org: StandIn, diagnose: Diagnose) -> None:
    org.hide("Contact", "MobilePhone")

    (hidden,) = not_fine(diagnose())

    assert hidden.message.startswith("Contact.MobilePhone is hidden")
    assert "Object Manager → Contact → Fields & Relationships → MobilePhone" in str(hidden.fix)


def test_own_fields_that_identify_nobody_are_a_problem(org: StandIn, diagnose: Diagnose) -> None:
    """One that is hidden or not there, one that holds no text; the others are fine."""
    org.objects["Contact"]["fields"] += [field("Mobile_2__c", "phone"), field("Age__c", "double")]
    own = {"Mobile_2__c": "phone", "Gone__c": "email", "Age__c": "age"}

    gone, number = not_fine(diagnose(mirror=MirrorPolicy(fields={"Contact": own})))

    assert gone.level is number.level is Level.PROBLEM
    assert gone.message == "Contact.Gone__c is not there or hidden: nobody is recognised by it."
    assert number.message == "Contact.Age__c holds no text that can be searched by: nobody is recognised by it."
    assert "Object Manager → Contact → Fields & Relationships → Gone__c" in str(gone.fix)


def test_an_org_where_contacts_have_one_account_lacks_nothing(org: StandIn, diagnose: Diagnose) -> None:
    del org.objects["AccountContactRelation"]

    assert not_fine(diagnose()) == []


def test_relations_that_cannot_be_read_are_told(org: StandIn, diagnose: Diagnose) -> None:
    org.objects["AccountContactRelation"]["queryable"] = False

    (found,) = not_fine(diagnose())
    assert (found.level, found.message) == (
        Level.WARNING,
        "AccountContactRelation cannot be read: a contact belongs to one account only.",
    )


def test_records_that_may_not_be_edited_are_a_warning_users_aside(org: StandIn, diagnose: Diagnose) -> None:
    for kind in ("Account", "User", "AccountContactRelation"):
        org.objects[kind]["updateable"] = False

    (found,) = not_fine(diagnose())

    assert found.message.startswith("Account is read-only")


def test_a_login_that_does_not_say_whose_it_is(org: StandIn, diagnose: Diagnose) -> None:
    del org.login[1]["id"]

    assert only(Check.USER, diagnose()).level is Level.WARNING


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), "certificate"),
        (requests.exceptions.ProxyError("no tunnel"), "proxy"),
        (requests.exceptions.ConnectTimeout("slow"), "does not answer (ConnectTimeout)"),
        (
            requests.exceptions.ConnectionError(MaxRetryError(None, "/", NameResolutionError("h", None, OSError()))),  # type: ignore[arg-type]
            "DNS knows no sunhill.my.salesforce.com",
        ),
    ],
    ids=["tls", "proxy", "time-out", "dns"],
)  # fmt: skip
def test_the_step_on_the_way_that_failed_is_named(
    diagnose: Diagnose, org: StandIn, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    monkeypatch.setattr(org, "serve", lambda web: web.get(f"{LOGIN}/services/data/", body=error))

    (finding,) = diagnose()

    assert (finding.check, finding.level) == (Check.NETWORK, Level.PROBLEM)
    assert message in finding.message
    assert finding.fix


def creating(rule: str = "LastName") -> dict[Kind, list[FieldMapping]]:
    return {Kind.CONTACT: [compile_mapping({"fields": {"LastName": "person.name", rule: "person.name"}})]}


def test_where_nothing_is_created_nothing_is_said_about_it(diagnose: Diagnose) -> None:
    assert of(Check.CREATION, diagnose()) == []


def test_who_may_not_create_is_told_which_permission_set_to_assign(org: StandIn, diagnose: Diagnose) -> None:
    org.objects["Contact"]["createable"] = False

    (found,) = of(Check.CREATION, diagnose(created=creating()))

    assert (found.level, "Gateway Creation" in str(found.fix)) == (Level.PROBLEM, True)


def test_fields_that_a_new_record_cannot_have_or_lacks(org: StandIn, diagnose: Diagnose) -> None:
    org.objects["Contact"]["fields"] += [field("LastName", nillable=False), field("Region__c", nillable=False)]

    hidden, lacking = of(Check.CREATION, diagnose(created=creating("Title")))

    assert hidden.message.startswith("Contact.Title is not there, hidden or read-only")
    assert lacking.message.startswith("Contact.Region__c is required")
    assert "mappings/contact.yaml" in str(lacking.fix)


# --- pairs whose contacts are kept the same


@pytest.fixture
def synced(org: StandIn, diagnose: Diagnose) -> Callable[..., list[Finding]]:
    """What is found about the pair, with fields or other settings of its own."""
    org.objects["Contact"]["fields"] = [
        field("LastName", nillable=False), field("Email", "email", length=80), field("Phone", "phone", length=40),
        field("AccountId", "reference", relationshipName="Account", referenceTo=["Account"]),
    ]  # fmt: skip

    def found(*fields: SyncedField, **changed: Any) -> list[Finding]:
        changed |= {"fields": {Kind.CONTACT: [*SYNCED.fields[Kind.CONTACT], *fields]}} if fields else {}
        return of(Check.SYNC, diagnose(synced=[replace(SYNCED, **changed)]))

    return found


def contact_field(org: StandIn, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in org.objects["Contact"]["fields"] if each["name"] == name)
    return found


def test_a_pair_that_the_org_can_keep_is_sound(synced: Callable[..., list[Finding]]) -> None:
    assert [each.level for each in synced()] == [Level.OK]


@pytest.mark.parametrize(
    ("name", "change", "level", "message", "fix"),
    [
        ("Phone", {"createable": False}, Level.PROBLEM, "Contact.Phone is read-only", "contacts-sync.yaml:5"),
        ("Phone", {"updateable": False}, Level.PROBLEM, "Contact.Phone is read-only", "direction: to_platform"),
        ("Phone", {"type": "boolean"}, Level.PROBLEM, "the type boolean, which cannot hold phones", "yaml:5"),
        ("Phone", {"filterable": False}, Level.PROBLEM, "cannot be searched by", "yaml:5"),
        ("Phone", {"length": 12}, Level.WARNING, "holds 12 characters only", "yaml:5"),
        ("Email", {"type": "phone"}, Level.PROBLEM, "cannot hold emails", "yaml:6"),
        ("LastName", {"type": "address"}, Level.PROBLEM, "cannot hold text", "yaml:3"),
        ("LastName", {"type": "reference"}, Level.PROBLEM, "takes ids of records only", "yaml:3"),
        ("LastName", {"type": "date"}, Level.WARNING, "is of the type date", "yaml:3"),
        ("LastName", {"restrictedPicklist": True}, Level.WARNING, "takes its picklist's values only", "yaml:3"),
    ],
)
def test_a_synced_field_that_does_not_fit_is_told_with_its_line(
    org: StandIn, synced: Callable[..., list[Finding]], name: str, change: Any, level: Level, message: str, fix: str
) -> None:
    contact_field(org, name).update(change)

    (found,) = synced()

    assert (found.level, message in found.message, fix in str(found.fix)) == (level, True, True), found


def test_a_synced_field_that_is_hidden_says_that_nothing_runs(
    org: StandIn, synced: Callable[..., list[Finding]]
) -> None:
    org.hide("Contact", "Phone")
    org.hide("Account", "Name")

    account, phone = synced()

    assert account.message == "crm-phonebook does not run: Contact.Account.Name (company) is not there or hidden."
    assert "Object Manager → Account" in str(account.fix)
    assert "contacts-sync.yaml:4" in str(account.fix)
    assert phone.message == "crm-phonebook does not run: Contact.Phone (phones.work) is not there or hidden."
    assert "Object Manager → Contact" in str(phone.fix)


def test_fields_of_yet_other_objects_are_looked_at(org: StandIn, synced: Callable[..., list[Finding]]) -> None:
    consent = SyncedField(ours="forget", column="Individual.ShouldForget", place=f"{FILE}:7", is_written=False)
    (lost,) = synced(consent)
    assert "Contact.Individual.ShouldForget (forget) is not there" in lost.message

    org.objects["Individual"] = described("Individual", ShouldForget=field("ShouldForget", "boolean"))
    link = field("IndividualId", "reference", relationshipName="Individual", referenceTo=["Individual"])
    org.objects["Contact"]["fields"].append(link)
    assert [each.level for each in synced(consent)] == [Level.OK]


def test_what_only_goes_to_the_platform_need_not_be_writable(
    org: StandIn, synced: Callable[..., list[Finding]]
) -> None:
    org.objects["Contact"]["fields"].append(field("Score__c", "double", createable=False, updateable=False))
    read = SyncedField(ours="score", column="Score__c", place=f"{FILE}:7", is_written=False)

    assert [each.level for each in synced(read)] == [Level.OK]
    assert "Score__c" in synced(replace(read, is_written=True))[0].message


def test_what_new_contacts_must_have_is_filled(org: StandIn, synced: Callable[..., list[Finding]]) -> None:
    org.objects["Contact"]["fields"].append(field("Region__c", nillable=False))

    (found,) = synced()

    assert "Contact.Region__c is required" in found.message
    assert f"Map Region__c in {FILE}, " in str(found.fix)
    assert [each.level for each in synced(creates=False)] == [Level.OK]


def test_rights_on_the_object_are_looked_at_where_they_are_needed(
    org: StandIn, synced: Callable[..., list[Finding]]
) -> None:
    org.objects["Contact"] |= {"createable": False, "deletable": False}

    (found,) = synced()

    assert "lacks Create and Delete on Contact" in found.message
    assert "Object Settings → Contact: Create, Delete." in str(found.fix)
    assert [each.level for each in synced(creates=False, deletes=False)] == [Level.OK]
    del org.objects["Contact"]
    assert [each.message for each in synced()] == ["crm-phonebook does not run: Contact is hidden."]


@pytest.mark.parametrize("change", [{"externalId": False}, {"createable": False}, {"name": "Other__c"}])
def test_the_field_for_the_platforms_id_is_looked_at(
    org: StandIn, synced: Callable[..., list[Finding]], change: dict[str, Any]
) -> None:
    org.objects["Contact"]["fields"].append(field("Book__c", externalId=True))
    assert [each.level for each in synced(other_id="Book__c")] == [Level.OK]

    contact_field(org, "Book__c").update(change)
    (found,) = synced(other_id="Book__c")
    assert (found.level, found.message) == (Level.PROBLEM, "Contact.Book__c cannot hold the platform's id.")


def test_person_accounts_are_written_as_accounts(org: StandIn, synced: Callable[..., list[Finding]]) -> None:
    org.objects["Account"]["fields"] += [field("LastName"), field("PersonEmail", "email")]

    next(each for each in org.objects["Account"]["fields"] if each["name"] == "Phone")["updateable"] = False

    (found,) = synced(are_persons=True)
    assert (
        found.message
        == "Account.Phone is read-only to the integration user: phones.work does not come from the platform."
    )
