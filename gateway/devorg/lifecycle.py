"""What people do in the user interface: merge records, convert leads, empty the Recycle Bin or take things out of it.

https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_merge.htm
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_convertlead.htm
"""

from __future__ import annotations

from calendar import monthrange
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime
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
    _refuse_redundant_relations(org, sobject, [winner, *losers])
    for loser in losers:
        row = org.writer.living(sobject, loser)
        if sobject.name == "Account" and row["IsPersonAccount"]:
            _merge_person(org, str(row["PersonContactId"]), winner, stamp)
        _reparent(org, sobject, loser, winner, stamp)
        org.writer.bury(sobject, org.records.tables[sobject.name].rows[str(row["Id"])], stamp, MasterRecordId=winner)
    org.writer.change(sobject, org.writer.living(sobject, winner), {}, stamp)


def _merge_person(org: Org, loser: str, winner: str, stamp: Stamp) -> None:
    """The contact that a person account holds goes with it; what points at it is the winner's then."""
    contact = org.records.schema["contact"]
    _reparent(org, contact, loser, str(org.records.tables["Account"].rows[winner]["PersonContactId"]), stamp)
    org.writer.bury(contact, org.records.tables["Contact"].rows[loser], stamp)


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
    _move_relations(org, sobject, old, new, stamp)


_OTHER_END = {"Account": ("AccountId", "ContactId"), "Contact": ("ContactId", "AccountId")}


def _refuse_redundant_relations(org: Org, sobject: SObject, merged: list[str]) -> None:
    """Two relations with one account or contact cannot both be the winner's, unless both are direct.

    https://knowledge.validity.com/hc/en-us/articles/7991200443803-Shared-Contacts-and-Merging-in-DemandTools
    """
    if sobject.name not in _OTHER_END:
        return
    own, other = _OTHER_END[sobject.name]
    relation = org.records.schema["accountcontactrelation"]
    rows = [row for record_id in merged for row in _pointing(org, relation, own, record_id)]
    ends = Counter(row[other] for row in rows)
    if any(ends[row[other]] > 1 and not row["IsDirect"] for row in rows):
        kind, end = ("contacts", "account") if sobject.name == "Contact" else ("accounts", "contact")
        message = (
            f"These {kind} have the same related {end}. Open the related {end} record and remove redundant "
            "account-contact relationship, then try merging again."
        )
        raise RecordError("MERGE_FAILED", message)


def _move_relations(org: Org, sobject: SObject, old: str, new: str, stamp: Stamp) -> None:
    """Relations of the loser become the winner's; a contact keeps one direct account, so they are indirect then."""
    if sobject.name not in _OTHER_END:
        return
    own, other = _OTHER_END[sobject.name]
    relation = org.records.schema["accountcontactrelation"]
    known = {row[other] for row in _pointing(org, relation, own, new)}
    for row in _pointing(org, relation, own, old):
        if row[other] in known:
            continue
        moved = {**row, own: new, "IsDirect": row["IsDirect"] and sobject.name == "Account"}
        org.records.put("AccountContactRelation", {**moved, "SystemModstamp": stamp.moment})


def archive(org: Org, record_ids: list[str]) -> None:
    """Archive activities, as the platform does with those that are old: only ``queryAll`` shows them from then on."""
    for record_id in record_ids:
        sobject = org.records.object_of(record_id)
        if sobject is None or sobject.find("IsArchived") is None:
            raise bad_request("INVALID_ID_FIELD", f"{record_id} is no activity")
        org.records.put(sobject.name, {**org.writer.living(sobject, record_id), "IsArchived": True})


def undelete(org: Org, record_id: str, user_id: str) -> None:
    """Take a record out of the Recycle Bin, and what was deleted along with it."""
    sobject = org.records.object_of(record_id)
    row = None if sobject is None else org.records.get(sobject.name, record_id)
    if sobject is None or row is None or not row["IsDeleted"] or row.get("MasterRecordId"):
        raise RecordError("UNDELETE_FAILED", "Entity is not in the recycle bin")
    stamp = org.stamp(user_id)
    org.writer.restore(sobject, row, stamp)
    for child, child_row in _deleted_along(org, sobject, row):
        org.writer.restore(child, child_row, stamp)


