"""What was measured, as a table."""

from __future__ import annotations

import operator
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement, what it is held against, and whether that is met; `floor` False: the bar is a ceiling."""

    name: str
    measured: str
    yardstick: str = ""
    ratio: float | None = None
    bar: float | None = None
    floor: bool = True
    form: str = "{:.2f}"

    @property
    def is_met(self) -> bool | None:
        """None where there is no bar."""
        if self.bar is None or self.ratio is None:
            return None
        return (operator.ge if self.floor else operator.le)(self.ratio, self.bar)


def show(title: str, figures: list[Figure], out: Console) -> None:
    """Print the figures; a bar that is missed stands out."""
    table = Table(
        "figure", "measured", "yardstick", "ratio or count", "bar", "", title=title, title_justify="left", box=None
    )
    for figure in figures:
        ratio = "" if figure.ratio is None else figure.form.format(figure.ratio)
        bar = "" if figure.bar is None else f"{'≥' if figure.floor else '≤'} {figure.bar:g}"
        verdict = {None: "", True: "[green]met[/]", False: "[bold red]missed[/]"}[figure.is_met]
        table.add_row(figure.name, figure.measured, figure.yardstick, ratio, bar, verdict)
    out.print(table)
    out.print()
