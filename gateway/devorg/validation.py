"""Validation rules: conditions under which an admin wants no record saved, with the admin's words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from gateway.devorg.duplicates import named_object
from gateway.devorg.errors import RecordError
from gateway.devorg.records import Records, Row
from gateway.devorg.schema import Schema, SObject
from gateway.devorg.soql_fields import Run
from gateway.devorg.soql_filter import Test
from gateway.devorg.soql_rows import filtered
from gateway.devorg.soql_syntax import QueryError, parse
from gateway.devorg.writing import Stamp

# Relation rows have none: object reference, TaskRelation.
_WITHOUT = frozenset({"TaskRelation", "TaskWhoRelation"})


@dataclass(frozen=True, slots=True)
class ValidationRule:
    """No record of ``sobject`` for which ``when``, a SOQL condition, holds is saved."""

    sobject: str
    when: str
    message: str
    field: str | None = None

    def shown(self) -> dict[str, object]:
        """The rule as a control call gives it."""
        return {**asdict(self), "object": self.sobject}


def read_rule(content: object, schema: Schema, records: Records, now: datetime) -> ValidationRule:
    """A rule as a seed or control call gives it, or ValueError saying what is wrong with it."""
    if not isinstance(content, Mapping) or not set(content) <= {"object", "when", "message", "field"}:
        raise ValueError("A validation rule has object, when (a SOQL condition), message and perhaps field")
    sobject = named_object(schema, content.get("object"))
    if sobject.name in _WITHOUT:
        raise ValueError(f"object: {sobject.name} does not support validation rules")
    if not content.get("when") or not content.get("message"):
        raise ValueError("A validation rule needs when and message")
    field = content.get("field")
    if field is not None and sobject.find(str(field)) is None:
        raise ValueError(f"field: {sobject.name} has no field {field}")
    rule = ValidationRule(sobject.name, str(content["when"]), str(content["message"]), field and str(field))
    try:
        _test(rule, records, now)
    except QueryError as problem:
        raise ValueError(f"when: {problem.message}") from None
    return rule


def _test(rule: ValidationRule, records: Records, now: datetime) -> Test:
    query = parse(f"SELECT Id FROM {rule.sobject} WHERE {rule.when}")  # noqa: S608  # our own SOQL
    test = filtered(query, Run(records, now, include_deleted=True, version="62.0").open(rule.sobject, query)).test
    assert test is not None  # noqa: S101  # the query has a WHERE
    return test


@dataclass(slots=True)
class ValidationGuard:
    """Holds new and edited records against the rules."""

    records: Records
    clock: Callable[[], datetime]
    rules: tuple[ValidationRule, ...] = ()

    def check(self, sobject: SObject, new: Row, old: Row | None, stamp: Stamp) -> None:  # noqa: ARG002
        """Raise FIELD_CUSTOM_VALIDATION_EXCEPTION for the first rule whose condition holds."""
        for rule in self.rules:
            if rule.sobject == sobject.name and _test(rule, self.records, self.clock())(new):
                fields = () if rule.field is None else (rule.field,)
                raise RecordError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, fields)
