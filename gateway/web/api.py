"""The API: what came in, what became of it, and having it done again. Documented at `/api/openapi.json`."""

from __future__ import annotations

from typing import Any

from flask import Flask, g, request
from flask_smorest import Api

from gateway.errors import RejectedError, VersionConflictError
from gateway.telemetry import running_version
from gateway.usecases.choosing import choose
from gateway.usecases.explaining import explanation, history_of
from gateway.usecases.operations import Again, Role, allows, ask_again, replay, retry
from gateway.web import schemas, sync
from gateway.web.operations import Operations, identify
from gateway.web.problems import PROBLEM_JSON, RefusedError, plain_refusal
from gateway.web.services import Services
from gateway.web.views import connection_view, delivery_view, fetch_view, interaction_view, page_of

_ID = schemas.ID_IN_PATH

_ABOUT = """Contact-centre interactions, the Salesforce Tasks they became, and the deliveries they came in.

Every call needs a token: `Authorization: Bearer gw_…`, from `gateway token create --role reader|operator|admin`.
Every refusal is a problem of RFC 9457."""


class _Api(Api):  # type: ignore[misc]
    """flask-smorest with its refusals in our form; the application's own error handlers answer them."""

    ERROR_SCHEMA = schemas.Problem

    def _register_responses(self) -> None:
        self.DEFAULT_RESPONSE_CONTENT_TYPE = PROBLEM_JSON
        super()._register_responses()
        del self.DEFAULT_RESPONSE_CONTENT_TYPE

    def _register_error_handlers(self) -> None:
        pass


def register(app: Flask, services: Services) -> None:
    """Add the API to the application."""
    app.config.update(
        API_TITLE="CRM-integration gateway",
        API_VERSION=running_version(),
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/api",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": _ABOUT},
            "security": [{"token": []}],
            "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        },
    )
    api = _Api(app)
    for describe in (_interactions, _decisions, _deliveries, _fetches, sync.operations, _configuration):
        operations = describe(services)
        operations.blueprint.before_request(identify(services))
        api.register_blueprint(operations.blueprint)


def _interactions(services: Services) -> Operations:
    operations = Operations("interactions", "Calls, chats, e-mails, and their Tasks.")

    @operations.add("GET", "/interactions", schemas.InteractionPage, query=schemas.InteractionFilter, refusals=(422,))
    def list_interactions(query: dict[str, Any]) -> Any:
        """List interactions, newest first."""
        rows = services.interactions.list(**{**query, "limit": query["limit"] + 1})
        return page_of(rows, query["limit"], lambda row: interaction_view(row, services.task_link))

    @operations.add("GET", f"/interactions/{_ID}", schemas.Interaction, refusals=(404,))
    def get_interaction(id: int) -> Any:
        """One interaction with its match, its evidence and its Task."""
        row = services.interactions.get(id)
        if row is None:
            raise plain_refusal(404)
        return interaction_view(row, services.task_link, history=history_of(services.interactions, id))

    @operations.add(
        "POST", f"/interactions/{_ID}/retry", schemas.Queued, status=202, role=Role.OPERATOR, refusals=(404, 409)
    )
    def retry_interaction(id: int) -> Any:
        """Have a parked interaction written again."""
        return _queued(id, retry(services.interactions, id), "The interaction is not parked.")

    return operations


def _decisions(services: Services) -> Operations:
    operations = Operations("decisions", "Why an interaction belongs to whom, and what people say to it.")

    @operations.add(
        "GET",
        f"/interactions/{_ID}/explanation",
        schemas.Explanation,
        query=schemas.Explaining,
        refusals=(404, 422),
    )
    def explain_interaction(query: dict[str, Any], id: int) -> Any:
        """Why it was decided on as it was, what became of it since, and what would be decided now."""
        row = services.interactions.get(id)
        if row is None:
            raise plain_refusal(404)
        return explanation(row, services.interactions, services.decider if query["now"] else None)

    @operations.add(
        "POST", f"/interactions/{_ID}/choice", schemas.Queued, status=202, body=schemas.Choice, role=Role.OPERATOR,
        refusals=(400, 404, 409, 422),
    )  # fmt: skip
    def choose_for_interaction(wanted: dict[str, str | None], id: int) -> Any:
        """Say who it was with and what its Task is related to: a person's word is final, and is remembered."""
        by = f"Token {g.token.name}"
        try:
            is_there = choose(services.decider, services.interactions, id, wanted, by=by, now=services.clock())
        except RejectedError as error:
            raise plain_refusal(422, error.reason) from error
        except VersionConflictError as error:
            raise plain_refusal(409, "It is being changed; try again.") from error
        if not is_there:
            raise plain_refusal(404)
        return {"id": id, "queued": True}

    return operations


