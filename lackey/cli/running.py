"""Which services of this user run on this host, for the command line that is called elsewhere than in their directory.

`lackey serve` holds a lock on the file in its data directory that says where it is, and notes the data directory under
the user's own state directory (XDG Base Directory Specification). A lock ends with its process, however that ends, so
neither a file that was left behind nor another program on the same port is taken for the service, and gets its key.
"""

import contextlib
import fcntl
import os
import secrets
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What `lackey serve` leaves in the data directory for the command line on its host: where it is, and a key.
URL_FILE = "url"
KEY_FILE = "admin.key"


@dataclass(frozen=True)
class RunningService:
    """A service that runs here now."""

    url: str
    data_dir: Path


@contextlib.contextmanager
def announced(data_dir: Path, url: str) -> Iterator[None]:
    """Say where this service is, for the command line on this host, as long as the block lasts."""
    path = data_dir / URL_FILE
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("w", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{url}\n")
        file.flush()
        aside.rename(path)
        note = _note(data_dir)
        try:
            yield
        finally:
            for mine in (path, note):
                with contextlib.suppress(OSError):
                    if mine is not None and (mine is note or os.path.samestat(path.stat(), os.fstat(file.fileno()))):
                        mine.unlink()


def url_of(data_dir: Path) -> str | None:
    """Where the service of this data directory is, if one runs here now."""
    try:
        with (data_dir / URL_FILE).open(encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.readline().strip() or None
    except (OSError, ValueError):
        return None
    return None


def running() -> list[RunningService]:
    """The services of this user on this host. What one left behind that was killed is removed."""
    found: dict[Path, RunningService] = {}
    for note in _notes():
        with contextlib.suppress(OSError, ValueError):
            data_dir = Path(note.read_text(encoding="utf-8"))
            url = url_of(data_dir) if _is_mine(data_dir / URL_FILE) else None
            if url is None:
                note.unlink()
            else:
                found[data_dir] = RunningService(url, data_dir)
    return list(found.values())


def _note(data_dir: Path) -> Path | None:
    """Note the data directory; None where this user has no place for that, which is no reason not to serve."""
    try:
        place = _place()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_mine(place):
            return None
        note = place / f"{_host()}.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(note, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(str(data_dir.absolute()))
    except (OSError, ValueError, RuntimeError):
        return None
    return note


def _notes() -> list[Path]:
    """Those of this host, for a home directory may be shared by several; none where others may write."""
    try:
        place = _place()
        notes = [each for each in place.iterdir() if each.name.startswith(f"{_host()}.")] if _is_mine(place) else []
    except (OSError, RuntimeError):
        return []
    return [each for each in sorted(notes) if _is_mine(each)]


def _place() -> Path:
    """Raises RuntimeError for a user without a home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    # A relative one is invalid, and passed over (XDG Base Directory Specification).
    return (Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state") / "lackey" / "services"


def _host() -> str:
    return socket.gethostname().replace("/", "_")


def _is_mine(path: Path) -> bool:
    """Whether it is this user's, no link, and nobody else may write to it."""
    try:
        known = path.lstat()
    except OSError:
        return False
    return known.st_uid == os.geteuid() and not stat.S_ISLNK(known.st_mode) and not known.st_mode & 0o022
