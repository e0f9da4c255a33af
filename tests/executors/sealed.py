"""A launcher whose guards find nothing to import any more, as when an upgrade rebuilds the environment.

`python -m tests.executors.sealed DESCRIPTOR TICKETS`. What they look for in vain is noted in `missed`, on the share.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

from lackey.executors.local import launcher
from lackey.executors.local.executor import LocalExecutor
from lackey.executors.local.guard import guard
from lackey.executors.protocol import Launch

_ROOT = Path(__file__).resolve().parents[2]


class SealedExecutor(LocalExecutor):
    """The executor for this host, with such a launcher."""

    def _start_launcher(self, descriptor: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-X", "utf8", "-m", "tests.executors.sealed", str(descriptor), str(self._tickets)],
            pass_fds=[descriptor],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )


class _Nothing(MetaPathFinder):
    """Finds nothing, and notes what was looked for."""

    def __init__(self, missed: Path) -> None:
        self._missed = missed

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        with open(self._missed, "a") as file:
            file.write(f"{name}\n")
        raise ImportError(name)


def _sealed(launch: Launch, tickets: Path, say: Callable[[bytes], object]) -> bool:
    sys.meta_path.insert(0, _Nothing(Path(launch.share_path) / "missed"))
    return guard(launch, tickets, say)


if __name__ == "__main__":
    with patch("lackey.executors.local.guard.guard", _sealed):
        launcher.main()
