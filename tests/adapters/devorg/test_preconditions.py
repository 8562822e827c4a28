"""Requests that hold only if a record was, or was not, modified since a moment."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest


@pytest.fixture
def modified(org: Any, casey: str) -> datetime:
    return datetime.fromisoformat(org.get("Contact", casey)["LastModifiedDate"])


def moment(modified: datetime, seconds: int) -> str:
    return format_datetime(modified + timedelta(seconds=seconds))


@pytest.mark.parametrize(("seconds", "status"), [(0, 304), (60, 304), (-1, 200)])
def test_what_a_reader_has_already_is_not_sent_again(
    org: Any, casey: str, modified: datetime, seconds: int, status: int
) -> None:
    headers = {"If-Modified-Since": moment(modified, seconds)}

    answer = org.call("GET", f"/sobjects/Contact/{casey}", headers=headers)

    assert answer.status_code == status
    assert (answer.content == b"") is (status == 304)


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (60, 200), (-1, 412)])
def test_a_reader_may_ask_for_what_is_old(org: Any, casey: str, modified: datetime, seconds: int, status: int) -> None:
    headers = {"If-Unmodified-Since": moment(modified, seconds)}

    assert org.call("GET", f"/sobjects/Contact/{casey}", headers=headers).status_code == status


@pytest.mark.parametrize(("seconds", "status", "title"), [(0, 204, "CEO"), (-1, 412, None)])
def test_a_writer_may_ask_that_nobody_was_faster(  # the cases and what they start from
    org: Any, casey: str, modified: datetime, seconds: int, status: int, title: str | None
) -> None:
    headers = {"If-Unmodified-Since": moment(modified, seconds)}

    answer = org.call("PATCH", f"/sobjects/Contact/{casey}", {"Title": "CEO"}, headers=headers)

    assert answer.status_code == status
    assert org.get("Contact", casey)["Title"] == title


def test_zones_have_names_too(org: Any, casey: str) -> None:
    headers = {"If-Modified-Since": "Mon, 30 Nov 2999 08:34:54 MST"}

    assert org.call("GET", f"/sobjects/Contact/{casey}", headers=headers).status_code == 304


def test_a_date_that_is_none_is_ignored_by_reads_and_refused_by_writes(org: Any, casey: str) -> None:
    headers = {"If-Modified-Since": "yesterday", "If-Unmodified-Since": "yesterday"}
    path = f"/sobjects/Contact/{casey}"

    assert org.call("GET", path, headers=headers).status_code == 200
    assert org.call("PATCH", path, {"Title": "CEO"}, headers=headers).status_code == 400
