"""The user that simulations run as, who may be another than the one that launches them or reads their shares."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self


class NoSuchAccount(Exception):
    """Nobody here can act as that user; `str()` says why."""


@dataclass(frozen=True)
class Account:
    """A user of this host. `other`: not the one that this process runs as."""

    name: str
    uid: int
    gid: int
    home: str
    other: bool

    @classmethod
    def of(cls, user: str | None) -> Self:
        """The named user; None: the one that this process runs as. Raises NoSuchAccount if it can't act as that one."""
        own = os.geteuid()
        try:
            entry = pwd.getpwuid(own) if user is None else pwd.getpwnam(user)
        except KeyError:
            if user is not None:
                raise NoSuchAccount(f"there is no user {user!r} on this host, as whom simulations should run") from None
            # In a container, a user may have no name.
            return cls(str(own), own, os.getegid(), "/", other=False)
        if own not in (0, entry.pw_uid):
            raise NoSuchAccount(f"only a scheduler started as root can run simulations as {user!r}")
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, other=entry.pw_uid != own)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Within the block, files are opened and made as this user (credentials(7): the effective ids)."""
        if not self.other:
            yield
            return
        uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
        os.initgroups(self.name, self.gid)
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(uid)
            os.setegid(gid)
            os.setgroups(groups)

    def become(self) -> None:
        """Be this user from now on, with no way back."""
        if self.other:
            os.initgroups(self.name, self.gid)
            os.setgid(self.gid)
            os.setuid(self.uid)
