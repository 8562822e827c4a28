"""Twilio: voice calls by the status callback, TaskRouter's tasks by its event callback, both and more by Event Streams.

Sources: https://www.twilio.com/docs/voice/twiml (the request's parameters),
https://www.twilio.com/docs/usage/webhooks/webhooks-security (the signature),
https://www.twilio.com/docs/taskrouter/api/event/reference and https://www.twilio.com/docs/events/webhook-quickstart;
what no callback brought is asked for, see `calls.py` and `events.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.twilio.call import EVENTS, interaction
from connectors.twilio.calls import RECORD, calls, told_by_record
from connectors.twilio.conversation import CONVERSATION_EVENTS, told_by_conversation
from connectors.twilio.events import RESOURCE, task_events, told_by_resource
from connectors.twilio.signature import FORM, messages, require_body_hash, with_body_hash
from connectors.twilio.task import TASK_EVENTS, as_payload, told_by_task
from gateway.sdk import (
    Answer,
    Connector,
    Delivery,
    PartialInteraction,
    Poller,
    RejectedError,
    Request,
    Secrets,
    Settings,
    UnauthorizedError,
)
from gateway.sdk.attributes import AttributeNames
from gateway.sdk.http import Address, Api, basic
from gateway.sdk.reading import TOO_DEEP, Fields, form_pairs, objects_of, read_json, read_object
from gateway.sdk.verify import check_hmac, several, signature

TASKROUTER = "com.twilio.taskrouter."
CONVERSATIONS = "com.twilio.conversations."
MAX_EVENTS = 10_000
"""Most events of one request that are looked at."""


class TwilioSettings(Settings):
    """What signs Twilio's requests, and what the customer's tasks say."""

    auth_token = Secrets(required=True, metadata={"description": "The account's auth token; two while it is rotated"})
    task_attributes = AttributeNames(metadata={"description": "Your attributes of a task, by what they mean to us"})
    account_sid = fields.String(
        validate=validate.Regexp(r"AC[0-9a-fA-F]{32}$"),
        metadata={"description": "The account, whose list of calls is read every hour for what no callback brought"},
    )
    workspace_sid = fields.String(
        validate=validate.Regexp(r"WS[0-9a-fA-F]{32}$"),
        metadata={
            "description": "The account's workspace, whose events are read every hour for what no callback brought"
        },
    )
    find_calls = fields.Boolean(
        metadata={
            "description": "Whether the account's calls are read: by default where no workspace's tasks tell them"
        }
    )
    api_url = Address(
        load_default="https://api.twilio.com", metadata={"description": "The interface of the account's region"}
    )
    taskrouter_url = Address(
        load_default="https://taskrouter.twilio.com", metadata={"description": "The interface of TaskRouter"}
    )

    @validates_schema
    def _workspace_has_its_account(self, loaded: Mapping[str, Any], **_: object) -> None:
        if "workspace_sid" in loaded and "account_sid" not in loaded:
            raise ValidationError("A workspace's events are read with its account's account_sid.", "workspace_sid")


class TwilioConnector(Connector):
    """Calls and conversations as they begin, are worked on and end.

    The calls that a Dial creates are legs of the call that dialled; a worker's reservation of a task is a leg of what
    the task is about.
    """

    name = "twilio"
    title = "Twilio"
    settings_schema = TwilioSettings
    content_types = (FORM, "application/json")
    events = (*EVENTS, *TASK_EVENTS, *CONVERSATION_EVENTS, RECORD, RESOURCE)
    covers = ("body", "url")
    quality = {
        "nothing_invented": "done",
        "covers_body": "done",
        "covers_time": "exempt: Twilio's signature holds no time.",
        "vectors": "done: those of twilio-python, in tests/connectors/test_twilio.py.",
        "replay": "done",
        "reconciled": "to do: calls and tasks are found, conversations are not.",
    }

    def verify(self, request: Request) -> None:
        check_hmac(
            messages(request),
            request.headers.get("x-twilio-signature"),
            several(self.settings["auth_token"]),
            named="X-Twilio-Signature",
            algorithm="sha1",
            encoding="base64",
        )
        require_body_hash(request)

    def signed(self, request: Request) -> Request | None:
        secret, named = several(self.settings["auth_token"])[0], with_body_hash(request)
        try:
            message = messages(named)[0]
        except UnauthorizedError:  # a form that nobody would take
            return None
        proof = signature(message, secret, algorithm="sha1", encoding="base64")
        return named.with_header("x-twilio-signature", proof)

    def parts(self, request: Request) -> Sequence[Request]:
        """Event Streams posts several events as a list, or one as it is."""
        value = None if request.content_type == FORM else read_json(request.body)
        if not isinstance(value, list) or not value:
            return (request,)
        objects_of(value, "", MAX_EVENTS)
        try:
            return [replace(request, body=json.dumps(event).encode()) for event in value]
        except RecursionError:  # read with a little less of the stack than it takes to write it
            raise RejectedError(f"The body {TOO_DEEP}") from None

    def delivery_key(self, request: Request) -> str:
        """An event's own id, which it keeps when it is delivered again; else the same bytes."""
        if request.content_type != FORM:
            value = read_json(request.body)
            if isinstance(value, dict) and (id := Fields(value).text("id")):
                return f"event:{id}"
        return super().delivery_key(request)

    def answer(self, request: Request) -> Answer | None:
        """TaskRouter asks for 204."""
        return Answer(status=204) if b"EventType=" in request.body else None

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        if delivery.content_type != FORM:
            return self._told_as_json(read_object(delivery.body), delivery.received_at)
        pairs = dict(form_pairs(delivery.body))
        form = Fields(pairs)
        if "EventType" not in form:
            partial = interaction(form, delivery.received_at)
            return () if partial is None else (partial,)
        event = (form.text("EventType") or "").lower()
        return told_by_task(as_payload(pairs), event, self.settings["task_attributes"], None, delivery.received_at)

    def pollers(self) -> Sequence[Poller]:
        """Without the account's id there is nothing to ask for."""
        account, token = self.settings.get("account_sid"), several(self.settings["auth_token"])[0]
        if account is None:
            return ()
        found: list[Poller] = []
        workspace = self.settings.get("workspace_sid")
        if self.settings.get("find_calls", workspace is None):
            found.append(calls(Api(self.settings["api_url"], authorize=lambda _: basic(account, token)), account))
        if workspace is not None:
            taskrouter = Api(self.settings["taskrouter_url"], authorize=lambda _: basic(account, token))
            found.append(task_events(taskrouter, workspace))
        return found

    def _told_as_json(self, body: Fields, received_at: datetime) -> Sequence[PartialInteraction]:
        if RECORD in body:
            told = told_by_record(body.inner(RECORD), received_at)
            return () if told is None else (told,)
        if RESOURCE in body:
            return told_by_resource(body.inner(RESOURCE), self.settings["task_attributes"], received_at)
        return self._streamed(body, received_at)

    def _streamed(self, event: Fields, received_at: datetime) -> Sequence[PartialInteraction]:
        kind = event.needed("type", event.text("type"))
        at, told = event.iso_time("time"), event.inner("data")
        if kind.startswith(CONVERSATIONS):
            return told_by_conversation(told, kind.removeprefix(CONVERSATIONS), at, received_at)
        if not kind.startswith(TASKROUTER):
            return ()
        names = self.settings["task_attributes"]
        return told_by_task(told.inner("payload"), kind.removeprefix(TASKROUTER), names, at, received_at)
