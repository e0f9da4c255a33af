"""A Debian host to try the admin's guide on: this one's files, processes and network, none of which it can change.

All of the file system lies under an overlay that is thrown away; processes, host name and network are in namespaces of
their own (unshare(1)), so that port 80 is free and nothing outlives the host. It has no systemd: `systemctl` is
`tests/real/systemctl.py`, which does what the units say.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEADLINE_SECONDS = 300
_NAMESPACES = ("--mount", "--net", "--pid", "--uts")
_SYSTEMCTL = Path(__file__).with_name("systemctl.py")

_FOUND = """
set -e
mount --make-rprivate /
mount -t tmpfs lackey-test "$1"
cd "$1"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --rbind /dev root/dev
mount --rbind /sys root/sys
mount -t proc proc root/proc
mount -t tmpfs tmpfs root/run
mkdir -p root/run/lock
install -m 755 "$2" root/usr/local/bin/systemctl
hostname server
ip link set lo up
echo ready
exec chroot root sleep infinity
"""


class Host:
    """A host that is up."""

    def __init__(self, init: int) -> None:
        """`init`: its first process."""
        self._init = str(init)

    def run(self, commands: str, *, online: bool = False) -> "subprocess.CompletedProcess[str]":
        """Carry out commands as root, up to the first that fails; `online`: with the network of the host around it."""
        namespaces = [each for each in _NAMESPACES if not (online and each == "--net")]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LACKEY_", "PYTHON"))}
        # What it prints goes to a file: a daemon that a command leaves behind would hold a pipe open.
        return subprocess.run(
            ["nsenter", "--target", self._init, *namespaces, "--root", "--wd", "bash", "-ec", _ASIDE, "-", commands],
            env={**kept, "PATH": PATH, "HOME": "/root", "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_SECONDS,
            check=False,
        )

    def file(self, path: str) -> Path:
        """A file of this host, as it is seen from outside."""
        return Path(f"/proc/{self._init}/root{path}")


_ASIDE = """
said=$(mktemp)
set +e
bash -ec "$1" >"$said" 2>&1
code=$?
cat "$said"
exit $code
"""


@contextmanager
def host(place: Path) -> Iterator[Host]:
    """A host that is gone, with all that runs on it, when the block ends. `place`: an empty directory."""
    keeper = subprocess.Popen(
        ["unshare", *_NAMESPACES, "--fork", "--kill-child", "bash", "-c", _FOUND, "-", str(place), str(_SYSTEMCTL)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=sys.stderr,
        text=True,
    )
    try:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == "ready\n"
        (init,) = psutil.Process(keeper.pid).children()
        yield Host(init.pid)
    finally:
        keeper.kill()
        keeper.wait()
