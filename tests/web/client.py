"""A client of the API, in process."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from webtest import TestApp

from lackey.services import Database
from lackey.services.admin import keys
from lackey.settings import Settings
from lackey.web.wsgi import WsgiApplication

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Clock:
    """What the service takes for the time; it stands still until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Api:
    """A client with an admin key, and what lies behind the service that it talks to. `wakes` counts wakes."""

    wsgi: WsgiApplication
    database: Database
    settings: Settings
    clock: Clock
    key: str = ""
    wakes: list[None] = field(default_factory=list)
    client: Any = None

    def __post_init__(self) -> None:
        self.client = self.client or TestApp(self.wsgi)
        self.key = self.key or self.key_of("admin")

    def key_of(self, scope: str) -> str:
        """A new key of this scope."""
        return keys.create(self.database, f"{scope} key", scope, self.clock.now)[1]

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Any:
        """Any request, with JSON if there is a body, with the admin key unless another is given ("": none)."""
        secret = self.key if key is None else key
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if secret:
            sent["Authorization"] = f"Bearer {secret}"
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
        return self.client.request(path, method=method, headers=sent, body=content, expect_errors=True)

    def get(self, path: str, **options: Any) -> Any:
        return self.ask("GET", path, **options)

    def put(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.ask("PUT", path, body, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.ask("POST", path, body, **options)

    def delete(self, path: str, **options: Any) -> Any:
        return self.ask("DELETE", path, **options)

    def form(self, method: str, path: str, body: str | bytes, *, key: str = "") -> Any:
        """A form, as `curl -d` sends it."""
        content = body if isinstance(body, bytes) else body.encode()
        return self.ask(method, path, content, key=key, Content_Type="application/x-www-form-urlencoded")

    def report(self, verb: str, run: dict[str, Any], **fields: Any) -> Any:
        """A report as JSON, with the token that the run was made with."""
        return self.put(f"/api/run/{verb}/{run['id']}", {"token": run["token"], **fields}, key="")

    def run(self, run: dict[str, Any]) -> dict[str, Any]:
        """The run as it is now."""
        shown: dict[str, Any] = self.get(f"/api/run/{run['id']}").json
        return shown

    def reported_run(self, **fields: Any) -> dict[str, Any]:
        """A new run that is only reported to, with its token."""
        made: dict[str, Any] = self.post("/api/run", {"launch": False, "name": "by hand", **fields}).json
        return made

    def application(self, **fields: Any) -> dict[str, Any]:
        """A new application `heat/explicit`, in a new project if there is none of this name."""
        self.post("/api/project", {"name": "heat", "directory": "heat"})
        given = {"project": "heat", "name": "explicit", "directory": "explicit", "command": "./simulate", **fields}
        made: dict[str, Any] = self.post("/api/application", given).json
        return made


def fields_at_fault(answer: Any) -> list[str]:
    """Which fields a 400 names."""
    assert answer.status_int == 400, answer
    return [error["field"] for error in answer.json["errors"]]
