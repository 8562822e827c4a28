"""RingCentral: telephony sessions, posted by a webhook subscription.

Sources: https://github.com/ringcentral/ringcentral-api-docs (`docs/notifications/webhooks/`,
`docs/notifications/event-filters/account-telephony-sessions.md`, `docs/voice/telephony-session-notifications.md`) and
the recorded calls that the last of them links to, https://github.com/dibyenduroy/csn-data. For the login, with which
the subscription is kept (`subscription.py`) and the call log read (`call_log.py`): `docs/authentication/jwt-flow.md`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.ringcentral.call_log import RECORD, call_log, told_by_record
from connectors.ringcentral.session import CODES, told_by
from connectors.ringcentral.subscription import Webhook
from gateway.sdk import (
    Answer,
    Connector,
    Delivery,
    PartialInteraction,
    Poller,
    Request,
    Secret,
    Secrets,
    Settings,
    Subscription,
)
from gateway.sdk.http import Address, Api
from gateway.sdk.login import ClientLogin
from gateway.sdk.reading import read_object
from gateway.sdk.verify import check_token, several

TOKEN_HEADERS = ("validation-token", "verification-token")
"""RingCentral's pages name the header of the subscription's token in both ways."""
SESSIONS = "/telephony/sessions"
APPLICATION = ("client_id", "client_secret", "jwt")
BY_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_TOKEN = re.compile(r"[!-~]{1,256}")


class RingCentralSettings(Settings):
    """The token of the subscription, and whose the extensions are."""

    validation_token = Secrets(required=True, metadata={"description": "The subscription's validation token"})
    extensions = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        load_default=dict,
        metadata={"description": "The e-mail address of each extension's user, by the extension's id"},
    )
    client_id = fields.String(metadata={"description": "The app that keeps the subscription and reads the call log"})
    client_secret = Secret(metadata={"description": "Its secret"})
    jwt = Secret(metadata={"description": "The JWT credential of the user that the app acts for"})
    server_url = Address(
        load_default="https://platform.ringcentral.com", metadata={"description": "RingCentral's interface"}
    )
    calls_per_minute = fields.Integer(
        load_default=10, validate=validate.Range(1, 100_000), metadata={"description": "Most calls in a minute"}
    )

    @validates_schema
    def _application_is_whole(self, loaded: Mapping[str, Any], **_: object) -> None:
        missing = [name for name in APPLICATION if name not in loaded]
        if missing and len(missing) < len(APPLICATION):
            raise ValidationError(f"{' and '.join(APPLICATION)} belong together.", missing[0])


class RingCentralConnector(Connector):
    """A telephony session is one interaction; each extension that answered, or called, is a leg."""

    name = "ringcentral"
    title = "RingCentral"
    settings_schema = RingCentralSettings
    events = (*CODES, RECORD)
    accepted_status = 200
    quality = {
        "nothing_invented": "done",
        "covers_body": "exempt: RingCentral sends a plain token.",
        "covers_time": "exempt: RingCentral sends a plain token.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "done",
        "reconciled": "done",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._api = _api(settings) if "jwt" in settings else None

    def verify(self, request: Request) -> None:
        """A new subscription is tried out with an empty body and a token of RingCentral's own, which is echoed."""
        if _is_trial(request):
            return
        given = next(filter(None, (request.headers.get(name) for name in TOKEN_HEADERS)), None)
        check_token(given, several(self.settings["validation_token"]), named="The header Validation-Token")

    def signed(self, request: Request) -> Request:
        return request.with_header("validation-token", several(self.settings["validation_token"])[0])

    def handshake(self, request: Request) -> Answer | None:
        return Answer(headers={"Validation-Token": request.headers["validation-token"]}) if _is_trial(request) else None

    def delivery_key(self, request: Request) -> str:
        id = read_object(request.body).identifier("uuid")
        return f"event:{id}" if id else super().delivery_key(request)

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        if RECORD in body:
            return told_by_record(body.inner(RECORD), self.settings["extensions"])
        if not body.needed("event", body.text("event")).partition("?")[0].endswith(SESSIONS):
            return ()
        return told_by(body.inner("body"), self.settings["extensions"])

    def pollers(self) -> Sequence[Poller]:
        return () if self._api is None else (call_log(self._api, self.settings["extensions"]),)

    def subscription(self) -> Subscription | None:
        return None if self._api is None else Webhook(self._api, several(self.settings["validation_token"])[0])


def _api(settings: Mapping[str, Any]) -> Api:
    """One for all calls, so that together they keep RingCentral's limit."""
    url = settings["server_url"]
    login = ClientLogin(
        Api(url),
        "restapi/oauth/token",
        {"grant_type": BY_JWT, "assertion": settings["jwt"]},
        client_id=settings["client_id"],
        client_secret=settings["client_secret"],
    )
    return Api(url, authorize=login.headers, per_minute=settings["calls_per_minute"])


def _is_trial(request: Request) -> bool:
    """What anybody may send: it is answered, and nothing of it is stored."""
    return not request.body and _TOKEN.fullmatch(request.headers.get("validation-token", "")) is not None
