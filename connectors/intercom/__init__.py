"""Intercom: conversations, posted by an app's webhook.

`conversations.py` finds those whose end no notification told, `contacts.py` keeps its contacts the same as an org's.

Sources: https://developers.intercom.com/docs/references/2.16/webhooks/webhook-models (the topics),
https://developers.intercom.com/docs/webhooks/setting-up-webhooks, and for the conversation's fields
https://github.com/intercom/Intercom-OpenAPI (`descriptions/2.11`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from connectors.intercom.contacts import ContactSettings, IntercomSide
from connectors.intercom.conversation import EVENTS, Names, interaction, told_by_search
from connectors.intercom.conversations import RECORD, conversations
from gateway.sdk import (
    Answer,
    Connector,
    ContactSide,
    Delivery,
    PartialInteraction,
    Poller,
    RejectedError,
    Request,
    Secrets,
    Settings,
)
from gateway.sdk.attributes import AttributeNames, names_by_id
from gateway.sdk.reading import read_object
from gateway.sdk.verify import check_hmac, several, signature

PING = "ping"


class IntercomSettings(Settings):
    """The app's secret, and the names that notifications leave out."""

    client_secret = Secrets(required=True, metadata={"description": "The app's client secret"})
    admins = names_by_id("The e-mail address of each teammate, by their id")
    teams = names_by_id("The name of each team, by its id")
    custom_attributes = AttributeNames(metadata={"description": "Your conversation attributes, by what they mean"})
    contacts = fields.Nested(ContactSettings, metadata={"description": "Which contacts are kept the same as an org's"})
    find_conversations = fields.Boolean(
        load_default=False, metadata={"description": "Read every hour what no notification told, by contacts' token"}
    )

    @validates_schema
    def _log_in(self, loaded: Mapping[str, Any], **_: object) -> None:
        if loaded["find_conversations"] and "contacts" not in loaded:
            raise ValidationError("needs the access token of contacts.", "find_conversations")


class IntercomConnector(Connector):
    """A conversation is one interaction, finished when it is closed; its teammates are legs."""

    name = "intercom"
    title = "Intercom"
    settings_schema = IntercomSettings
    events = (*EVENTS, PING, RECORD)
    accepted_status = 200
    covers = ("body",)
    quality = {
        "nothing_invented": "done",
        "covers_body": "done",
        "covers_time": "exempt: Intercom's signature holds no time.",
        "replay": "done",
        "reconciled": "done",
        "contacts": "done: tests/connectors/test_intercom_contacts.py.",
        "vectors": "exempt: Intercom publishes none; a derived one is tested.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._names = Names(
            admins=settings["admins"], teams=settings["teams"], attributes=settings["custom_attributes"]
        )
        self._side = IntercomSide(settings["contacts"]) if "contacts" in settings else None

    def contact_side(self) -> ContactSide | None:
        return self._side

    def verify(self, request: Request) -> None:
        """Intercom asks whether the address answers by a HEAD that nobody signed; it is told nothing else."""
        if request.method == "HEAD":
            return
        check_hmac(
            [request.body],
            request.headers.get("x-hub-signature", "").removeprefix("sha1="),
            several(self.settings["client_secret"]),
            named="X-Hub-Signature",
            algorithm="sha1",
        )

    def signed(self, request: Request) -> Request:
        secret = several(self.settings["client_secret"])[0]
        proof = signature(request.body, secret, algorithm="sha1", encoding="hex")
        return request.with_header("x-hub-signature", f"sha1={proof}")

    def handshake(self, request: Request) -> Answer | None:
        if request.method == "HEAD":
            return Answer()
        if b'"ping"' not in request.body:
            return None
        try:
            topic = read_object(request.body).text("topic")
        except RejectedError:
            return None
        return Answer(body=b"{}") if topic == PING else None

    def delivery_key(self, request: Request) -> str:
        """The notification's id: a repetition has another count of attempts in its body."""
        id = read_object(request.body).text("id")
        return f"notification:{id}" if id else super().delivery_key(request)

    def pollers(self) -> Sequence[Poller]:
        if self._side is None or not self.settings["find_conversations"]:
            return ()
        return (conversations(self._side.api, self._names),)

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        if RECORD in body:
            return told_by_search(body.inner(RECORD), self._names)
        topic = body.needed("topic", body.text("topic"))
        if topic not in EVENTS:
            return ()
        at = body.needed("created_at", body.epoch_s("created_at"))
        return (interaction(topic, body.inner("data").inner("item"), at, self._names),)
