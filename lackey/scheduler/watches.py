"""The processes that the scheduler watches: one pidfd for each ticket, which belongs to this and is closed by it."""

import os
import selectors


class Watches:
    """What a wait ends for: pidfds of tickets, and descriptors of others."""

    def __init__(self) -> None:
        """Nothing is watched yet."""
        self._selector = selectors.DefaultSelector()
        self._pidfds: dict[str, int] = {}

    def listen(self, *descriptors: int) -> None:
        """End a wait when something can be read from these; they stay their owner's."""
        for descriptor in descriptors:
            self._selector.register(descriptor, selectors.EVENT_READ, None)

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

    def tickets(self) -> set[str]:
        """Those that are watched."""
        return set(self._pidfds)

    def __contains__(self, ticket: object) -> bool:
        """Whether it is watched."""
        return ticket in self._pidfds

    def wait(self, seconds: float) -> list[str]:
        """Until something happens, `seconds` at most; the tickets whose process has ended, watched no more."""
        ended = [key.data for key, _ in self._selector.select(seconds) if key.data is not None]
        for ticket in ended:
            self.drop(ticket)
        return ended

    def close(self) -> None:
        """Watch nothing any more."""
        for ticket in self.tickets():
            self.drop(ticket)
        self._selector.close()
