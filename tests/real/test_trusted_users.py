"""uWSGI believes the web server who has signed in, and starts only where nobody else can tell it."""

import os
import re
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from lackey.services import Database
from lackey.services.admin import keys
from tests.cli.desk import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
UWSGI = str(Path(sys.executable).with_name("uwsgi"))
FAILED_APP = 22
DEADLINE_SECONDS = 120.0


@pytest.fixture
def place(empty_copy: Path) -> Path:
    """A data directory beside its configuration, which trusts."""
    (empty_copy / "lackey.toml").write_text('[server]\ndata_dir = "."\ntrust_remote_user = true\n')
    return empty_copy


def start(place: Path, *options: str, log: str = "uwsgi.log", fds: tuple[int, ...] = ()) -> "subprocess.Popen[bytes]":
    """uWSGI with lackey, and with `options`; what it says goes into `log` in `place`."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("LACKEY_")}
    common = ("--strict", "--master", "--lazy-apps", "--need-app", "--die-on-term", "--processes=1")
    code = (f"--pythonpath={ROOT}", f"--virtualenv={sys.prefix}", "--module=scripts.lackey_uwsgi")
    with (place / log).open("wb") as said:
        return subprocess.Popen(
            [UWSGI, *common, *code, *options],
            cwd=place,
            env={**known, "LACKEY_CONFIG": str(place / "lackey.toml")},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=fds,
            start_new_session=True,
        )


def refusals(place: Path, ways: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """How uWSGI refuses to start with each of these options: what lackey says. They start at once, to save time."""
    started = {name: start(place, *options, log=f"{name}.log") for name, options in ways.items()}
    try:
        codes = {name: process.wait(DEADLINE_SECONDS) for name, process in started.items()}
    finally:
        for process in started.values():
            process.kill()
    assert codes == dict.fromkeys(ways, FAILED_APP)
    return {name: the_word(place / f"{name}.log") for name in ways}


def the_word(log: Path) -> str:
    """The one line of lackey's in uWSGI's log."""
    text = log.read_text()
    assert "Traceback" not in text
    [line] = re.findall(r"^lackey: (.*)$", text, re.MULTILINE)
    return str(line)


def test_uwsgi_does_not_start_on_a_socket_that_others_can_reach(place: Path) -> None:
    closed = ("--socket=closed.sock", "--chmod-socket=660")
    said = refusals(
        place,
        {
            "tcp": ("--socket=127.0.0.1:0",),
            "beside": (*closed, "--socket=127.0.0.1:0"),
            "http": ("--http-socket=127.0.0.1:0",),
            "fastcgi": ("--fastcgi-socket=127.0.0.1:0",),
            "scgi": ("--scgi-socket=127.0.0.1:0",),
            "shared": ("--shared-socket=127.0.0.1:0", "--socket==0"),
            "six": ("--socket=[::1]:0",),
            "open": ("--socket=open.sock", "--chmod-socket=666"),
            "abstract": ("--socket=@lackey-test",),
            "unseen": ("--socket=unseen.sock", "--exec-pre-app=rm unseen.sock"),
        },
    )
    for name in ("tcp", "beside", "http", "fastcgi", "scgi", "shared"):
        assert re.search(r"trust_remote_user is on, .* its socket 127\.0\.0\.1:\d+ is no Unix socket$", said[name])
    assert "its socket ::1:" in said["six"]
    assert said["unseen"].endswith("uWSGI's socket 'unseen.sock' can't be looked at: No such file or directory")
    for name in ("open", "abstract"):
        assert "is open to all users of this host" in said[name]


def test_uwsgi_does_not_start_on_a_tcp_socket_that_it_was_handed(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        handed = listener.fileno()
        process = start(place, f"--socket=fd://{handed}", fds=(handed,))
    assert process.wait(DEADLINE_SECONDS) == FAILED_APP
    assert "is no Unix socket" in the_word(place / "uwsgi.log")


def test_uwsgi_does_not_start_with_any_of_its_routers_in_front(place: Path) -> None:
    make_certificate(place)
    keyed = "addr=127.0.0.1:0,cert=certificate.pem,key=key.pem"
    bound = {
        **dict.fromkeys(("http", "httprouter", "http-to-https", "fastrouter", "rawrouter"), "127.0.0.1:0"),
        **dict.fromkeys(("https", "sslrouter"), "127.0.0.1:0,certificate.pem,key.pem"),
        **dict.fromkeys(("https2", "sslrouter2"), keyed),
    }
    offered = subprocess.run([UWSGI, "--help"], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"--(\S+) +(?:run the \w*router on|add an http\S* router)", offered)) == set(bound)
    ways = {name: (f"--socket={name}.sock", "--chmod-socket=660", f"--{name}={at}") for name, at in bound.items()}
    for name, said in refusals(place, ways).items():
        assert f"its option {name} lets in others than the web server" in said


def make_certificate(place: Path) -> None:
    """`certificate.pem` and `key.pem`, for this host."""
    command = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out certificate.pem -subj /CN=localhost"
    subprocess.run(command.split(), cwd=place, check=True, capture_output=True)


def test_a_setting_that_uwsgi_can_not_be_started_with_is_named_in_a_line(place: Path) -> None:
    (place / "lackey.toml").write_text("[server]\nremote_user_scope = 'all'\n")
    said = refusals(place, {"wrong": ("--socket=closed.sock",)})["wrong"]
    assert said == f"{place}/lackey.toml: server.remote_user_scope: Input should be 'read', 'run', 'manage' or 'admin'"


def test_without_the_setting_uwsgi_starts_on_any_socket_and_asks_all_for_a_key(place: Path) -> None:
    (place / "lackey.toml").write_text('[server]\ndata_dir = "."\n')
    port = free_port()
    with running(place, f"--http-socket=127.0.0.1:{port}", "--socket=open.sock", "--chmod-socket=666"):
        answer = requests.get(f"http://127.0.0.1:{port}/api/run", headers={"Remote-User": "anna"}, timeout=30)
        assert answer.status_code == 401
        assert ask_directly(place / "open.sock", "/api/run", REMOTE_USER="anna") == 401


@contextmanager
def running(place: Path, *options: str) -> Iterator[None]:
    """uWSGI, ready; ended with the block."""
    process = start(place, *options)
    try:
        wait_until(lambda: process.poll() is not None or "WSGI app 0" in (place / "uwsgi.log").read_text())
        assert process.poll() is None, (place / "uwsgi.log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def ask_directly(path: Path, target: str, **variables: str) -> int:
    """The status of the answer to a request that a web server could have sent, in uWSGI's own protocol."""
    given = {"REQUEST_METHOD": "GET", "PATH_INFO": target, "SERVER_NAME": "localhost", **variables}
    body = b"".join(struct.pack("<H", len(part)) + part for pair in given.items() for part in map(str.encode, pair))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(struct.pack("<BHB", 0, len(body), 0) + body)
        return int(connection.makefile("rb").readline().split()[1])


