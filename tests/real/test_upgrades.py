"""An upgrade while the web service is at work: what is new is what answers, and no request fails."""

import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import psutil
import pytest

from tests.real import emperor as emperors
from tests.real.deployed import ROOT, Host, host
from tests.real.emperor import Emperor, emperor
from tests.real.nginx import nginx
from tests.real.site import Site
from tests.waiting import wait_until

WORKERS = 2
RELOADED = "gracefully (RE)spawned uWSGI master process"
_NOT_OURS = shutil.ignore_patterns("__pycache__", "node_modules")


@pytest.fixture
def site() -> Iterator[Site]:
    """A site whose code and packages may be changed: neither is only linked."""
    with host() as on:
        for name in ("lackey", "scripts"):
            (on.project / name).unlink()
            shutil.copytree(ROOT / name, on.project / name, ignore=_NOT_OURS)
        _own_packages(on)
        emperors.ship(on, emperors.WEB)
        with emperor(on) as ruling, nginx(on) as front:
            ruling.until_said("WSGI app 0", WORKERS)
            site = Site(on, front, ruling)
            wait_until(site.answers, 60)
            yield site


def _own_packages(on: Host) -> None:
    """A virtual environment with the packages of the one that the tests run in, and room for others."""
    there = on.project / ".venv"
    there.unlink()
    packages = packages_of(on)
    packages.mkdir(parents=True)
    shutil.copy(Path(sys.prefix, "pyvenv.cfg"), there)
    (there / "bin").symlink_to(Path(sys.prefix, "bin"))
    for package in Path(sys.prefix, packages.relative_to(there)).iterdir():
        (packages / package.name).symlink_to(package)


def packages_of(on: Host) -> Path:
    return on.project / f".venv/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


def put_version(on: Host, version: str) -> None:
    (on.project / "lackey/__init__.py").write_text(f'__version__ = "{version}"\n', encoding="utf-8")


def versions(site: Site) -> set[str]:
    """What answers, each of the workers a few times."""
    return {site.api("GET", "/api/openapi.json")["info"]["version"] for _ in range(20)}


def masters(ruling: Emperor) -> list[psutil.Process]:
    return psutil.Process(ruling.process.pid).children(recursive=False)


@contextmanager
def asked_all_the_time(site: Site) -> Iterator[Counter[int]]:
    """The statuses of requests that go on one after the other as long as the block lasts."""
    ending, statuses = Event(), Counter[int]()

    def ask() -> None:
        client = site.client(key=site.key)
        while not ending.is_set():
            statuses[client.ask("GET", "/api/run?limit=1").status] += 1

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            yield statuses
        finally:
            ending.set()
        asking.result()


def test_a_chain_reload_brings_new_code_in_and_later_ones_go_on_with_it(site: Site) -> None:
    with asked_all_the_time(site) as statuses:
        for version in ("7.7.7", "8.8.8"):
            put_version(site.host, version)
            site.emperor.chain_reload()
            assert versions(site) == {version}
        site.emperor.chain_reload()
        assert versions(site) == {"8.8.8"}
    assert statuses.total() > 0 and set(statuses) == {200}
    assert RELOADED not in site.emperor.said


def install_another(site: Site, package: str) -> None:
    """Install a package and have the workers replaced; returns when all of uWSGI was."""
    reloaded = site.emperor.said.count(RELOADED)
    (packages_of(site.host) / f"{package}-2.dist-info").mkdir()
    emperors.touch(site.host.run / f"{emperors.WEB}.reload")
    site.emperor.until_said(RELOADED, reloaded + 1)


@contextmanager
def slow_after_a_fork(process: psutil.Process) -> Iterator[None]:
    """Within the block the process goes on only half a second after a fork; its children begin at once."""
    calls = "?clone,?clone3,?fork,?vfork"
    options = ["-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:delay_exit=500000"]
    with subprocess.Popen(["strace", "-p", str(process.pid), *options], stderr=subprocess.PIPE) as strace:
        try:
            assert strace.stderr is not None and b"attached" in strace.stderr.readline()
            yield
        finally:
            strace.terminate()


def test_with_other_packages_a_chain_reload_becomes_one_of_all_of_uwsgi_once(site: Site) -> None:
    put_version(site.host, "7.7.7")
    with asked_all_the_time(site) as statuses:
        install_another(site, "sqlalchemy_of_another_version")
        wait_until(lambda: versions(site) == {"7.7.7"})
        site.emperor.chain_reload()
        (master,) = masters(site.emperor)
        put_version(site.host, "8.8.8")
        # The new worker has asked for the reload before uWSGI has noted that there is one.
        with slow_after_a_fork(master):
            install_another(site, "bottle_of_another_version")
        wait_until(lambda: versions(site) == {"8.8.8"})
    assert statuses.total() > 0 and set(statuses) == {200}
    assert site.emperor.said.count("other packages are installed now") == 2
    assert site.emperor.said.count(RELOADED) == 2


def test_workers_have_most_of_their_memory_in_common(site: Site) -> None:
    (master,) = masters(site.emperor)
    workers = [one for one in master.children() if one.num_threads() > 1]
    assert len(workers) == WORKERS
    for worker in workers:
        memory = worker.memory_full_info()
        assert memory.uss < memory.rss / 2, memory