def _deleted_along(org: Org, sobject: SObject, row: Row) -> list[tuple[SObject, Row]]:
    found: dict[object, tuple[SObject, Row]] = {}
    for relationship in sobject.child_relationships:
        child = org.records.schema.get(relationship.child.lower())
        table = None if child is None else org.records.tables[child.name]
        if child is None or table is None or relationship.field not in table.indexes or not child.find("IsDeleted"):
            continue
        for each in table.found(relationship.field, row["Id"]):
            if each["IsDeleted"] and each["SystemModstamp"] == row["SystemModstamp"]:
                found[each["Id"]] = (child, each)
    return list(found.values())


def purge(org: Org) -> None:
    """Empty the Recycle Bin: only ``getDeleted`` still knows of what was in it."""
    for name, table in org.records.tables.items():
        for row in [row for row in table.rows.values() if row.get("IsDeleted")]:
            org.records.erase(name, str(row["Id"]), cast("datetime", row["SystemModstamp"]))


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


@dataclass(frozen=True, slots=True)
class Target:
    """What a lead is converted into: records that are there, or new ones; an opportunity only if it is named."""

    account: str | None = None
    contact: str | None = None
    opportunity_name: str | None = None


def convert(org: Org, lead_id: str, user_id: str, target: Target) -> dict[str, str]:
    """Turn a lead into an account and a contact, and move its activities."""
    schema = org.records.schema
    lead = org.writer.living(schema["lead"], lead_id)
    if lead["IsConverted"]:
        raise RecordError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
    stamp = org.stamp(user_id)
    account = target.account or org.writer.create(schema["account"], {"Name": lead["Company"]}, stamp)
    contact = _contact_of(org, lead, target.contact, account, stamp)
    made = {"account": account, "contact": contact}
    if target.opportunity_name is not None:
        made["opportunity"] = _opportunity(org, target.opportunity_name, account, stamp)
    _move_activities(org, lead_id, contact, stamp)
    converted: Values = {
        "IsConverted": True,
        "ConvertedDate": stamp.moment.date(),
        "ConvertedAccountId": account,
        "ConvertedContactId": contact,
        "ConvertedOpportunityId": made.get("opportunity"),
        "Status": "Closed - Converted",
    }
    org.writer.change(schema["lead"], org.records.tables["Lead"].rows[lead_id], converted, stamp)
    return made


def _contact_of(org: Org, lead: Row, contact: str | None, account: str, stamp: Stamp) -> str:
    """A new contact with what the lead has, or a known one whose empty fields the lead fills."""
    schema = org.records.schema["contact"]
    values = {name: lead[name] for name in _LEAD_TO_CONTACT if lead[name] is not None}
    if contact is None:
        return org.writer.create(schema, {**values, "AccountId": account}, stamp)
    row = org.writer.living(schema, contact)
    org.writer.change(schema, row, {name: value for name, value in values.items() if row[name] is None}, stamp)
    return contact


def _opportunity(org: Org, name: str, account: str, stamp: Stamp) -> str:
    """Open, with the last day of the quarter as its close date."""
    today = stamp.moment.date()
    month = today.month - (today.month - 1) % 3 + 2
    close = date(today.year, month, monthrange(today.year, month)[1])
    body = {"Name": name, "AccountId": account, "StageName": "Prospecting", "CloseDate": close.isoformat()}
    return org.writer.create(org.records.schema["opportunity"], body, stamp)


def _move_activities(org: Org, lead_id: str, contact: str, stamp: Stamp) -> None:
    for name in ("Task", "Event"):
        for row in _pointing(org, org.records.schema[name.lower()], "WhoId", lead_id):
            org.writer.change(org.records.schema[name.lower()], row, {"WhoId": contact}, stamp)
