"""`lackey sweep`."""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, BinaryIO, NoReturn, TypeVar

import click

from lackey.cli import show
from lackey.cli.inputs import AFTER, GRID, awaited_as_typed, limit
from lackey.cli.session import Session, confirm, json_option, pairs, pass_session, yes_option
from lackey.cli.terminal import plain
from lackey.cli.times import Unclear, read_time
from lackey.domain.run import FINAL, RunState

F = TypeVar("F", bound=Callable[..., Any])

_ID = click.IntRange(min=0)
_POLL_SECONDS = 1.0
_follow_option = click.option(
    "--follow", is_flag=True, help="Show how far it is until it ends; exit with 0 if all its runs succeeded."
)


def _inputs(command: F) -> F:
    for names, details in (
        (
            ("-p", "--parameter", "parameters"),
            {"multiple": True, "metavar": "NAME=VALUE", "help": "A parameter that is the same in all runs."},
        ),
        (("--name",), {"help": "Its name; its application's, if left out."}),
        (("--at",), {"metavar": "TIME", "help": "When it is due, as for lackey run at; now, if left out."}),
        (
            ("--env", "environment"),
            {"multiple": True, "metavar": "NAME=VALUE", "help": "A variable of the environment of all its runs."},
        ),
        (("--tag", "tags"), {"multiple": True, "metavar": "TAG", "help": "To find its runs by: run list --tag."}),
        AFTER,
        (("--priority",), {"type": int, "help": "Higher ones are started first."}),
        (
            ("--max-running",),
            {"type": click.IntRange(min=1), "help": "How many of its runs may run at a time."},
        ),
        (("--hold",), {"is_flag": True, "help": "Start nothing of it before it is released."}),
        (("--cpus",), {"type": click.IntRange(min=1), "help": "A run takes so many."}),
        (("--memory",), {"metavar": "SIZE", "help": "A run takes so much: 4GiB."}),
        (("--gpus",), {"type": click.IntRange(min=0), "help": "Give a run so many devices."}),
        (
            ("--time-limit",),
            {"type": limit, "metavar": "DURATION", "help": "End a run after this: 90s, 1h30m, 00:10:00."},
        ),
        (("--retries",), {"type": click.IntRange(min=0), "help": "How often a run is run again after it failed."}),
    ):
        command = click.option(*names, **details)(command)
    return command


@click.group()
def sweep() -> None:
    """Many runs of one application, one for each point of a grid or table."""


