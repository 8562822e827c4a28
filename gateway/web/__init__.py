"""The web application: the inlet for platforms, the API for programs, health and metrics."""

from __future__ import annotations

import logging

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


def create_app(services: Services) -> Flask:
    """The application, put together from what it is given; it starts nothing and keeps nothing global."""
    app = Flask(__name__, static_folder=None)
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
