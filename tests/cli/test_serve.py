"""`lackey serve`: what it makes, how it begins, how it ends."""

import os
import resource
import shutil
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from wsgiref.simple_server import demo_app

import psutil
import pytest
import requests

import lackey
from lackey.cli.db import opened, upgrade_schema
from lackey.cli.failure import CommandFailed
from lackey.cli.founding import found
from lackey.domain.limits import SERVE_CONNECTIONS
from lackey.domain.refusals import NotAuthenticated
from lackey.services import Database
from lackey.services.admin import keys
from lackey.settings import DatabaseSettings, ServerSettings, Settings
from lackey.web.devserver import DevelopmentServer
from tests.cli.conftest import calls
from tests.cli.desk import DEADLINE_SECONDS, Service, serving, start, wait_for
from tests.postgres import Cluster

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def accepts(service: Service, key: str) -> bool:
    """Whether the key opens what only an admin's key opens."""
    headers = {"Authorization": f"Bearer {key}"}
    return requests.get(f"{service.url}/api/key", headers=headers, timeout=30).ok


def test_a_fresh_directory_needs_no_set_up(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    var = service.directory / "var"
    assert stat.S_IMODE(var.stat().st_mode) == 0o700
    assert stat.S_IMODE((var / "admin.key").stat().st_mode) == 0o600
    assert (var / "url").read_text() == f"{service.url}\n"
    assert accepts(service, service.key)
    assert calls(monkeypatch, service.directory)("project", "list").exit_code == 0


def test_it_says_where_it_serves_and_never_the_key(service: Service) -> None:
    assert f"lackey serves {service.url} until Ctrl-C; its key is in {service.directory}/var/admin.key" in service.said
    assert service.key not in service.said


def test_the_access_log_has_neither_queries_nor_control_characters(service: Service) -> None:
    requests.post(f"{service.url}/api/nothing?token=secret", data="token=secret", timeout=30)
    for first_line in (
        b"\x1b[31mGET /api/red HTTP/1.0",
        b"PUT /api/\x1b[31mred?token=secret HTTP/1.0",
        b"token=secret",
    ):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(first_line + b"\r\n\r\n")
            assert b" 4" in connection.makefile("rb").read()
    for line in (
        r"\x1b[31mGET /api/red 4",
        "POST /api/nothing 4",
        r"PUT /api/\x1b[31mred 4",
        "sent what is no request",
    ):
        wait_for(lambda line=line: line in service.said, line)  # type: ignore[misc]
    assert not any(word in service.said for word in ("secret", "\x1b", "Traceback"))


@pytest.mark.parametrize("with_key", [False, True])
def test_a_body_that_is_not_read_does_not_cost_its_sender_the_answer(service: Service, with_key: bool) -> None:
    # More than the buffers between the two hold, and sent by one who does not look up before the end.
    length = 12 << 20
    key = f"Authorization: Bearer {service.key}\r\n" if with_key else ""
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(f"POST /api/project HTTP/1.1\r\n{key}Content-Length: {length}\r\n\r\n".encode())
        connection.sendall(b"x" * length)
        status = connection.recv(100).split()[1]
    assert status == (b"413" if with_key else b"401")


def test_a_report_that_names_no_type_is_looked_at(service: Service) -> None:
    header = {"Authorization": f"Bearer {service.key}"}
    made = requests.post(f"{service.url}/api/run", data="launch=false&name=x", headers={**header, **FORM}, timeout=30)
    run = made.json()
    body = f"token={run['token']}&exit=3".encode()
    answer = requests.put(f"{service.url}/api/run/stop/{run['id']}", data=body, timeout=30)
    assert (answer.request.headers.get("Content-Type"), answer.json()["exit_code"]) == (None, 3)


def test_slow_clients_do_not_keep_others_waiting(service: Service) -> None:
    idle = [socket.create_connection(("127.0.0.1", service.port)) for _ in range(20)]
    assert service.is_ready("/healthz")
    for connection in idle:
        connection.close()


def test_more_idle_connections_than_it_takes_do_not_keep_others_out(service: Service) -> None:
    with ExitStack() as opened:
        for _ in range(SERVE_CONNECTIONS + 200):
            opened.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        assert service.is_ready("/healthz")
        assert len(os.listdir(f"/proc/{service.process.pid}/fd")) < SERVE_CONNECTIONS + 200
    assert service.is_ready("/healthz")


def test_out_of_descriptors_it_goes_on_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-scheduler", ready="/healthz") as service, ExitStack() as opened:
        held = len(os.listdir(f"/proc/{service.process.pid}/fd"))
        # As many as it has, and a few: far fewer than the connections that it would take.
        resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (held + 10, held + 10))
        for _ in range(60):
            opened.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        wait_for(lambda: "no connection can be accepted now" in service.said, "its word that it can't accept any")
        wait_for(lambda: service.is_ready("/healthz"), "an answer in spite of them")
        opened.close()
        wait_for(lambda: service.is_ready("/healthz"), "an answer afterwards")
        assert len(os.listdir(f"/proc/{service.process.pid}/fd")) <= held + 10


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: " + b"1" * 5000,
        b"Content-Length: -1",
        b"Content-Length: 1_0",
        b"Content-Length: 2\r\nContent-Length: 2",
        b"Content-Length: 2\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
    ],
)
def test_a_body_whose_length_is_not_told_in_one_way_is_refused(service: Service, lines: bytes) -> None:
    head = b"POST /api/run HTTP/1.1\r\nAuthorization: Bearer " + service.key.encode() + b"\r\n" + lines
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(head + b"\r\n\r\n{}")
        assert connection.makefile("rb").readline().split()[1] == b"400"


