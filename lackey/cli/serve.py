"""`lackey serve` and `lackey scheduler`: the service for a desk, and its other half."""

import contextlib
import errno
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lackey import log_lines
from lackey.cli.failure import CommandFailed
from lackey.cli.running import KEY_FILE
from lackey.cli.session import Session, pass_session

if TYPE_CHECKING:
    from lackey.web.devserver import DevelopmentServer

log = logging.getLogger(__name__)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address or name to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: one that is free.")
@click.option("--no-scheduler", is_flag=True, help="Serve only; something else runs the scheduler.")
@click.option("--reload", is_flag=True, help="Start again when lackey's own code changes.")
@pass_session
def serve(session: Session, host: str, port: int, no_scheduler: bool, reload: bool) -> None:
    """Serve, with the scheduler beside it.

    Ctrl-C ends both; runs live on. The first time it makes the data directory, the SQLite database and a key for
    this host's command line.
    """
    from lackey.web import devserver

    log_lines.to_stderr()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # Wherever they come, Ctrl-C and SIGTERM end it in good order.
    with contextlib.suppress(KeyboardInterrupt):
        if reload and not devserver.is_watched():
            sys.exit(devserver.watch([sys.executable, "-m", "lackey", *sys.argv[1:]]))
        _serve(session, _listen(host, port), not no_scheduler, reload)


@click.command()
@pass_session
def scheduler(session: Session) -> None:
    """Run the scheduler alone.

    Ctrl-C or SIGTERM ends it; runs live on.
    """
    from lackey import scheduler

    log_lines.to_stderr()
    sys.exit(scheduler.run(session.settings))


@click.command()
@pass_session
def reader(session: Session) -> None:
    """Let the web service on this host read shares, where no scheduler does.

    Ctrl-C or SIGTERM ends it. Beside a scheduler it stands by.
    """
    from lackey import scheduler

    log_lines.to_stderr()
    sys.exit(scheduler.read(session.settings))


def _serve(session: Session, server: "DevelopmentServer", with_scheduler: bool, reload: bool) -> None:
    from lackey.app import make_app
    from lackey.cli.beside import Beside
    from lackey.cli.db import opened
    from lackey.cli.founding import found
    from lackey.cli.running import announced
    from lackey.heap import spare_what_is_loaded
    from lackey.web import devserver
    from lackey.web.link import Link
    from lackey.web.listening import announce

    settings = session.settings
    if settings.server.trust_remote_user:
        log.warning("server.trust_remote_user is on, but counts under uWSGI alone; here everybody needs a key")
    with opened(settings, makes=True) as database:
        found(settings, database)
    with contextlib.ExitStack() as held:
        held.enter_context(announced(settings.data_dir, server.url))
        if with_scheduler:
            held.enter_context(Beside(_scheduler_command(session.config), settings.server.url or server.url))
        # While things are given back, another Ctrl-C must not interrupt that.
        held.callback(_ignore_signals)
        link = Link((settings.data_dir / KEY_FILE).read_text(encoding="ascii").strip())
        click.echo(f"lackey serves {server.url} until Ctrl-C; its key is in {settings.data_dir / KEY_FILE}", err=True)
        click.echo(f"To sign in, once: {server.url}/sign-in/{link.code}", err=True)
        announce(settings.database_url)
        application = make_app(settings, link=link)
        spare_what_is_loaded()
        devserver.serve(application, server, reload)


def _listen(host: str, port: int) -> "DevelopmentServer":
    """Before anything else is done, so that a second service changes nothing. Raises CommandFailed."""
    from lackey.web.devserver import DevelopmentServer

    try:
        return DevelopmentServer(host, port)
    except PermissionError as error:
        raise CommandFailed(f"port {port} needs root; choose another with --port") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandFailed(f"port {port} of {host} is in use; choose another with --port") from error
        raise CommandFailed(f"can't listen on {host}, port {port}: {error.strerror}") from error


def _scheduler_command(config: Path | None) -> list[str]:
    options = [] if config is None else ["--config", str(config)]
    return [sys.executable, "-m", "lackey", *options, "scheduler"]


def _ignore_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
