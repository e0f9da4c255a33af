"""Following a run to its end, through queue, pauses of the service, and a log that lags."""

import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TypeVar

import click

from lackey.cli import show
from lackey.cli.display import Display, display_for
from lackey.cli.outcome import exit_code_for, is_final
from lackey.client import OutOfReach
from lackey.client.http import Client

T = TypeVar("T")

_POLL_SECONDS = 0.3
_AWAY_POLL_SECONDS = 1.0
_PAUSE_PER_RUN_SECONDS = 0.02
# So long the service may be away before we give up.
_PATIENCE_SECONDS = 600.0
# So long the log of an ended run may have nothing new while part of it can't be had.
_LOG_PATIENCE_SECONDS = 5.0
_INTERRUPTED = 130


class LogTail:
    """A run's log, from its beginning, as it grows."""

    def __init__(self, client: Client, run_id: int, display: Display) -> None:
        """Nothing was read yet."""
        self._client = client
        self._run_id = run_id
        self._display = display
        self._offset = 0
        self.complete = True

    def read(self) -> bool:
        """Show what is there by now; whether anything was. `complete` says whether that was all there is."""
        any_yet = False
        while True:
            try:
                piece = self._client.log(self._run_id, self._offset)
            except OutOfReach:
                self.complete = False
                return any_yet
            self.complete = piece.complete
            if not piece.content:
                return any_yet
            self._offset = piece.offset + len(piece.content)
            self._display.log(piece.content)
            any_yet = True


def follow(client: Client, run_id: int, display: Display, with_log: bool) -> dict[str, Any]:
    """Show the run until it has ended and its log is all shown; the run as JSON. Raises OutOfReach, Refused."""
    log = LogTail(client, run_id, display)
    give_up_at: float | None = None
    while True:
        run: dict[str, Any] = patiently(lambda: client.get(f"/api/run/{run_id}"), display)
        display.run(run)
        # Asked after the state: what an ended run wrote is there by now.
        more = with_log and log.read()
        if not is_final(run):
            give_up_at = None
        elif not with_log or (log.complete and not more):
            return run
        elif more or give_up_at is None:
            give_up_at = time.monotonic() + _LOG_PATIENCE_SECONDS
        elif time.monotonic() > give_up_at:
            display.note(f"part of the log of run {run_id} can't be read now; later: lackey run log {run_id}")
            return run
        if not more:
            time.sleep(_POLL_SECONDS)


def patiently(ask: Callable[[], T], display: Display) -> T:
    """The answer, even if the service is away for a while. Raises OutOfReach when it stays away."""
    deadline: float | None = None
    while True:
        try:
            answer = ask()
        except OutOfReach as error:
            if deadline is None:
                deadline = time.monotonic() + _PATIENCE_SECONDS
                display.note(f"{error.message}. Trying again …")
            elif time.monotonic() > deadline:
                raise
            time.sleep(_AWAY_POLL_SECONDS)
        else:
            if deadline is not None:
                display.note("the service is back")
            return answer


def follow_and_exit(client: Client, run_id: int, as_json: bool, with_log: bool) -> NoReturn:
    """Follow a run and end this process with the run's own exit code.

    Ctrl-C ends the following, not the run. With `as_json` standard output has the ended run, and no log.
    """
    # As an exception, so that the terminal is left in order.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with_log = with_log and not as_json
    try:
        with display_for(with_log) as display:
            run = follow(client, run_id, display, with_log)
    except KeyboardInterrupt:
        again = "lackey run log {} --follow" if with_log else "lackey run wait {}"
        click.echo(f"\nrun {run_id} goes on; come back with: {again.format(run_id)}", err=True)
        sys.exit(_INTERRUPTED)
    Display(with_log=False).end(run)
    if as_json:
        show.print_json(run)
    sys.exit(exit_code_for(run))


def wait_and_exit(client: Client, run_ids: list[int], as_json: bool) -> NoReturn:
    """Wait until all of these runs have ended; each is told as it does. Exit with 0 if all succeeded, else with 1.

    Ctrl-C ends the waiting, not the runs.
    """
    display, ended = Display(with_log=False), dict[int, dict[str, Any]]()
    try:
        while True:
            for run_id in [each for each in run_ids if each not in ended]:
                run: dict[str, Any] = patiently(partial(client.get, f"/api/run/{run_id}"), display)
                if is_final(run):
                    ended[run_id] = run
                    display.end(run)
            if len(ended) == len(run_ids):
                break
            # So that many are not asked for the whole time.
            time.sleep(_POLL_SECONDS + _PAUSE_PER_RUN_SECONDS * (len(run_ids) - len(ended)))
    except KeyboardInterrupt:
        left = " ".join(str(each) for each in run_ids if each not in ended)
        click.echo(f"\nthey go on; come back with: lackey run wait {left}", err=True)
        sys.exit(_INTERRUPTED)
    if as_json:
        show.print_json([ended[run_id] for run_id in run_ids])
    sys.exit(0 if all(run["state"] == "succeeded" for run in ended.values()) else 1)


def print_log(client: Client, run_id: int) -> None:
    """Print the log as it is by now."""
    client.get(f"/api/run/{run_id}")
    with Display(with_log=True) as display:
        log = LogTail(client, run_id, display)
        log.read()
    if not log.complete:
        display.note(f"part of the log of run {run_id} is missing, or can't be read now")