def test_a_port_in_use_is_named_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        process = start("serve", "--port", str(port), cwd=tmp_path)
        said = process.communicate(timeout=DEADLINE_SECONDS)[1]
    assert process.returncode == 1
    assert said == f"lackey: port {port} of 127.0.0.1 is in use; choose another with --port\n"
    assert list(tmp_path.iterdir()) == []


def test_who_the_web_server_says_has_signed_in_counts_for_nothing_and_the_log_says_so_once(tmp_path: Path) -> None:
    (tmp_path / "lackey.toml").write_text("[server]\ntrust_remote_user = true\n")
    with serving(tmp_path, "--no-scheduler", ready="/healthz") as service:
        answer = requests.get(f"{service.url}/api/run", headers={"Remote-User": "anna"}, timeout=30)
        assert answer.status_code == 401
    assert service.said.count("trust_remote_user is on, but counts under uWSGI alone; here everybody needs a key") == 1


def test_an_unknown_setting_is_named(tmp_path: Path) -> None:
    (tmp_path / "lackey.toml").write_text("[server]\ncolour = 'red'\n")
    process = start("serve", cwd=tmp_path)
    said = process.communicate(timeout=DEADLINE_SECONDS)[1]
    assert process.returncode == 1
    assert said == "lackey: lackey.toml: server.colour: is no setting of lackey\n"


