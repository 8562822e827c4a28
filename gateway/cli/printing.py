"""What the command line prints."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.table import Table

WIDTH_WITHOUT_TERMINAL = 160
"""Characters in a line where a table goes into a file or a pipe, unless COLUMNS says otherwise."""

_width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDTH_WITHOUT_TERMINAL
# What platforms and people wrote is shown as it is: no word of it is markup.
out = Console(soft_wrap=True, width=_width, markup=False, emoji=False)
err = Console(stderr=True, soft_wrap=True, markup=False, emoji=False)


def new_table(*columns: str, wraps: Collection[str] = ()) -> Table:
    """A plain table; columns of free text, and those named, wrap, the others keep their line."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in {*_WRAPPED, *wraps})
    return table


_WRAPPED = frozenset(
    {
        "reason",
        "problem",
        "interactions",
        "external id",
        "formats",
        "channels",
        "post to",
        "value",
        "before",
        "after",
        "counts",
    }
)


def moment_text(moment: datetime | None) -> str:
    """A moment as people read it; nothing for None."""
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if moment else ""


def print_json(value: Any) -> None:
    """As JSON, for programs."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))
