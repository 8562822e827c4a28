"""The conformance kit: one base class of pytest tests that any connector passes, ours or a third party's.

Example::

    class TestQuiq(ConnectorSuite):
        connector = QuiqConnector
        fixtures = Path("connectors/quiq/fixtures")
        settings = {"hook_token": "a secret"}
        secret_setting = "hook_token"

        def sign(self, body, headers, *, url, at):
            return {**headers, "x-centricient-hook-token": "a secret"}
"""

import pytest

# Before the suite is imported, so that its assertions show both sides as those of test modules do.
pytest.register_assert_rewrite(*(f"gateway.sdk.testing.{name}" for name in ("suite", "pulling", "polled", "contacts")))

from gateway.sdk.cases import Case, as_json, cases_in, write_expected  # noqa: E402
from gateway.sdk.signing import standard_webhook_headers  # noqa: E402
from gateway.sdk.testing.contacts import LOST, ContactSideSuite  # noqa: E402
from gateway.sdk.testing.declared import suite_of  # noqa: E402
from gateway.sdk.testing.polled import PolledSuite  # noqa: E402
from gateway.sdk.testing.pulling import PollerSuite  # noqa: E402
from gateway.sdk.testing.stand_in import FAULTS, Asked, StandIn, Told  # noqa: E402
from gateway.sdk.testing.suite import ConnectorSuite  # noqa: E402

__all__ = [
    "FAULTS",
    "LOST",
    "Asked",
    "Case",
    "ConnectorSuite",
    "ContactSideSuite",
    "PolledSuite",
    "PollerSuite",
    "StandIn",
    "Told",
    "as_json",
    "cases_in",
    "standard_webhook_headers",
    "suite_of",
    "write_expected",
]
