"""Fills an org: records by object, in YAML or JSON, referring to one another by ``$label``.

The one name in it that is no object's is ``setup`` (see there).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gateway.devorg import tables
from gateway.devorg.errors import RecordError, UnreadableValueError
from gateway.devorg.schema import SObject
from gateway.devorg.values import Convert, converter
from gateway.devorg.writing import Stamp, Values

if TYPE_CHECKING:
    from gateway.devorg.org import Org

SETUP = "setup"
_STANDARD_FILE = "seed.yaml"
_LONG_AGO = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
_TIMED = ("CreatedDate", "LastModifiedDate", "SystemModstamp")


class SeedError(ValueError):
    """A seed that cannot be planted: which record, and why."""


@cache
def default_content() -> Mapping[str, object]:
    """The seed that comes with the package."""
    return _parse(resources.files(__package__).joinpath(_STANDARD_FILE).read_text(encoding="utf-8"))


def read(path: str | Path) -> Mapping[str, object]:
    """A seed file of the same format."""
    try:
        return _parse(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise SeedError("A seed is a text file in UTF-8.") from error


def _parse(text: str) -> Mapping[str, object]:
    try:
        content = YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise SeedError(f"It is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SeedError("A seed is a mapping from object names to lists of records.")
    return content


def plant(org: Org, content: Mapping[str, object]) -> None:
    """Put every record of ``content`` into an empty org, in the order written."""
    labels: dict[str, str] = {}
    _plant_setup(org)
    for name, records in content.items():
        if name != SETUP:
            plant_records(org, name, records, labels)


def plant_records(org: Org, name: str, records: object, labels: dict[str, str]) -> list[str]:
    """Put records of one object, and return their ids; ``labels`` gains those the records give themselves."""
    sobject = org.records.schema.get(name.lower())
    if sobject is None or not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise SeedError(f"{name}: no such object, or no list of records")
    return [_plant_record(org, sobject, cast("Mapping[str, object]", record), labels) for record in records]


def _plant_setup(org: Org) -> None:
    """The organisation, and the status values with their meaning."""
    stamp = Stamp("", _LONG_AGO)
    org.writer.create_bare("Organization", _ORGANIZATION, stamp)
    for name, closed in (("TaskStatus", tables.CLOSED_TASK_STATUSES), ("CaseStatus", tables.CLOSED_CASE_STATUSES)):
        for order, label in enumerate(tables.PICKLISTS[name], start=1):
            values: Values = {
                "MasterLabel": label,
                "ApiName": label,
                "SortOrder": order,
                "IsDefault": order == 1,
                "IsClosed": label.lower() in closed,
            }
            org.writer.create_bare(name, values, stamp)


_ORGANIZATION: Values = {
    "Name": "Sunhill Solar",
    "OrganizationType": "Developer Edition",
    "InstanceName": "DEV1",
    "IsSandbox": False,
    "DefaultLocaleSidKey": "en_US",
    "TimeZoneSidKey": "America/Los_Angeles",
    "LanguageLocaleKey": "en_US",
}


def _plant_record(org: Org, sobject: SObject, record: Mapping[str, object], labels: dict[str, str]) -> str:
    try:
        given = _values(sobject, record, labels)
        record_id = insert_plain(org, sobject, given)
    except (RecordError, UnreadableValueError, KeyError, ValueError) as problem:
        raise SeedError(f"{sobject.name} {dict(record)}: {problem}") from problem
    if "$" in record:
        labels[str(record["$"])] = record_id
    return record_id


def _values(sobject: SObject, record: Mapping[str, object], labels: Mapping[str, str]) -> Values:
    given: Values = {}
    for key, value in record.items():
        if key not in {"$", "attributes"}:
            name, convert = _reader(sobject, key)
            given[name] = convert(_resolved(value, labels))
    return given


@cache
def _reader(sobject: SObject, key: str) -> tuple[str, Convert]:
    field = sobject.find(key)
    if field is None:
        raise SeedError(f"{sobject.name} has no field {key}")
    return field.name, converter(field)


def _resolved(value: object, labels: Mapping[str, str]) -> object:
    if isinstance(value, list):
        return [_resolved(each, labels) for each in value]
    if isinstance(value, str) and value.startswith("$"):
        return labels[value[1:]]
    return value


def insert_plain(org: Org, sobject: SObject, given: Values) -> str:
    """Insert as the platform does, but read-only fields, past dates and ids may be given."""
    moment = given.get("CreatedDate", _LONG_AGO)
    user = given.get("CreatedById") or next(iter(org.records.tables["User"].rows), "")
    stamp = Stamp(str(user), cast("datetime", moment))
    row = org.writer.filled(sobject, given, stamp)
    record_id = org.writer.insert(sobject, row, given, stamp)
    late = {
        name: given[name]
        for name in given
        if name in _TIMED or name in {"LastModifiedById", "IsDeleted", "MasterRecordId"}
    }
    if late:
        org.records.put(sobject.name, {**org.records.tables[sobject.name].rows[record_id], **late})
    return record_id
