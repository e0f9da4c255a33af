"""`lackey` itself: the options that come before a command, and the commands."""

import errno
from pathlib import Path
from typing import Any

import click

from lackey import __version__
from lackey.cli.applications import application
from lackey.cli.db import db
from lackey.cli.doctor import doctor
from lackey.cli.example import example
from lackey.cli.failure import CommandFailed
from lackey.cli.import_v1 import import_v1
from lackey.cli.keys import key
from lackey.cli.projects import project
from lackey.cli.runs import run
from lackey.cli.serve import reader, scheduler, serve
from lackey.cli.session import Session
from lackey.cli.shares import share
from lackey.cli.terminal import plain
from lackey.client import ClientError
from lackey.domain.refusals import Refusal

_ALIASES = {"app": "application"}


class _Lackey(click.Group):
    """Knows other names for commands, and turns what may go wrong anywhere into a sentence."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, by its name or another one."""
        return super().get_command(ctx, _ALIASES.get(cmd_name, cmd_name))

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

    Finds the service by LACKEY_URL and its key by LACKEY_KEY; on the host of lackey serve it needs neither.
    Exit codes: 0 done, 1 it failed, 2 wrong usage.
    """
    context.obj = Session(config)


for _command in (serve, scheduler, reader, example, doctor, db, import_v1, key, project, application, run, share):
    lackey.add_command(_command)
