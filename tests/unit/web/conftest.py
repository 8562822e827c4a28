from __future__ import annotations

import pytest

from tests.unit.web.doubles import Gateway


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()
