"""What accounts, contacts, leads, users and cases do beyond the common rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from gateway.devorg import tables
from gateway.devorg.errors import RecordError
from gateway.devorg.records import Row
from gateway.devorg.schema import SObject
from gateway.devorg.writing import NoRules, Stamp, Values, Writer

_ADDRESS_PARTS = ("Street", "City", "State", "PostalCode", "Country", "Latitude", "Longitude", "GeocodeAccuracy")
_OF_BOTH = ("FirstName", "LastName", "Salutation", "Phone", "Fax")
"""What an account and the contact of the person that it is have under the same names."""
_CASE_MIRRORS = {"ContactPhone": "Phone", "ContactMobile": "MobilePhone", "ContactEmail": "Email", "ContactFax": "Fax"}


class NamedRules(NoRules):
    """A person's ``Name`` is put together from its parts."""

    def __init__(self, writer: Writer, *addresses: str) -> None:
        self._writer = writer
        self._records = writer.records
        self._addresses = [
            (f"{prefix}Address", tuple((part, prefix + part) for part in _ADDRESS_PARTS)) for prefix in addresses
        ]

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:  # noqa: ARG002
        """Name and compound addresses."""
        new["Name"] = " ".join(str(part) for part in (new["FirstName"], new["LastName"]) if part)
        self._compound(new)

    def _compound(self, new: Row) -> None:
        for name, parts in self._addresses:
            address = {part[0].lower() + part[1:]: new[source] for part, source in parts}
            new[name] = address if any(value is not None for value in address.values()) else None


class LeadRules(NamedRules):
    """Leads take their activities with them, and cannot be edited once converted."""

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:
        """Name and addresses."""
        if old is not None and old["IsConverted"]:
            raise RecordError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        super().prepare(new, old, given, stamp)

    def deleting(self, row: Row, stamp: Stamp) -> None:
        """Its activities go too."""
        _delete_activities(self._writer, "WhoId", row, stamp)


class AccountRules(NamedRules):
    """Accounts refuse to go while they have cases, and take their contacts along."""

    def begin(self, new: Row, given: Values) -> None:
        """A last name makes a person, unless the record type says what it is; the other's fields are refused.

        https://help.salesforce.com/s/articleView?id=000386207&type=1
        """
        type = self._records.get("RecordType", str(new["RecordTypeId"]))
        is_person = bool(type["IsPersonType"]) if type else new["LastName"] is not None
        _refuse_names(name for name in given if (name == "Name" if is_person else _is_personal(name)))
        if is_person and new["LastName"] is None:
            message = "Required fields are missing: [LastName]"
            raise RecordError("REQUIRED_FIELD_MISSING", message, ("LastName",))
        if is_person:
            new["IsPersonAccount"], new["Name"] = True, new["LastName"]

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:
        """Compound addresses; its name is its own, unless it is a person."""
        if new["IsPersonAccount"]:
            _refuse_names(name for name in given if old is not None and name == "Name")
            super().prepare(new, old, given, stamp)
        self._compound(new)
        if new["Id"] is not None and new["ParentId"] == new["Id"]:
            raise RecordError("CIRCULAR_DEPENDENCY", "attempt to violate hierarchy constraints", ("ParentId",))

    def stored(self, new: Row, old: Row | None, stamp: Stamp) -> None:  # noqa: ARG002
        """A person account holds a contact with the same values.

        https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_guidelines_personaccounts.htm
        """
        if not new["IsPersonAccount"]:
            return
        sobject = self._records.sobject("Contact")
        values = {name: new[of] for name, of in self._of_person(sobject)}
        contact = self._records.get("Contact", str(new["PersonContactId"]))
        if contact is None:
            id = self._writer.create(sobject, {"LastName": new["LastName"], "AccountId": new["Id"]}, stamp)
            contact = {**self._writer.living(sobject, id), "IsPersonAccount": True}
            self._records.put("Account", {**new, "PersonContactId": id})
        self._writer.change(sobject, contact, values, stamp)

    def _of_person(self, contact: SObject) -> list[tuple[str, str]]:
        """The contact's fields, each with the account's that has the same value."""
        account = self._records.sobject("Account")
        names = [field.name for field in contact.fields.values() if field.updateable]
        pairs = [(name, name if name in _OF_BOTH else f"Person{name}") for name in names if not name.endswith("__c")]
        pairs += [(name, f"{name.removesuffix('__c')}__pc") for name in names if name.endswith("__c")]
        return [(name, of) for name, of in pairs if account.find(of)]

    def deleting(self, row: Row, stamp: Stamp) -> None:
        """Contacts, opportunities and activities go too."""
        _refuse_with_cases(self._writer, "AccountId", row)
        contacts = _living(self._writer, "Contact", "AccountId", row)
        for contact in contacts:
            _refuse_with_cases(self._writer, "ContactId", contact)
        for name in ("Contact", "Opportunity"):
            for child in _living(self._writer, name, "AccountId", row):
                self._writer.bury(self._records.sobject(name), child, stamp)
        _delete_relations(self._writer, "AccountId", row, stamp)
        _delete_activities(self._writer, "WhatId", row, stamp)


