"""Zendesk Support: tickets, from event webhooks and from a trigger that tells who the requester is.

`tickets.py` finds the tickets whose end no event told, `contacts.py` keeps its end users the same as an org's contacts.

Sources: https://developer.zendesk.com/api-reference/webhooks/event-types/ticket-events (events),
https://developer.zendesk.com/documentation/webhooks/verifying (the signature; the page's older vector has body and
timestamp the other way round), https://support.zendesk.com/hc/en-us/articles/4408886858138 (placeholders).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from connectors.zendesk.contacts import ContactSettings, ZendeskSide
from connectors.zendesk.ticket import EVENTS, PREFIX, TRIGGER, Names, told_by_event, told_by_export, told_by_trigger
from connectors.zendesk.tickets import RECORD, tickets
from gateway.sdk import (
    Connector,
    ContactSide,
    Delivery,
    PartialInteraction,
    Poller,
    Request,
    Secrets,
    Settings,
    UnauthorizedError,
)
from gateway.sdk.attributes import AttributeNames, names_by_id
from gateway.sdk.reading import iso_time, read_object
from gateway.sdk.verify import check_fresh, check_hmac, several, signature


class ZendeskSettings(Settings):
    """The webhook's signing secret, and the names that events leave out."""

    signing_secret = Secrets(required=True, metadata={"description": "The webhook's signing secret"})
    agents = names_by_id("The e-mail address of each agent, by their id")
    groups = names_by_id("The name of each group, by its id")
    ticket_fields = AttributeNames(metadata={"description": "Your ticket fields, or external_id, by what they mean"})
    contacts = fields.Nested(ContactSettings, metadata={"description": "Whose end users are kept the same as contacts"})
    find_tickets = fields.Boolean(
        load_default=False, metadata={"description": "Read every hour what no event told, by the log-in of contacts"}
    )

    @validates_schema
    def _log_in(self, loaded: Mapping[str, Any], **_: object) -> None:
        if loaded["find_tickets"] and "contacts" not in loaded:
            raise ValidationError("needs the log-in of contacts.", "find_tickets")


class ZendeskConnector(Connector):
    """A ticket is one interaction, finished when it is solved; those who worked on it are its legs."""

    name = "zendesk"
    title = "Zendesk Support"
    settings_schema = ZendeskSettings
    events = (*(PREFIX + event for event in EVENTS), TRIGGER, RECORD)
    covers = ("body", "time")
    quality = {
        "nothing_invented": "done",
        "covers_body": "done",
        "covers_time": "done",
        "replay": "done",
        "reconciled": "done",
        "contacts": "done: tests/connectors/test_zendesk_contacts.py.",
        "vectors": "exempt: the published one is of an order that Zendesk left, and refused; a derived one is tested.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._names = Names(agents=settings["agents"], groups=settings["groups"], fields=settings["ticket_fields"])
        self._side = ZendeskSide(settings["contacts"]) if "contacts" in settings else None

    def contact_side(self) -> ContactSide | None:
        return self._side

    def verify(self, request: Request) -> None:
        signed_at = request.headers.get("x-zendesk-webhook-signature-timestamp", "")
        check_hmac(
            [signed_at.encode("utf-8", "surrogatepass") + request.body],
            request.headers.get("x-zendesk-webhook-signature"),
            several(self.settings["signing_secret"]),
            named="X-Zendesk-Webhook-Signature",
            encoding="base64",
        )
        try:
            seconds = iso_time(signed_at).timestamp()
        except ValueError:
            raise UnauthorizedError(
                "X-Zendesk-Webhook-Signature-Timestamp is no time.", problem="stale-timestamp"
            ) from None
        check_fresh(seconds, request.received_at)

    def signed(self, request: Request) -> Request:
        signed_at = request.received_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        secret = several(self.settings["signing_secret"])[0]
        proof = signature(signed_at.encode() + request.body, secret, algorithm="sha256", encoding="base64")
        return request.with_header("x-zendesk-webhook-signature-timestamp", signed_at).with_header(
            "x-zendesk-webhook-signature", proof
        )

    def delivery_key(self, request: Request) -> str:
        """The event's id, which repetitions keep; what a trigger posts has none."""
        id = read_object(request.body).text("id")
        return f"event:{id}" if id else super().delivery_key(request)

    def pollers(self) -> Sequence[Poller]:
        if self._side is None or not self.settings["find_tickets"]:
            return ()
        return (tickets(self._side.exports, self._names),)

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        if "ticket" in body:
            return (told_by_trigger(body.inner("ticket"), self._names),)
        if RECORD in body:
            return told_by_export(body.inner(RECORD), self._names)
        kind = body.needed("type", body.text("type")).removeprefix(PREFIX)
        return told_by_event(body, kind, self._names) if kind in EVENTS else ()
