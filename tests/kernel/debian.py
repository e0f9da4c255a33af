"""Boots the kernel of Debian 12, Linux 6.1, as a process of this host and on this host's files: user-mode Linux."""

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).resolve().parent
_CONSOLE = ("con=null", "con0=null,fd:1", "con1=null", "quiet")
_LAST = 4000


@dataclass(frozen=True)
class Ran:
    """What came of a command: its exit code, None if it did not end in time or the kernel did not boot."""

    code: int | None
    said: str
    console: str

    def __str__(self) -> str:
        return f"exit code {self.code}\n{self.said}\nthe console's last:\n{self.console[-_LAST:]}"


def run(command: str, within_seconds: float) -> Ran:
    """Run a line of shell there, from the project's directory, as root. Nothing of the host is writable to it."""
    with tempfile.TemporaryDirectory(prefix="lackey-kernel-") as name:
        place = Path(name)
        handed = place / "handed"
        handed.mkdir()
        (handed / "command").write_text(command)
        console = _boot(place, handed, within_seconds)
        code = handed / "code"
        said = handed / "said"
        return Ran(
            int(code.read_text()) if code.exists() else None,
            said.read_text(errors="replace") if said.exists() else "",
            console,
        )


def _boot(place: Path, handed: Path, within_seconds: float) -> str:
    """What the console says, until the kernel halts or its time is up."""
    library = place / "xstate.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O2", "-o", library, _HERE / "xstate.c", "-ldl"], check=True)
    kernel = subprocess.Popen(
        [
            *("linux.uml", "mem=1200M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
            *(f"umid={place.name}", f"uml_dir={place}/", f"init={_HERE / 'init'}"),
            *(f"PROJECT={ROOT}", f"HANDED={handed}", *_CONSOLE),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(place), "TMPDIR": str(place), "LD_PRELOAD": str(library)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    with kernel:
        try:
            said, _ = kernel.communicate(timeout=within_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(kernel.pid, signal.SIGKILL)
            said, _ = kernel.communicate()
    return said.decode(errors="replace")


if __name__ == "__main__":
    ran = run(" ".join(sys.argv[1:]), 600)
    print(ran)
