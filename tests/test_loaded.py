"""What processes that run for long load: no more than they use, and nothing that a fork must not share."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def said(code: str, *options: str) -> set[str]:
    """The words that a new Python prints when it runs this."""
    command = [sys.executable, *options, "-c", code]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize("module", ["lackey.scheduler", "lackey.app"])
def test_neither_scheduler_nor_web_service_loads_what_upgrades_alone_need(module: str) -> None:
    loaded = said(f"import sys, {module}; print(*sys.modules)")
    assert "lackey.store.schema" in loaded
    assert not {"alembic", "mako", "pygments"} & loaded


def test_a_scheduler_loads_nothing_of_pages_and_command_line() -> None:
    loaded = said("import sys, lackey.scheduler; print(*sys.modules)")
    assert not {"bottle", "jinja2", "click", "rich", "requests", "lackey.web", "lackey.cli"} & loaded


def test_a_reader_of_a_share_loads_the_standard_library_and_little_of_lackeys() -> None:
    loaded = said("import sys, lackey.shares.__main__; print(*sys.modules)", "-S")
    ours = {name for name in loaded if name.partition(".")[0] == "lackey"}
    others = {name.partition(".")[0] for name in loaded - ours} - sys.stdlib_module_names
    assert others <= {"__main__", "sitecustomize", "usercustomize"}
    assert not {"logging", "subprocess", "hashlib", "lackey.shares.readers", "lackey.settings"} & loaded


# Frozen objects are in no list of the collector's.
_BEFORE_THE_FORK = """
import gc, sys
gc.freeze = lambda: None
import scripts.lackey_preload
"""


def test_before_a_fork_no_engine_and_no_thread_is_made_and_no_module_has_a_lock_of_its_own() -> None:
    code = f"""{_BEFORE_THE_FORK}
import os, socket, threading
import sqlalchemy
locks = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event, threading.Semaphore)
held = (sqlalchemy.Engine, sqlalchemy.Connection, socket.socket)
print(*(f"thread:{{one.name}}" for one in threading.enumerate() if one is not threading.main_thread()))
print(*(f"object:{{type(one).__name__}}" for one in gc.get_objects() if isinstance(one, held)))
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] in ("lackey", "scripts"):
        print(*(f"lock:{{name}}.{{key}}" for key, value in vars(module).items() if isinstance(value, locks)))
places = (f"/proc/self/fd/{{number}}" for number in range(3, 64))
print(*(f"open:{{os.readlink(place)}}" for place in places if os.path.lexists(place)))
"""
    assert said(code) == set()


def test_what_a_worker_loads_is_loaded_before_the_fork(tmp_path: Path) -> None:
    code = f"""{_BEFORE_THE_FORK}
import os
before = set(sys.modules)
os.environ["LACKEY_SERVER__DATA_DIR"] = {str(tmp_path)!r}
import scripts.lackey_wsgi
print(*(set(sys.modules) - before))
"""
    assert said(code) <= {"scripts.lackey_wsgi"}
