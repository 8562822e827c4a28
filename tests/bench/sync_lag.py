"""How long an edit takes to the other side, by the times that a pair has where none are set.

An edit follows as soon as the one before has arrived, and so waits as long as one can.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from simple_salesforce import Salesforce

from tests.bench import processes
from tests.bench.report import Figure
from tests.bench.salesforce_login import log_in

ALLOWED_SECONDS = 60
_LONGEST = 180
_SETTINGS = """\
database: sqlite:///{folder}/gateway.db
orgs:
  main:
    login_url: {org}
    auth: {{flow: client_credentials, client_id: devorg-client, client_secret: devorg-secret}}
connections:
  phonebook:
    connector: csv
    org: main
    settings: {{folder: {folder}/book, quiet_seconds: 0, columns: {{last: Last, title: Title, emails.work: Mail}}}}
sync:
  crm-phonebook: {{org: main, connection: phonebook}}
"""


def measure(*, quick: bool) -> list[Figure]:
    """Edits on either side, of a contact of the local org and of a file."""
    with tempfile.TemporaryDirectory() as temporary, processes.org(Path(temporary)) as org:
        folder = Path(temporary)
        (folder / "book" / "import").mkdir(parents=True)
        (folder / "gateway.yaml").write_text(_SETTINGS.format(folder=folder, org=org.url), encoding="utf-8")
        crm = log_in(org.url)
        contact = crm.Contact.create({"LastName": "Made-up", "Email": "made-up@example.com"})["id"]
        book = folder / "book" / "contacts.csv"
        with processes.gateway(folder):
            _until(lambda: "made-up@example.com" in _text(book))
            lags = [
                lag
                for number in range(1 if quick else 3)
                for lag in (_of_org(crm, contact, book, number), _of_file(crm, contact, book, number))
            ]
    return [
        Figure(
            "an edit arrives, by the times that are set where none are", f"{max(lags):.1f} s at most", "",
            max(lags), ALLOWED_SECONDS, floor=False, form="{:.1f} s",
        )
    ]  # fmt: skip


def _of_org(crm: Salesforce, contact: str, book: Path, number: int) -> float:
    crm.Contact.update(contact, {"Title": f"Org {number}"})
    return _until(lambda: f"Org {number}" in _text(book))


def _of_file(crm: Salesforce, contact: str, book: Path, number: int) -> float:
    hidden = book.parent / ".edit.csv"
    hidden.write_text(_text(book).replace(f"Org {number}", f"File {number}"), encoding="utf-8")
    hidden.rename(book.parent / "import" / f"edit{number}.csv")
    return _until(lambda: crm.Contact.get(contact)["Title"] == f"File {number}")


def _text(book: Path) -> str:
    return book.read_text(encoding="utf-8-sig") if book.exists() else ""


def _until(is_there: Callable[[], bool]) -> float:
    """The seconds until then."""
    began = time.perf_counter()
    while not is_there():
        if time.perf_counter() - began > _LONGEST:
            raise processes.BrokenRunError("An edit does not arrive on the other side.")
        time.sleep(0.1)
    return time.perf_counter() - began
