"""The processes that are watched: one pidfd for each ticket, which belongs to this and is closed by it."""

import os
import selectors


class Watches:
    """Pidfds of tickets, and one descriptor that can be read when one of their processes has ended."""

    def __init__(self) -> None:
        """Nothing is watched yet."""
        self._selector = selectors.EpollSelector()
        self._pidfds: dict[str, int] = {}

    def fileno(self) -> int:
        """The descriptor."""
        return self._selector.fileno()

    def add(self, ticket: str, pidfd: int) -> None:
        """Watch this process, in place of another one of the ticket. Raises OSError, and has closed it then."""
        self.drop(ticket)
        try:
            self._selector.register(pidfd, selectors.EVENT_READ, ticket)
        except BaseException:
            os.close(pidfd)
            raise
        self._pidfds[ticket] = pidfd

    def drop(self, ticket: str) -> None:
        """Watch it no more."""
        pidfd = self._pidfds.pop(ticket, None)
        if pidfd is not None:
            try:
                self._selector.unregister(pidfd)
            finally:
                os.close(pidfd)

    def __contains__(self, ticket: object) -> bool:
        """Whether it is watched."""
        return ticket in self._pidfds

    def drop_ended(self) -> None:
        """Watch those no more whose process has ended. Waits for none."""
        for key, _ in self._selector.select(0):
            self.drop(key.data)

    def drop_all(self) -> None:
        """Watch nothing any more."""
        for ticket in list(self._pidfds):
            self.drop(ticket)
