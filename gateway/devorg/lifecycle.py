"""Merging records and converting leads, which people do in the user interface.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_convertlead.htm
"""

from __future__ import annotations

from typing import cast

from gateway.devorg.errors import RecordError, bad_request
from gateway.devorg.org import Org
from gateway.devorg.records import Row
from gateway.devorg.schema import SObject
from gateway.devorg.writing import Stamp, Values

MERGEABLE = frozenset({"Account", "Contact", "Lead", "Case"})
MOST_LOSERS = 2
_LEAD_TO_CONTACT = (
    "FirstName",
    "LastName",
    "Salutation",
    "Email",
    "Phone",
    "MobilePhone",
    "Fax",
    "Title",
    "Description",
    "LeadSource",
)


def merge(org: Org, winner: str, losers: list[str], user_id: str) -> None:
    """Re-parent what points at the losers, then delete them with ``MasterRecordId`` set to the winner."""
    sobject = org.records.object_of(winner)
    if (
        sobject is None
        or sobject.name not in MERGEABLE
        or any(org.records.object_of(each) is not sobject for each in losers)
    ):
        raise bad_request("INVALID_ID_FIELD", "Only accounts, contacts, leads or cases of one kind can be merged")
    if not 1 <= len(losers) <= MOST_LOSERS or winner in losers:
        raise bad_request("INVALID_ID_FIELD", "A merge takes one or two losers besides the winner")
    stamp = org.stamp(user_id)
    org.writer.living(sobject, winner)
    for loser in losers:
        row = org.writer.living(sobject, loser)
        _reparent(org, sobject, loser, winner, stamp)
        org.writer.bury(sobject, org.records.tables[sobject.name].rows[str(row["Id"])], stamp, MasterRecordId=winner)
    org.writer.change(sobject, org.writer.living(sobject, winner), {}, stamp)


def _reparent(org: Org, sobject: SObject, old: str, new: str, stamp: Stamp) -> None:
    """Move every reference from ``old`` to ``new``; rows the platform derives follow by themselves."""
    for relationship in sobject.child_relationships:
        child = org.records.schema.get(relationship.child.lower())
        if child is None or child.name in {"TaskRelation", "TaskWhoRelation", "AccountContactRelation"}:
            continue
        field = child.fields[relationship.field.lower()]
        if not field.createable:
            continue
        if field.name == "TaskWhoIds":
            _replace_people(org, child, old, new, stamp)
            continue
        for row in _pointing(org, child, relationship.field, old):
            org.writer.change(child, row, {relationship.field: new}, stamp)


def _pointing(org: Org, child: SObject, field: str, target: str) -> list[Row]:
    table = org.records.tables[child.name]
    rows = (
        table.found(field, target)
        if field in table.indexes
        else [row for row in table.rows.values() if row[field] == target]
    )
    return [row for row in rows if not row.get("IsDeleted")]


def _replace_people(org: Org, task: SObject, old: str, new: str, stamp: Stamp) -> None:
    relations = org.records.tables["TaskRelation"].found("RelationId", old)
    for relation in relations:
        row = org.records.tables["Task"].rows[str(relation["TaskId"])]
        people = cast("tuple[str, ...]", row["TaskWhoIds"])
        moved = tuple(dict.fromkeys(new if person == old else person for person in people))
        given: Values = {"TaskWhoIds": moved, "WhoId": moved[0] if moved else None}
        org.writer.change(task, row, given, stamp)


def convert(org: Org, lead_id: str, user_id: str, *, account: str | None, contact: str | None) -> dict[str, str]:
    """Turn a lead into an account and a contact, new ones unless given, and move its activities."""
    schema = org.records.schema
    lead = org.writer.living(schema["lead"], lead_id)
    if lead["IsConverted"]:
        raise RecordError("CANNOT_UPDATE_CONVERTED_LEAD", "This lead has already been converted")
    stamp = org.stamp(user_id)
    account = account or org.writer.create(schema["account"], {"Name": lead["Company"]}, stamp)
    if contact is None:
        values = {name: lead[name] for name in _LEAD_TO_CONTACT if lead[name] is not None}
        contact = org.writer.create(schema["contact"], {**values, "AccountId": account}, stamp)
    _move_activities(org, lead_id, contact, stamp)
    converted: Values = {
        "IsConverted": True,
        "ConvertedDate": stamp.moment.date(),
        "ConvertedAccountId": account,
        "ConvertedContactId": contact,
        "Status": "Closed - Converted",
    }
    org.writer.change(schema["lead"], org.records.tables["Lead"].rows[lead_id], converted, stamp)
    return {"account": account, "contact": contact}


def _move_activities(org: Org, lead_id: str, contact: str, stamp: Stamp) -> None:
    for name in ("Task", "Event"):
        for row in _pointing(org, org.records.schema[name.lower()], "WhoId", lead_id):
            org.writer.change(org.records.schema[name.lower()], row, {"WhoId": contact}, stamp)
