"""How many descriptors this process may have, and whether some are left.

A scheduler holds one for each run that it watches, so it raises its limit as far as it may. What it launches gets the
earlier one: select(2) fails on numbers from 1024 on, and there are simulations, and libraries, that call it.
"""

import os
import resource

# Enough for what a tick opens while it looks, records and launches.
_SPARE = 16


def raise_limit() -> int:
    """Let this process have as many as it may; how many it might have had before."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return soft


def limit_to(number: int) -> None:
    """Let this process, and what it starts, have no more than so many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number if hard == resource.RLIM_INFINITY else min(number, hard), hard))


def check_spare() -> None:
    """Raises OSError (EMFILE, ENFILE) if so few are left that what is begun might not be finished."""
    held = [os.open("/", os.O_PATH | os.O_CLOEXEC)]
    try:
        while len(held) < _SPARE:
            held.append(os.dup(held[0]))
    finally:
        for each in held:
            os.close(each)