@sweep.command()
@click.argument("application", metavar="PROJECT/APP")
@click.option("--grid", multiple=True, metavar="NAME=VALUES", help=GRID)
@click.option("--csv", "table", type=click.File("rb"), help="A run for each line; the first has the names. -: read it.")
@_inputs
@_follow_option
@json_option
@pass_session
def add(
    session: Session,
    /,
    application: str,
    grid: tuple[str, ...],
    table: BinaryIO | None,
    follow: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Make the runs of a sweep: all of them, or none."""
    if bool(grid) == (table is not None):
        raise click.UsageError("Say --grid NAME=VALUES, once for each parameter, or --csv FILE.")
    given = {"application": application, **_given(options)}
    if table is None:
        made = session.client.post("/api/sweep", {**given, "grid": pairs(grid, "--grid")})
    else:
        made = session.client.post_file("/api/sweep", _as_form(given), "points", table.read())
    if follow:
        _follow_and_exit(session, made["id"], as_json)
    if as_json:
        show.print_json(made)
    else:
        click.echo(plain(f"sweep {made['id']} ({made['name']}): {made['runs']} runs"))


@sweep.command("list")
@click.option("--application", help="Of this application: PROJECT/APP or id.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="So many at most.")
@json_option
@pass_session
def list_(session: Session, application: str | None, limit: int, as_json: bool) -> None:
    """List sweeps, newest first."""
    query: dict[str, Any] = {"application": application} if application else {}
    items = session.client.items("/api/sweep", limit, **query)
    if as_json:
        show.print_json(items)
        return
    rows = [
        (str(each["id"]), _state(each), each["name"], each["by"], show.moment(each["created_at"]), _counts(each))
        for each in items
    ]
    empty = "No such sweeps." if query else "There are no sweeps yet: lackey sweep add PROJECT/APP --grid NAME=VALUES"
    show.print_table(("ID", "STATE", "SWEEP", "BY", "MADE", "RUNS"), rows, empty)


@sweep.command("show")
@click.argument("sweep_id", metavar="ID", type=_ID)
@json_option
@pass_session
def show_(session: Session, sweep_id: int, as_json: bool) -> None:
    """Show a sweep: how many of its runs are in which state, how far it is, when it may end."""
    _print(session.client.get(f"/api/sweep/{sweep_id}"), as_json)


@sweep.command()
@click.argument("sweep_id", metavar="ID", type=_ID)
@click.option("--csv", "as_csv", is_flag=True, help="All of it, as CSV.")
@click.option(
    "--sort",
    metavar="COLUMN",
    help="By point, run, state, exit_code, duration, parameters.NAME, metrics.NAME; with - before it: downwards.",
)
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="So many points at most.")
@json_option
@pass_session
def table(session: Session, sweep_id: int, as_csv: bool, sort: str | None, limit: int, as_json: bool) -> None:
    """Print a line for each point: its parameters, its outcome, the last value of each of its figures."""
    path = f"/api/sweep/{sweep_id}/table"
    query: dict[str, Any] = {"sort": sort} if sort else {}
    if as_csv:
        with session.client.download(path, **query, format="csv") as pieces:
            for piece in pieces:
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    rows = session.client.items(path, limit, **query)
    if as_json:
        show.print_json(rows)
        return
    _print_rows(rows)


@sweep.command()
@click.argument("sweep_id", metavar="ID", type=_ID)
@click.option("--priority", type=int, help="Higher ones are started first.")
@click.option("--max-running", type=click.IntRange(min=1), help="How many of its runs may run at a time.")
@click.option("--hold/--release", default=None, help="Start nothing more of it; or go on.")
@json_option
@pass_session
def edit(session: Session, /, sweep_id: int, as_json: bool, **options: Any) -> None:
    """Change what is given of a sweep. It holds at once for all its runs that wait."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        raise click.UsageError("Say what is to change.")
    _print(session.client.put(f"/api/sweep/{sweep_id}", given), as_json)


@sweep.command()
@click.argument("sweep_id", metavar="ID", type=_ID)
@yes_option
@json_option
@pass_session
def cancel(session: Session, sweep_id: int, yes: bool, as_json: bool) -> None:
    """Cancel all runs of a sweep that have not ended."""
    if not yes:
        found = session.client.get(f"/api/sweep/{sweep_id}")
        confirm(f"Cancel sweep {sweep_id} ({found['name']}), {_open(found)} of whose {found['runs']} runs go on?", yes)
    done = session.client.post(f"/api/sweep/cancel/{sweep_id}")
    if as_json:
        show.print_json(done)
    else:
        click.echo(f"sweep {sweep_id} is being cancelled")


@sweep.command()
@click.argument("sweep_id", metavar="ID", type=_ID)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(sorted(FINAL)),
    help="Those whose run is in this state; may be repeated. Left out: all that did not succeed.",
)
@_follow_option
@json_option
@pass_session
def rerun(session: Session, sweep_id: int, states: tuple[str, ...], follow: bool, as_json: bool) -> None:
    """Run those points again that did not succeed, as new runs of the sweep."""
    path, body = f"/api/sweep/rerun/{sweep_id}", {"state": list(states)} if states else {}
    made = session.client.post(path, body)
    if follow:
        _follow_and_exit(session, sweep_id, as_json)
    if as_json:
        show.print_json(made)
    else:
        click.echo(f"sweep {sweep_id}: {made['rerun']} of its {made['runs']} points are run again")


