"""What the tests of the command line share."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lackey.app import make_app
from lackey.cli.commands import lackey
from lackey.services import Database
from lackey.settings import load
from tests.cli.desk import Service, serving, wait_for
from tests.cli.lackey_1 import NewService, OldService
from tests.web.client import Api, Clock

Lackey = Callable[..., Result]

_SETTINGS = r"""
[server]
log_limit = 16384
[[share]]
name = 'lab'
path = '/srv/lab'
unc = '\\fs\lab'
[[share]]
name = 'store'
path = '/srv/store'
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without a scheduler."""
    with serving(tmp_path_factory.mktemp("service"), "--no-scheduler", ready="/healthz") as started:
        yield started


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with everything, on whose share lies the directory `lab`."""
    with serving(tmp_path_factory.mktemp("desk")) as started:
        wait_for(lambda: started.api("GET", "/api/share")["items"][0]["there"], "the share")
        (started.share / "lab").mkdir()
        started.api("POST", "/api/project", json={"name": "lab", "directory": "lab"})
        yield started


@pytest.fixture
def cli(service: Service, monkeypatch: pytest.MonkeyPatch) -> Lackey:
    """The command line, called on the host of the service: it finds what it needs by the configuration."""
    monkeypatch.setenv("TZ", "UTC")
    return calls(monkeypatch, service.directory)


def calls(monkeypatch: pytest.MonkeyPatch, directory: Path) -> Lackey:
    """The command line, called in a directory."""
    for name in ("LACKEY_URL", "LACKEY_KEY", "LACKEY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    if "XDG_STATE_HOME" not in os.environ:
        monkeypatch.setenv("XDG_STATE_HOME", str(directory / "no-state"))
    if "XDG_CONFIG_HOME" not in os.environ:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(directory / "no-configuration"))
    monkeypatch.chdir(directory)

    def call(*arguments: str, **details: Any) -> Result:
        return CliRunner().invoke(lackey, arguments, prog_name="lackey", catch_exceptions=False, **details)

    return call


@pytest.fixture
def as_json(cli: Lackey) -> Callable[..., Any]:
    """A command that succeeds, with `--json`: what it printed."""

    def call(*arguments: str) -> Any:
        result = cli(*arguments, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return call


@pytest.fixture
def old(tmp_path: Path) -> OldService:
    """The database of a lackey 1.0 with nothing in it."""
    service = OldService(tmp_path / "old.sqlite")
    service.make()
    return service


@pytest.fixture
def new(database_url: str, old: OldService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewService]:
    """An empty installation, on each kind of database, beside the old one."""
    cli = calls(monkeypatch, tmp_path)
    (tmp_path / "lackey.toml").write_text(f"{_SETTINGS}[database]\nurl = '{database_url}'\n")
    settings = load(tmp_path / "lackey.toml")
    database = Database(database_url)
    clock = Clock(datetime.now(UTC))
    yield NewService(
        cli, Api(make_app(settings, clock=clock, wake=lambda: None), database, settings, clock), database, old
    )
    database.close()
