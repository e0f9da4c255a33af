"""The API over a temporary database, which is a copy of one that was made once."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lackey.app import make_app
from lackey.services import Database
from lackey.settings import (
    DatabaseSettings,
    ExecutorSettings,
    LocalExecutorSettings,
    ServerSettings,
    Settings,
    ShareSettings,
)
from lackey.store import schema
from tests.web.client import Api, Clock
from tests.web.visitor import Visitor

MakeApi = Callable[..., Api]
# More than any host has of cpus, so that tests are the same on all.
EXECUTOR = ExecutorSettings(local=LocalExecutorSettings(cpus=1000, memory=64 << 30))
SHARES = (
    ShareSettings(name="lab", path=Path("/srv/lab"), unc=r"\\fileserver\lab", drive="Z:"),
    ShareSettings(name="store", path=Path("/srv/store")),
)


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with the schema and nothing in it."""
    path = tmp_path_factory.mktemp("template") / "lackey.sqlite3"
    database = Database(f"sqlite:///{path}")
    schema.upgrade(database)
    database.close()
    return path


@pytest.fixture(scope="module")
def make_api(empty_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeApi]:
    """Makes services, each over a database of its own."""
    with ExitStack() as opened:

        def make(
            log_limit: int = 10 * 1024 * 1024,
            trusts_remote_user: bool = False,
            share: Sequence[ShareSettings] = SHARES,
            **server: Any,
        ) -> Api:
            data_dir = tmp_path_factory.mktemp("data")
            shutil.copy(empty_database, data_dir / "lackey.sqlite3")
            settings = Settings(
                server=ServerSettings(data_dir=data_dir, log_limit=log_limit, **server),
                share=tuple(share),
                executor=EXECUTOR,
            )
            return opened.enter_context(_served(settings, trusts_remote_user))

        yield make


@contextmanager
def _served(settings: Settings, trusts_remote_user: bool = False) -> Iterator[Api]:
    clock, wakes = Clock(), list[None]()
    app = make_app(settings, clock=clock, wake=lambda: wakes.append(None), trusts_remote_user=trusts_remote_user)
    database = Database(settings.database_url)
    yield Api(app, database, settings, clock, wakes=wakes)
    database.close()


@pytest.fixture
def api_on_each_database(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """A service over an empty database, of each kind in turn."""
    settings = Settings(
        server=ServerSettings(data_dir=tmp_path),
        database=DatabaseSettings(url=database_url),
        share=SHARES,
        executor=EXECUTOR,
    )
    with _served(settings) as api:
        yield api


@pytest.fixture
def api_with_short_logs(database_url: str, tmp_path: Path) -> Iterator[Api]:
    """The same, which keeps 20,000 bytes at each end of a log."""
    server, database = ServerSettings(data_dir=tmp_path, log_limit=40_000), DatabaseSettings(url=database_url)
    with _served(Settings(server=server, database=database, share=SHARES)) as api:
        yield api


@pytest.fixture
def api(make_api: MakeApi) -> Api:
    """A service over an empty database."""
    return make_api()


@pytest.fixture
def visitor(api: Api) -> Visitor:
    """Somebody who has signed in with a key that may do everything."""
    visitor = Visitor(api)
    visitor.sign_in()
    return visitor
