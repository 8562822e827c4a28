"""RingCentral: telephony sessions, posted by a webhook subscription.

Sources: https://github.com/ringcentral/ringcentral-api-docs (`docs/notifications/webhooks/`,
`docs/notifications/event-filters/account-telephony-sessions.md`, `docs/voice/telephony-session-notifications.md`) and
the recorded calls that the last of them links to, https://github.com/dibyenduroy/csn-data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from marshmallow import fields

from connectors.ringcentral.session import CODES, told_by
from gateway.sdk import Answer, Connector, Delivery, PartialInteraction, Request, Secrets, Settings
from gateway.sdk.reading import read_object
from gateway.sdk.verify import check_token, several

TOKEN_HEADERS = ("validation-token", "verification-token")
"""RingCentral's pages name the header of the subscription's token in both ways."""
SESSIONS = "/telephony/sessions"

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


class RingCentralConnector(Connector):
    """A telephony session is one interaction; each extension that answered, or called, is a leg."""

    name = "ringcentral"
    title = "RingCentral"
    settings_schema = RingCentralSettings
    events = tuple(CODES)
    accepted_status = 200
    quality = {
        "nothing_invented": "done",
        "covers_body": "exempt: RingCentral sends a plain token.",
        "covers_time": "exempt: RingCentral sends a plain token.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "done",
    }

    def verify(self, request: Request) -> None:
        """A new subscription is tried out with an empty body and a token of RingCentral's own, which is echoed."""
        if _is_trial(request):
            return
        given = next(filter(None, (request.headers.get(name) for name in TOKEN_HEADERS)), None)
        check_token(given, several(self.settings["validation_token"]), named="The header Validation-Token")

    def signed(self, request: Request) -> Request:
        return request.with_header("validation-token", several(self.settings["validation_token"])[0])

    def handshake(self, request: Request) -> Answer | None:
        token = request.headers.get("validation-token", "")
        return Answer(headers={"Validation-Token": token}) if _is_trial(request) and _TOKEN.fullmatch(token) else None

    def delivery_key(self, request: Request) -> str:
        id = read_object(request.body).identifier("uuid")
        return f"event:{id}" if id else super().delivery_key(request)

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        if not body.needed("event", body.text("event")).partition("?")[0].endswith(SESSIONS):
            return ()
        return told_by(body.inner("body"), self.settings["extensions"])


def _is_trial(request: Request) -> bool:
    return not request.body.strip() and "validation-token" in request.headers
