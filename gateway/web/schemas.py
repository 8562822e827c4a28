"""What the API answers and takes, described for its OpenAPI document."""

from __future__ import annotations

from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate, validates_schema

from gateway.domain.interactions import CallType, Channel, Direction, Status
from gateway.ports import DeliveryStatus
from gateway.usecases.status import Condition

MAX_ID = 2**63 - 1
MAX_PAGE = 200

STATUSES = {status.name.lower(): status for status in DeliveryStatus}
"""Delivery statuses by the names they have in the API."""

STATES = ("matched", "ambiguous", "unmatched", "parked", "waiting")


def _about(text: str, **more: Any) -> dict[str, Any]:
    """Keyword arguments that describe a field."""
    return {"metadata": {"description": text, **more}}


def _text(about: str) -> fields.String:
    return fields.String(**_about(about))


def _maybe(about: str) -> fields.String:
    return fields.String(allow_none=True, **_about(about))


def _time(about: str) -> fields.AwareDateTime:
    return fields.AwareDateTime(format="iso", allow_none=True, **_about(about))


def _word(about: str, words: Any, *, allow_none: bool = True) -> fields.String:
    known = [*(str(word) for word in words), *([None] if allow_none else [])]
    return fields.String(allow_none=allow_none, validate=validate.OneOf(known), **_about(about))


class Open(Schema):
    """Documents what may have further members."""

    class Meta:  # noqa: D106
        unknown = INCLUDE


class AsStored(fields.Nested):
    """JSON that is shown as it was stored; the nested schema documents what is usual."""

    def serialize(self, attr: str, obj: Any, accessor: Any = None, **_: Any) -> Any:
        return self.get_value(obj, attr, accessor=accessor, default=None)


def _no_controls(value: str) -> None:
    if not value.isprintable():
        raise ValidationError("Must not contain control characters.")


def _filter(about: str, length: int = 255) -> fields.String:
    return fields.String(validate=[validate.Length(1, length), _no_controls], **_about(about))


_RECORD_ID = validate.Regexp(r"[0-9A-Za-z]{15}([0-9A-Za-z]{3})?\Z", error="Must be a record id of 15 or 18 characters.")


class Paging(Schema):
    before = fields.Integer(
        validate=validate.Range(1, MAX_ID), **_about("Only what has a smaller id: `next_before` of the page before.")
    )
    limit = fields.Integer(
        load_default=50, validate=validate.Range(1, MAX_PAGE), **_about("How many at most, newest first.")
    )


class InteractionFilter(Paging):
    org = _filter("Name of the org.")
    connection = _filter("Name of the connection.")
    state = fields.String(
        validate=validate.OneOf(STATES),
        **_about("`matched`, `ambiguous`, `unmatched`: by the last match; `parked`; or `waiting` to be written."),
    )
    external_id = _filter("The platform's id of the interaction.")


class DeliveryFilter(Paging):
    status = fields.String(validate=validate.OneOf(list(STATUSES)), **_about("Where the delivery stands."))
    connection = _filter("Name of the connection.")


class Problem(Schema):
    """RFC 9457. `errors` names what is wrong, by place and field."""

    type = fields.String(required=True, **_about("Ends in the kind of problem, such as `not-found`."))
    title = fields.String(required=True, **_about("The kind of problem in words."))
    status = fields.Integer(required=True, **_about("The HTTP status."))
    detail = _text("What is wrong with this request.")
    instance = _text("The path that was asked for.")
    errors = fields.Raw(**_about("What is wrong, by place and field."))


class Party(Schema):
    """One person outside."""

    id = _maybe("The platform's id, or the role.")
    role = _maybe("What the person is in this interaction, such as `customer`.")
    phone = _maybe("As the platform told it.")
    email = _maybe("As the platform told it.")
    name = _maybe("As the platform told it.")
    handle = _maybe("Name in a messaging service.")
    verified = fields.Boolean(allow_none=True, **_about("Whether the platform vouches for the identity."))


