"""What a process of lackey's may do beyond its user, and how it gives that up (capabilities(7)).

Simulations may run as another user than the service, and be looked at as that one. That takes three capabilities, and
not root: CAP_SETUID and CAP_SETGID to become that user, CAP_KILL to end that user's processes. The scheduler's unit
gives it just these, as ambient ones, which the programs that it starts keep. All that is launched has none at all.

A process that root has started by hand gives up root before it touches anything in the data directory, for that is
another user's, who may plant links there: `settle`.
"""

import ctypes
import errno
import os
import pwd
import stat
from collections.abc import Collection, Iterable, Iterator
from enum import IntEnum
from pathlib import Path


class Capability(IntEnum):
    """Those that lackey has a use for, by their numbers in linux/capability.h."""

    KILL = 5
    SETGID = 6
    SETUID = 7


# To look at files as another user; to run simulations as that user and to end them.
LOOKING = frozenset({Capability.SETGID, Capability.SETUID})
LAUNCHING = LOOKING | {Capability.KILL}

_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS = 8
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_LINKS = 40  # as many as the kernel follows (path_resolution(7))

_libc = ctypes.CDLL(None, use_errno=True)


class Exposed(Exception):
    """Root would work in a place that others can change; `str()` says which."""


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Half(ctypes.Structure):
    """32 capabilities; there are two of these."""

    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


def held() -> frozenset[Capability]:
    """Those of `Capability` that this process can make use of."""
    halves = (_Half * 2)()
    _check(_libc.capget(ctypes.byref(_Header(_VERSION_3, 0)), halves))
    return frozenset(each for each in Capability if halves[0].effective & 1 << each)


def keep(wanted: Collection[Capability]) -> None:
    """Have these, as far as they are permitted, hand them on to programs that are started, and drop all others.

    For a process that has no thread but one (capset(2) changes those of a thread), and that is not root, who would get
    all of them back with the next program.
    """
    halves = (_Half * 2)()
    _check(_libc.capget(ctypes.byref(_Header(_VERSION_3, 0)), halves))
    kept = sum(1 << each for each in wanted) & halves[0].permitted
    # What is not permitted and inheritable any more is not ambient either.
    left = (_Half * 2)(_Half(kept, kept, kept), _Half(0, 0, 0))
    _check(_libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), left))
    for each in wanted:
        if kept & 1 << each:
            _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, each)


def drop() -> None:
    """Have no capability from now on, nor any program that is started."""
    keep(())


def no_more() -> None:
    """Never have more than now: a program that is started gains nothing, be it setuid, or this process root."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def look_as(uid: int, gid: int, groups: list[int]) -> None:
    """Open and make files as this user from now on, and be who it is for all else (credentials(7): the fs ids).

    So none of that user's processes can signal, trace or slow down this one. For this thread and those that it starts;
    the groups are the whole process's. Raises OSError.
    """
    os.setgroups(groups)
    for change, wanted in ((_libc.setfsgid, gid), (_libc.setfsuid, uid)):
        change(wanted)
        # They fail in silence; what -1 changes is nothing, and it says what there is.
        if change(-1) != wanted:
            raise PermissionError(f"the user {uid} can't be taken on")


def settle(places: Iterable[Path], needed: Collection[Capability]) -> None:
    """Keep what is needed, and no more; for a process that works in these directories, before it does.

    Root becomes the first user on the way to them who is not root. Where there is none, what lies there is root's
    alone, and it stays root. Raises Exposed where a group or everybody could change what root would work on. To be
    called before there is any thread.
    """
    if os.geteuid() == 0:
        owner = next((uid for uid in map(_owner, places) if uid != 0), 0)
        if owner == 0:
            return
        _become(owner)
    keep(needed)


def _become(uid: int) -> None:
    """Be this user and in this user's groups, with the capabilities that root had."""
    try:
        user = pwd.getpwuid(uid)
    except KeyError:
        raise Exposed(f"its data directory is the user {uid}'s, whom this host does not know") from None
    _prctl(_PR_SET_KEEPCAPS, 1)
    os.initgroups(user.pw_name, user.pw_gid)
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(uid, uid, uid)


def _owner(directory: Path) -> int:
    """Who else than root can change what lies in the directory, or what its name leads to; 0: nobody."""
    for place, status, is_last in _way(directory):
        if status.st_uid != 0:
            return status.st_uid
        if _is_open(status, is_last):
            raise Exposed(f"others than root can write in {place}: give it to the service's user, or close it")
    return 0


def _way(path: Path) -> Iterator[tuple[str, os.stat_result, bool]]:
    """All that looking up a path passes through, links and what they lead to, as far as it is there.

    Each with whether it is the last.
    """
    place, ahead, links = "/", [*reversed(path.absolute().parts)], 0
    while ahead:
        place = os.path.normpath(os.path.join(place, ahead.pop()))
        try:
            status = os.lstat(place)
        except FileNotFoundError:
            return
        yield place, status, not ahead and not stat.S_ISLNK(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            links += 1
            if links > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            ahead += reversed(Path(os.readlink(place)).parts)
            place = os.path.dirname(place)


def _is_open(status: os.stat_result, is_last: bool) -> bool:
    """Whether others may put something there or, on the way to it, in the place of what is there (inode(7): sticky)."""
    if stat.S_ISLNK(status.st_mode) or (not is_last and status.st_mode & stat.S_ISVTX):
        return False
    return bool(status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != 0))


def _prctl(*arguments: int) -> None:
    _check(_libc.prctl(*(ctypes.c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:5])))


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
