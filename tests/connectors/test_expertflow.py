"""The Expertflow connector: CTI events, CX events and Finesse dialogs as interactions."""

from __future__ import annotations

from pathlib import Path

from connectors.expertflow import ExpertflowConnector
from gateway.sdk.testing import ConnectorSuite

FIXTURES = Path(__file__).parents[2] / "connectors/expertflow/fixtures"
TOKEN = "a-long-random-token"


class TestExpertflow(ConnectorSuite):
    connector = ExpertflowConnector
    fixtures = FIXTURES
    settings = {"token": TOKEN}
    secret_setting = "token"

    def sign(self, body, headers, *, url, at):
        return {**headers, "authorization": f"Bearer {TOKEN}"}
