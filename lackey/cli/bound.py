"""`python -m lackey.cli.bound PARENT PROGRAM [ARGUMENT …]`: becomes PROGRAM, which gets SIGTERM when PARENT ends.

prctl(2), PR_SET_PDEATHSIG: the signal comes however the parent ends, even by SIGKILL, and outlasts execve(2). It is set
here, and not between fork and exec in the parent, where other threads may hold locks.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, program: list[str]) -> None:
    """Become the program, unless the process with the id `parent` has ended already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() == parent:
        os.execv(program[0], program)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