def test_sigterm_ends_service_and_scheduler_with_exit_code_0(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        scheduler = service.scheduler()
        assert scheduler.environ()["LACKEY_SERVER__URL"] == service.url
        assert service.end() == 0
        assert not scheduler.is_running()
    assert not (tmp_path / "var" / "url").exists()
    assert "Traceback" not in service.said


def test_ctrl_c_ends_it_with_exit_code_0(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-scheduler", ready="/healthz") as service:
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(DEADLINE_SECONDS) == 0


def test_a_scheduler_that_dies_is_started_again_and_a_service_that_is_killed_takes_it_along(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        first = service.scheduler()
        first.kill()
        wait_for(lambda: not first.is_running() and service.scheduler().pid != first.pid, "another scheduler")
        assert "the scheduler has ended with exit code -9; it is started again" in service.said
        second = service.scheduler()
        service.process.kill()
        second.wait(DEADLINE_SECONDS)


def no_python(service: Service, python: Path) -> Callable[[], object]:
    """Take the interpreter's file away; what brings it back."""
    away = python.rename(python.with_name("away"))
    return lambda: away.rename(python)


def no_descriptors(service: Service, python: Path) -> Callable[[], object]:
    """Let the service open nothing more; what lets it again."""
    before = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
    held = len(os.listdir(f"/proc/{service.process.pid}/fd"))
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (held, before[1]))
    return lambda: resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, before)


def no_module(service: Service, python: Path) -> Callable[[], object]:
    """Be in the middle of an upgrade; what ends that."""
    module = service.directory / "lackey" / "scheduler" / "main.py"
    away = module.rename(module.with_name("away"))
    module.write_text("import what_is_still_to_come")
    return lambda: away.rename(module)


@pytest.mark.parametrize(
    ("fault", "words"),
    [(no_python, "can't be started"), (no_descriptors, "can't be started"), (no_module, "ended with exit code 1")],
)
def test_a_scheduler_that_cannot_be_started_for_a_while_is_started_once_it_can_be(
    tmp_path: Path, fault: Callable[[Service, Path], Callable[[], object]], words: str
) -> None:
    copy_of_lackey(tmp_path)
    python = own_python(tmp_path / "python")
    with serving(tmp_path, python=python, PYTHONPATH=str(tmp_path)) as service:
        first = service.scheduler()
        mend = fault(service, python)
        first.kill()
        wait_for(lambda: words in service.said, "its word that there is no scheduler")
        # Three tries, by their pauses of one, two and four seconds.
        time.sleep(4.0)
        assert service.said.count(words) == 1
        mend()
        second = service.scheduler()
        assert second.pid != first.pid
        wait_for(service.is_ready, "the scheduler")
        assert [child for child in psutil.Process(service.process.pid).children() if child.status() == "zombie"] == []


def own_python(directory: Path) -> Path:
    """An interpreter of its own, with the libraries of this one."""
    (directory / "bin").mkdir(parents=True)
    python = directory / "bin" / "python"
    python.symlink_to(os.path.realpath(sys.executable))
    shutil.copy(Path(sys.prefix, "pyvenv.cfg"), directory)
    (directory / "lib").symlink_to(Path(sys.prefix, "lib"))
    return python


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a data directory that does not exist yet."""
    return Settings(server=ServerSettings(data_dir=tmp_path / "var"))


def founded(settings: Settings, database: Database) -> str:
    """The local key after one more start."""
    found(settings, database)
    assert [each.name for each in settings.data_dir.iterdir() if "admin" in each.name] == ["admin.key"]
    assert stat.S_IMODE((settings.data_dir / "admin.key").stat().st_mode) == 0o600
    return (settings.data_dir / "admin.key").read_text().strip()


def test_a_second_start_keeps_the_key_and_a_fresh_database_under_an_old_key_gets_a_new_one(settings: Settings) -> None:
    with opened(settings) as database:
        old = founded(settings, database)
        assert founded(settings, database) == old
    for file in settings.data_dir.glob("lackey.sqlite3*"):
        file.unlink()
    with opened(settings) as database:
        new = founded(settings, database)
        assert keys.authorize(database, new, "admin").name == "local"
        with pytest.raises(NotAuthenticated):
            keys.authorize(database, old, "read")


def test_a_revoked_local_key_is_replaced(settings: Settings) -> None:
    with opened(settings) as database:
        old = founded(settings, database)
        keys.revoke(database, keys.authorize(database, old, "admin").id, datetime.now(UTC))
        assert founded(settings, database) != old


def test_a_schema_that_only_its_administrator_may_upgrade_is_refused(settings: Settings, postgresql: Cluster) -> None:
    url = postgresql.create()
    with opened(settings.model_copy(update={"database": DatabaseSettings(url=url)})) as database:
        with pytest.raises(CommandFailed, match="lackey db upgrade"):
            found(settings, database)
        upgrade_schema(database)
        assert founded(settings, database)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:"), ("0.0.0.0", "http://localhost:")],
)
def test_it_is_reached_at_the_url_that_simulations_are_told(host: str, url: str) -> None:
    server = DevelopmentServer(host, 0)
    assert server.url.startswith(url)
    threading.Thread(target=server.run, args=(demo_app,), daemon=True).start()
    assert requests.get(server.url, timeout=30).text.startswith("Hello world!")


def test_with_reload_it_starts_again_when_its_code_changes(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    copy_of_lackey(code)
    with serving(tmp_path, "--reload", "--no-scheduler", ready="/healthz", PYTHONPATH=str(code)) as service:
        outer = psutil.Process(service.process.pid)
        (first,) = outer.children()
        wait_for(lambda: "lackey serves" in service.said, "the first start")

        def changed() -> bool:
            # Until it is seen: a change before Bottle's thread has had its first look is none.
            if again := service.said.count("lackey serves") > 1:
                return again
            (code / "lackey" / "web" / "present.py").touch()
            return False

        wait_for(changed, "the second start")
        (second,) = outer.children()
        assert second.pid != first.pid
        assert service.end() == 0
        assert not second.is_running()


def copy_of_lackey(directory: Path) -> None:
    """The code, for a test to change."""
    shutil.copytree(Path(lackey.__file__).parent, directory / "lackey")


def test_the_version_is_told() -> None:
    process = start("--version", cwd=Path("/"))
    assert process.communicate(timeout=DEADLINE_SECONDS)[0] == f"lackey {lackey.__version__}\n"