@sweep.command()
@click.argument("sweep_id", metavar="ID", type=_ID)
@json_option
@pass_session
def wait(session: Session, sweep_id: int, as_json: bool) -> None:
    """Wait for the end of a sweep; exit with 0 if all its runs succeeded, with 1 otherwise."""
    _follow_and_exit(session, sweep_id, as_json)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in options.items() if value not in (None, (), False)}
    for name, option in (("parameters", "-p"), ("environment", "--env")):
        if name in given:
            given[name] = pairs(given[name], option)
    if "at" in given:
        try:
            understood = read_time(given.pop("at"), datetime.now(UTC))
        except Unclear as error:
            raise click.UsageError(plain(f"{error}.")) from error
        if understood is not None:
            given["at"] = understood.at
            click.echo(f"--at is taken as {understood.in_words}.", err=True)
    return given


def _as_form(given: dict[str, Any]) -> dict[str, str]:
    """What a form says of the same."""
    named = {
        f"{field}.{name}": value
        for field in ("parameters", "environment")
        for name, value in given.pop(field, {}).items()
    }
    listed = {"after": map(awaited_as_typed, given.pop("after", ())), "tags": given.pop("tags", ())}
    named |= {name: text for name, values in listed.items() if (text := ",".join(values))}
    return {**{name: str(value) for name, value in given.items()}, **named}


def _follow_and_exit(session: Session, sweep_id: int, as_json: bool) -> NoReturn:
    """Show how far it is, a line for each change, until it ends."""
    from lackey.cli.display import Display
    from lackey.cli.follow import patiently

    display, said = Display(with_log=False), ""
    while True:
        found: dict[str, Any] = patiently(lambda: session.client.get(f"/api/sweep/{sweep_id}"), display)
        line = f"sweep {sweep_id}: {found['progress']:.0%}, {_counts(found)}"
        if line != said:
            said = line
            display.note(line)
        if found["state"] is not None:
            break
        time.sleep(_POLL_SECONDS)
    if as_json:
        show.print_json(found)
    sys.exit(0 if found["state"] == "succeeded" else 1)


def _open(found: dict[str, Any]) -> int:
    return sum(count for state, count in found["counts"].items() if state not in FINAL)


def _counts(found: dict[str, Any]) -> str:
    """How many runs are in each state, in the order in which they come to them."""
    counts = found["counts"]
    return ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in map(str, RunState) if counts.get(state))


def _state(found: dict[str, Any]) -> show.Cell:
    if found["state"] is not None:
        return show.state(found["state"])
    return "held" if found["hold"] else f"{found['progress']:.0%}"


def _print(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.print_json(found)
        return
    show.print_fields(
        [
            ("id", str(found["id"])),
            ("sweep", found["name"]),
            ("application", found["application"]),
            ("state", _state(found)),
            ("why", found["reason"]),
            ("runs", f"{found['runs']}: {_counts(found)}"),
            ("ends", show.moment(found["eta"])),
            ("parameters", ", ".join(found["parameters"])),
            ("priority", str(found["priority"])),
            ("after", ", ".join(map(show.awaited, found["after"]))),
            *(("environment", f"{name}={value}") for name, value in found["environment"].items()),
            ("tags", ", ".join(found["tags"])),
            ("max running", "" if found["max_running"] is None else str(found["max_running"])),
            ("by", found["by"]),
            ("made", show.moment(found["created_at"])),
            ("cancelled", show.moment(found["cancelled_at"])),
        ]
    )


def _print_rows(rows: list[dict[str, Any]]) -> None:
    parameters = list(dict.fromkeys(name for row in rows for name in row["parameters"]))
    metrics = list(dict.fromkeys(name for row in rows for name in row["metrics"]))
    columns = ("POINT", "RUN", *parameters, "STATE", "EXIT", "TOOK", *metrics)
    lines = [
        [
            str(row["point"]),
            _text(row["run"]),
            *(_text(row["parameters"].get(name)) for name in parameters),
            show.state(row["state"]),
            _text(row["exit_code"]),
            show.span(row["duration"]),
            *(_text(row["metrics"].get(name)) for name in metrics),
        ]
        for row in rows
    ]
    show.print_table(columns, lines, "It has no points.")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
