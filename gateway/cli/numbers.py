"""The numbers that commands take: any other is wrong use, and click says what the range is."""

from __future__ import annotations

import click

NUMBER = click.IntRange(1, 2**63 - 1)
"""The id of something stored, or how many of a list are shown: what every store can hold."""

PORT = click.IntRange(0, 65_535)
"""Where to listen; 0 for a free one."""
