"""Aircall: phone calls, posted by a webhook.

Sources: https://developer.aircall.io/docs/webhooks-overview, https://developer.aircall.io/api-references and, for the
fields of each event, https://github.com/api-evangelist/aircall (`asyncapi/aircall-webhooks-asyncapi.yml`).
"""

from __future__ import annotations

from collections.abc import Sequence

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
from gateway.sdk.reading import read_object
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

    def verify(self, request: Request) -> None:
        try:
            given = read_object(request.body).text("token")
        except RejectedError as error:
            raise UnauthorizedError(error.reason) from None
        check_token(given, several(self.settings["token"]), named="The token in the body")

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        event = body.needed("event", body.text("event"))
        if event not in EVENTS:
            return ()
        at = body.needed("timestamp", body.epoch_s("timestamp"))
        return (interaction(event, body.inner("data"), at),)
