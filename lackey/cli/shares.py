"""`lackey share`."""

from typing import Any

import click

from lackey.cli import show
from lackey.cli.session import Session, json_option, pass_session
from lackey.cli.show import Cell


@click.group()
def share() -> None:
    """Named folders that simulations lie and run on."""


@share.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the shares, and how they are, as seen from the host of the web service."""
    items = session.client.items("/api/share")
    if as_json:
        show.print_json(items)
        return
    columns = ("NAME", "PATH", "STATE", "FREE", "OF", "CLOCK", "LATENCY", "TROUBLE")
    show.print_table(columns, [_row(item) for item in items], "There are no shares.")


def _row(share: dict[str, Any]) -> list[Cell]:
    health: dict[str, Any] = share["health"] or {}
    clock, latency = health.get("clock_difference_seconds"), health.get("latency_seconds")
    return [
        share["name"],
        share["path"],
        _state(share),
        show.size(health.get("free_bytes")),
        show.size(health.get("total_bytes")),
        "" if clock is None else f"{clock:+.1f} s",
        "" if latency is None else f"{latency * 1000:.0f} ms",
        " ".join(text for text in (share["trouble"], share["mend"]) if text),
    ]


def _state(share: dict[str, Any]) -> Cell:
    if not share["there"]:
        return "away", "red"
    return ("there", "yellow") if share["trouble"] else ("well", "green")
