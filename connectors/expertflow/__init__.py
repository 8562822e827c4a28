"""Expertflow CIM and CX on Cisco Finesse: CTI-connector events, CX events and Finesse dialogs.

Sources: https://docs.expertflow.com, https://github.com/expertflow/object-model,
https://github.com/expertflow/expertflow-cx-documentation, https://developer.cisco.com/docs/finesse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from connectors.expertflow import cti, cx, finesse
from connectors.expertflow.customers import NAME, SETS, Customers, LogIn
from connectors.expertflow.site import Site
from gateway.sdk import (
    Connector,
    ContactSide,
    Delivery,
    PartialInteraction,
    RejectedError,
    Request,
    Secret,
    Secrets,
    Settings,
)
from gateway.sdk.attributes import AttributeNames
from gateway.sdk.http import Address, Api
from gateway.sdk.listed import ListedSide
from gateway.sdk.naming import NAMES
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
    customer_url = Address(metadata={"description": "The interface of CX's customers, https://…/cim-customer"})
    login_url = Address(metadata={"description": "Where a user logs in to CX's interfaces"})
    username = fields.String(validate=validate.Length(min=1), metadata={"description": "Who logs in"})
    password = Secret(metadata={"description": "Their password"})
    attributes = fields.Dict(
        keys=fields.String(validate=validate.Regexp(r"((phones|emails)(\.[a-z]+)?|[a-z][a-z0-9_]*)$")),
        values=fields.String(validate=validate.Length(min=1)),
        metadata={"description": "The key of the customer attribute for each field, and for each type of a set"},
    )
    id_attribute = fields.String(
        validate=validate.Length(min=1), metadata={"description": "The customer attribute for the counterpart's id"}
    )
    region = fields.String(
        load_default="US", validate=validate.Regexp("[A-Z]{2}$"), metadata={"description": "Of numbers without country"}
    )

    @validates_schema
    def _what_belongs_together(self, loaded: Mapping[str, Any], **_: object) -> None:
        for names in (("customer_url", "attributes"), ("login_url", "username", "password")):
            if len({name in loaded for name in names}) > 1:
                raise ValidationError(f"{', '.join(names)} belong together: all of them, or none.")
        given = loaded.get("attributes", {})
        for name in SETS:
            if name in given and any(each.startswith(f"{name}.") for each in given):
                raise ValidationError(f"attributes: {name} is one attribute, or one for each type, not both.")
        if NAME in given and not given.keys().isdisjoint(NAMES):
            raise ValidationError("attributes: name is both names in one attribute; leave out first and last.")


class ExpertflowConnector(Connector):
    """Calls and conversations, from whichever of the three layers a site exposes.

    Nothing is signed by any of them: a token is the proof, in a header, or in the URL where no header can be set.
    """

    name = "expertflow"
    title = "Expertflow CIM and CX, Cisco Finesse"
    settings_schema = ExpertflowSettings
    content_types = ("application/json", "application/x-www-form-urlencoded", "application/xml", "text/xml")
    contacts_every = 60.0
    events = (*cti.EVENTS, *cx.EVENTS, *finesse.EVENTS)
    quality = {
        "covers_body": "exempt: none of the layers signs anything; the token is the site's own.",
        "covers_time": "exempt: none of the layers signs anything; the token is the site's own.",
        "vectors": "exempt: a plain token needs none.",
        "replay": "done",
        "contacts": "done: tests/connectors/test_expertflow_customers.py.",
        "reconciled": "to do: CX's GraphQL searchConversations lists conversations; its address is not documented.",
    }

    def __init__(self, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._site = Site(
            agents=settings["agents"],
            names=settings["attribute_names"],
            outside_line=settings["outside_line"],
            event_parameter=settings["event_parameter"],
            agent_parameter=settings["agent_parameter"],
            time_parameter=settings["time_parameter"],
        )
        self._side = _side(settings) if "customer_url" in settings else None

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
        site, at = self._site, delivery.received_at
        if delivery.content_type.endswith("xml"):
            told = [finesse.interaction(dialog, site, at) for dialog in finesse.dialogs_in(delivery.body)]
        else:
            is_form = delivery.content_type == "application/x-www-form-urlencoded"
            # A workflow escapes nothing: what begins with a plus is a number.
            read = read_form(delivery.body.replace(b"=+", b"=%2B")) if is_form else read_object(delivery.body)
            told = [_told(read, site, at)]
        return tuple(partial for partial in told if partial)

    def contact_side(self) -> ContactSide | None:
        return self._side


def _side(settings: Mapping[str, Any]) -> ContactSide:
    is_open = "login_url" not in settings
    login = None if is_open else LogIn(settings["login_url"], settings["username"], settings["password"])
    api = Api(settings["customer_url"], authorize=login.headers if login else lambda _: {})
    return ListedSide(Customers(api, settings["attributes"], settings.get("id_attribute"), settings["region"]))


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
