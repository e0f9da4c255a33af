"""Where a run takes place: the application's directory on its share, and in it the run's own.

The share is writable for others, so all is opened beneath it by the kernel's confinement, nothing is made through a
link, and what is found there is taken for a stranger's unless it says otherwise.
"""

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from lackey.confined import open_beneath, open_root
from lackey.executors.base import Launch, NotStarted

RUNS = "lackey-runs"
IDENTITY = "run.json"

_DIRECTORY = os.O_PATH | os.O_DIRECTORY
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_LONGEST_IDENTITY = 1 << 16

# What a network file system says when it does not reach its server (cifs, NFS, FUSE), or autofs when it can't mount it.
_TRANSPORT = {
    errno.EAGAIN,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ENODEV,
    errno.ENOTCONN,
    errno.ESHUTDOWN,
    errno.ESTALE,
    errno.EIO,
    errno.ETIMEDOUT,
}
_WORDS = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "is not a directory",
    errno.EXDEV: "leads out of the share",
    errno.ELOOP: "is a link, or passes through one, that may not be followed",
    errno.EACCES: "is closed to the user that simulations run as",
    errno.EPERM: "is closed to the user that simulations run as",
    errno.EINVAL: "is no name of a directory",
}


class RanAlready(Exception):
    """The run directory is there, made for this same run by another ticket."""

    def __init__(self, ticket: str) -> None:
        super().__init__(ticket)
        self.ticket = ticket


@dataclass(frozen=True)
class Places:
    """Descriptors of the application's directory, the run's own and its log.

    `run_directory` is where the run's own lies, relative to the share.
    """

    application: int
    run: int
    log: int
    run_directory: str


def on_share(*parts: str) -> str:
    """Join what is relative to a share; the share's own directory is empty."""
    return "/".join(part for part in parts if part not in ("", "."))


def refusal(what: str, error: OSError) -> NotStarted:
    """Why nothing could be started, from what the system said of `what`."""
    said = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in _TRANSPORT:
        return NotStarted(f"the share is away: {what}: {said}", share_away=True)
    return NotStarted(f"{what} {_WORDS.get(error.errno or 0, f'can not be used: {said}')}")


def make_places(launch: Launch, name: str) -> Places:
    """Make the run directory `name`, `parameters.json` and an empty `log.txt` in it.

    Raises NotStarted with the reason, RanAlready, FileExistsError if the name is taken by something else.
    """
    root = _open_share(launch)
    with _explained(f"the directory {launch.directory or '.'!r}"):
        application = open_beneath(root, launch.directory or ".", _DIRECTORY, links=True)
    os.close(root)
    runs = _open_runs(launch, application)
    run = _make_run(launch, runs, name)
    os.close(runs)
    run_directory = on_share(launch.directory, RUNS, name)
    with _explained(f"the run directory {run_directory!r}"):
        parameters = json.dumps(launch.parameters, sort_keys=True, ensure_ascii=False, indent=1)
        add_file(run, "parameters.json", parameters + "\n")
        log = open_beneath(run, "log.txt", _NEW_FILE | os.O_APPEND)
    return Places(application, run, log, run_directory)


def add_file(directory: int, name: str, content: str) -> None:
    """Write a new file. Raises OSError, FileExistsError among them."""
    with open(open_beneath(directory, name, _NEW_FILE), "w", encoding="utf-8") as file:
        file.write(content)


def _open_share(launch: Launch) -> int:
    away = f"the share at {launch.share_path!r} is away"
    try:
        root = open_root(launch.share_path)
    except OSError as error:
        if error.errno in _TRANSPORT | {errno.ENOENT, errno.ENOTDIR}:
            raise NotStarted(f"{away}: {error.strerror}", share_away=True) from error
        raise refusal(f"the share at {launch.share_path!r}", error) from error
    if launch.must_be_mounted and not os.path.ismount(os.path.realpath(launch.share_path)):
        raise NotStarted(f"{away}: nothing is mounted there", share_away=True)
    return root


def _open_runs(launch: Launch, application: int) -> int:
    # A link is "not a directory" too: O_NOFOLLOW with O_DIRECTORY, open(2).
    with _explained(f"{on_share(launch.directory, RUNS)!r}, where runs have their directories (through no link),"):
        with suppress(FileExistsError):
            os.mkdir(RUNS, dir_fd=application)
        return open_beneath(application, RUNS, _DIRECTORY)


def _make_run(launch: Launch, runs: int, name: str) -> int:
    """Make the run's own directory, with its identity in it; if it is there, find out whose it is."""
    with _explained(f"the run directory {on_share(launch.directory, RUNS, name)!r}"):
        try:
            os.mkdir(name, dir_fd=runs)
        except FileExistsError:
            earlier = _ticket_of_same_run(launch, runs, name)
            if earlier is not None:
                raise RanAlready(earlier) from None
            raise
        run = open_beneath(runs, name, _DIRECTORY)
        add_file(run, IDENTITY, json.dumps(launch.identity()) + "\n")
    return run


def _ticket_of_same_run(launch: Launch, runs: int, name: str) -> str | None:
    found = _identity(runs, name)
    if isinstance(found, dict) and found.get("run_uid") == launch.run_uid:
        return str(found.get("ticket"))
    return None


def _identity(runs: int, name: str) -> Any:
    """What the identity file of a run directory says; None for whatever may have been planted in its place."""
    try:
        # A pipe planted there must not make this wait for somebody to write into it.
        opened = open_beneath(runs, f"{name}/{IDENTITY}", os.O_RDONLY | os.O_NONBLOCK)
        with open(opened, "rb") as file:
            return json.loads(file.read(_LONGEST_IDENTITY) or b"")
    except OSError as error:
        if error.errno in _TRANSPORT:
            raise
        return None
    except (ValueError, RecursionError):
        return None


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn the system's errors into reasons; a name that is taken stays what it is."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as error:
        raise refusal(what, error) from error