class Leg(Schema):
    """One agent's part."""

    id = _maybe("The platform's id.")
    call_type = _word("How the agent came to it.", CallType)
    agent_id = _maybe("The platform's id of the agent.")
    agent_email = _maybe("The agent's address.")
    agent_name = _maybe("The agent's name.")
    team = _maybe("The agent's team or queue.")
    started_at = _time("When the agent took it.")
    ended_at = _time("When the agent was done.")
    disposition = _maybe("How the agent closed it.")
    notes = _maybe("What the agent noted.")


class Named(Open):
    """A Salesforce record."""

    id = _text("Salesforce id, 18 characters.")
    name = _maybe("Its name.")
    kind = _text("The object: Contact, Lead, Account, Case.")
    number = _maybe("Number, of a case.")


class Candidate(Named):
    """A record that could be meant."""

    account_id = _maybe("The account it belongs to.")
    score = fields.Float(**_about("Weight of its evidence, higher is better."))
    evidence = fields.List(fields.String(), **_about("Why it could be meant, in sentences."))
    points = fields.List(fields.Float(), **_about("What each of these weighs; less than 0 speaks against it."))
    lacks = _maybe("What it lacks to be the one; null for the one that was decided on.")


class MatchedParty(Open):
    """The decision about one party."""

    party = _text("Id of the party.")
    role = _maybe("Role of the party.")
    state = _text("`matched`, `ambiguous` or `unmatched`.")
    who = fields.Nested(Named, allow_none=True, **_about("The person, where one was decided on."))
    account = fields.Nested(Named, allow_none=True, **_about("The person's account, or the one all candidates share."))
    evidence = fields.List(fields.String(), **_about("The reasons for the decision, in sentences."))
    candidates = fields.List(fields.Nested(Candidate), **_about("The likeliest that could be meant, best first."))
    candidates_in_all = fields.Integer(**_about("How many could be meant."))


class Match(Open):
    """The last decision, with its evidence."""

    state = _text("`matched`, `ambiguous` or `unmatched`.")
    reason = _text("The decision in one sentence.")
    policy = _text("Version of the weights it was made with.")
    threshold = fields.Float(**_about("Points that somebody needs to be decided on."))
    margin = fields.Float(**_about("Points that they need to be ahead of the next."))
    account = fields.Nested(Named, allow_none=True, **_about("The account the Task is related to."))
    case = fields.Nested(Named, allow_none=True, **_about("The case the Task is related to."))
    parties = fields.List(fields.Nested(MatchedParty), **_about("The decision for each party, the primary first."))
    cases_offered = fields.List(fields.Nested(Named), **_about("Open cases among which a person may choose."))
    awaits = fields.List(fields.String(), **_about("Keys under which something new has it matched again."))


class MatchSummary(Schema):
    state = _text("`matched`, `ambiguous` or `unmatched`.")
    reason = _maybe("The decision in one sentence.")


class TaskReference(Schema):
    """The Task in Salesforce."""

    id = _text("Salesforce id.")
    link = _maybe("Its page in the org.")


class Companion(Schema):
    """The Task of a further account that an interaction involves."""

    account_id = fields.String(**_about("The account."))
    task = fields.Nested(TaskReference, allow_none=True, **_about("The Task; null before it is written."))


class Chosen(Open):
    """A person's choice."""

    who = _maybe("The contact or lead; null for nobody, absent where the person did not say.")
    what = _maybe("The account or case; null for nothing, absent where the person did not say.")
    by = _text("Who chose.")
    at = _text("When.")


class Relations(Schema):
    """What a Task was or is related to."""

    who = fields.Nested(Named, allow_none=True, **_about("The contact or lead."))
    what = fields.Nested(Named, allow_none=True, **_about("The account or case."))


class Correction(Schema):
    """Something that moved a Task to other records."""

    at = _time("When.")
    what = _text("What happened, in sentences.")
    before = AsStored(Relations, **_about("What it was related to."))
    after = AsStored(Relations, **_about("What it is related to since."))


