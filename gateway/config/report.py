"""What is wrong with the settings, and where it stands."""

from __future__ import annotations

from typing import TypeAlias

Trail: TypeAlias = tuple[str, ...]
"""The keys from the top of the tree down to a setting."""


class Report:
    """The problems and warnings found so far, and where each setting stands."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.lines: dict[Trail, int] = {}
        self.origins: dict[Trail, str] = {}
        self.problems: list[tuple[int, str]] = []
        self.warnings: list[tuple[int, str]] = []

    def problem(self, trail: Trail, text: str) -> None:
        """Something that must be changed."""
        self.problems.append(self._located(trail, text))

    def warn(self, trail: Trail, text: str) -> None:
        """Something that had better be changed."""
        self.warnings.append(self._located(trail, text))

    def include(self, other: Report) -> None:
        """What was found in another file, behind what was found in this one."""
        last = max(self.lines.values(), default=1)
        self.problems += [(last + line, text) for line, text in other.problems]
        self.warnings += [(last + line, text) for line, text in other.warnings]

    def place(self, trail: Trail) -> str:
        """Where a setting stands, for people."""
        return f"{self.label}:{self._line(trail)}"

    def _located(self, trail: Trail, text: str) -> tuple[int, str]:
        if trail in self.origins:
            return 0, f"environment: {self.origins[trail]}: {text}"
        line = self._line(trail)
        return line, f"{self.label}:{line}: {'.'.join(trail)}: {text}" if trail else f"{self.label}:{line}: {text}"

    def _line(self, trail: Trail) -> int:
        while trail and trail not in self.lines:
            trail = trail[:-1]
        return self.lines.get(trail, 1)

    @staticmethod
    def sentences(found: list[tuple[int, str]]) -> list[str]:
        """Each sentence once, in the order of the lines."""
        return list(dict.fromkeys(text for _, text in sorted(found, key=lambda entry: entry[0])))
