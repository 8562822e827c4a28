"""The web application: the inlet for platforms, the API for programs, health and metrics."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from flask import Flask, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from gateway.web import api, health, webhooks
from gateway.web.bodies import MAX_BODY
from gateway.web.headers import secure
from gateway.web.problems import RefusedError, plain_refusal, refusal_response
from gateway.web.services import Services

__all__ = ["Services", "create_app"]

log = logging.getLogger(__name__)


class Application(Flask):
    """Flask, with the inlets in front: it would double the work of their requests."""

    def __init__(self, services: Services) -> None:
        super().__init__(__name__, static_folder=None)
        self._inlets = webhooks.inlets_of(services)

    def begin(self, environ: webhooks.Environ) -> Future[Any] | None:
        """Begin on a request: what its answer waits for, if anything. It is then answered in the same environment."""
        inlet = self._inlets.get(environ["PATH_INFO"])
        return inlet.begin(environ) if inlet else None

    def wsgi_app(self, environ: webhooks.Environ, start_response: webhooks.StartResponse) -> Iterable[bytes]:
        """Answer a request; that of an inlet need not have been begun on."""
        inlet = self._inlets.get(environ["PATH_INFO"])
        return inlet(environ, start_response) if inlet else super().wsgi_app(environ, start_response)


def create_app(services: Services) -> Application:
    """The application, put together from what it is given; it starts nothing and keeps nothing global."""
    app = Application(services)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    # Platforms do not follow redirects: a path is right or it is not there.
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = True
    webhooks.register(app, services)
    health.register(app, services)
    api.register(app, services)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(RefusedError, lambda refusal: refusal_response(refusal, request.path))
    app.register_error_handler(Exception, _answer_failure)
    app.after_request(secure)
    return app


def _answer_http_error(error: HTTPException) -> Response:
    """Errors that Flask, Werkzeug or flask-smorest raise, in our form."""
    if error.code is None or error.code < 400:
        return error.get_response()
    headers = {name: value for name, value in error.get_headers() if name in {"Allow", "Retry-After", "Accept"}}
    refusal = plain_refusal(error.code, headers=headers)
    refusal.errors = getattr(error, "data", {}).get("messages")
    return refusal_response(refusal, request.path)


def _answer_failure(error: Exception) -> Response:
    log.error("A request to %s failed.", request.url_rule, exc_info=error)
    return refusal_response(plain_refusal(500), request.path)
