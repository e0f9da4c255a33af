"""`lackey schedule`."""

import io
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO, TypeVar

import click

from lackey.cli import show
from lackey.cli.inputs import GRID
from lackey.cli.session import Session, confirm, json_option, pairs, pass_session, yes_option
from lackey.cli.terminal import plain
from lackey.domain.refusals import Invalid
from lackey.domain.sweep import csv_points

F = TypeVar("F", bound=Callable[..., Any])

_ID = click.IntRange(min=0)
_OVERLAPS = ("skip", "queue", "allow")
_CATCH_UPS = ("latest", "none")
_CRON = 'When: minute, hour, day of the month, month, day of the week. "0 2 * * *" is each night at two.'
_ZONE = "Of the IANA database: Europe/Zurich. Left out: the server's own."


def _options(command: F) -> F:
    for names, details in (
        (("-p", "--parameter", "parameters"), {"multiple": True, "metavar": "NAME=VALUE", "help": "A parameter."}),
        (
            ("--grid",),
            {"multiple": True, "metavar": "NAME=VALUES", "help": f"Make a sweep each time. {GRID}"},
        ),
        (
            ("--csv", "table"),
            {"type": click.File("rb"), "help": "A sweep, of a run for each line; the first has the names. -: read it."},
        ),
        (
            ("--max-running",),
            {"type": click.IntRange(min=1), "help": "How many runs of a sweep may run at a time."},
        ),
        (("--timezone",), {"metavar": "ZONE", "help": _ZONE}),
        (
            ("--overlap",),
            {
                "type": click.Choice(_OVERLAPS),
                "help": "While the run before has not ended: make none, one that waits for it, or one beside it.",
            },
        ),
        (
            ("--catch-up",),
            {
                "type": click.Choice(_CATCH_UPS),
                "help": "What was missed while no scheduler was there: a run, or none.",
            },
        ),
        (("--pause/--resume", "paused"), {"default": None, "help": "Make no runs; or make them again."}),
    ):
        command = click.option(*names, **details)(command)
    return command


@click.group()
def schedule() -> None:
    """Rules by which runs are made again and again."""


@schedule.command()
@click.argument("application", metavar="PROJECT/APP")
@click.option("--cron", required=True, metavar="EXPRESSION", help=_CRON)
@_options
@json_option
@pass_session
def add(session: Session, /, application: str, as_json: bool, **options: Any) -> None:
    """Make a schedule, and print when it makes its next five runs, or sweeps."""
    made = session.client.post("/api/schedule", {"application": application, **_given(options)})
    if as_json:
        show.print_json(made)
        return
    click.echo(plain(f"schedule {made['id']} runs {made['application']}{' (paused)' if made['paused'] else ''}:"))
    _print_firings(made)


@schedule.command()
@click.option("--cron", required=True, metavar="EXPRESSION", help=_CRON)
@click.option("--timezone", metavar="ZONE", help=_ZONE)
@json_option
@pass_session
def preview(session: Session, cron: str, timezone: str | None, as_json: bool) -> None:
    """Print the next five times of a rule, and make nothing."""
    asked = {"cron": cron} | ({} if timezone is None else {"timezone": timezone})
    found = session.client.post("/api/schedule/preview", asked)
    if as_json:
        show.print_json(found)
    else:
        _print_firings(found)


@schedule.command("list")
@click.option("--project", help="Of this project, by its name or id.")
@click.option("--application", help="Of this application: PROJECT/APP or id.")
@json_option
@pass_session
def list_(session: Session, project: str | None, application: str | None, as_json: bool) -> None:
    """List the schedules, newest first."""
    query: dict[str, Any] = {n: value for n, value in (("project", project), ("application", application)) if value}
    items = session.client.items("/api/schedule", **query)
    if as_json:
        show.print_json(items)
        return
    rows = [
        (str(each["id"]), each["application"], each["cron"], each["timezone"], each["by"], _next(each))
        for each in items
    ]
    empty = "No such schedules." if query else "There are no schedules yet: lackey schedule add PROJECT/APP --cron …"
    show.print_table(("ID", "RUNS", "WHEN", "ZONE", "BY", "NEXT"), rows, empty)


