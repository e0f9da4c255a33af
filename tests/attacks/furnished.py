"""A service with something of everything in it, and what tells whether anything in it has changed."""

import re
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lackey.services.admin import keys
from lackey.services.runs import searchable
from tests.web.client import Api
from tests.web.visitor import Visitor

SCOPES = keys.SCOPES
_VARIES = re.compile(r"<(\w+)(?::\w+)?>")


@dataclass
class Furnished:
    """The service. `keys` has one of each scope; `run` is reported to with its token, `other` with another one."""

    api: Api
    keys: dict[str, str] = field(default_factory=dict)
    run: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    visitors: dict[str, Visitor] = field(default_factory=dict)
    revoked: str = ""
    spare: int = 0

    def __post_init__(self) -> None:
        api, self.file = self.api, Path(self.api.settings.server.data_dir) / "lackey.sqlite3"
        application = api.application(parameters=[{"name": "n", "default": 1}])
        self.run, self.other = api.reported_run(), api.reported_run()
        launched = api.post("/api/run", {"application": application["id"]}).json
        sweep = api.post("/api/sweep", {"application": application["id"], "grid": {"n": [1, 2]}}).json
        schedule = api.post("/api/schedule", {"application": application["id"], "cron": "0 2 * * *", "timezone": "UTC"})
        api.report("start", self.run)
        api.report("metric", self.run, name="residual", value=1, step=1)
        api.report("log", self.run, text="a line", offset=0)
        for scope in SCOPES:
            self.keys[scope] = api.key_of(scope)
            visitor = Visitor(api)
            if not api.client.extra_environ.get("REMOTE_USER"):
                visitor.sign_in(scope)
            self.visitors[scope] = visitor
        now = api.clock.now
        revoked, self.revoked = keys.create(api.database, "revoked", "admin", now)
        keys.revoke(api.database, revoked.id, now)
        self.spare = keys.create(api.database, "spare", "read", now)[0].id
        self.parts = {
            "run_id": self.run["id"],
            "application_id": application["id"],
            "project_id": api.get("/api/project").json["items"][0]["id"],
            "key_id": self.spare,
            "sweep_id": sweep["id"],
            "schedule_id": schedule.json["id"],
            "name": "local",
            "place": "a",
            "code": "guess",
        }
        self.launched = launched
        self._witness = sqlite3.connect(self.file)

    def path(self, template: str, **parts: object) -> str:
        """A path that leads to something, of a route's."""
        return _VARIES.sub(lambda match: str({**self.parts, **parts}.get(match[1], 1)), template)

    def version(self) -> int:
        """Another number after each commit of anybody: https://sqlite.org/pragma.html#pragma_data_version.

        Words of logs that are not in the index yet are brought in before; else whoever searches would do so.
        """
        while searchable.catch_up(self.api.database):
            pass
        (version,) = self._witness.execute("PRAGMA data_version").fetchone()
        return int(version)

    @property
    def secrets(self) -> list[str]:
        """All that lets somebody in, and that nobody is to be told again."""
        cookies = [value for each in self.visitors.values() for value in each.browser.cookies.values()]
        tokens = [run["token"] for run in (self.run, self.other, self.launched)]
        return [*self.keys.values(), self.api.key, self.revoked, *tokens, *cookies]

    def close(self) -> None:
        self._witness.close()
