"""Standard input, output and error of a command, whatever its caller has made of them."""

import errno
import io
import os
import sys
from typing import Any


def prepare() -> None:
    """Show what the caller's character encoding does not have as `?`, and have all three of them.

    A closed one would be taken by the next file or connection that is opened, and get what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _in_place_of(number))
        elif number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class _Closed(io.RawIOBase):
    """Standard output that is closed. To write fails, once: what is left in buffers then is dropped at the end."""

    _failed = False

    def writable(self) -> bool:
        """As one would think."""
        return True

    def write(self, data: Any) -> int:
        """Raises OSError the first time."""
        if not self._failed:
            self._failed = True
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
        return len(data)


def _in_place_of(number: int) -> io.TextIOWrapper:
    """A stream for a descriptor that is closed: nothing can be read, or printed; what is said on error is lost."""
    opened = os.open(os.devnull, os.O_RDWR)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    if number == 1:
        return io.TextIOWrapper(io.BufferedWriter(_Closed()))
    return io.TextIOWrapper(io.FileIO(number, "w" if number else "r", closefd=False), write_through=True)
