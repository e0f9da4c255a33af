"""What simulations are launched by, and as whom."""

import os
import pwd

from lackey.cli.checks.finding import Finding, Level
from lackey.domain import sizes
from lackey.domain.resources import Capacity
from lackey.domain.shell.program import shell_words
from lackey.settings import Settings

_OWN_USER = (
    "Set [executor.local] user, and start the scheduler by its unit: then simulations can't read the database, or end "
    "the service's processes."
)


def executors(settings: Settings) -> list[Finding]:
    """How many runs go on at once here, as whom, and whether the shell that runs commands is there."""
    return [*_shell(settings.executor.local.shell), _user(settings)]


def _shell(shell: str) -> list[Finding]:
    path = shell_words(shell)[0]
    if os.path.isfile(path) and os.access(path, os.X_OK):
        return []
    what = f"the shell that runs commands is no program on this host: {path}"
    return [_finding("trouble", what, "Install it, or name another one in [executor.local] shell.")]


def _user(settings: Settings) -> Finding:
    """Whether simulations have a user of their own."""
    local = settings.executor.local
    slots = _said(local.capacity)
    if local.user is None:
        what = f"simulations run as the user that the scheduler runs as (root, if root started it), {slots}"
        return _finding("warning", what, _OWN_USER)
    try:
        uid = pwd.getpwnam(local.user).pw_uid
    except KeyError:
        mend = f"Make the user: adduser --system --group {local.user}."
        return _finding("trouble", f"simulations should run as {local.user}, and there is no such user here", mend)
    if uid == 0:
        return _finding("trouble", "simulations run as root", "Name another user in [executor.local] user.")
    return _finding("ok", f"simulations run as {local.user}, {slots}")


def _said(capacity: Capacity) -> str:
    parts = [f"{capacity.cpus} cpus", f"{sizes.in_words(capacity.memory_bytes or 0)} of memory"]
    parts += [f"the GPUs {', '.join(capacity.gpus)}"] if capacity.gpus else []
    parts += [f"{capacity.slots} runs at a time"] if capacity.slots else []
    return f"with {', '.join(parts)} on this host"


def _finding(level: Level, what: str, mend: str | None = None) -> Finding:
    return Finding("executors", level, what, mend)
