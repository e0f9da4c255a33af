"""The service as the command line sees it: where it is, which key opens it, what its answers mean."""

import ipaddress
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from lackey.cli.running import RunningService, running, url_of
from lackey.cli.session import KEY_FILE, CommandFailed, Session

if TYPE_CHECKING:
    from lackey.settings import Settings

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
# What a service, or the server before it, answers while it is not there: the same request may work later.
_AWAY = {429, 502, 503, 504}


class Unavailable(CommandFailed):
    """The service can't be reached, or can't do it now; the same may work later."""


class Refused(CommandFailed):
    """The service says no."""


@dataclass(frozen=True)
class LogPiece:
    """Part of a run's log from `offset` on; `size` is all of it by now. Not `complete`: some of it can't be had."""

    content: bytes
    offset: int
    size: int
    complete: bool


class _Bearer(AuthBase):
    """Sends the key. As an auth object, since a plain header would give way to what stands in `~/.netrc`."""

    def __init__(self, key: str | None) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Client:
    """Requests to one service. Methods return its JSON, and raise Away and Refused."""

    def __init__(self, url: str, key: str | None) -> None:
        """`url`: of the service, without `/api`."""
        self.url = url.rstrip("/")
        self._has_key = bool(key)
        self._http = requests.Session()
        self._http.auth = _Bearer(key)
        self._http.headers["Accept"] = "application/json"
        # A proxy is not asked for what is on this host; it would get the key.
        self._http.trust_env = not _is_loopback(urlsplit(self.url).hostname or "")

    def get(self, path: str, **query: Any) -> Any:
        """GET, with `query` behind the `?`."""
        return _json(self._ask("GET", path, params=query))

    def date(self, path: str) -> str | None:
        """The time by the service's clock, as it says with its answer to a GET (RFC 9110, Date)."""
        answer = self._ask("GET", path)
        if _json(answer) != {"status": "ok"}:
            raise Refused(f"what answers at {self.place} is not lackey")
        return answer.headers.get("Date")

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST, so that asking again makes nothing twice."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return _json(self._ask("POST", path, json={} if body is None else body, headers=headers))

    def put(self, path: str, body: dict[str, Any]) -> Any:
        """PUT the fields that are to change."""
        return _json(self._ask("PUT", path, json=body))

    def delete(self, path: str) -> None:
        """DELETE."""
        self._ask("DELETE", path)

    def items(self, path: str, at_most: int | None = None, **query: Any) -> list[dict[str, Any]]:
        """The items of a list, page by page; all of them unless `at_most` are enough."""
        items: list[dict[str, Any]] = []
        while True:
            limit = 1000 if at_most is None else min(1000, at_most - len(items))
            page = self.get(path, limit=limit, **query)
            items += page["items"]
            if page["next"] is None or len(items) == at_most:
                return items
            query["cursor"] = page["next"]

    def log(self, run_id: int, offset: int) -> LogPiece:
        """At most 1 MiB of a run's log, from `offset` (bytes) on."""
        answer = self._ask("GET", f"/api/run/{run_id}/log", params={"offset": offset})
        headers = answer.headers
        return LogPiece(
            content=answer.content,
            offset=int(headers["X-Log-Offset"]),
            size=int(headers["X-Log-Size"]),
            complete=headers["X-Log-Complete"] == "true",
        )

    def _ask(self, method: str, path: str, **details: Any) -> requests.Response:
        answer = self._send(method, path, **details)
        if answer.is_redirect:
            raise Refused(f"{self.place} sends us on to {answer.headers['Location']}; put that into LACKEY_URL")
        if not answer.ok:
            raise self._no(answer)
        return answer

    def _send(self, method: str, path: str, **details: Any) -> requests.Response:
        """Ask once more when the connection breaks: the answer may have been under way, and nothing is made twice."""
        timeout = (_CONNECT_SECONDS, _ANSWER_SECONDS)
        for last in (False, True):
            try:
                return self._http.request(method, self.url + path, timeout=timeout, allow_redirects=False, **details)
            except requests.RequestException as error:
                if last or not isinstance(error, requests.ConnectionError):
                    raise self._unreachable(error) from error
        raise AssertionError("the second try returns or raises")

    @property
    def place(self) -> str:
        """The URL as it may be shown, without a password in it."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def _unreachable(self, error: requests.RequestException) -> CommandFailed:
        return Unavailable(
            f"no service answers at {self.place} ({_why(error)}); "
            "start it with: lackey serve (or set LACKEY_URL to where it runs)"
        )

    def _no(self, answer: requests.Response) -> CommandFailed:
        if answer.status_code == 401 and not self._has_key:
            return Refused(
                f"{self.place} wants a key and there is none; put one into LACKEY_KEY "
                "(on the service's host, lackey key create NAME --scope run makes one)"
            )
        if answer.status_code == 401:
            return Refused(f"{self.place} does not accept the key (LACKEY_KEY, or {KEY_FILE} in data_dir)")
        kind = Unavailable if answer.status_code in _AWAY else Refused
        return kind(_explanation(answer))


def find_service(session: Session) -> Client:
    """A client for the service that LACKEY_URL names, or else the settings, or `lackey serve` on this host.

    The key is LACKEY_KEY; the one that `lackey serve` left in its `data_dir` goes to no other service than that.
    """
    url, key = os.environ.get("LACKEY_URL"), os.environ.get("LACKEY_KEY")
    if not (url and key):
        own = own_service(session.settings, url)
        url = url or own.url
        if not key and _same_place(url, own.url):
            key = _first_line(own.data_dir / KEY_FILE)
    if not _is_address(url):
        raise CommandFailed("LACKEY_URL is no address of a service; it should be like http://localhost:8000")
    if key and not (key.isascii() and key.isprintable()):
        raise CommandFailed("LACKEY_KEY holds characters that no key has")
    return Client(url, key)


def own_service(settings: "Settings", wanted: str | None = None) -> RunningService:
    """The service of these settings, or else the one at the URL `wanted`, or the only one that this user runs here.

    Raises Trouble where there are several, and `wanted` names none.
    """
    data_dir = settings.data_dir
    if url := settings.server.url or url_of(data_dir):
        return RunningService(url, data_dir)
    found = running()
    if wanted:
        found = [each for each in found if _same_place(each.url, wanted)][:1]
    if len(found) > 1:
        several = "".join(f"\n  {each.url} (its data are in {each.data_dir})" for each in found)
        raise CommandFailed(f"you run {len(found)} services here; say which by LACKEY_URL:{several}")
    return found[0] if found else RunningService("http://localhost:8000", data_dir)


def is_elsewhere(session: Session) -> bool:
    """Whether the service is one that LACKEY_URL names, or that this user runs here with data in another directory.

    That is looked for where nothing tells of a service of this directory. Raises Trouble.
    """
    from lackey.cli.db import missing_file
    from lackey.settings import find

    if os.environ.get("LACKEY_URL"):
        return True
    settings = session.settings
    nothing_here = not find(session.config) and missing_file(settings) is not None and not settings.server.url
    return nothing_here and bool(running())


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _same_place(one: str, other: str) -> bool:
    if not (_is_address(one) and _is_address(other)):
        return False
    a, b = urlsplit(one), urlsplit(other)
    same_host = a.hostname == b.hostname or (_is_loopback(a.hostname or "") and _is_loopback(b.hostname or ""))
    return same_host and a.scheme == b.scheme and a.port == b.port


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise Refused(f"{urlsplit(answer.url).netloc} answers something that is no JSON; is it lackey?") from error


def _why(error: BaseException) -> str:
    """The system's own word for why a connection failed, from deep within."""
    innermost: BaseException | None = error
    word = "no answer" if isinstance(error, requests.Timeout) else "the connection broke"
    while innermost is not None:
        if isinstance(innermost, OSError) and innermost.strerror:
            word = innermost.strerror.lower()
        innermost = innermost.__cause__ or innermost.__context__
    return word


def _explanation(answer: requests.Response) -> str:
    """What a problem document (RFC 9457) says, field by field."""
    try:
        problem = answer.json()
        lines = [str(problem.get("detail") or problem.get("title") or answer.reason)]
        errors = problem.get("errors") or []
        if errors:
            lines = ["this is not accepted:", *(f"  {error['field']}: {error['message']}" for error in errors)]
        return "\n".join(lines)
    except (ValueError, TypeError, AttributeError, KeyError):
        return f"{urlsplit(answer.url).netloc} answers {answer.status_code} {answer.reason}"
