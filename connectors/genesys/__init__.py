"""Genesys Cloud: conversation detail events, as its Amazon EventBridge integration and an API destination post them.

Sources: https://github.com/MyPureCloud/platform-client-sdk-python (models `*_detail_event_topic_*`),
https://github.com/GenesysCloudBlueprints/aws-eventbridge-analytics-detail-events-blueprint (the topics),
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from marshmallow import fields, validate

from connectors.genesys.conversation import EVENTS, Names, interaction
from gateway.sdk import Connector, Delivery, PartialInteraction, Request, Secrets, Settings
from gateway.sdk.attributes import AttributeNames
from gateway.sdk.reading import read_object
from gateway.sdk.verify import check_token, several

_TOPIC = re.compile(r"v2\.detail\.events\.conversation\.[^.]{1,100}\.([a-z.]{1,40})")


def _names(description: str) -> fields.Dict:
    return fields.Dict(
        keys=fields.String(), values=fields.String(), load_default=dict, metadata={"description": description}
    )


class GenesysSettings(Settings):
    """The key of the EventBridge connection, and the names that events leave out."""

    api_key_value = Secrets(required=True, metadata={"description": "The EventBridge connection's API key"})
    api_key_name = fields.String(
        load_default="x-api-key",
        validate=validate.Regexp(r"[A-Za-z0-9-]+$"),
        metadata={"description": "The header that the EventBridge connection puts it in"},
    )
    wrapup_codes = _names("The name of each wrap-up code, by its id")
    queues = _names("The name of each queue, by its id")
    users = _names("The e-mail address of each user, by their id")
    participant_attributes = AttributeNames(
        metadata={"description": "Your participant attributes, by what they mean to us"}
    )


class GenesysConnector(Connector):
    """A conversation is one interaction; each user who took part in it is a leg."""

    name = "genesys"
    title = "Genesys Cloud"
    settings_schema = GenesysSettings
    events = tuple(EVENTS)
    quality = {
        "nothing_invented": "done",
        "covers_body": "exempt: EventBridge sends a plain key.",
        "covers_time": "exempt: EventBridge sends a plain key.",
        "vectors": "exempt: a plain key needs none.",
        "replay": "done",
    }

    def verify(self, request: Request) -> None:
        named = self.settings["api_key_name"]
        check_token(request.headers.get(named.lower()), several(self.settings["api_key_value"]), named=named)

    def signed(self, request: Request) -> Request:
        return request.with_header(self.settings["api_key_name"].lower(), several(self.settings["api_key_value"])[0])

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        body = read_object(delivery.body)
        # A relay of Genesys' own notifications posts what EventBridge has in `detail`.
        told = body.inner("detail") if "detail" in body else body
        topic = _TOPIC.fullmatch(told.needed("topicName", told.text("topicName")))
        if topic is None or topic[1] not in EVENTS:
            return ()
        return (interaction(topic[1], told.inner("eventBody"), self._known()),)

    def _known(self) -> Names:
        return Names(
            wrapup_codes=self.settings["wrapup_codes"],
            queues=self.settings["queues"],
            users=self.settings["users"],
            attributes=self.settings["participant_attributes"],
        )
