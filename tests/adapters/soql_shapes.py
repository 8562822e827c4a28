"""What a SOQL statement looks like apart from its values, and what an independent parser says of that."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RECORD = Path(__file__).with_name("soql_verdicts.json")
COMMAND = "python -m tests.adapters.soql_oracle BUNDLE"

_LITERAL = re.compile(
    r"""(?P<string>'(?:[^'\\]|\\.)*')
      | (?P<moment>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?P<fraction>\.\d+)?(?P<zone>[Zz]|[+-]\d\d:?\d\d)?
      | (?P<date>\d{4}-\d\d-\d\d)
      | (?P<name>[A-Za-z_][\w.]*)
      | (?P<number>[+-]?\d+)
      | (?P<blank>\s+)""",
    re.VERBOSE | re.DOTALL,
)
_LIST = re.compile(r"(?<=\()\s*('[^']*'|[\d+-][\w:.+-]*)(?:\s*,\s*(?:'[^']*'|[\d+-][\w:.+-]*))+\s*(?=\))")
_ESCAPE = re.compile(r"\\(?:u[0-9A-Fa-f]{4}|.)", re.DOTALL)


def shape_of(text: str) -> str:
    """The statement with one value for all values of a kind, spelled as they were, and one for a list of them."""
    return _LIST.sub(r"\1", _LITERAL.sub(_placeholder, text)).strip()


def _placeholder(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "string":
            return _string(found[0])
        case "moment" | "fraction" | "zone":
            zone = re.sub(r"\d", "0", found["zone"] or "")
            return f"2026-01-01T00:00:00{'.000' if found['fraction'] else ''}{zone}"
        case "date":
            return "2026-01-01"
        case "number":
            return "0"
        case "blank":
            return " "
    return found[0]


def _string(literal: str) -> str:
    """`'?'` with each escape that occurs, as a parser may end a text at the wrong quote."""
    return f"'?{''.join(sorted(set(_ESCAPE.findall(literal))))}'" if "\\" in literal else "'?'"


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one version of a parser says of shapes, and where the local org rightly says something else."""

    parser: str
    version: str
    shapes: Mapping[str, bool]
    differences: Mapping[str, str]
    limits: Mapping[str, str]

    def objection(self, text: str, refusal: str | None) -> str | None:
        """What is wrong with the local parser's answer to `text`: `refusal`, or None if it accepted."""
        shape = shape_of(text)
        if shape not in self.shapes:
            return f"No independent parser has judged this shape: have it judged with `{COMMAND}`.\n  {shape}"
        agreed = self.shapes[shape] == (refusal is None)
        if any(words in (refusal or "") for words in self.limits) or agreed != (shape in self.differences):
            return None
        if agreed:
            return f"Both parsers agree by now: delete this from the differences in {RECORD.name}.\n  {shape}"
        ours, theirs = ("refused", "valid") if refusal else ("accepted", "invalid")
        return (
            f"Here {ours}, {theirs} for {self.parser} {self.version}: correct the grammar, or give the reason "
            f"among the differences in {RECORD.name}.\n  {shape}\n  {(refusal or '').strip()}"
        )


@cache
def recorded() -> Verdicts:
    """The verdicts kept beside the tests."""
    kept = json.loads(RECORD.read_text(encoding="utf-8"))
    shapes = dict.fromkeys(kept["valid"], True) | dict.fromkeys(kept["invalid"], False)
    return Verdicts(kept["parser"], kept["version"], shapes, kept["differences"], kept["limits"])