class InteractionSummary(Schema):
    """One call, chat, e-mail thread or enquiry."""

    id = fields.Integer(required=True, **_about("The gateway's id."))
    org = fields.String(required=True, **_about("The org it is written to."))
    connection = fields.String(required=True, **_about("The connection it came from."))
    external_id = fields.String(required=True, **_about("The platform's id."))
    status = _word("How far it has come.", Status, allow_none=False)
    channel = _word("How the customer reached the brand.", Channel, allow_none=False)
    direction = _word("Who reached out to whom.", Direction)
    subject = _maybe("What it is about.")
    queue = _maybe("The queue it went through.")
    started_at = _time("When it began.")
    ended_at = _time("When it ended.")
    duration_seconds = fields.Integer(allow_none=True, **_about("How long it took."))
    match = fields.Nested(MatchSummary, allow_none=True, **_about("The last match; null before the first."))
    task = fields.Nested(TaskReference, allow_none=True, **_about("The Task; null before it is written."))
    parked = _maybe("Why it is given up for now; null if it is not.")
    version = fields.Integer(**_about("Counts the changes of its content and match."))
    written_version = fields.Integer(**_about("The version that stands in Salesforce; 0 before the first write."))
    attempts = fields.Integer(**_about("Failed attempts to write this version."))
    next_at = _time("When it is tried again.")
    created_at = _time("When its first delivery was folded.")
    updated_at = _time("When it last changed.")
    written_at = _time("When it was last written.")


class Interaction(InteractionSummary):
    """An interaction with everything that is known of it."""

    match = AsStored(Match, allow_none=True, **_about("The last match with its evidence; null before the first."))
    contact_point = _maybe("The brand's address that the customer used.")
    disposition = _maybe("How it was closed.")
    notes = _maybe("What the agents noted.")
    transcript = _maybe("What was said.")
    recording_url = _maybe("Where the recording is.")
    references = fields.Dict(
        keys=fields.String(), values=fields.Raw(), **_about("What the platform refers to, such as `case_number`.")
    )
    earlier_references = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        **_about("What it referred to before, the latest first."),
    )
    attributes = fields.Dict(keys=fields.String(), values=fields.Raw(), **_about("Whatever else the platform told."))
    parties = fields.List(fields.Nested(Party), **_about("The people outside."))
    legs = fields.List(fields.Nested(Leg), **_about("The agents' parts, in order of time."))
    last_event_at = _time("Time of the latest event.")
    written = fields.Dict(
        keys=fields.String(), values=fields.Raw(), **_about("Task fields as last written by the gateway.")
    )
    kept = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(),
        **_about("Task fields that a person edited since; they are left alone."),
    )
    companions = fields.List(fields.Nested(Companion), **_about("The Tasks of further accounts."))
    chosen = AsStored(Chosen, allow_none=True, **_about("What a person chose in place of the decision."))
    history = fields.List(fields.Nested(Correction), **_about("What moved its Task to other records, oldest first."))


class Explaining(Schema):
    now = fields.Boolean(load_default=False, **_about("Also say what would be decided now; this changes nothing."))


class Choice(Schema):
    """What a person chose: one of both, or both."""

    who = fields.String(allow_none=True, validate=_RECORD_ID, **_about("The contact or lead; null for nobody."))
    what = fields.String(allow_none=True, validate=_RECORD_ID, **_about("The account or case; null for nothing."))

    @validates_schema
    def _names_something(self, wanted: dict[str, Any], **_: Any) -> None:
        if not wanted:
            raise ValidationError("Name who, what, or both.")


class Decision(Schema):
    """What would be decided now."""

    decision = AsStored(Match, **_about("The decision with its evidence."))
    in_words = fields.List(fields.String(), **_about("The same in sentences."))
    is_same = fields.Boolean(**_about("Whether it leads to the same records as the stored one."))


