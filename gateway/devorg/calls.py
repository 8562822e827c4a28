"""One authorised call: the org it works on, for whom, and under which API version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gateway.devorg.faults import Fault
from gateway.devorg.org import Org
from gateway.devorg.schema import SObject
from gateway.devorg.values import to_json
from gateway.devorg.writing import NO_OPTIONS, DuplicateOptions, Stamp, no_such_column

_DUPLICATE_HEADER = 52


@dataclass(frozen=True, slots=True)
class Call:
    """What every resource needs to answer."""

    org: Org
    user_id: str
    version: str
    duplicates: DuplicateOptions = NO_OPTIONS
    doom: Fault | None = None

    @property
    def base(self) -> str:
        """The path of the API version."""
        return f"/services/data/{self.version}"

    @property
    def number(self) -> int:
        """The API version as a whole number."""
        return int(self.version[1:-2])

    def stamp(self) -> Stamp:
        """A write by this caller, now."""
        return replace(self.org.stamp(self.user_id), version=self.number, duplicates=self.duplicates)

    def headed(self, headers: Mapping[str, str]) -> Call:
        """The same call with what ``Sforce-Duplicate-Rule-Header`` says, which there is since v52.0.

        https://developer.salesforce.com/docs/platform/api-rest/guide/headers-duplicaterules.html
        """
        given = re.sub(r"\s", "", headers.get("sforce-duplicate-rule-header", "")).lower()
        wanted = set(re.split("[;,]", given)) if self.number >= _DUPLICATE_HEADER else set()
        options = DuplicateOptions("allowsave=true" in wanted, "includerecorddetails=true" in wanted)
        return replace(self, duplicates=options)

    def url(self, sobject: SObject, record_id: object) -> str:
        """The path of a record."""
        return f"{self.base}/sobjects/{sobject.name}/{record_id}"

    def shown(self, sobject: SObject, row: Mapping[str, object], names: Iterable[str]) -> dict[str, object]:
        """A record as an answer shows it."""
        attributes = {"type": sobject.name, "url": self.url(sobject, row["Id"])}
        return {"attributes": attributes, **{name: to_json(row[name]) for name in names}}


def field_names(sobject: SObject, wanted: str | Iterable[str] | None) -> list[str]:
    """The fields a caller asked for, spelt as the object spells them; all of them where it did not ask."""
    if wanted is None:
        return [field.name for field in sobject.fields.values()]
    names = wanted.split(",") if isinstance(wanted, str) else list(wanted)
    found = []
    for name in names:
        field = sobject.find(name.strip())
        if field is None:
            raise no_such_column(name.strip(), sobject)
        found.append(field.name)
    return list(dict.fromkeys(found))
