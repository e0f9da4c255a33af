"""strace, from a moment on that the followed process itself chooses: it lists its calls, or ends it at one of them.

Only the process itself is followed, none that it starts, and calls are counted from that moment on. So the Nth call of
a kind is the same one each time.
"""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

# Whatever others see of a process. Those that an architecture lacks are passed over (`?`).
_KINDS = (
    *("mkdir", "mkdirat", "openat", "openat2", "link", "linkat", "unlink", "unlinkat", "rename", "renameat"),
    *("renameat2", "write", "fsync", "fdatasync", "flock", "fork", "vfork", "clone", "clone3", "sendto", "sendmsg"),
    *("recvmsg", "setsid", "rt_sigtimedwait"),
)


def attach(log: Path, crash: str) -> None:
    """Have strace follow this process from here on, and end it at `crash`, `KIND:N`; empty: nowhere."""
    inject = []
    if crash:
        kind, count = crash.split(":")
        inject = ["-e", f"inject={kind}:signal=KILL:when={count}"]
    command = ["strace", "-p", str(os.getpid()), "-o", str(log), "-e", f"trace={','.join(f'?{k}' for k in _KINDS)}"]
    attached, tell = os.pipe()
    between = os.fork()
    if between == 0:
        # The tracer is nobody's child here: what the process does with its children is to be as ever.
        with subprocess.Popen([*command, *inject], stderr=subprocess.PIPE, start_new_session=True) as strace:
            assert strace.stderr is not None
            os.write(tell, b"!" if b"attached" in strace.stderr.readline() else b"?")
            os._exit(0)
    os.close(tell)
    said = os.read(attached, 1)
    os.close(attached)
    os.waitpid(between, 0)
    assert said == b"!", "strace could not be attached"


def crash_points(log: str, place: Path, begin: int = 0, end: int | None = None) -> list[str]:
    """The calls in log[begin:end], as `attach` wants them, but for looks into the system's files."""
    counts: Counter[str] = Counter()
    points = []
    for call in re.finditer(r"^(\w+)\((.*)$", log[:end], re.MULTILINE):
        counts[call[1]] += 1
        path = re.search(r'"(/[^"]*)"', call[2])
        if call.end() > begin and (path is None or path[1].startswith((str(place), "/proc"))):
            points.append(f"{call[1]}:{counts[call[1]]}")
    return points


def was_killed(log: Path) -> bool:
    """Whether the followed process came to its crash point."""
    return log.read_text().rstrip().endswith("+++ killed by SIGKILL +++")


def has_done(log: Path, call: str) -> bool:
    """Whether the followed process has made, and finished, a call that fits this pattern."""
    return re.search(rf"^{call} += [0-9]", log.read_text(), re.MULTILINE) is not None
