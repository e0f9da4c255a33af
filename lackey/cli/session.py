"""What the commands have in common: where the settings are, how to reach the service, how things go wrong."""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lackey.cli.failure import CommandFailed
from lackey.cli.terminal import plain

if TYPE_CHECKING:
    from lackey.client.http import Client
    from lackey.settings import Settings


@dataclass
class Session:
    """One call of the command line. Settings are read, and the service is looked for, once they are needed."""

    config: Path | None = None

    @cached_property
    def settings(self) -> "Settings":
        """The settings. Raises CommandFailed."""
        from lackey.settings import SettingsError, load

        try:
            return load(self.config)
        except SettingsError as error:
            raise CommandFailed(str(error)) from error

    @cached_property
    def client(self) -> "Client":
        """A client of the service, with a key. Raises CommandFailed."""
        from lackey.cli.addresses import find_service

        return find_service(lambda: self.settings, is_told=self.config is not None)


pass_session = click.make_pass_decorator(Session)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API gives it.")
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


def confirm(question: str, yes: bool) -> None:
    """Go on if the user wants it; `yes`: no need to ask. Raises Abort, or UsageError where nobody can answer."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"{plain(question)} There is nobody to ask: say --yes.")
        click.confirm(plain(question), abort=True, err=True)


def chosen_share(session: Session, name: str | None) -> str:
    """The share of this name, or the first one. Raises BadParameter when the settings have none of this name."""
    shares = session.settings.shares
    if name is not None and name not in shares:
        there_are = ", ".join(shares)
        raise click.BadParameter(
            f"there is no share {plain(name)!r} here; there are: {there_are}", param_hint="--share"
        )
    return name or next(iter(shares))


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """`name=value` texts as a dictionary. Raises UsageError when one is none, or a name comes twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{option} takes name=value, not {plain(text)!r}.")
        if name in found:
            raise click.UsageError(f"{option} names {plain(name)} twice.")
        found[name] = value
    return found
