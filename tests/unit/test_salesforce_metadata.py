"""mappings/salesforce: what an admin deploys grants what the gateway needs, and no more, in names that Salesforce knows.

Names and order: https://developer.salesforce.com/docs/platform/api-metadata/references/meta-types/metadata-customfield.html
and …/metadata-permissionset.html; files that Salesforce gives out are in the order of the alphabet, the full name first.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from gateway.bootstrap import field_mapping, task_mapping
from gateway.config import load
from gateway.domain.records import Kind
from gateway.salesforce.schema import WANTED
from gateway.sdk.discovery import installed_connectors

FOLDER = Path(str(files("mappings"))) / "salesforce"
SOURCE = FOLDER / "force-app/main/default"
FIELD = SOURCE / "objects/Activity/fields/Gateway_Interaction_Key__c.field-meta.xml"
PERMISSIONS = SOURCE / "permissionsets/Gateway_Integration.permissionset-meta.xml"
CREATION = SOURCE / "permissionsets/Gateway_Creation.permissionset-meta.xml"
NAMESPACE = "{http://soap.sforce.com/2006/04/metadata}"

KNOWN = {
    "CustomField": {
        "fullName", "caseSensitive", "description", "externalId", "inlineHelpText", "label", "length", "required",
        "type", "unique",
    },
    "PermissionSet": {
        "description", "fieldPermissions", "hasActivationRequired", "label", "objectPermissions", "userPermissions",
    },
    "fieldPermissions": {"editable", "field", "readable"},
    "objectPermissions": {
        "allowCreate", "allowDelete", "allowEdit", "allowRead", "modifyAllRecords", "object", "viewAllRecords",
    },
    "userPermissions": {"enabled", "name"},
}  # fmt: skip

# A permission set that names one of these is refused ("You cannot deploy to a required field") or they have no
# field-level security at all: of the standard fields of Task, the profiles that orgs give out list only ActivityDate,
# Description, IsVisibleInSelfService, Type, WhatId and WhoId.
# https://developer.salesforce.com/docs/platform/object-reference/references/standard-objects/object-fieldpermissions.html
COME_WITH_THE_OBJECT = {
    "Task": {
        "Subject", "Status", "Priority", "OwnerId", "TaskWhoIds", "TaskSubtype", "CallType", "CallDurationInSeconds",
        "CallDisposition", "CallObject",
    },
    "Account": {"Name", "MasterRecordId"},
    "Contact": {"Name", "MasterRecordId"},
    "Lead": {"Name", "IsConverted", "ConvertedAccountId", "ConvertedContactId", "MasterRecordId"},
    "Case": {"CaseNumber", "IsClosed", "ClosedDate", "MasterRecordId"},
    "User": {"Name", "Email", "IsActive"},
    "AccountContactRelation": {"AccountId", "ContactId", "IsActive", "IsDirect", "Roles"},
}  # fmt: skip

SETTINGS = """\
database: sqlite:///gateway.db
orgs:
  main:
    login_url: https://sunhill.my.salesforce.com
    auth: {flow: client_credentials, client_id: app, client_secret: secret}
"""


@pytest.fixture(scope="module")
def org(tmp_path_factory):
    """An org's settings where nothing is said but how to log in."""
    path = tmp_path_factory.mktemp("settings") / "gateway.yaml"
    path.write_text(SETTINGS)
    return load(path, {}, installed_connectors()).orgs["main"]


@pytest.fixture(scope="module")
def permissions():
    return ET.parse(PERMISSIONS).getroot()


def tag(element) -> str:
    return element.tag.removeprefix(NAMESPACE)


def content(element) -> dict[str, str]:
    return {tag(child): child.text for child in element}


def rows(root, name) -> list[dict[str, str]]:
    return [content(row) for row in root.iter(f"{NAMESPACE}{name}")]


def needed(org) -> set[str]:
    """Every field that the gateway reads or writes."""
    task = {rule.field for rule in task_mapping(Path("nowhere")).rules} | {"WhoId", "WhatId", "OwnerId", "TaskWhoIds"}
    records = {f"{kind.value}.{name}" for kind, names in WANTED.items() for name in names}
    return records | {f"Task.{name}" for name in {*task, org.task_key}}


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.xml")), ids=lambda path: path.name)
def test_every_element_is_known_and_in_order(path):
    root = ET.parse(path).getroot()

    assert root.tag.startswith(NAMESPACE)
    for element in [root, *(child for child in root if len(child))]:
        names = [tag(child) for child in element]
        assert set(names) <= KNOWN[tag(element)]
        assert names == sorted(names, key=lambda name: (name != "fullName", name))


