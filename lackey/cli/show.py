"""What the command line prints: JSON, tables, fields. Times are local, with how long ago; text from outside is escaped.

A cell is text, or a pair of text and the name of its colour.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from lackey.cli.terminal import plain
from lackey.domain import durations, sizes

Cell = str | tuple[str, str]

# What is understood for a directory, in help texts.
PATHS = r"\\fileserver\lab\heat (in single quotes, in a Unix shell), smb://fileserver/lab/heat, Z:\heat, /srv/lab/heat"

_COLOURS = {
    "scheduled": "cyan",
    "queued": "yellow",
    "running": "blue",
    "succeeded": "green",
    "failed": "red",
    "timed_out": "red",
    "cancelled": "magenta",
    "lost": "red",
}


def print_json(value: Any) -> None:
    """Print JSON, indented. ASCII only, so that nothing in it reaches a terminal as a control character."""
    click.echo(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], empty: str) -> None:
    """Print rows under their columns' names; `empty` on standard error when there are none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        table.add_row(*(Text(plain(text), style) for text, style in cells))
    if table.row_count:
        # A file or a pipe gets whole lines, however long.
        Console(file=sys.stdout, width=None if sys.stdout.isatty() else 10_000).print(table)
    else:
        click.echo(empty, err=True)


def print_fields(fields: Iterable[tuple[str, Cell | None]]) -> None:
    """Print names and values, a line each; those without a value are left out."""
    known = [(name, value) for name, value in fields if value not in (None, "")]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        text, colour = (value, None) if isinstance(value, str) else value or ("", None)
        click.echo(f"{name:<{width}}  {click.style(plain(text), fg=colour)}")


def awaited(one: dict[str, Any]) -> str:
    """A run or a sweep that is waited for, as the API has it: run 7, sweep 3 (ended)."""
    named = f"sweep {one['sweep']}" if "sweep" in one else f"run {one['run']}"
    return named if one["on"] == "succeeded" else f"{named} ({one['on']})"


def directory(paths: dict[str, str | None] | None, otherwise: str, platform: str = sys.platform) -> str:
    """A directory as people type it on this machine, from the API's `paths`; `otherwise` where these do not tell.

    `platform` is Python's name of the machine's system.
    """
    forms = {"win32": ("drive", "unc"), "darwin": ("smb",)}.get(platform, ("posix",))
    return next(filter(None, map((paths or {}).get, forms)), otherwise)


def state(name: str) -> Cell:
    """A state, in its colour."""
    return name, _COLOURS.get(name, "")


def moment(text: str | None, zone: str | None = None) -> str:
    """A time of the API's as local time, and how long ago that was or how soon it will be; empty for none.

    `zone`: an IANA zone whose time of day is meant; where it is not known here, it is local time all the same.
    """
    if text is None:
        return ""
    at = datetime.fromisoformat(text)
    away = (at - datetime.now(UTC)).total_seconds()
    when = f"{'in ' if away > 0 else ''}{span(abs(away), rough=True)}{' ago' if away <= 0 else ''}"
    try:
        there = None if zone is None else ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        there = None
    return f"{local(at, there)}{f' {there.key}' if there else ''} ({when})"


def local(at: datetime, zone: tzinfo | None = None) -> str:
    """A time in a zone, or that of this machine."""
    try:
        at = at.astimezone(zone)
    except OverflowError:
        return at.isoformat(" ", "seconds")
    return at.replace(tzinfo=None).isoformat(" ", "seconds")


def span(seconds: float | None, rough: bool = False) -> str:
    """A duration in words: `12.3 s`, `5 min 02 s`, `3 h 20 min`; `rough`: the larger unit alone. Empty for none."""
    return "" if seconds is None else durations.in_words(seconds, rough)


def size(count: float | None) -> str:
    """Bytes in words; empty for none."""
    return "" if count is None else sizes.in_words(count)
