"""Genesys Cloud: conversation detail events, as its Amazon EventBridge integration and an API destination post them.

What no event told is asked for by `details.py` and `participants.py`; its external contacts are kept the same as an
org's by `contacts.py`.

Sources: https://github.com/MyPureCloud/platform-client-sdk-python (models `*_detail_event_topic_*`),
https://github.com/GenesysCloudBlueprints/aws-eventbridge-analytics-detail-events-blueprint (the topics),
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.genesys.contacts import ExternalContacts
from connectors.genesys.conversation import EVENTS, Names, told_by_event
from connectors.genesys.details import RECORD, Conversations, told_by_record
from connectors.genesys.external_contact import LIMITS, Layout
from connectors.genesys.login import login_to
from connectors.genesys.participants import NOTED, Attributes, told_by_conversation
from gateway.sdk import (
    Connector,
    ContactSide,
    Delivery,
    Enricher,
    Fetch,
    PartialInteraction,
    Poller,
    Request,
    Secret,
    Secrets,
    Settings,
)
from gateway.sdk.attributes import AttributeNames, names_by_id, own_fields
from gateway.sdk.http import Address, Api
from gateway.sdk.reading import read_object
from gateway.sdk.verify import check_token, several

_FOUND = f'{{"{RECORD}"'.encode()
_TOPIC = re.compile(r"v2\.detail\.events\.conversation\.[^.]{1,100}\.([a-z.]{1,40})")


class GenesysSettings(Settings):
    """The key of the EventBridge connection, the names that events leave out, and how to get at external contacts."""

    api_key_value = Secrets(required=True, metadata={"description": "The EventBridge connection's API key"})
    api_key_name = fields.String(
        load_default="x-api-key",
        validate=validate.Regexp(r"[A-Za-z0-9-]+$"),
        metadata={"description": "The header that the EventBridge connection puts it in"},
    )
    wrapup_codes = names_by_id("The name of each wrap-up code, by its id")
    queues = names_by_id("The name of each queue, by its id")
    users = names_by_id("The e-mail address of each user, by their id")
    participant_attributes = AttributeNames(
        metadata={"description": "Your participant attributes, by what they mean to us"}
    )
    client_id = fields.String(metadata={"description": "The OAuth client, for conversations, contacts, or both"})
    client_secret = Secret(metadata={"description": "Its secret"})
    find_conversations = fields.Boolean(
        load_default=False,
        metadata={"description": "Whether conversations that no event told are asked for every hour"},
    )
    api_url = Address(
        load_default="https://api.mypurecloud.com",
        metadata={"description": "Your region's, api.…: login.… is beside it"},
    )
    external_source_id = fields.String(metadata={"description": "The external source whose ids are Salesforce ids"})
    division_id = fields.String(metadata={"description": "The only division whose contacts are synced"})
    contact_types = fields.List(
        fields.String(validate=validate.OneOf(["Curated", "Identified", "Ephemeral"])),
        load_default=lambda: ["Curated"],
        validate=validate.Length(min=1),
        metadata={"description": "The types of contacts that are synced"},
    )
    custom_fields = own_fields(LIMITS, "The key of each custom field that is synced, by our name")
    schema_id = fields.String(metadata={"description": "The schema of custom fields, for contacts that have none"})
    schema_version = fields.Integer(validate=validate.Range(min=1), metadata={"description": "Its version"})
    region = fields.String(
        load_default="US",
        validate=validate.Regexp("[A-Z]{2}$"),
        metadata={"description": "Of the contacts' numbers without country"},
    )
    bulk_size = fields.Integer(
        load_default=10, validate=validate.Range(1, 200), metadata={"description": "Most contacts of a bulk call"}
    )
    calls_per_minute = fields.Integer(
        load_default=300, validate=validate.Range(1, 100_000), metadata={"description": "Most calls in a minute"}
    )

    @validates_schema
    def _client_and_contacts_are_whole(self, loaded: Mapping[str, Any], **_: object) -> None:
        for together in (("client_id", "client_secret"), ("schema_id", "schema_version")):
            missing = [name for name in together if name not in loaded]
            if missing and len(missing) < len(together):
                raise ValidationError(f"{' and '.join(together)} belong together.", missing[0])
        is_wanted = loaded["find_conversations"] or "external_source_id" in loaded
        if is_wanted and "client_id" not in loaded:
            raise ValidationError("Conversations and contacts are asked for as an OAuth client.", "client_id")
        if "client_id" in loaded and not is_wanted:
            raise ValidationError(
                "An OAuth client is for contacts, which need this, or with find_conversations for conversations.",
                "external_source_id",
            )
        if loaded["custom_fields"] and "schema_id" not in loaded:
            raise ValidationError("Custom fields need their schema.", "schema_id")


class GenesysConnector(Connector):
    """A conversation is one interaction; each user who took part in it is a leg."""

    name = "genesys"
    title = "Genesys Cloud"
    settings_schema = GenesysSettings
    contacts_every = 60.0
    events = (*EVENTS, RECORD, NOTED)
    quality = {
        "nothing_invented": "done",
        "covers_body": "exempt: EventBridge sends a plain key.",
        "covers_time": "exempt: EventBridge sends a plain key.",
        "vectors": "exempt: a plain key needs none.",
        "replay": "done",
        "reconciled": "done",
        "contacts": "done: tests/connectors/test_genesys_contacts.py.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._names = Names(
            wrapup_codes=settings["wrapup_codes"],
            queues=settings["queues"],
            users=settings["users"],
            attributes=settings["participant_attributes"],
        )
        self._api = _api(settings) if "client_id" in settings else None
        has_contacts = "external_source_id" in settings
        self._contacts = _external_contacts(self._api, settings) if self._api and has_contacts else None

    def contact_side(self) -> ContactSide | None:
        return self._contacts

    def pollers(self) -> Sequence[Poller]:
        is_wanted = self.settings["find_conversations"]
        return (Conversations(self._api, self._names),) if self._api and is_wanted else ()

    def fetches(self, delivery: Delivery) -> Sequence[Fetch]:
        """Of what was found, the attributes: what is posted is not read for it."""
        if not delivery.body.startswith(_FOUND):
            return ()
        id = read_object(delivery.body).inner(RECORD).text("conversationId")
        return (Fetch(id),) if id else ()

    def enricher(self) -> Enricher | None:
        """Without names for attributes there is nothing that they would tell a match."""
        is_wanted = self.settings["find_conversations"] and self.settings["participant_attributes"]
        return Attributes(self._api) if self._api and is_wanted else None

    def verify(self, request: Request) -> None:
        named = self.settings["api_key_name"]
        check_token(request.headers.get(named.lower()), several(self.settings["api_key_value"]), named=named)

    def signed(self, request: Request) -> Request:
        return request.with_header(self.settings["api_key_name"].lower(), several(self.settings["api_key_value"])[0])

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        if RECORD in body:
            return told_by_record(body.inner(RECORD), self._names)
        if NOTED in body:
            return told_by_conversation(body.inner(NOTED), self._names)
        # A relay of Genesys' own notifications posts what EventBridge has in `detail`.
        told = body.inner("detail") if "detail" in body else body
        topic = _TOPIC.fullmatch(told.needed("topicName", told.text("topicName")))
        if topic is None or topic[1] not in EVENTS:
            return ()
        return told_by_event(topic[1], told.inner("eventBody"), self._names)


def _api(settings: Mapping[str, Any]) -> Api:
    """One for all calls, so that together they keep the client's limit."""
    base = settings["api_url"].rstrip("/")
    login = login_to(base, settings["client_id"], settings["client_secret"])
    return Api(f"{base}/api/v2", authorize=login.headers, per_minute=settings["calls_per_minute"])


def _external_contacts(api: Api, settings: Mapping[str, Any]) -> ExternalContacts:
    schema = {"id": settings["schema_id"], "version": settings["schema_version"]} if "schema_id" in settings else None
    layout = Layout(
        source=settings["external_source_id"],
        custom_fields=settings["custom_fields"],
        schema=schema,
        region=settings["region"],
    )
    return ExternalContacts(
        api,
        layout,
        types=settings["contact_types"],
        division=settings.get("division_id"),
        bulk=settings["bulk_size"],
    )