NGINX = """
user root;
worker_processes 1;
daemon off;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{}}
http {{
    access_log off;
    {temporary}
    include {shipped};
    server {{
        listen 127.0.0.1:{port};
        auth_basic $lackey_realm;
        auth_basic_user_file {place}/users;
        location / {{
            include /etc/nginx/uwsgi_params;
            uwsgi_param REMOTE_USER $lackey_user;
            uwsgi_pass unix:{place}/closed.sock;
        }}
    }}
}}
"""


@contextmanager
def behind_nginx(place: Path) -> Iterator[str]:
    """nginx with the shipped variables, at which `anna` can sign in; its URL."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(f"{kind}_temp_path {place}/{kind};" for kind in kinds)
    port, shipped = free_port(), ROOT / "deploy" / "nginx" / "lackey-users.conf"
    (place / "nginx.conf").write_text(NGINX.format(place=place, temporary=temporary, shipped=shipped, port=port))
    (place / "users").write_text("anna:{PLAIN}secret\n")
    process = subprocess.Popen(["nginx", "-p", place, "-c", place / "nginx.conf", "-e", place / "error.log"])
    try:
        wait_until(lambda: process.poll() is not None or answers(port))
        assert process.poll() is None, (place / "error.log").read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_who_signs_in_at_nginx_needs_no_key_and_nobody_else_can_pose_as_them(place: Path) -> None:
    database = Database(f"sqlite:///{place / 'lackey.sqlite3'}")
    key = keys.create(database, "a key", "run", datetime.now(UTC))[1]
    database.close()
    anna, wrong = ("anna", "secret"), ("anna", "wrong")
    with running(place, "--socket=closed.sock", "--chmod-socket=660"), behind_nginx(place) as url:

        def schedule(auth: tuple[str, str] | None = None, **headers: str) -> requests.Response:
            form = {"launch": "false", "name": "by hand"}
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return requests.post(f"{url}/api/run", form, auth=auth, headers=named, timeout=30)

        made = schedule(anna).json()
        assert made["by"] == "anna"
        assert schedule(anna, Remote_User="admin", REMOTE_USER="admin").json()["by"] == "anna"
        assert schedule(Authorization=f"Bearer {key}").json()["by"] == "a key"
        assert schedule(anna, Origin="https://elsewhere.example").status_code == 403
        for answer in (schedule(), schedule(wrong), schedule(Remote_User="anna"), schedule(Authorization="Bearer x")):
            assert answer.status_code == 401
        report = f"{url}/api/run/start/{made['id']}"
        # Where nginx asks for no password, it takes any.
        assert requests.put(report, {"ts": "1"}, auth=wrong, timeout=30).status_code == 401
        answer = requests.put(report, {"token": made["token"], "ts": "1"}, timeout=30)
        assert answer.json()["state"] == "running"
        assert requests.get(f"{url}/healthz", timeout=30).ok
