"""The org to look at: objects, records, their fields and what is related to them. Local only, so no login."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import cast

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.devorg import ids, setup
from gateway.devorg.exchange import Request, Response
from gateway.devorg.faults import FaultBook, FaultKind
from gateway.devorg.org import Org
from gateway.devorg.records import Row
from gateway.devorg.schema import ID_TYPES, ChildRelationship, SObject
from gateway.devorg.values import to_json

_SHOWN = 200
_NAMELESS = ("Subject", "Name", "CaseNumber", "MasterLabel", "Username", "CommentBody", "Id")
_COLUMNS = {
    "Account": ("Type", "Phone", "Website", "LastActivityDate"),
    "Contact": ("AccountId", "Email", "Phone", "MobilePhone", "HomePhone"),
    "Lead": ("Company", "Email", "Phone", "MobilePhone", "Status"),
    "Case": ("Subject", "Status", "ContactId", "AccountId", "Origin", "CreatedDate"),
    "Task": ("WhoId", "WhatId", "AccountId", "Status", "CallType", "OwnerId", "CreatedDate"),
    "Event": ("WhoId", "WhatId", "AccountId", "StartDateTime", "OwnerId"),
    "AccountContactRelation": ("ContactId", "AccountId", "IsDirect", "IsActive", "Roles"),
    "TaskRelation": ("TaskId", "RelationId", "IsWhat"),
    "CaseComment": ("ParentId", "CreatorName", "CreatedDate"),
    "Opportunity": ("AccountId", "StageName", "CloseDate", "Amount"),
    "User": ("Email", "Title", "IsActive"),
}
_RELATED_FIRST = ("Task", "Case", "Contact")
_SEARCHED = ("Account", "Contact", "Lead", "Case", "Task", "User")

_SYSTEM_FIELDS = frozenset({
    "Id", "IsDeleted", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp",
})  # fmt: skip


class Pages:
    """Answers everything that is neither API nor control."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._templates = Environment(
            loader=PackageLoader("gateway.devorg"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def answer(self, request: Request, segments: tuple[str, ...]) -> Response:
        """The page at a path."""
        if request.method not in {"GET", "HEAD"}:
            return self._page("missing.html", status=HTTPStatus.METHOD_NOT_ALLOWED, sought=request.path)
        with self._org.lock:
            return self._route(request, segments)

    def _route(self, request: Request, segments: tuple[str, ...]) -> Response:
        match segments:
            case ():
                return self._home(request.query.get("q", ""))
            case ("lightning", "r", _, record_id, "view") | ("lightning", "r", record_id, "view"):
                return Response(HTTPStatus.FOUND, headers={"Location": f"/{record_id}"}, html="")
            case ("objects", name) if name.lower() in self._org.schema:
                return self._object(self._org.schema[name.lower()])
            case (record_id,):
                return self._record(record_id)
        return self._page("missing.html", status=HTTPStatus.NOT_FOUND, sought=request.path)

    def switches(self, faults: FaultBook, problem: str = "") -> Response:
        """What can be switched in this org, as it is, with the forms to switch it."""
        org = self._org
        with org.lock:
            return self._page(
                "switches.html",
                status=HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK,
                problem=problem,
                faults=faults.shown(),
                kinds=[kind.value for kind in FaultKind],
                sessions=len(org.sessions),
                allowance=org.allowance,
                underway=org.underway,
                skew=int(org.settings.skew.total_seconds() * 1000),
                lag=int(org.search.lag.total_seconds() * 1000),
                features=org.settings.features,
                setup=setup.shown(org),
                locks=org.locks.held(),
                contention=org.locks.contention,
            )

    def _page(self, template: str, *, status: HTTPStatus = HTTPStatus.OK, **values: object) -> Response:
        shared: dict[str, object] = {
            "title_of": self.title,
            "cell": self._cell,
            "query": "",
            "organization": self._organization(),
        }
        html = self._templates.get_template(template).render({**shared, **values})
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"}
        return Response(status, headers=headers, html=html)

    def _organization(self) -> str:
        return str(self._org.records.tables["Organization"].rows[self._org.organization_id]["Name"])

    def _home(self, query: str) -> Response:
        counts = [(sobject, len(self._living(sobject))) for sobject in self._org.schema.values()]
        found = (
            [(self._org.schema[name.lower()], row) for name in _SEARCHED for row in self._matching(name, query)]
            if query
            else []
        )
        return self._page("home.html", counts=counts, found=found[:_SHOWN], query=query)

    def _matching(self, name: str, query: str) -> Iterable[Mapping[str, object]]:
        sought = query.casefold()
        sobject = self._org.schema[name.lower()]
        return [row for row in self._living(sobject) if sought in self.title(sobject, row).casefold()]

    def _living(self, sobject: SObject) -> list[Mapping[str, object]]:
        return list(self._org.records.rows(sobject.name, include_deleted=False))

    def _object(self, sobject: SObject) -> Response:
        rows = _newest_first(self._living(sobject))
        listed = {"sobject": sobject, "rows": rows[:_SHOWN], "columns": _columns(sobject)}
        return self._page("object.html", table=listed, total=len(rows), shown=_SHOWN)

    def _record(self, text: str) -> Response:
        record_id = ids.canonical(text)
        sobject = None if record_id is None else self._org.records.object_of(record_id)
        row = None if sobject is None or record_id is None else self._org.records.get(sobject.name, record_id)
        if sobject is None or row is None:
            return self._page("missing.html", status=HTTPStatus.NOT_FOUND, sought=text)
        filled = [field for field in sobject.fields.values() if row[field.name] not in (None, (), "")]
        # What a person looks for first comes first.
        fields = sorted(filled, key=lambda field: field.name in _SYSTEM_FIELDS)
        return self._page("record.html", sobject=sobject, row=row, fields=fields, related=self._related(sobject, row))

    def _related(self, sobject: SObject, row: Row) -> list[dict[str, object]]:
        """The related lists, Tasks before cases before people before the rest."""
        lists = [self._related_list(relationship, row) for relationship in _by_interest(sobject.child_relationships)]
        if sobject.name in {"Contact", "Lead"} and "taskrelation" in self._org.schema:
            lists.insert(0, self._shared_tasks(row))
        return [each for each in lists if each["rows"]]

    def _related_list(self, relationship: ChildRelationship, row: Row) -> dict[str, object]:
        child = self._org.schema[relationship.child.lower()]
        table = self._org.records.tables[child.name]
        found: list[Row] = []
        if relationship.field in table.indexes and child.name not in {"TaskWhoRelation", "TaskRelation"}:
            found = [each for each in table.found(relationship.field, row["Id"]) if not each.get("IsDeleted")]
        label = child.label_plural if relationship.name else f"{child.label_plural} by {relationship.field}"
        return {"label": label, "sobject": child, "rows": _newest_first(found)[:_SHOWN], "columns": _columns(child)}

    def _shared_tasks(self, row: Row) -> dict[str, object]:
        """Tasks on which a person is not the primary one."""
        task = self._org.schema["task"]
        relations = self._org.records.tables["TaskRelation"].found("RelationId", row["Id"])
        tasks = [self._org.records.tables["Task"].rows[str(relation["TaskId"])] for relation in relations]
        others = [each for each in tasks if each["WhoId"] != row["Id"]]
        return {
            "label": "Tasks shared with others",
            "sobject": task,
            "rows": _newest_first(others),
            "columns": _columns(task),
        }

    def title(self, sobject: SObject, row: Mapping[str, object]) -> str:
        """What a person would call the record."""
        if sobject.name == "Case":
            return f"{row['CaseNumber']} {row['Subject'] or ''}"
        return next(str(row[name]) for name in _NAMELESS if row.get(name))

    def _cell(self, sobject: SObject, name: str, value: object) -> list[tuple[str, str | None]]:
        """A value as pieces of text, each with the record it leads to, if any."""
        if value is None:
            return []
        if isinstance(value, tuple):
            return [piece for each in value for piece in self._link(str(each))]
        field = sobject.find(name)
        if field is not None and field.type in ID_TYPES:
            return self._link(str(value)) if name != "Id" else [(str(value), None)]
        if isinstance(value, dict):
            return [(", ".join(str(part) for part in value.values() if part is not None), None)]
        return [(str(to_json(value)), None)]

    def _link(self, record_id: str) -> list[tuple[str, str | None]]:
        sobject = self._org.records.object_of(record_id)
        row = None if sobject is None else self._org.records.get(sobject.name, record_id)
        if sobject is None or row is None:
            return [(record_id, None)]
        return [(self.title(sobject, row), record_id)]


def _columns(sobject: SObject) -> tuple[str, ...]:
    return _COLUMNS.get(sobject.name, ("LastModifiedDate",))


def _newest_first(rows: Iterable[Mapping[str, object]]) -> list[Mapping[str, object]]:
    """By creation, later ids first within a second."""
    key = cast("Callable[[Mapping[str, object]], tuple[object, object]]", lambda row: (row["CreatedDate"], row["Id"]))
    return sorted(rows, key=key, reverse=True)


def _by_interest(relationships: Iterable[ChildRelationship]) -> list[ChildRelationship]:
    def rank(relationship: ChildRelationship) -> tuple[int, bool]:
        known = relationship.child in _RELATED_FIRST
        return (_RELATED_FIRST.index(relationship.child) if known else len(_RELATED_FIRST), relationship.name is None)

    return sorted(relationships, key=rank)
