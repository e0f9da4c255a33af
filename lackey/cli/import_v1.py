"""`lackey import-v1`: on the database itself, for keys and ids are not the API's to choose."""

from dataclasses import asdict
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from lackey.cli import show
from lackey.cli.db import opened_current
from lackey.cli.session import Session, chosen_share, json_option, pass_session
from lackey.cli.terminal import plain

if TYPE_CHECKING:
    from lackey.services.importing import ImportSummary


class _Zone(click.ParamType[tzinfo]):
    """An IANA time zone."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tzinfo:
        """The zone of this name."""
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail(f"there is no time zone {plain(value)!r}; write it as in Europe/Berlin or UTC", param, ctx)


@click.command("import-v1")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--share", metavar="NAME", help="The share below which its directories lie; left out, the first one.")
@click.option("--timezone", "zone", type=_Zone(), help="The old server's, as Europe/Berlin; left out, this host's.")
@click.option("--keep-pending", is_flag=True, help="Let runs that were due and never started wait for their start.")
@json_option
@pass_session
def import_v1(
    session: Session, file: Path, share: str | None, zone: tzinfo | None, keep_pending: bool, as_json: bool
) -> None:
    """Take over projects, applications, runs, logs and tokens from lackey 1.0's SQLite database FILE.

    All of it or, if anything is in the way, nothing. Ids and tokens stay the same, so that old scripts go on reporting.
    FILE is only read. A second time brings in what is new. The service may be up, but has to wait: SQLite for every
    write, PostgreSQL for new runs, until the import is done; for some hundred thousand runs that takes minutes.
    """
    from lackey.services import importing

    shares = session.settings.shares
    options = importing.Options(chosen_share(session, share), zone, keep_pending, session.settings.server.log_limit)
    with opened_current(session.settings) as database:
        summary = importing.import_v1(database, file, options, shares, datetime.now(UTC))
    if as_json:
        show.print_json({"file": file.name, "share": options.share, "timezone": _named(zone), **asdict(summary)})
    else:
        _print(summary, options.share, _named(zone))


def _named(zone: tzinfo | None) -> str | None:
    return None if zone is None else str(zone)


def _print(summary: "ImportSummary", share: str, zone: str | None) -> None:
    states = ", ".join(f"{count} {state}" for state, count in summary.states.items())
    changed = f", {summary.runs.changed} of them had gone on" if summary.runs.changed else ""
    show.print_fields(
        [
            ("times", f"as in {zone}" if zone else "as on this host's clock"),
            ("directories", f"below the share {share}"),
            ("projects", f"{summary.projects.new} new, {summary.projects.known} known"),
            ("applications", f"{summary.applications.new} new, {summary.applications.known} known"),
            ("runs", f"{summary.runs.new} new{f' ({states})' if states else ''}, {summary.runs.known} known{changed}"),
            ("logs", f"{summary.logs} new{f', {show.size(summary.log_bytes)}' if summary.logs else ''}"),
        ]
    )
    for found in summary.found:
        which = ", ".join(found.which) + (", …" if found.count > len(found.which) else "")
        click.echo(plain(f"- {found.what}: {found.count}{f' ({which})' if which else ''}"))
    click.echo("Next: lackey run list; let the old scripts report here, with the ids and tokens that they have.")