class Explanation(Schema):
    """Why an interaction was decided on as it was."""

    id = fields.Integer(required=True, **_about("The gateway's id."))
    org = _text("The org it is written to.")
    connection = _text("The connection it came from.")
    external_id = _text("The platform's id.")
    task_id = _maybe("The Task; null before it is written.")
    decided_at = _time("As of when the mirror was that it was decided with.")
    decision = AsStored(Match, allow_none=True, **_about("The stored decision; null before the first."))
    in_words = fields.List(fields.String(), **_about("The same in sentences: evidence, weights, why not the others."))
    waits_for = fields.List(fields.String(), **_about("What has to appear in Salesforce for it to be tried again."))
    by_a_person = fields.Boolean(**_about("Whether a person has decided, so that it is not matched again."))
    chosen = AsStored(Chosen, allow_none=True, **_about("What a person chose in place of the decision."))
    kept = fields.Dict(
        keys=fields.String(), values=fields.Raw(), **_about("Relations that a person set in Salesforce.")
    )
    history = fields.List(fields.Nested(Correction), **_about("What moved its Task to other records, oldest first."))
    now = fields.Nested(Decision, **_about("What would be decided now, if asked for."))


class InteractionPage(Schema):
    items = fields.List(fields.Nested(InteractionSummary), required=True)
    next_before = fields.Integer(allow_none=True, **_about("`before` of the next page; null on the last."))


class Delivery(Schema):
    """One request of a platform as received."""

    id = fields.Integer(required=True, **_about("The id that the platform was answered."))
    org = _text("The org that its connection feeds.")
    connection = _text("The connection it came in on.")
    key = _text("What makes two requests the same delivery.")
    status = _word("Where it stands.", STATUSES, allow_none=False)
    reason = _maybe("Why it is parked or ignored.")
    content_type = _text("Its media type.")
    bytes = fields.Integer(**_about("Length of its body."))
    received_at = _time("When it came.")
    repeats = fields.Integer(**_about("How often it came again."))
    interactions = fields.List(fields.String(), **_about("Platform's ids of the interactions it tells of."))


class DeliveryWithBody(Delivery):
    """A delivery; headers and body only for operators and admins."""

    headers = fields.Dict(keys=fields.String(), values=fields.String(), **_about("Headers that were kept."))
    body = _text("The body as received.")
    body_encoding = _word("How `body` is written: as it is, or in base64.", ("utf-8", "base64"), allow_none=False)


class DeliveryPage(Schema):
    items = fields.List(fields.Nested(Delivery), required=True)
    next_before = fields.Integer(allow_none=True, **_about("`before` of the next page; null on the last."))


class FetchFilter(Paging):
    connection = _filter("Name of the connection.")


class GivenUpFetch(Schema):
    """Something that a delivery named, and that the platform is not asked for any more."""

    id = fields.Integer(required=True, **_about("The gateway's id."))
    org = _text("The org that its connection feeds.")
    connection = _text("The connection whose platform was asked.")
    name = _text("What it is called at the platform.")
    reason = _text("Why it was given up.")


class FetchPage(Schema):
    items = fields.List(fields.Nested(GivenUpFetch), required=True)
    next_before = fields.Integer(allow_none=True, **_about("`before` of the next page; null on the last."))


class Queued(Schema):
    id = fields.Integer(required=True, **_about("What will be done again."))
    queued = fields.Boolean(required=True, **_about("Always true."))


class Connection(Schema):
    """One configured instance of a connector."""

    name = fields.String(required=True)
    connector = fields.String(required=True, **_about("The platform's connector."))
    title = fields.String(required=True, **_about("The platform's name."))
    org = fields.String(required=True, **_about("The org it feeds."))
    state = _word("Whether it takes deliveries.", ("open", "retired"), allow_none=False)
    webhook_url = fields.String(required=True, **_about("Where the platform posts to."))


class Connections(Schema):
    items = fields.List(fields.Nested(Connection), required=True)


class Org(Schema):
    """One Salesforce org."""

    name = fields.String(required=True)
    connections = fields.List(fields.String(), required=True, **_about("Names of the connections that feed it."))
    problem = fields.String(
        required=True,
        allow_none=True,
        **_about("Why nothing can be written to it now; its interactions wait. Null where all is well."),
    )


