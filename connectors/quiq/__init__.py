"""Quiq: messaging conversations, posted by a webhook on every change of status.

Sources: the official consumers https://github.com/Quiq/webhook-integrations and, for the fields,
https://github.com/Quiq/api-examples (`salesforce/webhooks/QuiqWebhookResource.apex`); https://knowledge.quiq.com/docs/webhooks.
"""

from __future__ import annotations

from collections.abc import Sequence

from connectors.quiq.conversation import EVENTS, interaction
from gateway.sdk import Answer, Connector, Delivery, PartialInteraction, RejectedError, Request, Secrets, Settings
from gateway.sdk.attributes import names_by_id
from gateway.sdk.reading import read_object
from gateway.sdk.verify import check_token, several

TEST = "test"
STATUS_CHANGED = "ConversationStatusChanged"
"""The two words of `eventType` that the official consumers know."""


class QuiqSettings(Settings):
    """What Quiq shows when the webhook is registered."""

    hook_token = Secrets(required=True, metadata={"description": "The webhook's secret (X-Centricient-Hook-Token)"})
    agents = names_by_id("The e-mail address of each agent, by the id that Quiq names as owner")


class QuiqConnector(Connector):
    """Conversations as they start, go on and close.

    The token is a plain shared secret: it neither covers the body nor expires, so TLS is what protects it.
    """

    name = "quiq"
    title = "Quiq"
    settings_schema = QuiqSettings
    events = (TEST, *(f"{STATUS_CHANGED}:{status}" for status in EVENTS))
    quality = {
        "covers_body": "exempt: Quiq sends a plain token.",
        "covers_time": "exempt: Quiq sends a plain token.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "done",
        "reconciled": "exempt: Quiq documents no list of conversations.",
    }

    def verify(self, request: Request) -> None:
        given = request.headers.get("x-centricient-hook-token")
        check_token(given, several(self.settings["hook_token"]), named="The header X-Centricient-Hook-Token")

    def signed(self, request: Request) -> Request:
        return request.with_header("x-centricient-hook-token", several(self.settings["hook_token"])[0])

    def handshake(self, request: Request) -> Answer | None:
        if b'"test"' not in request.body:
            return None
        try:
            event = read_object(request.body).text("eventType")
        except RejectedError:
            return None
        return Answer(body=b"{}") if event == TEST else None

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        if body.needed("eventType", body.text("eventType")) != STATUS_CHANGED:
            return ()
        at = body.needed("timestamp", body.epoch_ms("timestamp"))
        partial = interaction(body.inner("data"), at, self.settings["agents"])
        return () if partial is None else (partial,)
