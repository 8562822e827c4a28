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


ID_IN_PATH = f"<int(min=1, max={MAX_ID}):id>"
"""An id as a part of a route."""


def doc(about: str, **more: Any) -> dict[str, Any]:
    """Keyword arguments that describe a field."""
    return {"metadata": {"description": about, **more}}


def text(about: str) -> fields.String:
    """A text that is always there."""
    return fields.String(**doc(about))


def maybe(about: str) -> fields.String:
    """A text that may be missing."""
    return fields.String(allow_none=True, **doc(about))


def moment(about: str) -> fields.AwareDateTime:
    """A moment that may be missing."""
    return fields.AwareDateTime(format="iso", allow_none=True, **doc(about))


def word(about: str, words: Any, *, allow_none: bool = True) -> fields.String:
    """One of some words."""
    known = [*(str(word) for word in words), *([None] if allow_none else [])]
    return fields.String(allow_none=allow_none, validate=validate.OneOf(known), **doc(about))


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
    return fields.String(validate=[validate.Length(1, length), _no_controls], **doc(about))


_RECORD_ID = validate.Regexp(r"[0-9A-Za-z]{15}([0-9A-Za-z]{3})?\Z", error="Must be a record id of 15 or 18 characters.")


class Paging(Schema):
    before = fields.Integer(
        validate=validate.Range(1, MAX_ID),
        **doc("Only what has a smaller id: `next_before` of the page before."),
    )
    limit = fields.Integer(
        load_default=50, validate=validate.Range(1, MAX_PAGE), **doc("How many at most, newest first.")
    )


class InteractionFilter(Paging):
    org = _filter("Name of the org.")
    connection = _filter("Name of the connection.")
    state = fields.String(
        validate=validate.OneOf(STATES),
        **doc("`matched`, `ambiguous`, `unmatched`: by the last match; `parked`; or `waiting` to be written."),
    )
    external_id = _filter("The platform's id of the interaction.")


class DeliveryFilter(Paging):
    status = fields.String(validate=validate.OneOf(list(STATUSES)), **doc("Where the delivery stands."))
    connection = _filter("Name of the connection.")


class Problem(Schema):
    """RFC 9457. `errors` names what is wrong, by place and field."""

    type = fields.String(required=True, **doc("Ends in the kind of problem, such as `not-found`."))
    title = fields.String(required=True, **doc("The kind of problem in words."))
    status = fields.Integer(required=True, **doc("The HTTP status."))
    detail = text("What is wrong with this request.")
    instance = text("The path that was asked for.")
    errors = fields.Raw(**doc("What is wrong, by place and field."))


class Party(Schema):
    """One person outside."""

    id = maybe("The platform's id, or the role.")
    role = maybe("What the person is in this interaction, such as `customer`.")
    phone = maybe("As the platform told it.")
    email = maybe("As the platform told it.")
    name = maybe("As the platform told it.")
    handle = maybe("Name in a messaging service.")
    verified = fields.Boolean(allow_none=True, **doc("Whether the platform vouches for the identity."))


class Leg(Schema):
    """One agent's part."""

    id = maybe("The platform's id.")
    call_type = word("How the agent came to it.", CallType)
    agent_id = maybe("The platform's id of the agent.")
    agent_email = maybe("The agent's address.")
    agent_name = maybe("The agent's name.")
    team = maybe("The agent's team or queue.")
    started_at = moment("When the agent took it.")
    ended_at = moment("When the agent was done.")
    disposition = maybe("How the agent closed it.")
    notes = maybe("What the agent noted.")


class Named(Open):
    """A Salesforce record."""

    id = text("Salesforce id, 18 characters.")
    name = maybe("Its name.")
    kind = text("The object: Contact, Lead, Account, Case.")
    number = maybe("Number, of a case.")


class Candidate(Named):
    """A record that could be meant."""

    account_id = maybe("The account it belongs to.")
    score = fields.Float(**doc("Weight of its evidence, higher is better."))
    evidence = fields.List(fields.String(), **doc("Why it could be meant, in sentences."))
    points = fields.List(fields.Float(), **doc("What each of these weighs; less than 0 speaks against it."))
    lacks = maybe("What it lacks to be the one; null for the one that was decided on.")


class MatchedParty(Open):
    """The decision about one party."""

    party = text("Id of the party.")
    role = maybe("Role of the party.")
    state = text("`matched`, `ambiguous` or `unmatched`.")
    who = fields.Nested(Named, allow_none=True, **doc("The person, where one was decided on."))
    account = fields.Nested(Named, allow_none=True, **doc("The person's account, or the one all candidates share."))
    evidence = fields.List(fields.String(), **doc("The reasons for the decision, in sentences."))
    candidates = fields.List(fields.Nested(Candidate), **doc("The likeliest that could be meant, best first."))
    candidates_in_all = fields.Integer(**doc("How many could be meant."))


