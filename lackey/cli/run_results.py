"""`lackey run metrics` and `lackey run events`: what a run has said, and what became of it."""

import csv
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from lackey.cli import show
from lackey.cli.failure import CommandFailed
from lackey.cli.session import Session, json_option, pass_session

_ID = click.IntRange(min=0)
# The fewest points to which a figure is thinned out; its last one is among them.
_FEWEST = 5
_COLUMNS = ("name", "step", "value", "at")


@click.command()
@click.argument("run_id", metavar="ID", type=_ID)
@click.argument("name", required=False)
@click.option("--csv", "as_csv", is_flag=True, help="Print every point, as CSV with a head.")
@json_option
@pass_session
def metrics(session: Session, run_id: int, name: str | None, as_csv: bool, as_json: bool) -> None:
    """Show a run's figures: the last value of each, or all points of the one called NAME."""
    if as_csv and as_json:
        raise click.UsageError("Say --csv or --json, not both.")
    path, query = f"/api/run/{run_id}/metrics", {} if name is None else {"name": name}
    if as_csv:
        _print_csv(session.client.each(path, **query))
        return
    if name is None:
        last = {point["name"]: point for point in session.client.each(path, points=_FEWEST)}
        _print_last(list(last.values()), as_json)
        return
    points = session.client.each(path, **query)
    if as_json:
        show.print_json(list(points))
        return
    found = False
    for point in points:
        found = True
        step = "" if point["step"] is None else f"{point['step']:.15g}"
        click.echo(f"{step:>12}  {_value(point):<24}  {_time(point)}".rstrip())
    if not found:
        raise CommandFailed(f"run {run_id} has no figure {name}; lackey run metrics {run_id} shows those it has")


def _print_last(points: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        show.print_json(points)
        return
    rows = [
        (each["name"], _value(each), "" if each["step"] is None else f"{each['step']:.15g}", show.moment(each["at"]))
        for each in points
    ]
    show.print_table(("NAME", "LAST", "STEP", "WHEN"), rows, "It has no figures.")


def _print_csv(points: Iterator[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows([_as_text(each["name"]), *(each[name] for name in _COLUMNS[1:])] for each in points)


def _as_text(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name.startswith(("=", "+", "-", "@", "\t", "\r")) else name


def _value(point: dict[str, Any]) -> str:
    value = point["value"]
    return value if isinstance(value, str) else f"{value!r}"


def _time(point: dict[str, Any]) -> str:
    return point["at"] or ""


@click.command()
@click.argument("run_id", metavar="ID", type=_ID)
@json_option
@pass_session
def events(session: Session, run_id: int, as_json: bool) -> None:
    """Show a run's history, the oldest first; with --json the newest first, as the API gives it."""
    found: Iterable[dict[str, Any]] = session.client.each(f"/api/run/{run_id}/events")
    if as_json:
        show.print_json(list(found))
        return
    rows = [(show.moment(each["at"]), each["kind"], each["by"], each["text"]) for each in reversed(list(found))]
    show.print_table(("WHEN", "WHAT", "BY", "TEXT"), rows, "It has no history.")