def _deliveries(services: Services) -> Operations:
    operations = Operations("deliveries", "What platforms sent.")

    @operations.add("GET", "/deliveries", schemas.DeliveryPage, query=schemas.DeliveryFilter, refusals=(422,))
    def list_deliveries(query: dict[str, Any]) -> Any:
        """List deliveries, newest first, without their bodies."""
        status = schemas.STATUSES[query.pop("status")] if "status" in query else None
        rows = services.deliveries.list(**{**query, "status": status, "limit": query["limit"] + 1})
        return page_of(rows, query["limit"], delivery_view)

    @operations.add("GET", f"/deliveries/{_ID}", schemas.DeliveryWithBody, refusals=(404,))
    def get_delivery(id: int) -> Any:
        """One delivery; for operators and admins with its headers and body."""
        row = services.deliveries.get(id)
        if row is None:
            raise plain_refusal(404)
        return delivery_view(row, with_body=allows(g.token, Role.OPERATOR))

    @operations.add(
        "POST", f"/deliveries/{_ID}/replay", schemas.Queued, status=202, role=Role.OPERATOR, refusals=(404, 409)
    )
    def replay_delivery(id: int) -> Any:
        """Have a parked, ignored or conflicting delivery folded again."""
        return _queued(id, replay(services.deliveries, id), "The delivery is waiting or folded already.")

    return operations


def _fetches(services: Services) -> Operations:
    operations = Operations("fetches", "What deliveries name, and the platform would not tell.")

    @operations.add("GET", "/fetches", schemas.FetchPage, query=schemas.FetchFilter, refusals=(422,))
    def list_fetches(query: dict[str, Any]) -> Any:
        """List what was given up, newest first; what is still asked for is counted in the status."""
        rows = services.fetches.given_up(**{**query, "limit": query["limit"] + 1})
        return page_of(rows, query["limit"], fetch_view)

    @operations.add("POST", f"/fetches/{_ID}/retry", schemas.Queued, status=202, role=Role.OPERATOR, refusals=(404,))
    def retry_fetch(id: int) -> Any:
        """Have the platform asked again for what was given up."""
        return _queued(id, ask_again(services.fetches, id, services.clock()), "")

    return operations


def _configuration(services: Services) -> Operations:
    operations = Operations("configuration", "What is connected with what.")

    @operations.add("GET", "/orgs", schemas.Orgs)
    def list_orgs() -> Any:
        """The Salesforce orgs and the connections that feed them."""
        fed = [(connection.org, name) for name, connection in services.connections.items()]
        names = sorted({*services.orgs, *(org for org, _ in fed)})
        problems = services.org_problems()
        return {
            "items": [
                {"name": org, "connections": sorted(n for o, n in fed if o == org), "problem": problems.get(org)}
                for org in names
            ]
        }

    @operations.add("GET", "/status", schemas.Overview)
    def show_status() -> Any:
        """How each org is: paused or not, its API calls, what waits; and how what its platforms are asked for goes."""
        return {"items": services.status()}

    @operations.add("GET", "/connections", schemas.Connections)
    def list_connections() -> Any:
        """The connections, without their settings."""
        base = services.public_url or request.host_url.rstrip("/")
        by_name = sorted(services.connections.items())
        return {"items": [connection_view(connection, base) for _, connection in by_name]}

    return operations


def _queued(id: int, again: Again, not_stuck: str) -> dict[str, Any]:
    if again is Again.UNKNOWN:
        raise plain_refusal(404)
    if again is Again.NOT_STUCK:
        raise RefusedError(409, "not-stuck", "Nothing to do again", not_stuck)
    return {"id": id, "queued": True}