class Match(Open):
    """The last decision, with its evidence."""

    state = text("`matched`, `ambiguous` or `unmatched`.")
    reason = text("The decision in one sentence.")
    policy = text("Version of the weights it was made with.")
    threshold = fields.Float(**doc("Points that somebody needs to be decided on."))
    margin = fields.Float(**doc("Points that they need to be ahead of the next."))
    account = fields.Nested(Named, allow_none=True, **doc("The account the Task is related to."))
    case = fields.Nested(Named, allow_none=True, **doc("The case the Task is related to."))
    parties = fields.List(fields.Nested(MatchedParty), **doc("The decision for each party, the primary first."))
    cases_offered = fields.List(fields.Nested(Named), **doc("Open cases among which a person may choose."))
    awaits = fields.List(fields.String(), **doc("Keys under which something new has it matched again."))


class MatchSummary(Schema):
    state = text("`matched`, `ambiguous` or `unmatched`.")
    reason = maybe("The decision in one sentence.")


class TaskReference(Schema):
    """The Task in Salesforce."""

    id = text("Salesforce id.")
    link = maybe("Its page in the org.")


class Companion(Schema):
    """The Task of a further account that an interaction involves."""

    account_id = fields.String(**doc("The account."))
    task = fields.Nested(TaskReference, allow_none=True, **doc("The Task; null before it is written."))


class Chosen(Open):
    """A person's choice."""

    who = maybe("The contact or lead; null for nobody, absent where the person did not say.")
    what = maybe("The account or case; null for nothing, absent where the person did not say.")
    by = text("Who chose.")
    at = text("When.")


class Relations(Schema):
    """What a Task was or is related to."""

    who = fields.Nested(Named, allow_none=True, **doc("The contact or lead."))
    what = fields.Nested(Named, allow_none=True, **doc("The account or case."))


class Correction(Schema):
    """Something that moved a Task to other records."""

    at = moment("When.")
    what = text("What happened, in sentences.")
    before = AsStored(Relations, **doc("What it was related to."))
    after = AsStored(Relations, **doc("What it is related to since."))


class InteractionSummary(Schema):
    """One call, chat, e-mail thread or enquiry."""

    id = fields.Integer(required=True, **doc("The gateway's id."))
    org = fields.String(required=True, **doc("The org it is written to."))
    connection = fields.String(required=True, **doc("The connection it came from."))
    external_id = fields.String(required=True, **doc("The platform's id."))
    status = word("How far it has come.", Status, allow_none=False)
    channel = word("How the customer reached the brand.", Channel, allow_none=False)
    direction = word("Who reached out to whom.", Direction)
    subject = maybe("What it is about.")
    queue = maybe("The queue it went through.")
    started_at = moment("When it began.")
    ended_at = moment("When it ended.")
    duration_seconds = fields.Integer(allow_none=True, **doc("How long it took."))
    match = fields.Nested(MatchSummary, allow_none=True, **doc("The last match; null before the first."))
    task = fields.Nested(TaskReference, allow_none=True, **doc("The Task; null before it is written."))
    parked = maybe("Why it is given up for now; null if it is not.")
    version = fields.Integer(**doc("Counts the changes of its content and match."))
    written_version = fields.Integer(**doc("The version that stands in Salesforce; 0 before the first write."))
    attempts = fields.Integer(**doc("Failed attempts to write this version."))
    next_at = moment("When it is tried again.")
    created_at = moment("When its first delivery was folded.")
    updated_at = moment("When it last changed.")
    written_at = moment("When it was last written.")


class Interaction(InteractionSummary):
    """An interaction with everything that is known of it."""

    match = AsStored(Match, allow_none=True, **doc("The last match with its evidence; null before the first."))
    contact_point = maybe("The brand's address that the customer used.")
    disposition = maybe("How it was closed.")
    notes = maybe("What the agents noted.")
    transcript = maybe("What was said.")
    recording_url = maybe("Where the recording is.")
    references = fields.Dict(
        keys=fields.String(), values=fields.Raw(), **doc("What the platform refers to, such as `case_number`.")
    )
    earlier_references = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        **doc("What it referred to before, the latest first."),
    )
    attributes = fields.Dict(keys=fields.String(), values=fields.Raw(), **doc("Whatever else the platform told."))
    parties = fields.List(fields.Nested(Party), **doc("The people outside."))
    legs = fields.List(fields.Nested(Leg), **doc("The agents' parts, in order of time."))
    last_event_at = moment("Time of the latest event.")
    written = fields.Dict(
        keys=fields.String(), values=fields.Raw(), **doc("Task fields as last written by the gateway.")
    )
    kept = fields.Dict(
        keys=fields.String(),
        values=fields.Raw(),
        **doc("Task fields that a person edited since; they are left alone."),
    )
    companions = fields.List(fields.Nested(Companion), **doc("The Tasks of further accounts."))
    chosen = AsStored(Chosen, allow_none=True, **doc("What a person chose in place of the decision."))
    history = fields.List(fields.Nested(Correction), **doc("What moved its Task to other records, oldest first."))


