"""A web service says that it listens, whatever serves it, and goes on to say so after the database was away."""

import runpy
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest

from lackey.domain.refusals import Unavailable
from lackey.services import Database
from lackey.store import gaps, schema
from tests.cli.desk import serving
from tests.nursery import Process, the_nursery
from tests.postgres import Cluster, cluster
from tests.waiting import wait_until

SCRIPTS = Path(__file__).parents[2] / "scripts"


def listen() -> None:
    """Be a WSGI server that loads the application, which says every moment that it listens."""
    with patch("lackey.services.dispatch.hearing.LISTEN_EVERY", timedelta(seconds=0.05)):
        runpy.run_path(str(SCRIPTS / "lackey_wsgi.py"))
        threading.Event().wait()


@pytest.fixture
def started() -> Iterator[list[Process]]:
    processes: list[Process] = []
    yield processes
    for process in processes:
        process.kill()


@pytest.fixture
def server() -> Iterator[Cluster]:
    with cluster() as server:
        yield server


def start(started: list[Process], place: Path, **environment: str) -> None:
    started.append(the_nursery().start("tests.web.test_listening:listen", environment, place / "log"))


def listened(database: Database) -> datetime | None:
    with suppress(Unavailable), database.read() as connection:  # away, or it was since this connection was used
        return gaps.listened(connection)
    return None


def until_it_says_so_again(database: Database) -> None:
    before = listened(database)
    wait_until(lambda: listened(database) not in (None, before))


def test_any_wsgi_server_says_again_and_again_that_it_listens(
    sqlite: Database, started: list[Process], tmp_path: Path
) -> None:
    start(started, tmp_path, LACKEY_SERVER__DATA_DIR=str(tmp_path))
    for _ in range(3):
        until_it_says_so_again(sqlite)


def test_it_is_said_again_after_the_database_was_away(server: Cluster, started: list[Process], tmp_path: Path) -> None:
    url = server.create()
    database = Database(url)
    schema.upgrade(database)
    start(started, tmp_path, LACKEY_SERVER__DATA_DIR=str(tmp_path), LACKEY_DATABASE__URL=url)
    for mode in ("fast", "immediate"):
        until_it_says_so_again(database)
        server.stop(mode)
        server.start_if_down()
    until_it_says_so_again(database)
    database.close()


def test_lackey_serve_says_again_and_again_that_it_listens(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-scheduler", ready="/healthz"):
        database = Database(f"sqlite:///{tmp_path}/var/lackey.sqlite3")
        for _ in range(2):
            until_it_says_so_again(database)
        database.close()
