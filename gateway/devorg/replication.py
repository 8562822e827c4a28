"""``updated`` and ``deleted``: which records changed within a window.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_getupdated.htm
https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_calls_getdeleted.htm
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import cast

from gateway.devorg.calls import Call
from gateway.devorg.errors import bad_request
from gateway.devorg.exchange import Request, Response
from gateway.devorg.schema import SObject
from gateway.devorg.values import to_json

UPDATED_REACHES_BACK = timedelta(days=30)
DELETED_REACHES_BACK = timedelta(days=15)
_SHORTEST = timedelta(minutes=1)


def updated(call: Call, request: Request, name: str) -> Response:
    """``GET /sobjects/X/updated?start=&end=``: ids of living records created or changed in the window."""
    sobject = _replicateable(call, name)
    start, end = _window(call, request, UPDATED_REACHES_BACK)
    rows = call.org.records.modified_since(sobject.name, start)
    found = [
        str(row["Id"]) for row in rows if not row.get("IsDeleted") and cast("datetime", row["SystemModstamp"]) < end
    ]
    if len(found) > call.org.settings.most_replicated:
        raise bad_request("EXCEEDED_ID_LIMIT", "Too many ids in the window; ask for a shorter one")
    return Response(content={"ids": found[::-1], "latestDateCovered": _shown(_covered(call, end))})


def deleted(call: Call, request: Request, name: str) -> Response:
    """``GET /sobjects/X/deleted?start=&end=``."""
    sobject = _replicateable(call, name)
    start, end = _window(call, request, DELETED_REACHES_BACK)
    gone = _binned(call, sobject, start) + _erased(call, sobject, start)
    within = sorted((moment, record_id) for record_id, moment in gone if moment < end)
    records = [{"id": record_id, "deletedDate": _shown(moment)} for moment, record_id in within]
    earliest = call.org.now() - DELETED_REACHES_BACK
    covered = {"earliestDateAvailable": _shown(earliest), "latestDateCovered": _shown(_covered(call, end))}
    return Response(content={"deletedRecords": records, **covered})


def _binned(call: Call, sobject: SObject, start: datetime) -> list[tuple[str, datetime]]:
    rows = call.org.records.modified_since(sobject.name, start)
    return [(str(row["Id"]), cast("datetime", row["SystemModstamp"])) for row in rows if row.get("IsDeleted")]


def _erased(call: Call, sobject: SObject, start: datetime) -> list[tuple[str, datetime]]:
    erased = call.org.records.erased
    return [(record_id, moment) for name, record_id, moment in erased if name == sobject.name and moment >= start]


def _replicateable(call: Call, name: str) -> SObject:
    sobject = call.org.sobject(name)
    if not sobject.replicateable:
        raise bad_request("INVALID_TYPE", f"sObject type '{sobject.name}' is not replicable")
    return sobject


def _window(call: Call, request: Request, reach: timedelta) -> tuple[datetime, datetime]:
    """Start and end with seconds cut off, if the platform would take them."""
    start, end = _moment(request, "start"), _moment(request, "end")
    if start < call.org.now() - reach:
        raise bad_request("INVALID_REPLICATION_DATE", "startDate before org's replication-available date")
    if end - start < _SHORTEST:
        message = (
            "start date must be before the end date by more than one minute"
            if end > start
            else "startDate cannot be after endDate"
        )
        raise bad_request("INVALID_REPLICATION_DATE", message)
    return start, end


def _moment(request: Request, name: str) -> datetime:
    text = request.query.get(name, "")
    try:
        # A plus sign that the caller forgot to encode arrives as a blank.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise bad_request("INVALID_FIELD", f"{name}: bad value for date: {text}") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(second=0, microsecond=0)


def _covered(call: Call, end: datetime) -> datetime:
    return min(end, call.org.now().replace(second=0))


def _shown(moment: datetime) -> object:
    return to_json(moment)
