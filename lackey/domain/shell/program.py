"""The shell that runs commands: an absolute path, with options behind it (`/bin/bash -l`).

The application's own counts; without one, that of the executor. A run keeps what its application named when the run was
made, and takes the executor's as it is at the launch: that one belongs to the host, and whoever mends it there wants
what is run again to have it.
"""

import shlex
from functools import lru_cache

DEFAULT_SHELL = "/bin/sh"
SHELL_LENGTH = 1000


def checked_shell(text: str) -> str:
    """The shell as it was given. Raises ValueError, with what is wrong, to be said after its name."""
    shell_words(text)
    return text


@lru_cache
def shell_words(text: str) -> tuple[str, ...]:
    """Its path and its options, split as a shell splits words. Raises ValueError."""
    if not text.isprintable():
        raise ValueError("holds a character that can't be seen")
    if len(text) > SHELL_LENGTH:
        raise ValueError(f"should have at most {SHELL_LENGTH} characters")
    try:
        found = shlex.split(text)
    except ValueError:
        raise ValueError("has a quote that is not closed, or ends in a backslash") from None
    if not found or not found[0].startswith("/") or found[0].endswith("/"):
        raise ValueError("should be the absolute path of a shell, and its options, if any: /bin/bash -l")
    return tuple(found)
