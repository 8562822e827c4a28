"""The folder: import files are taken in, files to check are only looked at, the export shows all contacts.

```
check/    files of which the report is wanted first: what importing them would do
import/   files to take in
taking/   a file while it is taken in, and after a kill until it is
done/     files that were taken in, and their reports
refused/  files of which nothing was taken, and their reports
contacts.csv      all contacts as they are now
contacts.sqlite   the contacts themselves
```

Whatever is written is written beside and put in place as a whole.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from connectors.csv.importing import OTHER_ID, VERSION, Importer, Outcome
from connectors.csv.layout import defused
from connectors.csv.store import Contacts, Store
from gateway.sdk import ConfigError, RetryableError

REPORT = ".report.txt"

_PARTIAL = (".tmp", ".part", ".partial", ".crdownload", ".download")
_HIDDEN = (".", "~")


class Folder:
    """The files of one connection. A file is left alone until nobody has written to it for `quiet` seconds."""

    def __init__(self, path: Path, store: Store, importer: Importer, quiet: float) -> None:
        self._path = path
        self._store = store
        self._importer = importer
        self._quiet = quiet

    def take_in(self, now: datetime) -> None:
        """Report on the files to check, take in those to import, export what changed."""
        try:
            for name in ("check", "import", "taking", "done", "refused"):
                (self._path / name).mkdir(exist_ok=True)
            for path in self._finished("check", now):
                if not _is_reported(path):
                    _write(_report(path), self.preview(path, now).told("Looked at"))
            for path in self._files("taking"):
                self._import(path, now)
            for path in self._finished("import", now):
                if claimed := self._claim(path):
                    self._import(claimed, now)
            self.export()
        except OSError as error:
            if not self._path.is_dir():
                raise ConfigError(f"The folder {self._path} does not exist.") from None
            raise RetryableError(f"The folder {self._path} cannot be used: {error.strerror}.") from None

    def preview(self, path: Path, now: datetime) -> Outcome:
        """What importing a file would do; nothing is written."""
        with self._store.writing() as contacts:
            contacts.take_back()
            return self._importer.read(path, contacts, now)

    def export(self) -> None:
        """Write the export, if it is not of now."""
        with self._store.reading() as contacts:
            last = contacts.last()
            if contacts.fact("exported") == str(last) and self._export.exists():
                return
            with _in_place(self._export) as file:
                self._write_rows(file, contacts)
        with self._store.writing() as contacts:
            contacts.set_fact("exported", str(last))

    @property
    def _export(self) -> Path:
        return self._path / "contacts.csv"

    def _write_rows(self, file: TextIO, contacts: Contacts) -> None:
        layout = self._importer.layout
        writer = csv.writer(file, delimiter=self._importer.delimiter, lineterminator="\r\n")
        headers = [self._importer.id_column, *layout.columns.values(), OTHER_ID, VERSION]
        writer.writerow([defused(header) for header in headers])
        for kept in contacts.living():
            cells = [kept.id, *(kept.cells.get(name, "") for name in layout.columns), kept.other_id or "", kept.number]
            writer.writerow([defused(str(cell)) for cell in cells])

    def _claim(self, path: Path) -> Path | None:
        """The file where nobody puts another one in its place."""
        claimed = self._path / "taking" / path.name
        return None if claimed.exists() else path.replace(claimed)

    def _import(self, path: Path, now: datetime) -> None:
        """All of a file or, where it is refused or still being written, nothing."""
        stamp = _stamp(path)
        with self._store.writing() as contacts:
            told = _known(contacts.fact("taken"), stamp)
            if told is None:
                outcome = self._importer.read(path, contacts, now, lambda so_far: self._tell(path, so_far))
                told = [stamp, "refused" if outcome.refused else "done", outcome.told("Taken in")]
                if _stamp(path) != stamp:
                    contacts.take_back()
                    return
                contacts.set_fact("taken", json.dumps(told))
        _, folder, text = told
        end = self._path / folder / f"{now:%Y%m%dT%H%M%S.%fZ}-{path.name}"
        _write(_report(end), text)
        path.replace(end)
        _report(path).unlink(missing_ok=True)

    def _tell(self, path: Path, outcome: Outcome) -> None:
        _write(_report(path), outcome.told("Being taken in"))

    def _finished(self, folder: str, now: datetime) -> list[Path]:
        """Files that nobody has written to for a while, and that bear no name of something unfinished."""
        return [path for path in self._files(folder) if _last_touched(path) + self._quiet <= now.timestamp()]

    def _files(self, folder: str) -> list[Path]:
        return sorted(path for path in (self._path / folder).iterdir() if _is_import(path))


def _is_import(path: Path) -> bool:
    name = path.name.lower()
    return path.is_file() and not name.startswith(_HIDDEN) and not name.endswith((REPORT, *_PARTIAL))


def _last_touched(path: Path) -> float:
    """Copies keep the time of their original; the time of the entry itself cannot be set."""
    status = path.stat()
    return max(status.st_mtime, status.st_ctime)


def _stamp(path: Path) -> list[int]:
    """What tells whether it is the same file with the same content."""
    status = path.stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _known(taken: str | None, stamp: list[int]) -> list[Any] | None:
    """What became of the file, if it was the last one taken in: a kill left it where it was."""
    told: list[Any] = json.loads(taken) if taken else [None]
    return told if told[0] == stamp else None


def _report(path: Path) -> Path:
    return path.with_name(path.name + REPORT)


def _is_reported(path: Path) -> bool:
    report = _report(path)
    return report.exists() and report.stat().st_mtime >= _last_touched(path)


def _write(path: Path, text: str) -> None:
    with _in_place(path) as file:
        file.write(text)


@contextmanager
def _in_place(path: Path) -> Iterator[TextIO]:
    """A file that takes its place once it is whole, and on the disk."""
    handle, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
