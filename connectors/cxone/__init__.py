"""NICE CXone: completed contacts and digital contacts, read from its interfaces, since it posts neither.

Sources: https://developer.niceincontact.com/API/ReportingAPI, https://developer.niceincontact.com/API/DigitalEngagementAPI.
See `login.py` for how to get in, `polling.py` and `looking_up.py` for what is asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.cxone import contact, conversation
from connectors.cxone.address_book import AddressBook
from connectors.cxone.login import Session
from connectors.cxone.polling import CompletedContacts, DigitalContacts, Span
from gateway.sdk import (
    Connector,
    ContactSide,
    Delivery,
    PartialInteraction,
    Poller,
    Request,
    Secret,
    Settings,
)
from gateway.sdk.attributes import AttributeNames
from gateway.sdk.http import Address
from gateway.sdk.reading import read_object
from gateway.sdk.verify import takes_no_posts

OVERLAP = timedelta(minutes=5)
"""How far each reading goes back behind the one before: rows become visible some time after they were changed."""
A_DAY = timedelta(days=1)


class CxoneSettings(Settings):
    """An access key, an OAuth client, or both; and what is read how often."""

    access_key_id = fields.String(metadata={"description": "The API user's access key"})
    access_key_secret = Secret(metadata={"description": "Its secret, shown once"})
    client_id = fields.String(metadata={"description": "The registered application"})
    client_secret = Secret(metadata={"description": "Its secret"})
    client_authentication = fields.String(
        load_default="client_secret_post",
        validate=validate.OneOf(["client_secret_post", "client_secret_basic"]),
        metadata={"description": "How the application was registered to prove itself"},
    )
    access_key_url = Address(
        load_default="https://na1.nice-incontact.com", metadata={"description": "Where access keys log in: your area's"}
    )
    issuer_url = Address(
        load_default="https://cxone.niceincontact.com", metadata={"description": "Where addresses are looked up"}
    )
    token_url = Address(metadata={"description": "The token endpoint, where it is not to be looked up"})
    api_url = Address(metadata={"description": "What stands before /services/v…, where it is not to be looked up"})
    api_version = fields.String(
        load_default="32.0",
        validate=validate.Regexp(r"[0-9]{1,3}\.[0-9]{1,2}$"),
        metadata={"description": "The version of the reporting interface"},
    )
    digital = fields.Boolean(load_default=False, metadata={"description": "Read digital contacts with their messages"})
    digital_url = Address(metadata={"description": "The Digital interface, where it is not to be looked up"})
    calls_per_minute = fields.Integer(
        load_default=120, validate=validate.Range(1, 100_000), metadata={"description": "Most calls in a minute"}
    )
    every_seconds = fields.Integer(
        load_default=60, validate=validate.Range(10, 3600), metadata={"description": "The pause between two readings"}
    )
    first_days = fields.Integer(
        load_default=1, validate=validate.Range(1, 30), metadata={"description": "How far back the first reading goes"}
    )
    reconcile_days = fields.Integer(
        load_default=3, validate=validate.Range(0, 30), metadata={"description": "Read again once a day; 0: never"}
    )
    custom_data = AttributeNames(metadata={"description": "Your custom data and custom fields, by their meaning to us"})

    address_book = fields.String(
        validate=validate.Regexp(r"[0-9]{1,18}$"),
        metadata={"description": "The id of a dynamic address book, to be kept the same as an org's contacts"},
    )
    region = fields.String(
        load_default="US",
        validate=validate.Regexp("[A-Z]{2}$"),
        metadata={"description": "Of the address book's numbers without country"},
    )
    state_id = fields.Integer(metadata={"description": "The stateId of new entries"})
    external_state = fields.String(metadata={"description": "The externalState of new entries"})

    @validates_schema
    def _some_way_in(self, loaded: Mapping[str, Any], **_: object) -> None:
        pairs = (("access_key_id", "access_key_secret"), ("client_id", "client_secret"))
        for id, secret in pairs:
            if (id in loaded) != (secret in loaded):
                raise ValidationError(f"{id} and {secret} belong together.", id if secret in loaded else secret)
        if not any(id in loaded for id, _ in pairs):
            raise ValidationError("access_key_id and access_key_secret are needed, or a client's, or both.")


class CxoneConnector(Connector):
    """Contacts of one chain of transfers are one interaction, each agent's contact is a leg."""

    name = "cxone"
    title = "NICE CXone"
    settings_schema = CxoneSettings
    events = (contact.EVENT, *(f"digitalContact:{status}" for status in conversation.EVENTS))

    posts = False
    quality = {
        "covers_body": "exempt: nothing is posted.",
        "covers_time": "exempt: nothing is posted.",
        "vectors": "exempt: nothing is posted.",
        "replay": "exempt: nothing is posted.",
        "reconciled": "done",
        "contacts": "done: tests/connectors/test_cxone_address_book.py.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._session = Session(settings)
        self._book = _address_book(self._session, settings)

    def verify(self, request: Request) -> None:  # noqa: ARG002 — whoever sent it
        takes_no_posts("CXone is asked, and posts nothing. A Studio script's posts go to a connection of `generic`.")

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        names: Mapping[str, str] = self.settings["custom_data"]
        if "digitalContact" in body:
            return conversation.interaction(body, names, delivery.received_at)
        if self.settings["digital"] and contact.is_digital(body):
            return ()
        return contact.interaction(body, names)

    def pollers(self) -> Sequence[Poller]:
        read = timedelta(seconds=self.settings["every_seconds"])
        first, again = timedelta(days=self.settings["first_days"]), timedelta(days=self.settings["reconcile_days"])
        often, daily = Span(read, OVERLAP, first), Span(A_DAY, again, first)
        pollers: list[Poller] = [CompletedContacts(self._session, "completed_contacts", often)]
        if again:
            pollers.append(CompletedContacts(self._session, "completed_contacts_again", daily))
        if self.settings["digital"]:
            pollers.append(DigitalContacts(self._session, "digital_contacts", often, every_one=False))
            if again:
                pollers.append(DigitalContacts(self._session, "digital_contacts_again", daily, every_one=True))
        return pollers

    def contact_side(self) -> ContactSide | None:
        return self._book


def _address_book(session: Session, settings: Mapping[str, Any]) -> AddressBook | None:
    if "address_book" not in settings:
        return None
    named = {"stateId": "state_id", "externalState": "external_state"}
    state = {theirs: settings[ours] for theirs, ours in named.items() if ours in settings}
    return AddressBook(session.reporting, settings["address_book"], region=settings["region"], state=state)
