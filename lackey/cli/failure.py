"""How a command says that it failed."""

from typing import IO, Any

import click

from lackey.cli.terminal import plain


class CommandFailed(click.ClickException):
    """It failed. The message says in a sentence what is wrong and what to do; further lines, if any, are details."""

    exit_code = 1

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message; it may hold text from outside."""
        click.echo("lackey: " + "\n".join(map(plain, self.message.splitlines())), err=True)
