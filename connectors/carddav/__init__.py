"""An address book on a CardDAV server: contacts to be kept the same as an org's. It knows no calls and posts nothing.

Sources: RFC 6352, RFC 6350, RFC 2426, RFC 6578. See `dav.py` for what is asked, `contact.py` for what a card says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import fields, validate

from connectors.carddav.dav import Dav
from connectors.carddav.side import CardDavSide
from gateway.sdk import Connector, ContactSide, Delivery, PartialInteraction, Request, Secret, Settings
from gateway.sdk.http import Address
from gateway.sdk.verify import takes_no_posts


class CardDavSettings(Settings):
    """Where the address book is, who logs in, and how new cards are written."""

    url = Address(required=True, metadata={"description": "The address book, or the server where it is the only one"})
    username = fields.String(required=True, validate=validate.Length(min=1), metadata={"description": "Who logs in"})
    password = Secret(required=True, metadata={"description": "Their password, better one for this use alone"})
    card_version = fields.String(
        load_default="3.0",
        validate=validate.OneOf(["3.0", "4.0"]),
        metadata={"description": "The version of vCard of new contacts"},
    )


class CardDavConnector(Connector):
    """Contacts only."""

    name = "carddav"
    title = "CardDAV address book"
    posts = False
    settings_schema = CardDavSettings
    quality = {
        "contacts": "done: tests/connectors/test_carddav.py.",
        "live": "done: with Radicale, in each run of tests/connectors/test_carddav.py.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._side = CardDavSide(
            Dav(settings["url"], settings["username"], settings["password"], settings["card_version"])
        )

    def verify(self, request: Request) -> None:  # noqa: ARG002 — whoever sent it
        takes_no_posts("An address book is asked, and posts nothing.")

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:  # noqa: ARG002 — nothing was posted
        return ()

    def contact_side(self) -> ContactSide:
        return self._side
