"""Whether it lives, whether it is ready, and what it counted."""

from __future__ import annotations

import pytest

from tests.unit.web.doubles import Gateway


def test_a_process_that_answers_is_alive(gateway):
    response = gateway.client.get("/health/live")

    assert (response.status_code, response.json) == (200, {"status": "live"})
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_without_problems_it_is_ready(gateway):
    assert gateway.client.get("/health/ready").json == {"status": "ready"}


def test_what_is_missing_is_told():
    gateway = Gateway(ready=lambda: ["Org main refuses our login."])

    response = gateway.client.get("/health/ready")

    assert response.status_code == 503
    assert response.json["errors"] == ["Org main refuses our login."]
    assert gateway.client.get("/health/live").status_code == 200


def test_it_is_not_ready_while_it_stops(gateway):
    gateway.stopping.set()

    assert gateway.client.get("/health/ready").status_code == 503


def test_a_check_that_fails_is_a_problem(caplog):
    gateway = Gateway(ready=lambda: 1 / 0)

    response = gateway.client.get("/health/ready")

    assert response.status_code == 503
    assert b"ZeroDivisionError" not in response.data
    assert "ZeroDivisionError" in caplog.text


def test_metrics_for_prometheus(gateway):
    gateway.metrics.watch(interactions=gateway.interactions.counts)
    gateway.post()

    response = gateway.client.get("/metrics")

    assert response.content_type.startswith("text/plain")
    assert 'gateway_deliveries_total{connection="front-desk",result="stored"} 1.0' in response.text
    assert 'gateway_stored_interactions{state="waiting"} 0.0' in response.text
    assert "4155550123" not in response.text


def test_metrics_in_the_newer_format(gateway):
    response = gateway.client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert response.content_type.startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/", "/favicon.ico", "//health/live", "/health/live/", "/%00", "/static/x"])
def test_anything_else_is_not_there(gateway, path):
    response = gateway.client.get(path)

    assert response.status_code == 404
    assert response.content_type == "application/problem+json"
    assert response.headers["Content-Security-Policy"]
