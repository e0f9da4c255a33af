"""`lackey run`."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import click

from lackey.cli import run_display, run_files, run_results, show
from lackey.cli.failure import CommandFailed
from lackey.cli.inputs import asked, input_options
from lackey.cli.outcome import is_final, outcome_line
from lackey.cli.session import Session, json_option, pass_session
from lackey.cli.terminal import plain
from lackey.cli.times import Unclear, read_time
from lackey.domain.run import RunState

_ID = click.IntRange(min=0)
_STATES = [*(state.value for state in RunState), "active", "final"]

_follow_option = click.option(
    "--follow", is_flag=True, help="Show its log and progress until it ends; exit with its exit code."
)


@click.group()
def run() -> None:
    """Runs: start, list, follow, cancel, do again."""


@run.command()
@click.argument("application", metavar="PROJECT/APP")
@input_options
@_follow_option
@json_option
@pass_session
def now(session: Session, /, application: str, follow: bool, as_json: bool, **given: Any) -> None:
    """Run an application as soon as there is room for it.

    With --follow and --json standard output has the ended run, and no log.
    """
    _made(session, session.client.post("/api/run", {"application": application, **asked(**given)}), follow, as_json)


@run.command()
@click.argument("time")
@click.argument("application", metavar="PROJECT/APP")
@input_options
@json_option
@pass_session
def at(session: Session, /, time: str, application: str, as_json: bool, **given: Any) -> None:
    """Run an application at TIME.

    TIME is 18:00 (the next one), "tomorrow 9:00", +2h, +90s, "2030-01-31 18:00", all in the zone of this machine, or
    RFC 3339 with an offset. What was understood is printed; what has passed is refused.
    """
    try:
        understood = read_time(time, datetime.now(UTC))
    except Unclear as error:
        raise click.UsageError(plain(f"{error}.")) from error
    moment = "now" if understood is None else understood.at
    made = session.client.post("/api/run", {"application": application, "at": moment, **asked(**given)})
    if understood is not None:
        click.echo(f"TIME is taken as {understood.in_words}.", err=True)
    _made(session, made, follow=False, as_json=as_json)


@run.command("list")
@click.option("--active", is_flag=True, help="Those queued and running only.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="In this state; may be repeated.")
@click.option("--project", help="Of this project, by its name or id.")
@click.option("--application", help="Of this application: PROJECT/APP or id.")
@click.option("--tag", help="With this tag.")
@click.option("-q", "words", help="With these words in name, command or log.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="So many at most.")
@json_option
@pass_session
def list_(
    session: Session,
    active: bool,
    states: tuple[str, ...],
    project: str | None,
    application: str | None,
    tag: str | None,
    words: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    wanted = {
        "state": ",".join([*states, *(["active"] if active else [])]),
        "project": project,
        "application": application,
        "tag": tag,
        "q": words,
    }
    query = {name: value for name, value in wanted.items() if value}
    items = session.client.items("/api/run", limit, **query)
    if as_json:
        show.print_json(items)
        return
    columns = ("ID", "STATE", "RUN", "BY", "WHEN", "TOOK", "NOTE")
    show.print_table(columns, map(run_display.row, items), "No such runs." if query else "There are no runs yet.")


@run.command("show")
@click.argument("run_id", metavar="ID", type=_ID)
@json_option
@pass_session
def show_(session: Session, run_id: int, as_json: bool) -> None:
    """Show a run."""
    found = session.client.get(f"/api/run/{run_id}")
    if as_json:
        show.print_json(found)
    else:
        show.print_fields(run_display.fields(found))


@run.command()
@click.argument("run_id", metavar="ID", type=_ID)
@_follow_option
@pass_session
def log(session: Session, run_id: int, follow: bool) -> None:
    """Print a run's log.

    A file or a pipe gets its bytes as they are; a terminal its text and colours, without other control characters.
    """
    from lackey.cli.follow import follow_and_exit, print_log

    if follow:
        follow_and_exit(session.client, run_id, as_json=False, with_log=True)
    print_log(session.client, run_id)


@run.command()
@click.argument("run_ids", metavar="ID…", type=_ID, nargs=-1, required=True)
@json_option
@pass_session
def wait(session: Session, run_ids: tuple[int, ...], as_json: bool) -> None:
    """Wait for the end of runs.

    Of one, exit with its exit code. Of several, exit with 0 if all of them succeeded, with 1 otherwise; each is shown
    as it ends.
    """
    from lackey.cli.follow import follow_and_exit, wait_and_exit

    wanted = list(dict.fromkeys(run_ids))
    if len(wanted) == 1:
        follow_and_exit(session.client, wanted[0], as_json, with_log=False)
    wait_and_exit(session.client, wanted, as_json)


@run.command()
@click.argument("run_ids", metavar="ID…", type=_ID, nargs=-1, required=True)
@json_option
@pass_session
def cancel(session: Session, run_ids: tuple[int, ...], as_json: bool) -> None:
    """Cancel runs.

    Those that wait never start, those that run are ended with all that they started.
    """
    done, refusals = _each(run_ids, lambda run_id: session.client.post(f"/api/run/cancel/{run_id}"))
    if as_json:
        show.print_json(done)
    for each in () if as_json else done:
        click.echo(plain(outcome_line(each) if is_final(each) else f"run {each['id']} is being cancelled"))
    if refusals:
        raise CommandFailed("\n".join(refusals))


@run.command()
@click.argument("run_ids", metavar="ID…", type=_ID, nargs=-1, required=True)
@input_options
@click.option("--dependents", is_flag=True, help="What was to start after it, and never has, waits for the new run.")
@_follow_option
@json_option
@pass_session
def rerun(
    session: Session, /, run_ids: tuple[int, ...], dependents: bool, follow: bool, as_json: bool, **given: Any
) -> None:
    """Run it again with the same inputs, but for those given, as a new run."""
    if follow and len(run_ids) > 1:
        raise click.UsageError("--follow follows one run; later: lackey run wait ID…")
    body = {**asked(**given), **({"dependents": True} if dependents else {})}
    if len(run_ids) == 1:
        _made(session, session.client.post(f"/api/run/rerun/{run_ids[0]}", body), follow, as_json)
        return
    done, refusals = _each(run_ids, lambda run_id: session.client.post(f"/api/run/rerun/{run_id}", body))
    if as_json:
        show.print_json(done)
    for each in () if as_json else done:
        _made(session, each, follow=False, as_json=False)
    if refusals:
        raise CommandFailed("\n".join(refusals))


@run.command("give-up")
@click.argument("run_id", metavar="ID", type=_ID)
@json_option
@pass_session
def give_up(session: Session, run_id: int, as_json: bool) -> None:
    """Take a silent run for gone.

    Nobody knows whether it has ended. So it is not retried, and what waits for it goes on waiting, until this is said.
    """
    found = session.client.post(f"/api/run/give-up/{run_id}")
    if as_json:
        show.print_json(found)
    else:
        click.echo(plain(f"run {run_id} is taken for gone"))


def _each(run_ids: Iterable[int], ask: Callable[[int], dict[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """What became of each run, and of which ones not, and why."""
    from lackey.client import Refused

    done, refusals = [], []
    for run_id in run_ids:
        try:
            done.append(ask(run_id))
        except Refused as refusal:
            refusals.append(f"run {run_id}: {refusal.message}")
    return done, refusals


def _made(session: Session, made: dict[str, Any], follow: bool, as_json: bool) -> None:
    """Show a run that was just made, or follow it."""
    if follow:
        from lackey.cli.follow import follow_and_exit

        follow_and_exit(session.client, made["id"], as_json, with_log=True)
    if as_json:
        show.print_json(made)
        return
    when = f" for {show.moment(made['scheduled_at'])}" if made["state"] == "scheduled" else ""
    why = f": {made['reason']}" if made["reason"] else ""
    click.echo(plain(f"run {made['id']} ({made['name']}) is {made['state']}{when}{why}"))


for _command in (run_files.files, run_files.get, run_results.metrics, run_results.events):
    run.add_command(_command)
