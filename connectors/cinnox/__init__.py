"""CINNOX: enquiries and calls, notified by webhooks and completed from the reports of its Open API.

Sources: https://docs.cinnox.com/docs/open-api and the pages named in `enquiry.py`, `call.py`, `reports.py` and
`subscriptions.py`; https://docs.cinnox.com/docs/createeditdelete-external-contact-event-subscription.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from marshmallow import fields, validate

from connectors.cinnox import call, enquiry
from connectors.cinnox.chat import CHAT, chat_of, told_by_chat
from connectors.cinnox.contacts import ExternalContacts
from connectors.cinnox.reports import CALLS, ENQUIRIES, Details, Reconciliation, Reports, of_call, of_chat, of_enquiry
from connectors.cinnox.subscriptions import TOKEN, Webhooks, open_api
from gateway.sdk import (
    Answer,
    Connector,
    ContactSide,
    Delivery,
    Enricher,
    Fetch,
    PartialInteraction,
    Poller,
    RejectedError,
    Request,
    Secret,
    Secrets,
    Settings,
    Subscription,
)
from gateway.sdk.http import Address
from gateway.sdk.listed import ListedSide
from gateway.sdk.reading import Fields, read_object
from gateway.sdk.verify import check_token, several, url_parameter

CHALLENGE = "challenge"
ENQUIRY = "inquiry"
CONTACT = "contact"


class CinnoxSettings(Settings):
    """Access to the Open API, by which the connector subscribes itself and asks for details."""

    base_url = Address(required=True, metadata={"description": "The Base URL of the app, such as https://example.com"})
    app_id = fields.String(required=True, validate=validate.Length(min=1), metadata={"description": "The App ID"})
    app_token = Secret(required=True, validate=validate.Length(min=1), metadata={"description": "The App Token"})
    token = Secrets(required=True, metadata={"description": "A secret of yours that the webhook's URL carries"})
    staff = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        load_default=dict,
        metadata={"description": "The e-mail address of each staff member, by their EID"},
    )
    page_size = fields.Integer(
        strict=True,
        load_default=100,
        validate=validate.Range(min=1, max=10_000),
        metadata={"description": "How many records of a report, or contacts, are asked for at a time"},
    )
    look_back_days = fields.Integer(
        strict=True,
        load_default=3,
        validate=validate.Range(min=1, max=90),
        metadata={"description": "How long after it began a change of an enquiry is still found in the report"},
    )
    transcripts = fields.Boolean(
        load_default=False, metadata={"description": "Fetch what was said in the chat of each closed enquiry"}
    )
    region = fields.String(
        load_default="US", validate=validate.Regexp("[A-Z]{2}$"), metadata={"description": "Of numbers without country"}
    )
    contact_limit = fields.Integer(
        strict=True,
        load_default=10_000,
        validate=validate.Range(min=1),
        metadata={"description": "How many external contacts there may be"},
    )
    delete_contact_path = fields.String(
        validate=validate.Regexp(r"[^?#]*\{contactID\}[^?#]*$"),
        metadata={"description": "Where DELETE deletes an external contact, under the app's own path"},
    )


class CinnoxConnector(Connector):
    """An enquiry is one interaction, its calls are legs; a call without an enquiry is one of its own.

    Notifications are not signed: they are known by the token in the URL, which TLS protects.
    """

    name = "cinnox"
    title = "CINNOX"
    settings_schema = CinnoxSettings
    contacts_every = 60.0
    events = (
        CHALLENGE,
        *(f"{ENQUIRY}:{status}" for status in enquiry.NOTIFIED),
        call.STARTS,
        call.ENDS,
        *(f"{CONTACT}:{status}" for status in ("create", "edit", "delete")),
        *(f"{ENQUIRIES.name}:{status}" for status in enquiry.REPORTED),
        *(f"{CALLS.name}:{status}" for status in call.STATUSES),
        CHAT,
    )
    # What CINNOX takes for success is not documented: nobody takes 200 for a failure.
    accepted_status = 200
    quality = {
        "covers_body": "exempt: CINNOX signs nothing; the token is ours, in the URL.",
        "covers_time": "exempt: CINNOX signs nothing; the token is ours, in the URL.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "done",
        "reconciled": "done",
        "contacts": "done: tests/connectors/test_cinnox_contacts.py.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._api = open_api(settings["base_url"], settings["app_id"], settings["app_token"])
        self._reports = Reports(self._api, settings["page_size"])
        self._side = ListedSide(
            ExternalContacts(
                self._api,
                page_size=settings["page_size"],
                most=settings["contact_limit"],
                region=settings["region"],
                deletes_at=settings.get("delete_contact_path"),
            )
        )

    def verify(self, request: Request) -> None:
        check_token(url_parameter(request, TOKEN), several(self.settings["token"]), named=f"{TOKEN} in the URL")

    def signed(self, request: Request) -> Request:
        return request.with_parameter(TOKEN, several(self.settings["token"])[0])

    def handshake(self, request: Request) -> Answer | None:
        """A new subscription is tried out with a challenge, which notifications have beside what they tell."""
        if b'"challenge"' not in request.body:
            return None
        try:
            body = read_object(request.body)
            challenge = body.as_is(CHALLENGE)
        except RejectedError:
            return None
        if challenge is None or any(key in body for key in ("type", "message", "status")):
            return None
        return Answer(body=json.dumps({"code": 0, "result": {CHALLENGE: challenge}}).encode())

    def delivery_key(self, request: Request) -> str:
        """What is told of a contact is the same each time that it is edited: each post counts."""
        key = super().delivery_key(request)
        return f"{key}@{request.received_at.isoformat()}" if b'"contact"' in request.body else key

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        if ENQUIRIES.name in body:
            return (enquiry.told_by_row(body.inner(ENQUIRIES.name), delivery.received_at),)
        if CALLS.name in body:
            return call.told_by_row(body.inner(CALLS.name), self.settings["staff"], delivery.received_at)
        if CHAT in body:
            return (told_by_chat(body.inner(CHAT), self.settings["staff"], delivery.received_at),)
        message = _message(body)
        if message.text("type") == ENQUIRY:
            return (enquiry.told_by_notification(message, delivery.received_at),)
        if message.text("status") == call.STARTS:
            return (call.told_by_start(message, delivery.received_at),)
        return ()

    def fetches(self, delivery: Delivery) -> Sequence[Fetch]:
        """Of a call all that it was; of an enquiry who asks and how, and once it is closed what was said."""
        body = read_object(delivery.body)
        if ENQUIRIES.name in body:
            name = chat_of(body.inner(ENQUIRIES.name)) if self.settings["transcripts"] else None
            return (of_chat(name),) if name else ()
        message = _message(body)
        if message.text("status") == call.ENDS:
            return (of_call(message.needed("id", message.identifier("id")), delivery.received_at),)
        if message.text("type") == ENQUIRY and message.text("status") == enquiry.NOTIFIED[0]:
            number = message.needed("displayCaseNumber", message.identifier("displayCaseNumber"))
            return (of_enquiry(number, message.iso_time("date") or delivery.received_at),)
        return ()

    def enricher(self) -> Enricher:
        return Details(self._reports)

    def pollers(self) -> Sequence[Poller]:
        look_back = timedelta(days=self.settings["look_back_days"])
        return [Reconciliation(self._reports, report, look_back) for report in (ENQUIRIES, CALLS)]

    def contact_side(self) -> ContactSide:
        return self._side

    def deletes_contacts(self) -> bool:
        return self.settings.get("delete_contact_path") is not None

    def subscription(self) -> Subscription:
        return Webhooks(self._api, several(self.settings["token"])[0])


def _message(body: Fields) -> Fields:
    """What a notification tells: under `message`, or by itself, as the vendor's list of an enquiry's fields has it."""
    return body.inner("message") if "message" in body else body
