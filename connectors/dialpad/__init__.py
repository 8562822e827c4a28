"""Dialpad: phone calls, posted by a call event subscription.

Sources: https://developers.dialpad.com/docs/call-events, https://developers.dialpad.com/docs/event-subscriptions (the
signature), https://developers.dialpad.com/docs/webhook-delivery-failures, and for the fields
https://github.com/dialpad/dialpad-python-sdk (`dialpad_api_spec.json`, schema `call.CallProto`). What no event told is
asked for, see `calls.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from marshmallow import fields, validate

from connectors.dialpad.call import STATES, told_by
from connectors.dialpad.calls import RECORD, calls
from connectors.dialpad.token import check_signed, payload_of, token_of
from gateway.sdk import Connector, Delivery, PartialInteraction, Poller, Request, Secret, Secrets, Settings
from gateway.sdk.attributes import AttributeNames
from gateway.sdk.http import Address, Api
from gateway.sdk.reading import Fields, read_object
from gateway.sdk.verify import several


class DialpadSettings(Settings):
    """The webhook's secret, and what Dialpad does not document."""

    secret = Secrets(required=True, metadata={"description": "The webhook's secret, which signs its JSON Web Tokens"})
    custom_data = AttributeNames(metadata={"description": "Names in the JSON of custom_data, by what they mean to us"})
    disposition_field = fields.String(
        validate=validate.Length(min=1), metadata={"description": "The field of an event that holds the disposition"}
    )
    api_key = Secret(metadata={"description": "An API key, by which calls are read that no event told"})
    api_url = Address(load_default="https://dialpad.com", metadata={"description": "Dialpad's interface"})
    calls_per_minute = fields.Integer(
        load_default=1200, validate=validate.Range(1, 100_000), metadata={"description": "Most calls of it in a minute"}
    )


class DialpadConnector(Connector):
    """A call with the legs that it was routed and transferred to is one interaction.

    Dialpad never repeats what was refused with 4xx, 429 included: the gateway answers 503 when it cannot store.
    """

    name = "dialpad"
    title = "Dialpad"
    settings_schema = DialpadSettings
    # How Dialpad labels its tokens is not documented.
    content_types = ("application/jwt", "application/json", "text/plain", "application/octet-stream", "text/html")
    events = (*STATES, RECORD)
    covers = ("body",)
    quality = {
        "covers_body": "done",
        "covers_time": "exempt: Dialpad documents no time in its tokens.",
        "replay": "done",
        "reconciled": "done",
        "vectors": "exempt: Dialpad publishes none; a derived one is tested.",
    }

    def verify(self, request: Request) -> None:
        check_signed(request.body, several(self.settings["secret"]))

    def signed(self, request: Request) -> Request:
        return replace(request, body=token_of(request.body, several(self.settings["secret"])[0]))

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        """What is posted is a token, what is pulled an object."""
        call = read_object(delivery.body) if delivery.body.startswith(b"{") else Fields({})
        if RECORD not in call:
            call = read_object(payload_of(delivery.body))
        if RECORD in call:
            return self._listed(call.inner(RECORD))
        if "call_id" not in call or (call.text("state") or "") not in STATES:
            return ()
        return told_by(call, self.settings["custom_data"], self.settings.get("disposition_field"))

    def pollers(self) -> Sequence[Poller]:
        key = self.settings.get("api_key")
        if key is None:
            return ()
        per_minute = self.settings["calls_per_minute"]
        api = Api(
            self.settings["api_url"], authorize=lambda _: {"Authorization": f"Bearer {key}"}, per_minute=per_minute
        )
        return (calls(api, self._listed),)

    def _listed(self, call: Fields) -> Sequence[PartialInteraction]:
        return told_by(call, self.settings["custom_data"], self.settings.get("disposition_field"), is_listed=True)
