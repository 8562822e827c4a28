"""Names as people and telephone systems spell them."""

from __future__ import annotations

import pytest

from gateway.domain.names import Agreement, agreement


@pytest.mark.parametrize(
    ("given", "known", "agree"),
    [
        ("Ann Archer", "Ann Archer", Agreement.SAME),
        ("ARCHER ANN", "Ann Archer", Agreement.SAME),
        ("Archer, Ann", "Ann Archer", Agreement.SAME),
        ("Dr. Ann B. Archer", "Ann Archer", Agreement.SAME),
        ("A. Archer", "Ann Archer", Agreement.SAME),
        ("Bob Smith", "Robert Smith", Agreement.SAME),
        ("Rober Smiht", "Robert Smith", Agreement.SAME),
        ("Zoe OHara", "Zoë O'Hara", Agreement.SAME),
        ("ليلى حداد", "ليلى حداد", Agreement.SAME),
        ("Joe Sales", "Joe Sales", Agreement.SAME),
        ("Robert", "Robert Smith", Agreement.PARTLY),
        ("Bobby", "Robert Smith", Agreement.PARTLY),
        ("Smith", "Robert Smith", Agreement.PARTLY),
        ("Maria Smith", "Robert Smith", Agreement.RELATIVE),
        ("J. Smith", "Robert Smith", Agreement.RELATIVE),
        ("Ann Archer", "Robert Smith", Agreement.OTHER),
        ("Robert Jones", "Robert Smith", Agreement.UNCLEAR),
        ("Ann", "Robert Smith", Agreement.UNCLEAR),
        ("WIRELESS CALLER", "Robert Smith", Agreement.UNCLEAR),
        ("SAN FRANCISCO CA", "Robert Smith", Agreement.UNCLEAR),
        ("Sales Team", "Robert Smith", Agreement.UNCLEAR),
        ("robert.smith@example.com", "Ann Archer", Agreement.UNCLEAR),
        ("+1 415 555 0123", "Ann Archer", Agreement.UNCLEAR),
        ("", "Ann Archer", Agreement.UNCLEAR),
        ("Ann Archer", "", Agreement.UNCLEAR),
    ],
)
def test_names(given: str, known: str, agree: Agreement) -> None:
    assert agreement(given, known) is agree
