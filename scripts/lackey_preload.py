"""Imported by uWSGI's master before it forks (`shared-import` in the vassal): what all workers share in memory.

Modules are nine tenths of a worker. To import them opens nothing and makes no thread, engine or lock; the application
itself is made in each worker. What has changed on disk by the time that a worker starts, `lackey_loading` sees to.
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import bottle
from sqlalchemy import make_url

_ROOT = Path(__file__).resolve().parent.parent
_PACKAGES = Path(bottle.__file__).parent
WORKER = "scripts.lackey_worker"


def installed() -> frozenset[str]:
    """The packages of others that are installed now, each with its version."""
    names = os.listdir(_PACKAGES)
    return frozenset(name for name in names if name.endswith("-info") and not name.startswith("lackey-"))


def code() -> frozenset[tuple[str, int, int]]:
    """lackey's own modules as they are now: where they lie, when they were written (ns), how long they are (bytes)."""
    return frozenset(_modules(_ROOT / "lackey")) | frozenset(_modules(_ROOT / "scripts"))


def _modules(directory: Path) -> Iterator[tuple[str, int, int]]:
    for place, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name not in ("__pycache__", "node_modules")]
        for path in (os.path.join(place, name) for name in names if name.endswith(".py")):
            status = os.stat(path)
            yield path, status.st_mtime_ns, status.st_size


# Before they are imported: what changes meanwhile counts as changed.
INSTALLED, CODE = installed(), code()
for _name in ("lackey.app", "lackey.log_lines", "lackey.settings", "lackey.web.listening", WORKER):
    importlib.import_module(_name)
# The driver of the database that is configured. What may be wrong with the configuration is the workers' to say.
with suppress(Exception):
    make_url(importlib.import_module("lackey.settings").load().database_url).get_dialect().import_dbapi()
# A collection would write to each object, and so make each process a copy of its own.
importlib.import_module("lackey.heap").spare_what_is_loaded()
