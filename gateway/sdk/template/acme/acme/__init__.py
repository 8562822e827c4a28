"""Acme: calls, posted by a webhook. Sources: name here the vendor's pages on events, fields and the signature."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.sdk import Channel, Connector, Delivery, Direction, Event, Leg, PartialInteraction, Party
from gateway.sdk import Request, Secrets, Settings
from gateway.sdk.reading import Fields, read_object
from gateway.sdk.verify import check_hmac, several, signature

EVENTS = {"call.started": Event.STARTED, "call.ended": Event.COMPLETED}
DIRECTIONS = {"in": Direction.INBOUND, "out": Direction.OUTBOUND}


class AcmeSettings(Settings):
    """What Acme shows where the webhook is set up."""

    webhook_secret = Secrets(required=True, metadata={"description": "The webhook's secret, which signs each request"})


class AcmeConnector(Connector):
    """Calls as they start and end."""

    name = "acme"
    title = "Acme"
    settings_schema = AcmeSettings
    content_types = ("application/json",)
    events = tuple(EVENTS)
    covers = ("body",)
    quality = {"covers_body": "done", "replay": "done"}

    def verify(self, request: Request) -> None:
        secrets = several(self.settings["webhook_secret"])
        check_hmac([request.body], request.headers.get("x-signature"), secrets, named="X-Signature")

    def signed(self, request: Request) -> Request:
        secret = several(self.settings["webhook_secret"])[0]
        return request.with_header("x-signature", signature(request.body, secret, algorithm="sha256", encoding="hex"))

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        event = body.word("event", EVENTS)
        return () if event is None else (_call(event, body),)


def _call(event: Event, call: Fields) -> PartialInteraction:
    return PartialInteraction(
        id=call.needed("call_id", call.identifier("call_id")),
        event=event,
        occurred_at=call.needed("time", call.iso_time("time")),
        channel=Channel.VOICE,
        direction=call.word("direction", DIRECTIONS),
        contact_point=call.text("our_number"),
        parties=(Party(role="customer", phone=call.text("customer_number"), name=call.text("customer_name")),),
        legs=(Leg(id="1", agent_email=email),) if (email := call.text("agent")) else (),
        disposition=call.text("result"),
    )
