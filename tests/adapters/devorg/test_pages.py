"""The org to look at: every page is plain HTML, escaped, and links to what it names."""

from __future__ import annotations

from typing import Any

import requests


def page(org: Any, path: str, status: int = 200) -> str:
    answer = requests.get(f"{org.url}{path}", timeout=30)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    answer.encoding = "utf-8"
    return answer.text


def test_the_first_page_counts_the_objects(org: Any) -> None:
    text = page(org, "/")

    assert '<a href="/objects/Contact">Contacts</a></td><td class="count">40</td>' in text


def test_an_object_lists_its_records_newest_first(org: Any) -> None:
    first, second = org.create("Task", Subject="Older"), org.create("Task", Subject="Newer")

    text = page(org, "/objects/Task")

    assert text.index(f"/{second}") < text.index(f"/{first}")


def test_a_record_shows_fields_links_and_tasks(
    org: Any, casey: str, robin: str, case_1026: str, household: str
) -> None:
    task = org.create("Task", TaskWhoIds=[casey, robin], WhatId=case_1026, Subject="Call from Casey")

    shown = page(org, f"/{task}")
    contact = page(org, f"/{casey[:15]}")
    other = page(org, f"/{robin}")

    for record_id in (casey, robin, case_1026, household):
        assert f'href="/{record_id}"' in shown
    assert f'href="/{task}"' in contact
    assert "Tasks shared with others" in other
    assert f'href="/{task}"' in other


def test_a_lightning_link_leads_to_the_record(org: Any) -> None:
    task = org.create("Task", Subject="x")

    answer = requests.get(f"{org.url}/lightning/r/Task/{task}/view", timeout=30)

    assert answer.url == f"{org.url}/{task}"
    assert answer.status_code == 200


def test_a_name_is_found_in_any_script(org: Any) -> None:
    assert "Casey Customer" in page(org, "/?q=casey")
    assert "ليلى حداد" in page(org, "/?q=حداد")
    assert "Nothing found" in page(org, "/?q=zzzz")


def test_text_is_escaped_and_emoji_kept(org: Any) -> None:
    task = org.create("Task", Subject="<script>alert(1)</script> ☀️👩‍🔧", Description="مرحبا")

    text = page(org, f"/{task}")

    assert "<script>" not in text
    assert "☀️👩‍🔧" in text
    assert "<bdi>مرحبا</bdi>" in text


def test_every_record_of_the_seed_has_a_page(org: Any) -> None:
    for name in (
        "Account",
        "Lead",
        "Case",
        "Event",
        "User",
        "Opportunity",
        "CaseComment",
        "AccountContactRelation",
        "TaskRelation",
    ):
        page(org, f"/objects/{name}")
        page(org, "/" + org.query(f"SELECT Id FROM {name} LIMIT 1")[0]["Id"])


def test_what_is_not_there_is_404(org: Any) -> None:
    for path in ("/nothing", "/003000000000001AAA", "/objects/Nothing", "/a/b"):
        page(org, path, 404)
    assert requests.post(f"{org.url}/", timeout=30).status_code == 405


def test_a_deleted_record_says_so(org: Any) -> None:
    task = org.create("Task", Subject="x")
    org.call("DELETE", f"/sobjects/Task/{task}")

    assert '<p class="deleted">' in page(org, f"/{task}")
