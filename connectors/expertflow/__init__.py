"""Expertflow CIM and CX on Cisco Finesse: CTI-connector events, CX events and Finesse dialogs.

Sources: https://docs.expertflow.com, https://github.com/expertflow/object-model,
https://github.com/expertflow/expertflow-cx-documentation, https://developer.cisco.com/docs/finesse.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from marshmallow import fields, validate

from connectors.expertflow import cti, cx, finesse
from connectors.expertflow.site import Site
from gateway.sdk import Connector, Delivery, PartialInteraction, RejectedError, Request, Secrets, Settings
from gateway.sdk.attributes import AttributeNames
from gateway.sdk.reading import Fields, read_form, read_object
from gateway.sdk.verify import check_bearer, check_token, several, url_parameter

HEADER, URL = "header", "url"


def _parameter(default: str, description: str) -> fields.String:
    return fields.String(
        load_default=default,
        validate=validate.Length(min=1),
        metadata={"description": f"The parameter in which {description}"},
    )


class ExpertflowSettings(Settings):
    """The token that whoever posts is given, and what only the site knows."""

    token = Secrets(required=True, metadata={"description": "The secret that whoever posts is given"})
    token_in = fields.String(
        load_default=HEADER,
        validate=validate.OneOf([HEADER, URL]),
        metadata={"description": "Where it comes: `header` (Authorization: Bearer) or `url` (parameter `token`)"},
    )
    agents = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        load_default=dict,
        metadata={"description": "The e-mail address of each agent, by extension, id or user name"},
    )
    attribute_names = AttributeNames(
        metadata={"description": "Your call variables, conversation data, customer attributes and wrap-up categories"}
    )
    outside_line = fields.String(
        load_default="", metadata={"description": "The digits that agents dial before an outside number"}
    )
    event_parameter = _parameter("event", "your relay tells the event")
    agent_parameter = _parameter("agent", "your relay tells the agent")
    time_parameter = _parameter("occurred_at", "your relay tells when it happened (ISO 8601)")


class ExpertflowConnector(Connector):
    """Calls and conversations, from whichever of the three layers a site exposes.

    Nothing is signed by any of them: a token is the proof, in a header, or in the URL where no header can be set.
    """

    name = "expertflow"
    title = "Expertflow CIM and CX, Cisco Finesse"
    settings_schema = ExpertflowSettings
    content_types = ("application/json", "application/x-www-form-urlencoded", "application/xml", "text/xml")
    events = (*cti.EVENTS, *cx.EVENTS, *finesse.EVENTS)
    quality = {
        "covers_body": "exempt: none of the layers signs anything; the token is the site's own.",
        "covers_time": "exempt: none of the layers signs anything; the token is the site's own.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "done",
    }

    def verify(self, request: Request) -> None:
        secrets = several(self.settings["token"])
        if self.settings["token_in"] == URL:
            check_token(url_parameter(request, "token"), secrets, named="The parameter token of the URL")
        else:
            check_bearer(request, secrets)

    def signed(self, request: Request) -> Request:
        secret = several(self.settings["token"])[0]
        if self.settings["token_in"] == URL:
            return request.with_parameter("token", secret)
        return request.with_header("authorization", f"Bearer {secret}")

    def parse(self, delivery: Delivery) -> Sequence[PartialInteraction]:
        site, at = self._site(), delivery.received_at
        if delivery.content_type.endswith("xml"):
            told = [finesse.interaction(dialog, site, at) for dialog in finesse.dialogs_in(delivery.body)]
        else:
            is_form = delivery.content_type == "application/x-www-form-urlencoded"
            told = [_told(read_form(delivery.body) if is_form else read_object(delivery.body), site, at)]
        return tuple(partial for partial in told if partial)

    def _site(self) -> Site:
        return Site(
            agents=self.settings["agents"],
            names=self.settings["attribute_names"],
            outside_line=self.settings["outside_line"],
            event_parameter=self.settings["event_parameter"],
            agent_parameter=self.settings["agent_parameter"],
            time_parameter=self.settings["time_parameter"],
        )


def _told(body: Fields, site: Site, at: datetime) -> PartialInteraction | None:
    """A CX event has a name or a wrapping, what a workflow posts the state of its call; a relay names the CTI event."""
    if "cimEvent" in body or "name" in body:
        return cx.interaction(body, site)
    if "state" in body:
        return finesse.interaction(body, site, at)
    if event := body.text(site.event_parameter):
        return cti.interaction(event.upper(), body, site, at) if event.upper() in cti.EVENTS else None
    raise RejectedError(
        f"The body has no {site.event_parameter}, name or state: it is no event of Expertflow's or Finesse's."
    )
