"""What the API answers and takes about contact syncs."""

from __future__ import annotations

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from gateway.domain.contacts import Act, Side, Written
from gateway.ports import RunKind, RunState
from gateway.web.schemas import MAX_ID, MAX_PAGE, doc, maybe, moment, text, word

_VALUE = "A text, a number, a truth value, null; of phones and e-mails a list of entries."


class Stop(Schema):
    """Why a run stopped before it wrote anything, and what it would have done."""

    reasons = fields.List(fields.String(), required=True)
    counts = fields.Dict(required=True)
    sample = fields.List(fields.String(), **doc("Some of what it would have done."))
    at = moment("When it stopped.")
    approved_by = maybe("Who agreed to it since.")


class SyncRun(Schema):
    """One run of a pair."""

    id = fields.Integer(required=True)
    pair = fields.String(required=True)
    kind = word("What it is to do.", RunKind, allow_none=False)
    by = text("Who asked for it; `schedule`: its time had come.")
    undoes = fields.Integer(allow_none=True, **doc("The run that it puts back."))
    state = word("How it is.", RunState, allow_none=False)
    started_at = moment("When it began.")
    ended_at = moment("When it ended.")
    counts = fields.Dict(
        required=True,
        **doc(
            "What it did so far: `looked_at` of `expected`, `read`, `written`, `linked`, `questions`, `conflicts`,"
            " `problems`, and `created`, `changed`, `deleted` on each side; `newer`, what was left since something"
            " newer stands there."
        ),
    )
    problem = maybe("What was wrong.")


class PlannedRun(SyncRun):
    """With what a plan found, a line each, a thousand at most."""

    told = fields.List(fields.String(), required=True)


class SyncPair(Schema):
    """An org and a connection whose contacts are kept the same."""

    name = fields.String(required=True)
    org = fields.String(required=True)
    connection = fields.String(required=True)
    times = text("When it runs.")
    paused_by = maybe("Who paused it.")
    due_at = moment("When it runs next.")
    succeeded_at = moment("When it ran last without a problem.")
    problem = maybe("Why the last run failed.")
    counts = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    stop = fields.Nested(Stop, allow_none=True, **doc("A run that waits for an approval."))
    last_run = fields.Nested(SyncRun, allow_none=True)


class SyncPairs(Schema):
    items = fields.List(fields.Nested(SyncPair), required=True)


class SyncRunPage(Schema):
    items = fields.List(fields.Nested(SyncRun), required=True)
    next_before = fields.Integer(allow_none=True)


class NewRun(Schema):
    """What is to be done at once."""

    kind = fields.Enum(RunKind, by_value=True, required=True)
    undoes = fields.Integer(validate=validate.Range(1, MAX_ID), **doc("For `undo`: the run to put back."))

    @validates_schema
    def _check(self, told: dict[str, object], **_: object) -> None:
        if (told.get("kind") is RunKind.UNDO) is not ("undoes" in told):
            raise ValidationError("Needed for undo, and for nothing else.", "undoes")


class Requested(Schema):
    pair = fields.String(required=True)
    requested = fields.Boolean(required=True)


class Onward(Schema):
    after = fields.Integer(
        load_default=0,
        validate=validate.Range(0, MAX_ID),
        **doc("Only beyond this: `next_after` of the page before."),
    )
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))


class Change(Schema):
    """What a run wrote to one side of a link."""

    id = fields.Integer(required=True)
    link = fields.Integer(required=True)
    side = word("Where.", Side, allow_none=False)
    act = word("What was done.", Act, allow_none=False)
    record_id = maybe("The record.")
    before = fields.Dict(required=True, **doc("The values that it met."))
    after = fields.Dict(required=True, **doc("The values that it left."))
    written = word("What became of it; null: not known.", Written)


class ChangePage(Schema):
    items = fields.List(fields.Nested(Change), required=True)
    next_after = fields.Integer(allow_none=True)


class Resolution(Schema):
    winner = word("The side that is right.", Side, allow_none=False)
    by = fields.String(required=True)
    at = moment("When.")


class Conflict(Schema):
    """A field that both sides changed, and nobody wins. `record`: deleted on the side without a value."""

    field = fields.String(required=True)
    values = fields.Dict(required=True, **doc(f"By side, what it has now. {_VALUE}"))
    base = fields.Dict(required=True, **doc("By side, what both agreed on."))
    by = fields.Dict(required=True, **doc("By side, who changed it."))
    at = fields.Dict(required=True, **doc("By side, when it was changed."))
    chosen = fields.Nested(Resolution, allow_none=True, **doc("A choice that the next run carries out."))


class Unsettled(Schema):
    """A link with conflicts or problems."""

    link = fields.Integer(required=True)
    ids = fields.Dict(required=True, **doc("The records, by side."))
    decided = text("Why they are the same contact.")
    conflicts = fields.List(fields.Nested(Conflict), required=True)
    problems = fields.Dict(required=True, **doc("Sentences, by field and side."))


class UnsettledPage(Schema):
    items = fields.List(fields.Nested(Unsettled), required=True)
    next_after = fields.Integer(allow_none=True)


class Contact(Schema):
    id = fields.String(required=True)
    values = fields.Dict(required=True)


class CandidateContact(Contact):
    """A contact that could be meant."""

    score = fields.Float(required=True)
    is_linked = fields.Boolean(required=True, **doc("Whether it is somebody's counterpart already."))
    evidence = fields.List(fields.String(), required=True)


class Question(Contact):
    """A contact of which only a person can say who it is on the other side."""

    side = word("Where the contact is.", Side, allow_none=False)
    reason = text("Why it is asked.")
    answer = maybe("What a person said; the next run heeds it. Empty: nobody.")
    candidates = fields.List(fields.Nested(CandidateContact), required=True)


class QuestionPage(Schema):
    items = fields.List(fields.Nested(Question), required=True)
    next_after = fields.String(allow_none=True)


class QuestionFilter(Schema):
    side = fields.Enum(Side, by_value=True, load_default=Side.SALESFORCE)
    after = fields.String(load_default="", **doc("Only beyond this id: `next_after` of the page before."))
    limit = fields.Integer(load_default=50, validate=validate.Range(1, MAX_PAGE))


class Winner(Schema):
    """Which side is right about a field; `record` about the whole contact."""

    field = fields.String(required=True)
    winner = fields.Enum(Side, by_value=True, required=True)


class Answer(Schema):
    """Who a contact is on the other side; null: nobody."""

    same = fields.String(required=True, allow_none=True, validate=validate.Length(min=1))


class Loss(Schema):
    """A value that gave way, and by whose decision."""

    id = fields.Integer(required=True)
    link = fields.Integer(required=True)
    field = fields.String(required=True)
    side = word("Where it stood.", Side, allow_none=False)
    value = fields.Raw(**doc(_VALUE))
    by = maybe("Who had written it.")
    at = moment("When it was written.")
    decided = text("A policy, or a person's choice.")


class LossPage(Schema):
    items = fields.List(fields.Nested(Loss), required=True)
    next_before = fields.Integer(allow_none=True)
