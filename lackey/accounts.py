"""The user that simulations run as, who may be another than the one that launches them or reads their shares."""

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

from lackey import privileges


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
        except (KeyError, ValueError):
            if user is not None:
                raise NoSuchAccount(f"there is no user {user!r} on this host, as whom simulations should run") from None
            # In a container, a user may have no name.
            return cls(str(own), own, os.getegid(), "/", other=False)
        other = entry.pw_uid != own
        if other and entry.pw_uid == 0:
            raise NoSuchAccount("nobody but root becomes root: simulations need another user")
        if other and not privileges.held().issuperset(privileges.LOOKING):
            raise NoSuchAccount(f"without CAP_SETUID and CAP_SETGID nobody can act as {user!r}")
        return cls(entry.pw_name, entry.pw_uid, entry.pw_gid, entry.pw_dir, other)

    @contextmanager
    def acting(self) -> Iterator[None]:
        """Within the block, files are opened and made as this user; for a process that has no thread but one."""
        if not self.other:
            yield
            return
        uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
        self._look()
        try:
            yield
        finally:
            privileges.look_as(uid, gid, groups)

    def look(self) -> None:
        """Open files as this user from now on, and be able to do nothing else that takes a capability.

        Its processes can't signal this one all the same. Before any thread is started.
        """
        if self.other:
            self._look()
        privileges.no_more()
        if self.other or self.uid != 0:
            privileges.drop()

    def _look(self) -> None:
        privileges.look_as(self.uid, self.gid, os.getgrouplist(self.name, self.gid))

    def become(self) -> None:
        """Be this user from now on, with no way back, and without any capability."""
        if self.other:
            os.initgroups(self.name, self.gid)
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        if self.uid != 0:
            # From one user to another, none of whom is root, they would stay.
            privileges.drop()
