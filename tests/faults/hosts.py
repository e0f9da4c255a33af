"""Schedulers on hosts of their own: what tells one host from another here is its name, its directory and its clock."""

import ctypes
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lackey.services.dispatch import claiming
from tests import nursery
from tests.nursery import Process
from tests.stage import Stage, until

_CLONE_NEWUTS = 0x04000000  # unshare(2); Python has it from 3.12 on


def start(stage: Stage, host: str, **environment: object) -> Process:
    """A scheduler on a host of this name, with a data directory of its own.

    `environment`: `CLOCK_AHEAD`, by how many seconds the host's clock is; `POLL` and `SILENT`, in seconds, how often
    it looks unasked, and after how much silence another one leads in its place; `STANDSTILL`, likewise, for how long it
    may stand still within a transaction; `FREEZES`: see `freezing`.
    """
    configuration = str(stage.configure(f"{host}.toml", host, slots=30))
    given = {name: str(value) for name, value in environment.items()}
    return stage.start_scheduler("tests.faults.hosts:schedule", LACKEY_CONFIG=configuration, TEST_HOST=host, **given)


def until_it_is_frozen(scheduler: Process) -> None:
    """Wait until it has been stopped, or has stopped itself."""
    until(lambda: b") T " in Path(f"/proc/{scheduler.pid}/stat").read_bytes(), "its standstill")


def until_it_leads(stage: Stage, scheduler: Process) -> None:
    """Wait until it claims runs."""
    until(lambda: _says(stage, scheduler, "claims runs"), "its lead")


def until_it_stands_by(stage: Stage, scheduler: Process) -> None:
    """Wait until it has found that another one claims runs."""
    until(lambda: _says(stage, scheduler, "stands by"), "its standing by")


def _says(stage: Stage, scheduler: Process, what: str) -> bool:
    return stage.log_says(f" {scheduler.pid} lackey.scheduler.loop this scheduler {what}")


def schedule() -> int:
    """Be a scheduler on the host that the environment describes."""
    if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUTS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    socket.sethostname(os.environ["TEST_HOST"])
    with ExitStack() as patched:
        if poll := os.environ.get("POLL"):
            patched.enter_context(patch("lackey.scheduler.loop.POLL_SECONDS", float(poll)))
        if silent := os.environ.get("SILENT"):
            limit = timedelta(seconds=float(silent))
            patched.enter_context(patch("lackey.services.admin.health.LEADER_IS_SILENT", limit))
        if standstill := os.environ.get("STANDSTILL"):
            name, limit = "idle_in_transaction_session_timeout", timedelta(seconds=float(standstill))
            patched.enter_context(patch.dict("lackey.store.database.LIMITS", {name: limit}))
        if os.environ.get("FREEZES"):
            patched.enter_context(freezing())
        patched.enter_context(clock_ahead(float(os.environ.get("CLOCK_AHEAD", "0"))))
        return nursery.schedule()


@contextmanager
def freezing() -> Iterator[None]:
    """Let this process stop itself (SIGSTOP) in its first claim: all is written, and nothing is committed."""
    note, freezes = claiming._Claiming._note, [True]

    def freeze(*given: Any) -> list[claiming.Claim]:
        claims = note(*given)
        if freezes:
            freezes.clear()
            os.kill(os.getpid(), signal.SIGSTOP)
        return claims

    with patch.object(claiming._Claiming, "_note", freeze):
        yield


@contextmanager
def clock_ahead(seconds: float) -> Iterator[None]:
    """Let whatever this process's lackey takes for its host's clock be ahead."""

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=seconds)

    with ExitStack() as patched:
        for name, module in list(sys.modules.items()):
            if name.startswith("lackey.") and getattr(module, "datetime", None) is datetime:
                patched.enter_context(patch.object(module, "datetime", Ahead))
        yield
