"""Routes of the API: each with what it takes and answers, and the role that it needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeAlias

from flask import g, request
from flask_smorest import Blueprint
from marshmallow import RAISE, Schema

from gateway.ports import Token
from gateway.usecases.operations import Role, allows, authenticate
from gateway.web.problems import plain_refusal
from gateway.web.services import Services

View: TypeAlias = Callable[..., Any]


class Operations:
    """The blueprint under construction; `add` is a decorator for each operation."""

    def __init__(self, tag: str, about: str) -> None:
        self.blueprint = Blueprint(tag, tag, url_prefix="/api", description=about)

    def add(
        self, method: str, path: str, answer: type[Schema], *,
        status: int = 200, query: type[Schema] | None = None, body: type[Schema] | None = None,
        role: Role = Role.READER, refusals: tuple[int, ...] = (),
    ) -> Callable[[View], View]:  # fmt: skip
        """Route the view, document it, check query and body before it and the token before everything."""

        def decorate(view: View) -> View:
            if body is not None:
                view = self.blueprint.arguments(body, unknown=RAISE)(view)
            if query is not None:
                # An unknown parameter is refused: a misspelt filter must not list everything.
                view = self.blueprint.arguments(query, location="query", unknown=RAISE)(view)
            view = self.blueprint.response(status, answer)(view)
            for refusal in (401, 403, *refusals):
                view = self.blueprint.alt_response(refusal, plain_refusal(refusal).title.upper().replace(" ", "_"))(
                    view
                )
            routed: View = self.blueprint.route(path, methods=[method])(_needs(role)(view))
            return routed

        return decorate


def identify(services: Services) -> Callable[[], None]:
    """What refuses a request without a valid token, and keeps the token for the views."""

    def check() -> None:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        token = authenticate(services.tokens, secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            challenge = {"WWW-Authenticate": 'Bearer realm="gateway"'}
            raise plain_refusal(401, "This needs a valid token: Authorization: Bearer gw_…", challenge)
        g.token = token

    return check


def _needs(role: Role) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def checked(*args: Any, **kwargs: Any) -> Any:
            token: Token = g.token
            if not allows(token, role):
                raise plain_refusal(403, f"This needs a token of the role {role.value}.")
            return view(*args, **kwargs)

        return checked

    return decorate
