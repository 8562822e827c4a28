"""sObject Collections: up to 200 records per call, each with a result of its own.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from gateway.devorg import ids
from gateway.devorg.calls import Call, field_names
from gateway.devorg.errors import RecordError, RequestError, bad_request
from gateway.devorg.exchange import Request, Response
from gateway.devorg.schema import Field, SObject
from gateway.devorg.sobjects import external_id_field, holders
from gateway.devorg.writing import Stamp

MOST_WRITTEN = 200
MOST_READ = 2000
_MOST_CHUNKS = 10

Record = Mapping[str, object]
Result = dict[str, object]
WriteOne = Callable[[Record], Result]

_ROLLED_BACK = {
    "statusCode": "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "message": "Record rolled back because not all records were valid and the request was using AllOrNone header",
    "fields": [],
}


def create(call: Call, request: Request) -> Response:
    """``POST /composite/sobjects``."""
    records, all_or_none = _records(request)
    writer, stamp = call.org.writer, call.stamp()

    def create_one(record: Record) -> Result:
        return {"id": writer.create(_sobject_of(call, record), record, stamp), "success": True, "errors": []}

    _check_chunks(records)
    return _write_all(call, records, create_one, all_or_none=all_or_none)


def update(call: Call, request: Request) -> Response:
    """``PATCH /composite/sobjects``; each record names its ``id``."""
    records, all_or_none = _records(request)
    _check_chunks(records)
    repeated = _repeated(_given_id(record) for record in records)
    writer, stamp = call.org.writer, call.stamp()

    def update_one(record: Record) -> Result:
        sobject = _sobject_of(call, record)
        record_id = _given_id(record)
        if record_id is None:
            raise RecordError("MISSING_ARGUMENT", "Id not specified in an update call", ("Id",))
        if record_id in repeated:
            raise RecordError("DUPLICATE_VALUE", f"Duplicate id in list: {record_id}", ("Id",))
        body = {key: value for key, value in record.items() if key.lower() != "id"}
        writer.update(sobject, _known_id(call, sobject, record_id), body, stamp)
        return {"id": record_id, "success": True, "errors": []}

    return _write_all(call, records, update_one, all_or_none=all_or_none)


def upsert(call: Call, request: Request, name: str, field_name: str) -> Response:
    """``PATCH /composite/sobjects/X/ExtField``; each record carries its key."""
    sobject = call.org.sobject(name)
    field = external_id_field(sobject, field_name)
    records, all_or_none = _records(request)
    repeated = _repeated(_folded(record.get(field.name)) for record in records)
    stamp = call.stamp()

    def upsert_one(record: Record) -> Result:
        if _sobject_of(call, record) is not sobject:
            raise RecordError("INVALID_TYPE", f"Record type does not match the type in the URL: {sobject.name}")
        if _folded(record.get(field.name)) in repeated:
            message = f"Duplicate external id specified: {record[field.name]}"
            raise RecordError("DUPLICATE_VALUE", message, (field.name,))
        return _upsert_one(call, (sobject, field), record, stamp)

    return _write_all(call, records, upsert_one, all_or_none=all_or_none)


def _upsert_one(call: Call, target: tuple[SObject, Field], record: Record, stamp: Stamp) -> Result:
    sobject, field = target
    key = record.get(field.name)
    if not isinstance(key, str) or not key.strip():
        raise RecordError("MISSING_ARGUMENT", f"{field.name} not specified", (field.name,))
    if "Id" in record or "id" in record:
        message = "The Id field should not be specified in the sobject data."
        raise RecordError("INVALID_FIELD", message, ("Id",))
    rows = holders(call, sobject, field, key.strip())
    if len(rows) > 1:
        message = (
            f"{field.name}: more than one record found for external id field: [{', '.join(str(r['Id']) for r in rows)}]"
        )
        raise RecordError("DUPLICATE_EXTERNAL_ID", message, (field.name,))
    if not rows:
        record_id = call.org.writer.create(sobject, record, stamp)
        return {"id": record_id, "success": True, "errors": [], "created": True}
    record_id = str(rows[0]["Id"])
    call.org.writer.update(sobject, record_id, record, stamp)
    return {"id": record_id, "success": True, "errors": [], "created": False}


def delete(call: Call, request: Request) -> Response:
    """``DELETE /composite/sobjects?ids=…&allOrNone=…``."""
    given = [text for text in request.query.get("ids", "").split(",") if text]
    if not given:
        raise bad_request("MALFORMED_QUERY", "The ids parameter is required")
    _check_count(len(given), MOST_WRITTEN)
    stamp = call.stamp()

    def delete_one(record: Record) -> Result:
        text = str(record["id"])
        record_id = ids.canonical(text)
        sobject = None if record_id is None else call.org.records.object_of(record_id)
        if record_id is None or sobject is None:
            raise RecordError("MALFORMED_ID", f"malformed id {text}")
        call.org.writer.delete(sobject, _known_id(call, sobject, record_id), stamp)
        return {"id": record_id, "success": True, "errors": []}

    records: list[Record] = [{"id": text} for text in given]
    return _write_all(call, records, delete_one, all_or_none=request.flag("allOrNone"))


def _write_all(call: Call, records: list[Record], write_one: WriteOne, *, all_or_none: bool) -> Response:
    """Write each record apart; under ``allOrNone`` one failure undoes all."""
    with call.org.writing() as undo:
        doomed = frozenset[int]() if call.doom is None else call.doom.doomed(len(records))
        results = [_written(call, record, write_one, fails=number in doomed) for number, record in enumerate(records)]
        if all_or_none and not all(result["success"] for result in results):
            undo()
            results = [_rolled_back(result) for result in results]
    return Response(content=results)


def _written(call: Call, record: Record, write_one: WriteOne, *, fails: bool) -> Result:
    try:
        if fails and call.doom is not None:
            raise call.doom.error(record)
        with call.org.records.undoable():
            return write_one(record)
    except RecordError as problem:
        failed: Result = {"success": False, "errors": [problem.as_result()]}
        record_id = _given_id(record)
        return {"id": record_id, **failed} if record_id else failed


def _rolled_back(result: Result) -> Result:
    if not result["success"]:
        return result
    return {"success": False, "errors": [_ROLLED_BACK]}


def _records(request: Request) -> tuple[list[Record], bool]:
    body = request.record()
    records = body.get("records")
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise bad_request("JSON_PARSER_ERROR", "The records property must be an array of objects at [line:1, column:1]")
    _check_count(len(records), MOST_WRITTEN)
    return cast("list[Record]", records), body.get("allOrNone") is True


def _check_count(count: int, most: int) -> None:
    if count > most:
        message = f"record limit reached. cannot submit more than {most} records into this call"
        raise bad_request("EXCEEDED_ID_LIMIT", message)


def _type_of(record: Record) -> str | None:
    attributes = record.get("attributes")
    kind = attributes.get("type") if isinstance(attributes, dict) else None
    return kind if isinstance(kind, str) else None


def _check_chunks(records: list[Record]) -> None:
    """Records of one type in a row make a chunk; a call takes ten."""
    kinds = [_type_of(record) for record in records]
    chunks = sum(1 for before, kind in zip([None, *kinds], kinds, strict=False) if before != kind)
    if chunks > _MOST_CHUNKS:
        limit = f"Cannot have more than {_MOST_CHUNKS} chunks in a single operation."
        raise bad_request("INVALID_INPUT", f"{limit} Please rearrange the data to reduce chunking.")


def _sobject_of(call: Call, record: Record) -> SObject:
    kind = _type_of(record)
    if kind is None:
        raise RequestError(400, "INVALID_INPUT", "Specify the type of each record in attributes.type")
    found = call.org.schema.get(kind.lower())
    if found is None:
        raise RecordError("INVALID_TYPE", f"sObject type '{kind}' is not supported.")
    return found


def _given_id(record: Record) -> str | None:
    given = record.get("id") or record.get("Id")
    return (ids.canonical(given) or given) if isinstance(given, str) else None


def _known_id(call: Call, sobject: SObject, record_id: str) -> str:
    """An id of that object; unlike in a path, an unknown one is a bad reference here."""
    if call.org.records.object_of(record_id) is not sobject:
        raise RecordError("MALFORMED_ID", f"{sobject.label} ID: id value of incorrect type: {record_id}", ("Id",))
    if call.org.records.get(sobject.name, record_id) is None:
        raise RecordError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return record_id


def _folded(value: object) -> str | None:
    return value.strip().casefold() if isinstance(value, str) else None


def _repeated(keys: Iterable[str | None]) -> set[str]:
    return {key for key, count in Counter(keys).items() if count > 1 and key is not None}


def retrieve(call: Call, request: Request, name: str) -> Response:
    """``POST /composite/sobjects/X`` with ``ids`` and ``fields``."""
    body = request.record()
    given, names = body.get("ids"), body.get("fields")
    if not isinstance(given, list) or not isinstance(names, list):
        raise bad_request("JSON_PARSER_ERROR", "The ids and fields properties must be arrays at [line:1, column:1]")
    return _retrieved(call, name, [str(each) for each in given], [str(each) for each in names])


def retrieve_listed(call: Call, request: Request, name: str) -> Response:
    """``GET /composite/sobjects/X?ids=…&fields=…``."""
    given = [text for text in request.query.get("ids", "").split(",") if text]
    return _retrieved(call, name, given, [text for text in request.query.get("fields", "").split(",") if text])


def _retrieved(call: Call, name: str, given: list[str], wanted: list[str]) -> Response:
    """Records in the order asked for; null where there is none to see."""
    sobject = call.org.sobject(name)
    if not given or not wanted:
        raise bad_request("MALFORMED_QUERY", "The ids and fields parameters are required")
    _check_count(len(given), MOST_READ)
    names = field_names(sobject, wanted)
    rows = [call.org.records.row(sobject.name, ids.canonical(text) or "") for text in given]
    return Response(content=[_shown(call, sobject, row, names) for row in rows])


def _shown(
    call: Call, sobject: SObject, row: Mapping[str, object] | None, names: list[str]
) -> dict[str, object] | None:
    return None if row is None or row.get("IsDeleted") else call.shown(sobject, row, names)
