"""Aircall: phone calls, posted by a webhook.

Sources: https://developer.aircall.io/docs/webhooks-overview, https://developer.aircall.io/api-references and, for the
fields of each event, https://github.com/api-evangelist/aircall (`asyncapi/aircall-webhooks-asyncapi.yml`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from connectors.aircall.call import EVENTS, interaction
from gateway.sdk import (
    Connector,
    Delivery,
    PartialInteraction,
    RejectedError,
    Request,
    Secrets,
    Settings,
    UnauthorizedError,
)
from gateway.sdk.reading import read_json, read_object
from gateway.sdk.verify import check_token, several


class AircallSettings(Settings):
    """What Aircall puts into every body."""

    token = Secrets(required=True, metadata={"description": "The webhook's token"})


class AircallConnector(Connector):
    """Calls as they ring, are answered, passed on and end, and what is added to them later.

    The token in the body is a plain shared secret: it does not cover the rest, so TLS is what protects it.
    """

    name = "aircall"
    title = "Aircall"
    settings_schema = AircallSettings
    events = tuple(EVENTS)
    accepted_status = 200
    quality = {
        "nothing_invented": "done",
        "covers_body": "exempt: Aircall sends a plain token.",
        "covers_time": "exempt: Aircall sends a plain token.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "done",
    }

    def verify(self, request: Request) -> None:
        try:
            given = read_object(request.body).text("token")
        except RejectedError as error:
            raise UnauthorizedError(error.reason) from None
        check_token(given, several(self.settings["token"]), named="The token in the body")

    def signed(self, request: Request) -> Request:
        """What is no object has no place for the token."""
        try:
            told = read_json(request.body)
        except RejectedError:
            told = None
        if not isinstance(told, dict):
            return request
        return replace(request, body=json.dumps({**told, "token": several(self.settings["token"])[0]}).encode())

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        event = body.needed("event", body.text("event"))
        if event not in EVENTS:
            return ()
        at = body.needed("timestamp", body.epoch_s("timestamp"))
        return (interaction(event, body.inner("data"), at),)
