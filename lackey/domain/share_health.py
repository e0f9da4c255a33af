"""How a share is: what a look at it finds, and what that means to whoever uses it.

The share's reader looks, and passes on what it found as it is; what is wrong with it, and how it is mended, is said
here, once, for the API, the command line and `lackey doctor`.
"""

import errno
import os
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from lackey.domain import sizes
from lackey.domain.paths import Share

AwayKind = Literal["missing", "unmounted", "closed", "hangs", "failed", "unread"]

CLOCK_SECONDS = 2.0
SLOW_SECONDS = 10.0
# Nearly full: less is left than this, and on a small share than this part of it.
SPARE_BYTES = 1 << 30
SPARE_PART = 0.05

_FULL = {errno.ENOSPC, errno.EDQUOT}
# What stands at the top of an empty file system.
_NOTHING = {"lost+found", "System Volume Information", "$RECYCLE.BIN"}
_CLOSED = {errno.EACCES, errno.EPERM}


def stands_for_content(name: str) -> bool:
    """Whether something of this name at the top of a share shows that the share was not emptied."""
    return not name.startswith(".") and name not in _NOTHING


@dataclass(frozen=True)
class Away:
    """Why a share can't be used, in a sentence. `unread`: nobody looks at it."""

    kind: AwayKind
    why: str


@dataclass(frozen=True)
class Look:
    """What a look at a share found, at `at` (unix seconds), as the user `user`.

    `mounted`: whether something is mounted at its path. `read_error` and `write_error` are what kept its top from being
    listed, or a file from being made and removed there (errno(3)). `clock_difference_seconds`: how far the clock that
    stamps its files is ahead of this host's, as far as the time that making the file took does not explain it.
    `latency_seconds`: how long the look took. `emptied`: nothing is there any more, where an earlier look found
    something.
    """

    at: float
    user: str
    mounted: bool
    read_error: int | None
    write_error: int | None
    free_bytes: int
    total_bytes: int
    clock_difference_seconds: float | None
    latency_seconds: float
    emptied: bool = False

    @property
    def takes_nothing(self) -> bool:
        """Whether no run could be started: it is full, read-only or was emptied."""
        return self.emptied or self.write_error in _FULL | {errno.EROFS}


@dataclass(frozen=True)
class ShareHealth:
    """What is known of a share. `away` None: it is there. `look` is the last one; none was made while it is away.

    `looking_seconds`: how long one has been under way.
    """

    away: Away | None
    look: Look | None
    looking_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The inverse of `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Self:
        """Raises TypeError, KeyError for what is no such thing."""
        away, look = found["away"], found["look"]
        return cls(
            away=None if away is None else Away(**away),
            look=None if look is None else Look(**look),
            looking_seconds=float(found["looking_seconds"]),
        )


@dataclass(frozen=True)
class Trouble:
    """What is wrong, and how to mend it, a sentence each. `grave`: runs can't do their work."""

    what: str
    mend: str
    grave: bool


def troubles(share: Share, health: ShareHealth) -> list[Trouble]:
    """All that is wrong with the share; empty: it is well, as far as it was looked at."""
    if health.away is not None:
        return [Trouble(health.away.why, _mend_away(share, health.away.kind), grave=True)]
    look = health.look
    judged = [] if look is None else [judge(share, look) for judge in (_emptiness, _reading, _writing, _space, _clock)]
    return [trouble for trouble in (_slowness(share, health), *judged) if trouble is not None]


def _mend_away(share: Share, kind: AwayKind) -> str:
    return {
        "missing": f"Mount it or make it at {share.path}, or correct its path in the configuration.",
        "unmounted": f"Mount it: mount {share.path}, with its line in /etc/fstab.",
        "closed": f"Let the user that simulations run as enter {share.path} and the directories above it.",
        "hangs": "See whether its file server is up, and reached from here; runs on the share go on once it is.",
        "failed": "See what the kernel's log (dmesg) and the file server say; runs on the share go on once it is back.",
        "unread": "Start lackey scheduler on this host, or lackey reader where only the web service runs.",
    }[kind]


def _slowness(share: Share, health: ShareHealth) -> Trouble | None:
    if health.looking_seconds <= SLOW_SECONDS:
        return None
    what = f"Listing and writing on the share {share.name} has taken {health.looking_seconds:.0f} s, and goes on."
    return Trouble(what, "See whether its file server is overloaded, or its disk full or failing.", grave=True)


def _reading(share: Share, look: Look) -> Trouble | None:
    if look.read_error is None:
        return None
    what = f"The user {look.user} can't list the share {share.name} at {share.path}: {os.strerror(look.read_error)}."
    return Trouble(what, f"Let {look.user} read {share.path}; on a CIFS mount uid, gid and dir_mode say who may.", True)


def _writing(share: Share, look: Look) -> Trouble | None:
    if look.write_error is None:
        return None
    what = f"The user {look.user} can't write to the share {share.name}: {os.strerror(look.write_error)}."
    if look.write_error == errno.EROFS:
        return Trouble(what, f"Mount it for writing: mount -o remount,rw {share.path}, and rw in /etc/fstab.", True)
    if look.write_error in _FULL:
        return Trouble(what, "Remove what is no longer needed, or have its space or quota made larger.", True)
    if look.write_error in _CLOSED:
        mend = (
            f"Let {look.user} make and remove files in {share.path}; "
            "where simulations are written to directories below that alone, this is as it should be."
        )
        return Trouble(what, mend, False)
    return Trouble(what, "See what the kernel's log (dmesg) and the file server say.", True)


def _space(share: Share, look: Look) -> Trouble | None:
    if look.total_bytes <= 0 or look.free_bytes >= min(SPARE_BYTES, look.total_bytes * SPARE_PART):
        return None
    free, total = sizes.in_words(look.free_bytes), sizes.in_words(look.total_bytes)
    what = f"The share {share.name} is nearly full: {free} of {total} are free."
    return Trouble(what, "Remove what is no longer needed, or have its space made larger.", grave=False)


def _emptiness(share: Share, look: Look) -> Trouble | None:
    if not look.emptied:
        return None
    what = f"The share {share.name} is empty, and was not before."
    return Trouble(what, f"See whether the right disk is mounted at {share.path}; runs start once it is back.", True)


def _clock(_: Share, look: Look) -> Trouble | None:
    difference = look.clock_difference_seconds
    if difference is None or abs(difference) <= CLOCK_SECONDS:
        return None
    how = "ahead of" if difference > 0 else "behind"
    what = f"The file server's clock is {abs(difference):.1f} s {how} this host's."
    return Trouble(what, "Have both keep time by NTP: chrony or systemd-timesyncd.", grave=False)
