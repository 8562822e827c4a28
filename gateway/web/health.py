"""Whether the process lives, whether it can do its work, and what it has done."""

from __future__ import annotations

import json
import logging

from flask import Flask, Response, request
from prometheus_client.exposition import choose_encoder

from gateway.web.problems import RefusedError, refusal_response
from gateway.web.services import Services

log = logging.getLogger(__name__)


def register(app: Flask, services: Services) -> None:
    """Add `/health/live`, `/health/ready` and `/metrics`."""

    def live() -> Response:
        return _json({"status": "live"})

    def ready() -> Response:
        problems = _problems(services)
        if problems:
            refusal = RefusedError(503, "not-ready", "Not ready", None, {"Retry-After": "5"}, errors=problems)
            return refusal_response(refusal, request.path)
        return _json({"status": "ready"})

    def metrics() -> Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(services.metrics.registry), content_type=content_type)

    app.add_url_rule("/health/live", view_func=live)
    app.add_url_rule("/health/ready", view_func=ready)
    app.add_url_rule("/metrics", view_func=metrics)


def _problems(services: Services) -> list[str]:
    if services.stopping.is_set():
        return ["The gateway is shutting down."]
    try:
        return list(services.ready())
    except Exception:
        log.exception("Whether the gateway is ready could not be found out.")
        return ["It could not be found out whether the gateway is ready; its log says why."]


def _json(body: object) -> Response:
    return Response(json.dumps(body), content_type="application/json")
