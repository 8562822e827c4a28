# ruff: noqa: S101 — this is a test suite
"""What a connector must do whose platform is only asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest

from gateway.errors import UnauthorizedError
from gateway.sdk.cases import Case
from gateway.sdk.connector import Request
from gateway.sdk.testing.suite import NOW, ConnectorSuite
from gateway.sdk.verify import TAKES_NO_POSTS


class PolledSuite(ConnectorSuite):
    """As `ConnectorSuite`, but nobody is let in: the fixtures are what is pulled, and no proof makes them a post."""

    test_a_fixture_is_of_a_type_that_is_taken = None  # type: ignore[assignment]
    test_a_signed_fixture_is_let_in = None  # type: ignore[assignment]
    test_an_absent_proof_is_refused = None  # type: ignore[assignment]
    test_a_bad_proof_is_refused = None  # type: ignore[assignment]
    test_a_wrong_secret_is_refused = None  # type: ignore[assignment]
    test_a_rotated_secret_is_let_in_until_it_is_withdrawn = None  # type: ignore[assignment]
    test_a_changed_body_is_refused = None  # type: ignore[assignment]
    test_another_url_is_refused = None  # type: ignore[assignment]
    test_a_stale_or_future_time_is_refused = None  # type: ignore[assignment]

    def test_whatever_is_posted_is_refused(self, case: Case) -> None:
        """With words that say so: somebody has taken it for another kind of connection."""
        connector = self.configured(**case.settings)
        for body in case.bodies:
            with pytest.raises(UnauthorizedError) as raised:
                connector.verify(self.signed(body, case.headers))
            assert raised.value.problem == TAKES_NO_POSTS

    def signed(self, body: bytes, headers: Mapping[str, str], *, at: datetime = NOW) -> Request:
        """What nobody signs."""
        return super().signed(body, headers, at=at) if self._has_own_words else self.sent(body, headers)