class ContactRules(NamedRules):
    """Contacts carry a direct account relation, and are mirrored on their cases."""

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:
        """Name, addresses and the bounce mark."""
        super().prepare(new, old, given, stamp)
        new["IsEmailBounced"] = new["EmailBouncedReason"] is not None

    def stored(self, new: Row, old: Row | None, stamp: Stamp) -> None:
        """Keep the direct relation and the cases' mirrors true."""
        former = None if old is None else old["AccountId"]
        if new["AccountId"] != former:
            self._move_direct_relation(new, former, stamp)
        if old is not None and any(new[name] != old[name] for name in _CASE_MIRRORS.values()):
            for case in self._records.tables["Case"].found("ContactId", new["Id"]):
                self._records.put("Case", {**case, **mirrors_of(new)})

    def _move_direct_relation(self, contact: Row, former: object, stamp: Stamp) -> None:
        relations = _living(self._writer, "AccountContactRelation", "ContactId", contact)
        by_account = {row["AccountId"]: row for row in relations}
        if former in by_account:
            self._writer.bury(
                self._records.sobject("AccountContactRelation"),
                {**by_account[former], "IsDirect": False},
                stamp,
                IsDirect=False,
            )
        account = contact["AccountId"]
        if account is None:
            return
        if account in by_account:
            self._records.put(
                "AccountContactRelation", {**by_account[account], "IsDirect": True, "SystemModstamp": stamp.moment}
            )
        else:
            values: Values = {"AccountId": account, "ContactId": contact["Id"], "IsDirect": True}
            self._writer.create_bare("AccountContactRelation", values, stamp)

    def deleting(self, row: Row, stamp: Stamp) -> None:
        """Refused while it has cases; relations and activities go too."""
        _refuse_with_cases(self._writer, "ContactId", row)
        _delete_relations(self._writer, "ContactId", row, stamp)
        _delete_activities(self._writer, "WhoId", row, stamp)


class RelationRules(NoRules):
    """One relation per contact and account; the direct one belongs to the platform."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:  # noqa: ARG002
        """A second row for the same pair is refused."""
        if old is not None:
            return
        contact = self._writer.records.tables["Contact"].rows[str(new["ContactId"])]
        if contact["AccountId"] is None:
            message = "A private contact can't be related to an account."
            raise RecordError("FIELD_INTEGRITY_EXCEPTION", message, ("ContactId",))
        for row in _living(self._writer, "AccountContactRelation", "ContactId", contact):
            if row["AccountId"] == new["AccountId"]:
                raise RecordError("DUPLICATE_VALUE", "This contact already has a relationship with this account.")

    def deleting(self, row: Row, stamp: Stamp) -> None:  # noqa: ARG002
        """The direct relation lives as long as the contact's account says so."""
        contact = self._writer.records.get("Contact", str(row["ContactId"]))
        if row["IsDirect"] and contact is not None and not contact["IsDeleted"]:
            message = "You can't delete the relationship of a contact with its primary account."
            raise RecordError("DELETE_FAILED", message)