@schedule.command("show")
@click.argument("schedule_id", metavar="ID", type=_ID)
@json_option
@pass_session
def show_(session: Session, schedule_id: int, as_json: bool) -> None:
    """Show a schedule, when it makes its next runs, and what came of the last ones."""
    found = session.client.get(f"/api/schedule/{schedule_id}", limit=20)
    if as_json:
        show.print_json(found)
        return
    show.print_fields(_fields(found))
    if found["ticks"]:
        click.echo()
        ticks = (_tick(each, found["timezone"]) for each in found["ticks"])
        show.print_table(("DUE", "CAME TO", "RUN", "WHY"), ticks, "")


@schedule.command()
@click.argument("schedule_id", metavar="ID", type=_ID)
@click.option("--cron", metavar="EXPRESSION", help=_CRON)
@click.option("--application", metavar="PROJECT/APP", help="Run another application.")
@_options
@json_option
@pass_session
def edit(session: Session, /, schedule_id: int, as_json: bool, **options: Any) -> None:
    """Change what is given of a schedule.

    With another rule, and after a pause, it goes on with the first time after now.
    """
    given = _given(options)
    if not given:
        raise click.UsageError("Say what is to change.")
    changed = session.client.put(f"/api/schedule/{schedule_id}", given)
    if as_json:
        show.print_json(changed)
    else:
        show.print_fields(_fields(changed))


@schedule.command()
@click.argument("schedule_id", metavar="ID", type=_ID)
@yes_option
@pass_session
def remove(session: Session, schedule_id: int, yes: bool) -> None:
    """Remove a schedule and its history. The runs that it has made stay."""
    confirm(f"Remove schedule {schedule_id} and its history?", yes)
    session.client.delete(f"/api/schedule/{schedule_id}")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value is not None and value != ()}
    if "parameters" in given:
        given["parameters"] = pairs(given["parameters"], "-p")
    if "grid" in given:
        given["grid"] = pairs(given["grid"], "--grid")
    if "table" in given:
        given["points"] = _rows(given.pop("table"))
    return given


def _rows(table: BinaryIO) -> list[dict[str, str]]:
    try:
        return [point for _, point in csv_points(io.TextIOWrapper(table, "utf-8", newline=""))]
    except Invalid as refusal:
        raise click.UsageError(plain(f"--csv: {'; '.join(error.message for error in refusal.errors)}.")) from None
    except UnicodeDecodeError:
        raise click.UsageError("--csv is not UTF-8.") from None


def _print_firings(found: dict[str, Any]) -> None:
    for each in found["firings"]:
        click.echo(f"  {show.moment(each, found['timezone'])}")


def _next(schedule: dict[str, Any]) -> str:
    if schedule["paused"]:
        return "paused"
    return show.moment(next(iter(schedule["firings"]), None), schedule["timezone"])


def _fields(schedule: dict[str, Any]) -> Iterable[tuple[str, show.Cell | None]]:
    return [
        ("id", str(schedule["id"])),
        ("runs", schedule["application"]),
        *(("parameter", f"{name}={value}") for name, value in schedule["parameters"].items()),
        *(("grid", f"{name}={_values(value)}") for name, value in schedule["grid"].items()),
        ("points", str(len(schedule["points"]) or "")),
        ("max running", "" if schedule["max_running"] is None else str(schedule["max_running"])),
        ("when", schedule["cron"]),
        ("zone", schedule["timezone"]),
        ("overlap", schedule["overlap"]),
        ("catch up", schedule["catch_up"]),
        ("by", schedule["by"]),
        ("made", show.moment(schedule["created_at"])),
        ("paused", "yes" if schedule["paused"] else ""),
        *(("next", show.moment(each, schedule["timezone"])) for each in schedule["firings"]),
    ]


def _tick(tick: dict[str, Any], zone: str) -> list[show.Cell]:
    came_to = tick["came_to"].replace("_", " ")
    times = f"{came_to} ({tick['count']})" if tick["count"] > 1 else came_to
    made = "" if tick["run"] is None else str(tick["run"])
    if tick["sweep"] is not None:
        made = f"sweep {tick['sweep']}"
    return [show.moment(tick["due_at"], zone), times, made, tick["reason"] or ""]


def _values(given: str | list[str]) -> str:
    return given if isinstance(given, str) else ",".join(given)
