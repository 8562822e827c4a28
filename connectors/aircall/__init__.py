"""Aircall: phone calls, posted by a webhook.

Sources: https://developer.aircall.io/docs/webhooks-overview, https://developer.aircall.io/api-references and, for the
fields of each event, https://github.com/api-evangelist/aircall (`asyncapi/aircall-webhooks-asyncapi.yml`). What no
event told is asked for, see `calls.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.aircall.call import EVENTS, interaction
from connectors.aircall.calls import RECORD, calls, told_by_record
from gateway.sdk import (
    Connector,
    Delivery,
    PartialInteraction,
    Poller,
    RejectedError,
    Request,
    Secret,
    Secrets,
    Settings,
    UnauthorizedError,
)
from gateway.sdk.http import Address, Api, basic
from gateway.sdk.reading import read_json, read_object
from gateway.sdk.verify import check_token, several


class AircallSettings(Settings):
    """What Aircall puts into every body."""

    token = Secrets(required=True, metadata={"description": "The webhook's token"})
    api_id = fields.String(metadata={"description": "The API key by which calls are read that no event told"})
    api_token = Secret(metadata={"description": "Its token"})
    api_url = Address(load_default="https://api.aircall.io", metadata={"description": "Aircall's interface"})
    calls_per_minute = fields.Integer(
        load_default=60, validate=validate.Range(1, 100_000), metadata={"description": "Most calls of it in a minute"}
    )

    @validates_schema
    def _key_is_whole(self, loaded: Mapping[str, Any], **_: object) -> None:
        missing = [name for name in ("api_id", "api_token") if name not in loaded]
        if len(missing) == 1:
            raise ValidationError("api_id and api_token belong together.", missing[0])


class AircallConnector(Connector):
    """Calls as they ring, are answered, passed on and end, and what is added to them later.

    The token in the body is a plain shared secret: it does not cover the rest, so TLS is what protects it.
    """

    name = "aircall"
    title = "Aircall"
    settings_schema = AircallSettings
    events = (*EVENTS, RECORD)
    accepted_status = 200
    quality = {
        "nothing_invented": "done",
        "covers_body": "exempt: Aircall sends a plain token.",
        "covers_time": "exempt: Aircall sends a plain token.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "done",
        "reconciled": "done",
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
        if RECORD in body:
            return (told_by_record(body.inner(RECORD), delivery.received_at),)
        event = body.needed("event", body.text("event"))
        if event not in EVENTS:
            return ()
        at = body.needed("timestamp", body.epoch_s("timestamp"))
        return (interaction(event, body.inner("data"), at),)

    def pollers(self) -> Sequence[Poller]:
        if "api_token" not in self.settings:
            return ()
        id, token = self.settings["api_id"], self.settings["api_token"]
        per_minute = self.settings["calls_per_minute"]
        return (calls(Api(self.settings["api_url"], authorize=lambda _: basic(id, token), per_minute=per_minute)),)