class Explaining(Schema):
    now = fields.Boolean(load_default=False, **doc("Also say what would be decided now; this changes nothing."))


class Choice(Schema):
    """What a person chose: one of both, or both."""

    who = fields.String(allow_none=True, validate=_RECORD_ID, **doc("The contact or lead; null for nobody."))
    what = fields.String(allow_none=True, validate=_RECORD_ID, **doc("The account or case; null for nothing."))

    @validates_schema
    def _names_something(self, wanted: dict[str, Any], **_: Any) -> None:
        if not wanted:
            raise ValidationError("Name who, what, or both.")


class Decision(Schema):
    """What would be decided now."""

    decision = AsStored(Match, **doc("The decision with its evidence."))
    in_words = fields.List(fields.String(), **doc("The same in sentences."))
    is_same = fields.Boolean(**doc("Whether it leads to the same records as the stored one."))


class Explanation(Schema):
    """Why an interaction was decided on as it was."""

    id = fields.Integer(required=True, **doc("The gateway's id."))
    org = text("The org it is written to.")
    connection = text("The connection it came from.")
    external_id = text("The platform's id.")
    task_id = maybe("The Task; null before it is written.")
    decided_at = moment("As of when the mirror was that it was decided with.")
    decision = AsStored(Match, allow_none=True, **doc("The stored decision; null before the first."))
    in_words = fields.List(fields.String(), **doc("The same in sentences: evidence, weights, why not the others."))
    waits_for = fields.List(fields.String(), **doc("What has to appear in Salesforce for it to be tried again."))
    by_a_person = fields.Boolean(**doc("Whether a person has decided, so that it is not matched again."))
    chosen = AsStored(Chosen, allow_none=True, **doc("What a person chose in place of the decision."))
    kept = fields.Dict(keys=fields.String(), values=fields.Raw(), **doc("Relations that a person set in Salesforce."))
    history = fields.List(fields.Nested(Correction), **doc("What moved its Task to other records, oldest first."))
    now = fields.Nested(Decision, **doc("What would be decided now, if asked for."))


class InteractionPage(Schema):
    items = fields.List(fields.Nested(InteractionSummary), required=True)
    next_before = fields.Integer(allow_none=True, **doc("`before` of the next page; null on the last."))


class Delivery(Schema):
    """One request of a platform as received."""

    id = fields.Integer(required=True, **doc("The id that the platform was answered."))
    org = text("The org that its connection feeds.")
    connection = text("The connection it came in on.")
    key = text("What makes two requests the same delivery.")
    status = word("Where it stands.", STATUSES, allow_none=False)
    reason = maybe("Why it is parked or ignored.")
    content_type = text("Its media type.")
    bytes = fields.Integer(**doc("Length of its body."))
    received_at = moment("When it came.")
    repeats = fields.Integer(**doc("How often it came again."))
    interactions = fields.List(fields.String(), **doc("Platform's ids of the interactions it tells of."))


class DeliveryWithBody(Delivery):
    """A delivery; headers and body only for operators and admins."""

    headers = fields.Dict(keys=fields.String(), values=fields.String(), **doc("Headers that were kept."))
    body = text("The body as received.")
    body_encoding = word("How `body` is written: as it is, or in base64.", ("utf-8", "base64"), allow_none=False)


class DeliveryPage(Schema):
    items = fields.List(fields.Nested(Delivery), required=True)
    next_before = fields.Integer(allow_none=True, **doc("`before` of the next page; null on the last."))


class FetchFilter(Paging):
    connection = _filter("Name of the connection.")


class GivenUpFetch(Schema):
    """Something that a delivery named, and that the platform is not asked for any more."""

    id = fields.Integer(required=True, **doc("The gateway's id."))
    org = text("The org that its connection feeds.")
    connection = text("The connection whose platform was asked.")
    name = text("What it is called at the platform.")
    reason = text("Why it was given up.")


class FetchPage(Schema):
    items = fields.List(fields.Nested(GivenUpFetch), required=True)
    next_before = fields.Integer(allow_none=True, **doc("`before` of the next page; null on the last."))


class Queued(Schema):
    id = fields.Integer(required=True, **doc("What will be done again."))
    queued = fields.Boolean(required=True, **doc("Always true."))


