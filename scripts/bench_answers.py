"""Pages for the benchmark, and somebody who looks at them: the whole WSGI application, with no server around it."""

import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.util import setup_testing_defaults

from lackey.app import make_app
from lackey.domain.run import RunState
from lackey.services import Database
from lackey.services.admin import keys, sessions
from lackey.services.runs.listing import Order
from lackey.settings import DatabaseSettings, ServerSettings, Settings, ShareSettings
from lackey.web.visits import SEED, SESSION


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    etag: str
    body: bytes


def url_of(database: Database) -> str:
    """The database's URL, as the settings take it."""
    return database.url.render_as_string(hide_password=False)


def application(url: str) -> Any:
    """A service over the database of this URL. No share's reader is there to be asked."""
    nowhere = Path(tempfile.gettempdir()) / "lackey-bench-nowhere"
    lab = ShareSettings(name="lab", path=nowhere, unc=r"\\fileserver\lab", drive="Z:")
    settings = Settings(server=ServerSettings(data_dir=nowhere), database=DatabaseSettings(url=url), share=(lab,))
    return make_app(settings, wake=lambda: None)


class Visitor:
    """Somebody who has signed in, and may do everything, so that each page shows all that it can show."""

    def __init__(self, database: Database) -> None:
        """Makes a key in the database, and a service of its own over it."""
        now = datetime.now(UTC)
        self._app = application(url_of(database))
        _, self._key = keys.create(database, "bench", "admin", now)
        self._cookies = f"{SESSION}={sessions.sign_in(database, self._key, now)}; {SEED}=bench"

    def ask(self, path: str, known: str = "") -> Answer:
        """Ask for a page; `known` is the tag of the one that is there already."""
        place, _, query = path.partition("?")
        environ: dict[str, Any] = {"PATH_INFO": place, "QUERY_STRING": query, "HTTP_COOKIE": self._cookies}
        if place.startswith("/api/"):
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self._key}"
        environ |= {"HTTP_IF_NONE_MATCH": known, "wsgi.errors": io.StringIO()}
        setup_testing_defaults(environ)
        begun: list[Any] = []
        body = b"".join(self._app(environ, lambda *answer: begun.extend(answer)))
        headers = {name.lower(): value for name, value in begun[1]}
        return Answer(int(begun[0][:3]), headers.get("etag", ""), body)


def pages(runs: int) -> Iterator[tuple[str, str]]:
    """The pages, each with its address."""
    long = runs // 2
    yield "now", "/"
    yield from _lists(runs)
    yield "a run with 10,000 points and 1,000 events", f"/run/{long}"
    yield "its curves", f"/run/{long}/curves"
    yield "a running run", f"/run/{runs - 2}"
    yield "an application with half of the runs", "/application/1"
    yield "what removing it takes along", "/application/1/remove"
    yield "projects", "/project"
    yield "a project", "/project/1"
    yield "what removing it takes along", "/project/1/remove"
    yield "20 runs compared", f"/compare?{urlencode([('run', run_id) for run_id in range(1, 21)])}"
    yield "the service", "/service"
    yield "keys", "/key"


def of_a_sweep(sweep_id: int) -> Iterator[tuple[str, str]]:
    """What is shown of a sweep, with its runs in the queue, each with its address."""
    yield "now, with a sweep in the queue", "/"
    yield "runs in the queue", "/run?state=queued"
    yield "runs of a sweep", f"/api/run?sweep={sweep_id}"
    yield "sweeps", "/api/sweep"
    yield "a sweep", f"/api/sweep/{sweep_id}"
    for column in ("point", "state", "duration", "parameters.n"):
        yield f"its table by {column}", f"/api/sweep/{sweep_id}/table?sort={column}"


def _lists(runs: int) -> Iterator[tuple[str, str]]:
    now, middle = datetime.now(UTC).replace(microsecond=0), runs // 2
    narrowed: dict[str, dict[str, object]] = {
        "": {},
        "with a rare word": {"q": "needle"},
        "with a word that all have": {"q": "heat"},
        "with a word that a tenth has": {"q": "tenth"},
        **{state.value: {"state": state.value} for state in RunState},
        "of a project": {"project": 1},
        "of an application": {"application": 1},
        "by somebody with few": {"by": "rare"},
        "lately": {"since": (now - timedelta(days=1)).isoformat()},
        "long ago": {"until": (now - timedelta(days=runs // 20_000)).isoformat()},
        "far down": {"order": Order.ID.value, "cursor": f"{middle}.{middle}"},
        "far down, with a word that a tenth has": {"q": "tenth", "order": "id", "cursor": f"{middle}.{middle}"},
    }
    for order in Order:
        narrowed |= {f"by {order}, {way}": {"order": order.value, "direction": way} for way in ("down", "up")}
    for name, asked in narrowed.items():
        yield f"runs {name}".strip(), f"/run?{urlencode(asked)}" if asked else "/run"
