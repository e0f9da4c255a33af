"""Who could change what others rely on: the rights of processes, directories and files."""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from lackey.cli.checks.finding import Finding
from lackey.config_file import find
from lackey.settings import Settings

WEB_DIRECTORY = Path("/run/lackey")
_LOOKED_AT_AT_MOST = 50_000


def rights(settings: Settings) -> list[Finding]:
    """Whether nobody works with more rights than needed, or where others can change what it relies on."""
    if not settings.data_dir.is_dir():
        return []
    service = settings.data_dir.stat().st_uid
    found = [
        *_scheduler(settings, service),
        *_data_dir(settings),
        *_marks(settings, service),
        *_database(settings),
        *_configuration(settings, service),
        *_web_directory(),
    ]
    return found or [Finding("rights", "ok", "nobody can change or read what is not theirs, and nothing works as root")]


def _trouble(what: str, mend: str) -> Finding:
    return Finding("rights", "trouble", what, mend)


def _scheduler(settings: Settings, service: int) -> Iterator[Finding]:
    """Root in a directory of another's; where everything is root's, it has nobody to fear."""
    for pid in _holders(settings.data_dir / "scheduler.lock"):
        if service != 0 and _real_user(pid) == 0:
            mend = "Start it by deploy/systemd/lackey-scheduler.service as it is shipped, without a drop-in for root."
            yield _trouble(f"the scheduler, process {pid}, is root, and works in {settings.data_dir}", mend)


def _holders(lock: Path) -> list[int]:
    """The processes that hold a lock on this file (proc(5): locks)."""
    try:
        seen = lock.stat()
    except FileNotFoundError:
        return []
    name = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    locks = (line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines())
    return [int(fields[4]) for fields in locks if fields[1] == "FLOCK" and fields[5] == name and int(fields[4]) > 0]


def _real_user(pid: int) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return next(int(line.split()[1]) for line in lines if line.startswith("Uid:"))


def _data_dir(settings: Settings) -> Iterator[Finding]:
    path, seen = settings.data_dir, settings.data_dir.stat()
    if seen.st_mode & stat.S_IWOTH:
        yield _trouble(f"everybody can write in {path}", f"chmod o= {path}")
    try:
        simulations = pwd.getpwnam(settings.executor.local.user or "")
    except KeyError:
        return  # nobody of that name, or no user of their own: `executors` tells it
    if simulations.pw_uid == seen.st_uid:
        mend = "Name another user in [executor.local] user, who is for simulations alone."
        yield _trouble(f"simulations run as {simulations.pw_name}, to whom {path} belongs", mend)
    elif seen.st_mode & stat.S_IWGRP and seen.st_gid in os.getgrouplist(simulations.pw_name, simulations.pw_gid):
        group = grp.getgrgid(seen.st_gid).gr_name
        mend = f"Take {simulations.pw_name} out of the group {group}."
        yield _trouble(
            f"{simulations.pw_name}, as whom simulations run, can write in {path} by the group {group}", mend
        )


def _marks(settings: Settings, service: int) -> Iterator[Finding]:
    """What a scheduler that was root has left, which another can't read: outcomes among it."""
    tickets = settings.data_dir / "tickets"
    if any(uid != service for uid in islice(_owners(tickets), _LOOKED_AT_AT_MOST)):
        mend = f"chown -R -h --reference={settings.data_dir} {tickets}"
        yield _trouble(f"in {tickets} are files that are not of the user to whom {settings.data_dir} belongs", mend)


def _owners(tickets: Path) -> Iterator[int]:
    """Of the marks that this process can see, and of what is in them."""
    if tickets.is_dir():
        yield tickets.stat().st_uid
    for place, directories, files in os.walk(tickets):
        for name in (*directories, *files):
            with suppress(FileNotFoundError):
                yield os.lstat(os.path.join(place, name)).st_uid


def _database(settings: Settings) -> Iterator[Finding]:
    file = settings.database_file
    if file is None or not file.parent.is_dir() or not file.parent.stat().st_mode & stat.S_IXOTH:
        return
    beside = [file.with_name(file.name + end) for end in ("", "-wal", "-shm", "-writer", "-scheduler")]
    if any(each.stat().st_mode & 0o007 for each in beside if each.exists()):
        yield _trouble(f"everybody can read {file}, or what belongs to it", f"chmod o= {file}*")


def _configuration(settings: Settings, service: int) -> Iterator[Finding]:
    """Who can change it says as whom simulations run, whoever that is."""
    path = find(None)
    if path is None or settings.executor.local.user is None or service == 0:
        return
    seen = path.stat()
    by_group = seen.st_mode & stat.S_IWGRP and seen.st_gid != 0
    if seen.st_uid != 0 or by_group or seen.st_mode & stat.S_IWOTH:
        mend = f"chown root {path}; chmod go-w {path}"
        yield _trouble(f"others than root can change {path}, which says as whom simulations run", mend)


def _web_directory() -> Iterator[Finding]:
    try:
        seen = WEB_DIRECTORY.stat()
    except FileNotFoundError:
        return
    if seen.st_uid != 0 or seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        what = f"others than root can write in {WEB_DIRECTORY}, where root makes the web service's socket"
        yield _trouble(what, "Restart the web service with deploy/uwsgi/lackey.xml as it is shipped.")
