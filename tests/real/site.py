"""The whole of it: emperor, vassals and nginx on a host, with a key to ask by and runs to report about."""

import http.client
import json
import select
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from tests.real import emperor as emperors
from tests.real.deployed import Host, host
from tests.real.emperor import Emperor, emperor
from tests.real.nginx import Nginx, nginx
from tests.waiting import wait_until

FORM = "application/x-www-form-urlencoded"
NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: "http.client.HTTPMessage"
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Somebody with one connection, from an address of this host's choosing; nothing is tried again."""

    def __init__(self, port: int, address: str = "127.0.0.1", key: str | None = None, timeout: float = 60) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout, source_address=(address, 0))
        self._authorization = {} if key is None else {"Authorization": f"Bearer {key}"}

    def ask(
        self, method: str, path: str, fields: Mapping[str, Any] = NONE, headers: Mapping[str, str] = NONE
    ) -> Answer:
        """Send a form, or nothing; the answer to it."""
        self.begin(method, path, urlencode(fields).encode(), headers=headers)
        return self.end()

    def begin(
        self, method: str, path: str, body: bytes, of_length: int | None = None, headers: Mapping[str, str] = NONE
    ) -> None:
        """Send a request, or so much of it: `of_length` bytes is what its body shall have in the end."""
        length = len(body) if of_length is None else of_length
        given = {"Content-Type": FORM, "Content-Length": str(length), **self._authorization, **headers}
        self._connection.request(method, path, body, given)

    def send(self, more: bytes) -> None:
        """Go on with the body."""
        self._connection.send(more)

    def is_answered(self) -> bool:
        """Whether an answer has come by now."""
        return bool(select.select([self._connection.sock], [], [], 0)[0])

    def end(self) -> Answer:
        """Wait for the answer."""
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def close(self) -> None:
        self._connection.close()


@dataclass(frozen=True)
class Site:
    """A lackey that is deployed."""

    host: Host
    nginx: Nginx
    emperor: Emperor

    @property
    def url(self) -> str:
        return self.nginx.url

    @property
    def key(self) -> str:
        return self.host.key

    def client(self, address: str = "127.0.0.1", key: str | None = None) -> Client:
        return Client(self.nginx.port, address, key)

    def api(self, method: str, path: str, **fields: Any) -> Any:
        """A request with the key, which is answered well; its JSON."""
        client = self.client(key=self.key)
        body = json.dumps(fields).encode() if fields else b""
        client.begin(method, path, body, headers={"Content-Type": "application/json"})
        answer = client.end()
        client.close()
        assert answer.status in (200, 201), answer.body
        return answer.json

    def reported_run(self) -> dict[str, Any]:
        made: dict[str, Any] = self.api("POST", "/api/run", launch=False, name="one")
        return made

    def log_of(self, run_id: int) -> bytes:
        return self.client(key=self.key).ask("GET", f"/api/run/{run_id}/log").body

    def answers(self, path: str = "/healthz") -> bool:
        return self.client().ask("GET", path).status == 200


@contextmanager
def deployed(database_url: str | None = None, *vassals: str, **settings: str) -> Iterator[Site]:
    """A site that answers; `vassals` beside the web service."""
    with host(database_url, **settings) as on:
        emperors.ship(on, emperors.WEB, *vassals)
        with emperor(on) as ruling, nginx(on) as front:
            site = Site(on, front, ruling)
            wait_until(lambda: site.answers("/readyz" if vassals else "/healthz"), 60)
            yield site


def sample(path: Path, size: int) -> Path:
    """A log of so many bytes, no line of which is like another."""
    lines = b"".join(b"step %d: residual %.17g & 100%%\n" % (n, 1 / (n + 1)) for n in range(size // 24))
    path.write_bytes(lines[:size])
    return path
