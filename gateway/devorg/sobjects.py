"""Single records: create, retrieve, update, delete, and the same by an external id.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_upsert.htm
"""

from __future__ import annotations

from http import HTTPStatus

from gateway.devorg import ids, preconditions
from gateway.devorg.calls import Call, field_names
from gateway.devorg.errors import RequestError, not_found
from gateway.devorg.exchange import Request, Response
from gateway.devorg.records import Row
from gateway.devorg.schema import Field, SObject

_UPSERT_ANSWERS_WITH_BODY = 46


class _ManyError(Exception):
    """More than one record carries the external id."""

    def __init__(self, rows: list[Row]) -> None:
        super().__init__(len(rows))
        self.rows = rows


def create(call: Call, request: Request, name: str) -> Response:
    """``POST /sobjects/X``."""
    sobject = call.org.sobject(name)
    body = request.record()
    with call.org.writing():
        record_id = call.org.writer.create(sobject, body, call.stamp())
    headers = {"Location": call.url(sobject, record_id)}
    return Response(HTTPStatus.CREATED, {"id": record_id, "success": True, "errors": []}, headers)


def retrieve(call: Call, request: Request, name: str, record_id: str) -> Response:
    """``GET /sobjects/X/id``."""
    sobject = call.org.sobject(name)
    names = field_names(sobject, request.query.get("fields"))
    row = _readable(call, sobject, _id(record_id))
    if preconditions.is_known(request, row):
        return Response(HTTPStatus.NOT_MODIFIED)
    return Response(content=call.shown(sobject, row, names))


def _readable(call: Call, sobject: SObject, record_id: str) -> Row:
    if sobject.name == "TaskWhoRelation":
        found = call.org.records.row(sobject.name, record_id)
        if found is None:
            raise not_found()
        return dict(found)
    return call.org.writer.living(sobject, record_id)


def _id(text: str) -> str:
    record_id = ids.canonical(text)
    if record_id is None:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {text}")
    return record_id


def update(call: Call, request: Request, name: str, record_id: str) -> Response:
    """``PATCH /sobjects/X/id``."""
    sobject = call.org.sobject(name)
    body = request.record()
    _refuse_named_key(body, "Id")
    with call.org.writing():
        preconditions.refuse_if_modified(request, call.org.writer.living(sobject, _id(record_id)))
        call.org.writer.update(sobject, _id(record_id), body, call.stamp())
    return Response(HTTPStatus.NO_CONTENT)


def delete(call: Call, name: str, record_id: str) -> Response:
    """``DELETE /sobjects/X/id``."""
    sobject = call.org.sobject(name)
    with call.org.writing():
        call.org.writer.delete(sobject, _id(record_id), call.stamp())
    return Response(HTTPStatus.NO_CONTENT)


def external_id_field(sobject: SObject, name: str) -> Field:
    """The external id field of that name, or the 404 of one that is none."""
    field = sobject.find(name)
    if field is None or not field.external_id:
        raise not_found(f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def holders(call: Call, sobject: SObject, field: Field, value: object) -> list[Row]:
    """The living records that carry an external id."""
    found = call.org.records.tables[sobject.name].found(field.name, value)
    return [row for row in found if not row.get("IsDeleted")]


def _holder(call: Call, sobject: SObject, field: Field, value: str) -> Row | None:
    rows = holders(call, sobject, field, value.strip())
    if len(rows) > 1:
        raise _ManyError(rows)
    return rows[0] if rows else None


def _multiple(call: Call, sobject: SObject, problem: _ManyError) -> Response:
    """300 with the paths of the records that could be meant; nothing is written."""
    return Response(HTTPStatus.MULTIPLE_CHOICES, [call.url(sobject, row["Id"]) for row in problem.rows])


def retrieve_by_key(call: Call, request: Request, name: str, field_name: str, value: str) -> Response:
    """``GET /sobjects/X/Field/value``."""
    sobject = call.org.sobject(name)
    field = external_id_field(sobject, field_name)
    names = field_names(sobject, request.query.get("fields"))
    try:
        row = _holder(call, sobject, field, value)
    except _ManyError as problem:
        return _multiple(call, sobject, problem)
    if row is None:
        raise not_found()
    return Response(content=call.shown(sobject, row, names))


def upsert(call: Call, request: Request, name: str, field_name: str, value: str) -> Response:
    """``PATCH /sobjects/X/Field/value``: update the one record that carries the value, create it where none does."""
    sobject = call.org.sobject(name)
    field = external_id_field(sobject, field_name)
    body = request.record()
    _refuse_named_key(body, "Id")
    _refuse_named_key(body, field.name)
    try:
        with call.org.writing():
            return _upsert(call, request, sobject, (field, value), body)
    except _ManyError as problem:
        return _multiple(call, sobject, problem)


def _upsert(
    call: Call, request: Request, sobject: SObject, key: tuple[Field, str], body: dict[str, object]
) -> Response:
    field, value = key
    row = _holder(call, sobject, field, value)
    if row is None:
        if request.flag("updateOnly"):
            raise not_found()
        record_id = call.org.writer.create(sobject, {**body, field.name: value}, call.stamp())
        return Response(HTTPStatus.CREATED, {"id": record_id, "success": True, "errors": [], "created": True})
    call.org.writer.update(sobject, str(row["Id"]), body, call.stamp())
    if call.number < _UPSERT_ANSWERS_WITH_BODY:
        return Response(HTTPStatus.NO_CONTENT)
    return Response(content={"id": row["Id"], "success": True, "errors": [], "created": False})


def delete_by_key(call: Call, name: str, field_name: str, value: str) -> Response:
    """``DELETE /sobjects/X/Field/value``."""
    sobject = call.org.sobject(name)
    field = external_id_field(sobject, field_name)
    try:
        with call.org.writing():
            row = _holder(call, sobject, field, value)
            if row is None:
                raise not_found()
            call.org.writer.delete(sobject, str(row["Id"]), call.stamp())
    except _ManyError as problem:
        return _multiple(call, sobject, problem)
    return Response(HTTPStatus.NO_CONTENT)


def _refuse_named_key(body: dict[str, object], name: str) -> None:
    """The path names the record; the body must not do so again."""
    if any(key.lower() == name.lower() for key in body):
        message = f"The {name} field should not be specified in the sobject data."
        raise RequestError(HTTPStatus.BAD_REQUEST, "INVALID_FIELD", message)