class Orgs(Schema):
    items = fields.List(fields.Nested(Org), required=True)


class Calls(Schema):
    """The org's API calls of the last 24 hours, of all who use it."""

    used = fields.Integer(required=True, **_about("How many were made."))
    max = fields.Integer(required=True, **_about("How many are allowed."))
    reserve = fields.Integer(required=True, **_about("How many are kept for interactions and wrap-up."))
    reported_at = fields.String(required=True, **_about("When the org said so; an idle gateway does not ask."))
    exhausted_at = _maybe("When none will be left, if it goes on so; null where that is not within a day.")


class JobStatus(Schema):
    """What is done for a connection again and again: reading on, fetching what was named, renewing a subscription."""

    connection = fields.String(required=True)
    name = fields.String(required=True, **_about("The poller's, `fetches` or `subscription`."))
    started_at = _maybe("When it was last begun.")
    succeeded_at = _maybe("When it last came to its end.")
    records = fields.Integer(required=True, **_about("How many records have come since it was last begun."))
    new = fields.Integer(required=True, **_about("How many of these were not known."))
    due_at = fields.String(required=True, **_about("When it is done next."))
    cursor = fields.Dict(allow_none=True, **_about("Up to where it has read, in the words of the connector."))
    failures = fields.Integer(required=True, **_about("How often in a row it could not be done."))
    is_paused = fields.Boolean(required=True, **_about("Whether a person has to change something first."))
    problem = _maybe("Why it could not be done the last time.")


class FetchCounts(Schema):
    """What the platform is asked for because deliveries name it."""

    waiting = fields.Integer(required=True, **_about("Still to be asked for."))
    given_up = fields.Integer(required=True, **_about("Not asked for any more; see `/api/fetches`."))


class ConnectionStatus(Schema):
    """A connection: when it was last heard, and what is asked of its platform."""

    name = fields.String(required=True)
    last_delivery_at = _maybe("When its last delivery came.")
    jobs = fields.List(fields.Nested(JobStatus), required=True)
    fetches = fields.Nested(FetchCounts, required=True)


class InteractionCounts(Schema):
    """How the interactions of an org stand."""

    waiting = fields.Integer(required=True, **_about("To be written."))
    parked = fields.Integer(required=True, **_about("Given up until a person looks."))
    written = fields.Integer(required=True, **_about("Written as they are."))
    open = fields.Integer(required=True, **_about("Going on; there is nothing to log yet."))


class MirrorStatus(Schema):
    """How our copy of an org's records is."""

    is_kept = fields.Boolean(required=True, **_about("Whether there is one; without it the org is asked every time."))
    loading = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        **_about("How many records were read of each object that is still loaded; the org is asked meanwhile."),
    )
    problem = _maybe("Why the load does not go on; it is tried again.")


class OrgStatus(Schema):
    """How an org is. What only a process knows that works for it is left out while there is none."""

    name = fields.String(required=True)
    condition = _word(
        "Written to; left alone for a while; or without a process that works for it.", Condition, allow_none=False
    )
    told_at = _maybe("When the process that works for it last said something.")
    problem = _maybe("Why it is left alone.")
    paused_until = _maybe("When it is tried again.")
    calls = fields.Nested(Calls, allow_none=True, **_about("Null until the org has answered once."))
    gathering_seconds = fields.Float(
        **_about("How long a partial batch gathers now, so that the API calls of the day hold out.")
    )
    calls_under_way = fields.Integer(**_about("Calls that wait for their answers."))
    concurrent_calls = fields.Integer(**_about("How many may wait at once."))
    mirror = fields.Nested(MirrorStatus)
    interactions = fields.Nested(InteractionCounts, required=True)
    connections = fields.List(fields.Nested(ConnectionStatus), required=True)


class Overview(Schema):
    items = fields.List(fields.Nested(OrgStatus), required=True)