def test_nothing_lies_where_it_is_not_deployed():
    project = json.loads((FOLDER / "sfdx-project.json").read_text(encoding="utf-8"))

    assert project["packageDirectories"] == [{"path": "force-app", "default": True}]
    assert set(FOLDER.rglob("*.xml")) == {FIELD, PERMISSIONS, CREATION}


def test_the_metadata_has_the_api_version_of_the_gateway(org):
    project = json.loads((FOLDER / "sfdx-project.json").read_text(encoding="utf-8"))

    assert project["sourceApiVersion"] == org.api_version


def test_the_key_field_is_the_one_that_the_gateway_looks_for(org):
    field = content(ET.parse(FIELD).getroot())

    assert field["fullName"] == org.task_key == FIELD.name.removesuffix(".field-meta.xml")
    wanted = {"type": "Text", "length": "255", "externalId": "true", "unique": "true", "caseSensitive": "true", "required": "false"}  # fmt: skip
    assert wanted.items() <= field.items()


def test_every_field_is_granted_that_can_be(org, permissions):
    free = {f"{kind}.{name}" for kind, names in COME_WITH_THE_OBJECT.items() for name in names}
    granted = [row["field"] for row in rows(permissions, "fieldPermissions")]

    assert set(granted) == needed(org) - free
    assert len(granted) == len(set(granted))


def test_fields_of_tasks_may_be_written_and_all_others_only_read(permissions):
    for row in rows(permissions, "fieldPermissions"):
        assert row["readable"] == "true"
        assert row["editable"] == ("true" if row["field"].startswith("Task.") else "false")


def test_the_records_to_match_with_are_seen_whole_and_none_is_made_or_deleted(permissions):
    granted = {row.pop("object"): row for row in rows(permissions, "objectPermissions")}

    # users and relations need no permission on their object, tasks have user permissions instead
    assert granted.keys() == {kind.value for kind in WANTED if kind not in {Kind.USER, Kind.RELATION}}
    rights = {"allowRead": "true", "viewAllRecords": "true", "allowEdit": "true"}
    no_rights = {"allowCreate": "false", "allowDelete": "false", "modifyAllRecords": "false"}
    assert all(row == rights | no_rights for row in granted.values())


def test_the_user_may_use_the_api_and_write_tasks(permissions):
    granted = rows(permissions, "userPermissions")

    assert {row["name"] for row in granted} == {"ActivitiesAccess", "ApiEnabled", "EditTask"}
    assert {row["enabled"] for row in granted} == {"true"}


def test_the_permission_set_has_the_name_that_is_told_to_admins(permissions):
    label = content(permissions)["label"]
    findings = Path(__file__).parents[2] / "gateway/salesforce/findings.py"

    assert label == PERMISSIONS.name.removesuffix(".permissionset-meta.xml").replace("_", " ")
    for told in (findings, FOLDER / "README.md"):
        assert label in told.read_text(encoding="utf-8")


# Required fields, and those that come with the name of a person.
COME_WITH_A_NEW_ONE = {"Contact.LastName", "Contact.FirstName", "Lead.LastName", "Lead.FirstName", "Lead.Company"}
CONSENT = {f"{kind}.{name}" for kind in ("Contact", "Lead") for name in ("DoNotCall", "HasOptedOutOfEmail")}


def test_who_creates_may_write_all_that_the_mappings_fill_and_no_more():
    root = ET.parse(CREATION).getroot()
    filled = {
        f"{kind}.{rule.field}"
        for kind in ("Contact", "Lead", "Case")
        for rule in field_mapping(Path("nowhere"), f"{kind.lower()}.yaml").rules
    }
    related = {"Contact.AccountId", "Case.AccountId", "Case.ContactId"}
    granted = rows(root, "fieldPermissions")

    assert {row["field"] for row in granted} == (filled - COME_WITH_A_NEW_ONE) | related | CONSENT
    assert len(granted) == len({row["field"] for row in granted})
    assert {(row["editable"], row["readable"]) for row in granted} == {("true", "true")}


def test_creating_is_a_permission_of_its_own():
    granted = {row.pop("object"): row for row in rows(ET.parse(CREATION).getroot(), "objectPermissions")}

    rights = {"allowCreate": "true", "allowRead": "true", "allowEdit": "true"}
    no_rights = {"allowDelete": "false", "modifyAllRecords": "false", "viewAllRecords": "false"}
    assert granted == dict.fromkeys(("Case", "Contact", "Lead"), rights | no_rights)
