"""The local org's pages, as a person sees them: records and Tasks, with links between them."""

from __future__ import annotations

import requests


def plant(org, **records):
    answer = requests.post(f"{org}/devorg/load", json=records, timeout=10)
    answer.raise_for_status()
    return answer.json()["ids"]


def search(org, soql):
    login = {"grant_type": "client_credentials", "client_id": "devorg-client", "client_secret": "devorg-secret"}
    token = requests.post(f"{org}/services/oauth2/token", data=login, timeout=10).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{org}/services/data/v62.0/query", params={"q": soql}, headers=headers, timeout=10).json()[
        "records"
    ]


def test_from_the_first_page_to_a_task_and_to_the_people_on_it(org, page):
    (casey,) = search(org, "SELECT Id FROM Contact WHERE Name = 'Casey Customer'")
    plant(org, Task=[{"Subject": "Planted call", "WhoId": casey["Id"], "Status": "Completed"}])

    page.goto(f"{org}/")
    page.get_by_role("link", name="Tasks", exact=True).click()
    page.get_by_role("link", name="Planted call").click()
    page.get_by_role("link", name="Casey Customer").first.click()

    assert page.get_by_role("heading", name="Casey Customer").is_visible()
    assert page.get_by_text("Planted call").first.is_visible()


def test_a_tasks_link_leads_to_its_page(org, page):
    (id,) = plant(org, Task=[{"Subject": "Linked call", "Status": "Completed"}])["Task"]

    page.goto(f"{org}/{id}")

    assert page.get_by_role("heading", name="Linked call").is_visible()

    page.goto(f"{org}/lightning/r/Task/{id}/view")

    assert page.get_by_role("heading", name="Linked call").is_visible()


def test_emoji_and_right_to_left_text_are_shown_as_they_are(org, page):
    (layla,) = search(org, "SELECT Id FROM Contact WHERE LastName = 'حداد'")
    text = "إلغاء العقد 🛑 — <b>not bold</b>"
    (id,) = plant(
        org, Task=[{"Subject": "دردشة 💬", "Description": text, "WhoId": layla["Id"], "Status": "Completed"}]
    )["Task"]

    page.goto(f"{org}/{id}")

    assert page.get_by_role("heading", name="دردشة 💬").is_visible()
    assert text in page.locator("body").inner_text()
    assert page.locator("b", has_text="not bold").count() == 0


def test_a_record_is_found_by_its_name(org, page):
    page.goto(f"{org}/")
    page.get_by_role("searchbox").or_(page.get_by_role("textbox")).first.fill("North Valley")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="North Valley Solar", exact=True).click()

    assert page.get_by_role("heading", name="North Valley Solar").is_visible()


def test_what_does_not_exist_is_said(org, page):
    answer = page.request.get(f"{org}/003000000000000AAA")

    assert answer.status == 404


def test_a_person_switches_a_fault_and_a_feature(org, page):
    page.goto(f"{org}/")
    page.get_by_role("link", name="Switches").click()
    page.get_by_role("combobox", name="Kind").select_option("quota")
    page.get_by_role("button", name="Add fault").click()

    assert page.get_by_role("rowheader", name="quota").is_visible()

    page.get_by_role("button", name="End all faults").click()
    page.get_by_role("button", name="Turn Shared Activities off").click()

    assert page.get_by_text("None.").is_visible()
    assert page.get_by_role("button", name="Turn Shared Activities on").is_visible()
