"""nginx with the shipped site, as root with workers of its own user, on free ports of the loopback addresses."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cli.desk import free_port
from tests.real.deployed import Host
from tests.waiting import wait_until

# What Debian's own nginx.conf has around a site, and as many connections.
_AROUND = """
user www-data;
worker_processes auto;
daemon off;
pid {place}/nginx.pid;
error_log {place}/log/nginx.log;
events {{ worker_connections 768; }}
http {{
    sendfile on;
    tcp_nopush on;
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log {place}/log/nginx.access.log;
    gzip on;
    {temporary}
    include {site};
}}
"""
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


@dataclass(frozen=True)
class Nginx:
    """An nginx that runs; `port` speaks plain HTTP, `tls_port` HTTPS."""

    host: Host
    port: int
    tls_port: int
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"https://127.0.0.1:{self.tls_port}"

    @property
    def access_log(self) -> str:
        return (self.host.log / "lackey.access.log").read_text()

    @property
    def error_log(self) -> str:
        return (self.host.log / "lackey.error.log").read_text()


@contextmanager
def nginx(host: Host) -> Iterator[Nginx]:
    """nginx, which listens; ended with the block."""
    port, tls_port = free_port(), free_port()
    _make_certificate(host)
    around = _configure(host, port, tls_port)
    command = ["nginx", "-p", str(host.place), "-e", str(host.log / "nginx.log"), "-c", str(around)]
    environment = {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
    process = subprocess.Popen(command, cwd="/", env=environment, stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: (host.place / "nginx.pid").exists() or _ended(process, host))
        yield Nginx(host, port, tls_port, process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _configure(host: Host, port: int, tls_port: int) -> Path:
    """The file to start nginx with, around the shipped site."""
    site = host.ship(
        "deploy/nginx/lackey.conf",
        {
            "unix:/run/lackey/lackey.sock": f"unix:{host.run}/lackey.sock",
            "listen 80;": f"listen 127.0.0.1:{port};",
            "    listen [::]:80;\n": "",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{tls_port} ssl http2;",
            "    listen [::]:443 ssl http2;\n": "",
            "/etc/ssl/certs/lackey.pem": f"{host.place}/lackey.pem",
            "/etc/ssl/private/lackey.key": f"{host.place}/lackey.key",
            " /var/log/nginx/": f" {host.log}/",
            "include uwsgi_params;": "include /etc/nginx/uwsgi_params;",
            "root /srv/lackey/lackey/web;": f"root {host.place}/web;",
        },
    )
    temporary = host.place / "nginx"
    temporary.mkdir()
    temporary.chmod(0o755)
    paths = "\n    ".join(f"{kind}_temp_path {temporary}/{kind};" for kind in _TEMPORARY)
    around = host.place / "nginx.conf"
    around.write_text(_AROUND.format(place=host.place, site=site, temporary=paths))
    return around


def _ended(process: "subprocess.Popen[bytes]", host: Host) -> bool:
    assert process.poll() is None, (host.log / "nginx.log").read_text()
    return False


def _make_certificate(host: Host) -> None:
    files = ["-keyout", str(host.place / "lackey.key"), "-out", str(host.place / "lackey.pem")]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    subprocess.run(["openssl", "req", "-x509", *key, *name, *files], check=True, capture_output=True)
