"""Where a run takes place: the application's directory on its share, and in it the run's own.

The share is writable for others, so all is opened beneath it by the kernel's confinement, through links that stay on it
alone, as the readers do (`confined`); and what is found there is taken for a stranger's unless it says otherwise.
"""

import errno
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from lackey.confined import open_beneath, open_root
from lackey.domain.run import directory_names
from lackey.domain.share_health import stands_for_content
from lackey.executors.local.writing import write_new
from lackey.executors.protocol import Launch, NotStarted

RUNS = "lackey-runs"
IDENTITY = "run.json"
LOG = "log.txt"
RECEIPT = "receipt.json"

_DIRECTORY = os.O_PATH | os.O_DIRECTORY
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
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
# What a share says that can take nothing more for now: all is well again once somebody has made room.
_FULL = {errno.ENOSPC: "full", errno.EDQUOT: "full", errno.EROFS: "read-only"}
# The host has none left of something, which is no fault of the run.
_OUT_OF = {
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
    errno.ENOMEM: "memory",
}
_WORDS = {
    errno.ENOENT: "does not exist",
    errno.ENOTDIR: "is not a directory",
    errno.EXDEV: "leads out of the share (links are followed if they are relative and stay on it)",
    errno.ELOOP: "leads through links in a circle, or through one that may not be followed",
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
class RunDirectories:
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
    if error.errno in _OUT_OF:
        return NotStarted(f"this host is out of {_OUT_OF[error.errno]}: {what}: {said}", share_away=True)
    if error.errno in _TRANSPORT:
        return NotStarted(f"the share is away: {what}: {said}", share_away=True)
    if error.errno in _FULL:
        return NotStarted(f"the share is {_FULL[error.errno]}: {what}: {said}", share_away=True)
    return NotStarted(f"{what} {_WORDS.get(error.errno or 0, f'can not be used: {said}')}")


def make_run_directories(launch: Launch, never_ran: Callable[[str], bool]) -> RunDirectories:
    """Make the run directory, with `parameters.json`, an empty `log.txt` and the run's identity in it.

    Normally it is named by the run's id; where that name is taken, by the next of `directory_names`: whoever launches
    this run again, be it on another host, looks at the same names. `never_ran` says whether it is on record that an
    earlier ticket of this run came to nothing.

    Raises NotStarted with the reason, RanAlready.
    """
    root = _open_share(launch)
    with _explained(f"the directory {launch.directory or '.'!r}"):
        application = _open_application(launch, root)
    runs = _open_runs(launch, root, application)
    _refuse_to_run_again(launch, root, runs, never_ran)
    os.close(root)
    for name in directory_names(launch.run_id, launch.run_uid):
        made = _make_run(launch, runs, name)
        if made is not None:
            os.close(runs)
            return RunDirectories(application, *made, on_share(launch.directory, RUNS, name))
    raise NotStarted(f"the run directory {launch.run_id!r} and all that could stand in for it are taken")


def add_file(directory: int, name: str, content: str) -> None:
    """Write a new file. Raises OSError, FileExistsError among them."""
    write_new(open_beneath(directory, name, NEW_FILE), content)


def identity_of(launch: Launch) -> str:
    """What the identity file of its run directory says."""
    return json.dumps({**launch.identity(), "shell": launch.shell}) + "\n"


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


def _open_application(launch: Launch, root: int) -> int:
    """The application's directory. Where all others are gone with it, that is not the application's fault."""
    try:
        return open_beneath(root, launch.directory or ".", _DIRECTORY, links=True)
    except FileNotFoundError as error:
        if _is_empty(root):
            reason = f"the share is empty: the directory {launch.directory!r} is gone, and so are all others"
            raise NotStarted(reason, share_away=True) from error
        raise


def _is_empty(root: int) -> bool:
    """Whether there is nothing at the top of the share that people would have put there."""
    top = open_beneath(root, ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        with os.scandir(top) as entries:
            return not any(stands_for_content(entry.name) for entry in entries)
    finally:
        os.close(top)


def _open_runs(launch: Launch, root: int, application: int) -> int:
    path = on_share(launch.directory, RUNS)
    with _explained(f"{path!r}, where runs have their directories,"):
        with suppress(FileExistsError):
            os.mkdir(RUNS, dir_fd=application)
        # From the top of the share, for a link here may lead anywhere on it.
        return open_beneath(root, path, _DIRECTORY, links=True)


def _refuse_to_run_again(launch: Launch, root: int, runs: int, never_ran: Callable[[str], bool]) -> None:
    """Raise RanAlready where a directory of one of its names says that this same run was launched there."""
    for number, name in enumerate(directory_names(launch.run_id, launch.run_uid)):
        with _explained(f"the run directory {on_share(launch.directory, RUNS, name)!r}"):
            # What stood at the first name may have gone since another was taken in its place.
            if number and not _is_there(runs, name):
                return
            found = _identity(root, on_share(launch.directory, RUNS, name, IDENTITY))
        if isinstance(found, dict) and found.get("run_uid") == launch.run_uid:
            earlier = str(found.get("ticket"))
            if not never_ran(earlier):
                raise RanAlready(earlier)


def _make_run(launch: Launch, runs: int, name: str) -> tuple[int, int] | None:
    """Make the run's own directory and what is in it: descriptors of it and of its log; None if the name is taken."""
    with _explained(f"the run directory {on_share(launch.directory, RUNS, name)!r}"):
        try:
            os.mkdir(name, dir_fd=runs)
        except FileExistsError:
            return None
        run = open_beneath(runs, name, _DIRECTORY)
        try:
            parameters = json.dumps(launch.parameters, sort_keys=True, ensure_ascii=False, indent=1)
            add_file(run, "parameters.json", parameters + "\n")
            # To be read as well: the guard puts it back where the run removes it.
            log = open_beneath(run, LOG, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND)
            # Last: what is made by half is nobody's, and stands for no launch.
            add_file(run, IDENTITY, identity_of(launch))
        except OSError:
            remove_run(runs, run, name)
            raise
    return run, log


def forget_run(run: int) -> None:
    """Let the run directory stand for no launch: nothing has run there, and the run is to be launched again."""
    with suppress(OSError):
        os.unlink(IDENTITY, dir_fd=run)


def remove_run(runs: int, run: int, name: str) -> None:
    """Remove a run directory in which nothing has run, as far as that can be done."""
    for file in (IDENTITY, LOG, "parameters.json"):
        with suppress(OSError):
            os.unlink(file, dir_fd=run)
    with suppress(OSError):
        os.rmdir(name, dir_fd=runs)


def _is_there(runs: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=runs, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _identity(root: int, path: str) -> Any:
    """What the identity file of a run directory says; None for whatever may have been planted in its place."""
    try:
        # A pipe planted there must not make this wait for somebody to write into it.
        opened = open_beneath(root, path, os.O_RDONLY | os.O_NONBLOCK, links=True)
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