class CaseRules(NoRules):
    """Case numbers, closing, the contact's mirrors."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._last_number = 1000

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:
        """A new case is numbered and gets its contact's account."""
        contact = self._writer.records.get("Contact", str(new["ContactId"]))
        new.update(mirrors_of(contact))
        if old is None:
            self._number(new)
            if contact is not None and "AccountId" not in given:
                new["AccountId"] = contact["AccountId"]
        closed = str(new["Status"]).lower() in tables.CLOSED_CASE_STATUSES
        if not closed:
            new["ClosedDate"] = None
        elif old is None or not old["IsClosed"]:
            new["ClosedDate"] = new["ClosedDate"] or stamp.moment
        new["IsClosed"] = closed

    def _number(self, new: Row) -> None:
        if new["CaseNumber"] is None:
            new["CaseNumber"] = f"{self._last_number + 1:08d}"
        self._last_number = max(self._last_number, int(str(new["CaseNumber"])))

    def deleting(self, row: Row, stamp: Stamp) -> None:
        """Comments and activities go too."""
        for comment in _living(self._writer, "CaseComment", "ParentId", row):
            self._writer.bury(self._writer.records.sobject("CaseComment"), comment, stamp)
        _delete_activities(self._writer, "WhatId", row, stamp)


class CommentRules(NoRules):
    """A case comment names its author."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:  # noqa: ARG002
        """The author is whoever writes it."""
        if old is None:
            author = self._writer.records.get("User", stamp.user_id)
            new["CreatorName"] = None if author is None else author["Name"]


class OpportunityRules(NoRules):
    """Stages decide what is closed and won."""

    def prepare(self, new: Row, old: Row | None, given: Values, stamp: Stamp) -> None:  # noqa: ARG002
        """Closed Won and Closed Lost are the closed stages."""
        new["IsWon"] = new["StageName"] == "Closed Won"
        new["IsClosed"] = new["StageName"] in {"Closed Won", "Closed Lost"}


def mirrors_of(contact: Row | None) -> Values:
    """A case's read-only copies of its contact's phone numbers and address."""
    return {mirror: None if contact is None else contact[source] for mirror, source in _CASE_MIRRORS.items()}


def _is_personal(name: str) -> bool:
    return name in {"FirstName", "LastName", "Salutation"} or name.startswith("Person") or name.endswith("__pc")


def _refuse_names(given: Iterable[str]) -> None:
    if names := list(given):
        message = f"Account: bad field names on insert/update call: {', '.join(names)}"
        raise RecordError("INVALID_FIELD_FOR_INSERT_UPDATE", message, tuple(names))


def _living(writer: Writer, name: str, field: str, of: Row) -> list[Row]:
    return [row for row in writer.records.tables[name].found(field, of["Id"]) if not row["IsDeleted"]]


def _refuse_with_cases(writer: Writer, field: str, row: Row) -> None:
    cases = _living(writer, "Case", field, row)
    if cases:
        numbers = ", ".join(str(case["CaseNumber"]) for case in cases)
        reason = "could not be completed because it is associated with the following cases."
        message = f"Your attempt to delete {row['Name']} {reason}: {numbers}\n"
        raise RecordError("DELETE_FAILED", message)


def _delete_relations(writer: Writer, field: str, row: Row, stamp: Stamp) -> None:
    for relation in _living(writer, "AccountContactRelation", field, row):
        gone = {**relation, "IsDeleted": True, "SystemModstamp": stamp.moment, "LastModifiedDate": stamp.moment}
        writer.records.put("AccountContactRelation", gone)


def _delete_activities(writer: Writer, field: str, row: Row, stamp: Stamp) -> None:
    """Delete the activities of a record, but leave a Task to the people who remain on it."""
    for task in _living(writer, "Task", field, row):
        people = cast("tuple[str, ...]", task["TaskWhoIds"])
        remaining = tuple(person for person in people if person != row["Id"])
        if field == "WhoId" and remaining:
            given: Values = {"TaskWhoIds": remaining, "WhoId": remaining[0]}
            writer.change(writer.records.sobject("Task"), task, given, stamp)
        else:
            writer.bury(writer.records.sobject("Task"), task, stamp)
    for event in _living(writer, "Event", field, row):
        writer.bury(writer.records.sobject("Event"), event, stamp)
