"""`lackey` itself: the options that come before a command, and the commands."""

import errno
import os
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from lackey import __version__
from lackey.cli.failure import CommandFailed
from lackey.cli.session import Session
from lackey.cli.terminal import plain
from lackey.client import ClientError
from lackey.domain.refusals import Refusal

# Each command by the module that has it. A module is loaded once one of its commands is called, or its help is wanted:
# to load them all would take longer than most commands take.
_COMMANDS = {
    **dict.fromkeys(("serve", "scheduler", "reader"), "serve"),
    "example": "example",
    "doctor": "doctor",
    "db": "db",
    "import-v1": "import_v1",
    **dict.fromkeys(("login", "logout"), "login"),
    "key": "keys",
    "project": "projects",
    "application": "applications",
    "run": "runs",
    "schedule": "schedules",
    "share": "shares",
    "sweep": "sweeps",
}
_ALIASES = {"app": "application"}


class _Lackey(click.Group):
    """Knows other names for commands, and turns what may go wrong anywhere into a sentence."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, by its name or another one."""
        name = _ALIASES.get(cmd_name, cmd_name)
        if name not in _COMMANDS:
            return None
        found: click.Command = getattr(import_module(f"lackey.cli.{_COMMANDS[name]}"), name.replace("-", "_"))
        return found

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, as help lists them."""
        return sorted(_COMMANDS)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry out a command. Raises CommandFailed where lackey or the system refuse it."""
        try:
            return super().invoke(ctx)
        except (Refusal, ClientError) as refusal:
            raise CommandFailed(str(refusal)) from refusal
        except OSError as error:
            # Nobody reads on (lackey run list | head): that is no trouble, and click knows how to end.
            if error.errno == errno.EPIPE:
                raise
            raise CommandFailed(f"{error.filename or 'the system'}: {error.strerror or error}") from error
        except UnicodeEncodeError as error:
            # Bytes of an argument or a variable that no character has; what they are the system passes on (PEP 383).
            raise click.UsageError(f"this is no text: {plain(error.object)}") from error


@click.group(cls=_Lackey, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration; left out: LACKEY_CONFIG, ./lackey.toml, /etc/lackey/lackey.toml, or none.",
)
@click.version_option(__version__, package_name="lackey", message="lackey %(version)s")
@click.pass_context
def lackey(context: click.Context, config: Path | None) -> None:
    """Schedules, launches, follows and records the runs of simulations.

    Finds the service by LACKEY_URL and its key by LACKEY_KEY; else by what lackey login has kept; on the host of lackey
    serve it needs neither.
    Exit codes: 0 done, 1 it failed, 2 wrong usage.
    """
    context.obj = Session(config)
    # https://no-color.org; rich goes by it by itself.
    context.color = False if os.environ.get("NO_COLOR") else None