class Connection(Schema):
    """One configured instance of a connector."""

    name = fields.String(required=True)
    connector = fields.String(required=True, **doc("The platform's connector."))
    title = fields.String(required=True, **doc("The platform's name."))
    org = fields.String(required=True, **doc("The org it feeds."))
    state = word("Whether it takes deliveries.", ("open", "retired"), allow_none=False)
    webhook_url = fields.String(required=True, **doc("Where the platform posts to."))


class Connections(Schema):
    items = fields.List(fields.Nested(Connection), required=True)


class Org(Schema):
    """One Salesforce org."""

    name = fields.String(required=True)
    connections = fields.List(fields.String(), required=True, **doc("Names of the connections that feed it."))
    problem = fields.String(
        required=True,
        allow_none=True,
        **doc("Why nothing can be written to it now; its interactions wait. Null where all is well."),
    )


class Orgs(Schema):
    items = fields.List(fields.Nested(Org), required=True)


class Calls(Schema):
    """The org's API calls of the last 24 hours, of all who use it."""

    used = fields.Integer(required=True, **doc("How many were made."))
    max = fields.Integer(required=True, **doc("How many are allowed."))
    reserve = fields.Integer(required=True, **doc("How many are kept for interactions and wrap-up."))
    reported_at = fields.String(required=True, **doc("When the org said so; an idle gateway does not ask."))
    exhausted_at = maybe("When none will be left, if it goes on so; null where that is not within a day.")


class JobStatus(Schema):
    """What is done for a connection again and again: reading on, fetching what was named, renewing a subscription."""

    connection = fields.String(required=True)
    name = fields.String(required=True, **doc("The poller's, `fetches` or `subscription`."))
    started_at = maybe("When it was last begun.")
    succeeded_at = maybe("When it last came to its end.")
    records = fields.Integer(required=True, **doc("How many records have come since it was last begun."))
    new = fields.Integer(required=True, **doc("How many of these were not known."))
    due_at = fields.String(required=True, **doc("When it is done next."))
    cursor = fields.Dict(allow_none=True, **doc("Up to where it has read, in the words of the connector."))
    failures = fields.Integer(required=True, **doc("How often in a row it could not be done."))
    is_paused = fields.Boolean(required=True, **doc("Whether a person has to change something first."))
    problem = maybe("Why it could not be done the last time.")


class FetchCounts(Schema):
    """What the platform is asked for because deliveries name it."""

    waiting = fields.Integer(required=True, **doc("Still to be asked for."))
    given_up = fields.Integer(required=True, **doc("Not asked for any more; see `/api/fetches`."))


class ConnectionStatus(Schema):
    """A connection: when it was last heard, and what is asked of its platform."""

    name = fields.String(required=True)
    last_delivery_at = maybe("When its last delivery came.")
    jobs = fields.List(fields.Nested(JobStatus), required=True)
    fetches = fields.Nested(FetchCounts, required=True)


class InteractionCounts(Schema):
    """How the interactions of an org stand."""

    waiting = fields.Integer(required=True, **doc("To be written."))
    parked = fields.Integer(required=True, **doc("Given up until a person looks."))
    written = fields.Integer(required=True, **doc("Written as they are."))
    open = fields.Integer(required=True, **doc("Going on; there is nothing to log yet."))


class MirrorStatus(Schema):
    """How our copy of an org's records is."""

    is_kept = fields.Boolean(required=True, **doc("Whether there is one; without it the org is asked every time."))
    loading = fields.Dict(
        keys=fields.String(),
        values=fields.Integer(),
        required=True,
        **doc("How many records were read of each object that is still loaded; the org is asked meanwhile."),
    )
    problem = maybe("Why the load does not go on; it is tried again.")


class OrgStatus(Schema):
    """How an org is. What only a process knows that works for it is left out while there is none."""

    name = fields.String(required=True)
    condition = word(
        "Written to; left alone for a while; or without a process that works for it.", Condition, allow_none=False
    )
    told_at = maybe("When the process that works for it last said something.")
    problem = maybe("Why it is left alone.")
    paused_until = maybe("When it is tried again.")
    calls = fields.Nested(Calls, allow_none=True, **doc("Null until the org has answered once."))
    gathering_seconds = fields.Float(
        **doc("How long a partial batch gathers now, so that the API calls of the day hold out.")
    )
    calls_under_way = fields.Integer(**doc("Calls that wait for their answers."))
    concurrent_calls = fields.Integer(**doc("How many may wait at once."))
    mirror = fields.Nested(MirrorStatus)
    interactions = fields.Nested(InteractionCounts, required=True)
    connections = fields.List(fields.Nested(ConnectionStatus), required=True)


class Overview(Schema):
    items = fields.List(fields.Nested(OrgStatus), required=True)
