"""`lackey doctor`."""

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from lackey.cli import show
from lackey.cli.failure import CommandFailed
from lackey.cli.session import Session, json_option, pass_session
from lackey.cli.terminal import plain

if TYPE_CHECKING:
    from lackey.cli.checks import Finding

DEADLINE_SECONDS = 15.0
_COLOURS = {"ok": "green", "warning": "yellow", "trouble": "red"}


@click.command()
@json_option
@pass_session
def doctor(session: Session, as_json: bool) -> None:
    """Check configuration, database, shares, executors and clock, and say how to mend what is wrong.

    Where LACKEY_URL names a service, or this user's runs elsewhere on this host, it is asked how it is.
    Exit code 1 if there is trouble; a warning is none.
    """
    findings = _examine(session)
    if as_json:
        show.print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    sys.exit(any(finding.level == "trouble" for finding in findings))


def _examine(session: Session) -> "list[Finding]":
    from lackey.cli.addresses import is_elsewhere
    from lackey.cli.checks import CHECKS, Apart, Finding
    from lackey.cli.checks.afar import from_afar
    from lackey.config_file import find

    try:
        settings = session.settings
    except CommandFailed as trouble:
        return [Finding("configuration", "trouble", line, "Correct it.") for line in trouble.message.splitlines()]
    if is_elsewhere(session.config, settings):
        return from_afar(session.client)
    path = find(session.config)
    read = f"{path} is in force" if path else "there is no lackey.toml: defaults and the environment are in force"
    started = [Apart(check, settings) for check in CHECKS]
    deadline = time.monotonic() + DEADLINE_SECONDS
    found = [finding for each in started for finding in each.findings(deadline)]
    return [Finding("configuration", "ok", read), *found]


def _print(findings: "list[Finding]") -> None:
    width = max(len(plain(finding.about)) for finding in findings)
    for finding in findings:
        level = click.style(f"{finding.level:<8}", fg=_COLOURS[finding.level])
        click.echo(f"{level} {plain(finding.about):<{width}}  {plain(finding.what)}")
        if finding.mend:
            click.echo(f"{'':<8} {'':<{width}}  → {plain(finding.mend)}")
