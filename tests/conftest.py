"""What all tests share: Hypothesis' profile, a clock, an empty database of each kind."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lackey.store import schema
from lackey.store.database import Database
from tests.clock import Clock
from tests.postgres import Cluster, cluster

# No deadlines: a busy machine is no fault. A fixture may serve many examples; each makes a run of its own in it.
settings.register_profile(
    "lackey",
    deadline=None,
    derandomize=os.environ.get("CI") == "true",
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("lackey")
# A shell has what it runs in the background ignore Ctrl-C, and so would all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Their files take longest, and wait more than they compute.
_LONGEST = ("kernel", "faults", "real", "attacks", "browser")
# By this part of all files the last of those has begun, so that no worker is left alone with one at the end.
_LONGEST_BEGIN_WITHIN = 0.6
# What `--quick` leaves out: all that starts servers, browsers, or schedulers as processes.
_SERVERS = {*_LONGEST, "scheduler", "cli", "shares"}
_SERVER_FILES = {"test_readme.py", "test_assets.py", "test_worker.py", "test_examples.py", "test_listening.py"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """`scripts/test --quick` passes its option on."""
    parser.addoption("--quick", action="store_true", help="leave out what needs servers, a browser or schedulers")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the tests in order, and leave out what was not asked for."""
    places = _places(list(dict.fromkeys(item.path for item in items)))
    items.sort(key=lambda item: places[item.path])
    if config.getoption("--quick"):
        left_out = [item for item in items if _needs_servers(item)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not _needs_servers(item)]


def _places(files: list[Path]) -> dict[Path, tuple[float, int]]:
    """Where each file comes: each folder's are spread over all, so that some wait while others compute."""
    folders: dict[str, list[Path]] = {}
    for file in files:
        folders.setdefault(_folder(file), []).append(file)
    places = {}
    for number, (folder, within) in enumerate(sorted(folders.items(), key=lambda one: one[0] not in _LONGEST)):
        part = _LONGEST_BEGIN_WITHIN if folder in _LONGEST else 1.0
        places.update({file: (part * at / len(within), number) for at, file in enumerate(within)})
    return places


def _folder(file: Path) -> str:
    return str(file.relative_to(Path(__file__).parent).parent)


def _needs_servers(item: pytest.Item) -> bool:
    if _folder(item.path) in _SERVERS or item.path.name in _SERVER_FILES:
        return True
    chosen = item.callspec.params.values() if hasattr(item, "callspec") else ()
    names = (*getattr(item, "fixturenames", ()), *(value for value in chosen if isinstance(value, str)))
    return any(name in ("postgresql", "empty_postgresql") for name in names)


@pytest.fixture
def clock() -> Clock:
    """A clock that the test moves on."""
    return Clock()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL server."""
    with cluster() as server:
        yield server


@pytest.fixture(scope="session")
def prepared_postgresql(postgresql: Cluster) -> str:
    """A database with lackey's schema; its URL."""
    url = postgresql.create()
    _prepare(url)
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with lackey's schema, which nobody has open."""
    file = tmp_path_factory.mktemp("template") / "lackey.sqlite3"
    _prepare(f"sqlite:///{file}")
    return file


def _prepare(url: str) -> None:
    database = Database(url)
    schema.upgrade(database)
    database.close()


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """An SQLite database with the schema and nothing in it."""
    file = tmp_path / "lackey.sqlite3"
    shutil.copyfile(sqlite_template, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgresql_url(postgresql: Cluster, prepared_postgresql: str) -> Iterator[str]:
    """A PostgreSQL database with the schema and nothing in it."""
    yield prepared_postgresql
    postgresql.empty(prepared_postgresql)


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Database]:
    """A database with the schema and nothing in it, on SQLite."""
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A database with the schema and nothing in it, of each kind in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The same, open."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory of root's that other users may enter, which pytest's own are closed to."""
    place = Path(tempfile.mkdtemp(prefix="lackey-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)
