"""Twilio: voice calls, posted by the status callback.

Sources: https://www.twilio.com/docs/voice/twiml (the request's parameters),
https://www.twilio.com/docs/usage/webhooks/webhooks-security (the signature).
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.twilio.call import EVENTS, interaction
from connectors.twilio.signature import messages, require_body_hash
from gateway.sdk import Connector, Delivery, PartialInteraction, Request, Secrets, Settings
from gateway.sdk.reading import read_form
from gateway.sdk.verify import check_hmac, several


class TwilioSettings(Settings):
    """What signs Twilio's requests."""

    auth_token = Secrets(required=True, metadata={"description": "The account's auth token; two while it is rotated"})


class TwilioConnector(Connector):
    """Calls as they ring, are answered and end; the calls that a Dial creates are legs of the call that dialled."""

    name = "twilio"
    title = "Twilio Voice"
    settings_schema = TwilioSettings
    content_types = ("application/x-www-form-urlencoded",)
    events = tuple(EVENTS)

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

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        partial = interaction(read_form(delivery.body), delivery.received_at)
        return () if partial is None else (partial,)
