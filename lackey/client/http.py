"""Requests to a service, and what its answers mean. A program of its own may use it as it is."""

import ipaddress
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase

from lackey.client import ClientError, NotAFile, OutOfReach, Refused

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 60.0
_PIECE = 1 << 18
# What a service, or the server before it, answers while it is not there: the same request may work later.
_AWAY = {429, 502, 503, 504}


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
    """Requests to one service. Methods return its JSON, and raise OutOfReach and Refused."""

    def __init__(self, url: str, key: str | None) -> None:
        """`url`: of the service, without `/api`."""
        self.url = url.rstrip("/")
        self._has_key = bool(key)
        self._http = requests.Session()
        self._http.auth = _Bearer(key)
        self._http.headers["Accept"] = "application/json"
        # A proxy is not asked for what is on this host; it would get the key.
        self._http.trust_env = not is_loopback(urlsplit(self.url).hostname or "")

    def get(self, path: str, **query: Any) -> Any:
        """GET, with `query` behind the `?`."""
        return _json(self._ask("GET", path, params=query))

    def date(self, path: str) -> str | None:
        """The time by the service's clock, as it says with its answer to a GET (RFC 9110, Date)."""
        answer = self._ask("GET", path)
        if _json(answer) != {"status": "ok"}:
            raise Refused(f"what answers at {self.shown_url} is not lackey")
        return answer.headers.get("Date")

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST, so that asking again makes nothing twice."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        return _json(self._ask("POST", path, json={} if body is None else body, headers=headers))

    def post_file(self, path: str, fields: dict[str, str], name: str, content: bytes) -> Any:
        """POST a form with a file, `name` being its field, so that asking again makes nothing twice."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        files = {name: (name, content, "application/octet-stream")}
        return _json(self._ask("POST", path, data=fields, files=files, headers=headers))

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

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The pages of a list, as they are asked for."""
        while True:
            page = self.get(path, limit=1000, **query)
            yield page
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    def each(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The items of a list, of any length, page by page."""
        for page in self.pages(path, **query):
            yield from page["items"]

    @contextmanager
    def download(self, path: str, **query: Any) -> Iterator[Iterator[bytes]]:
        """The bytes of a file, piece by piece. Raises NotAFile; OutOfReach where it breaks off before its end."""
        # As it is: the length that is announced is the file's then.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        with self._ask("GET", path, params=query, stream=True, headers=headers) as answer:
            yield self._all_of(answer)

    def _all_of(self, answer: requests.Response) -> Iterator[bytes]:
        announced, received = answer.headers.get("Content-Length"), 0
        try:
            for piece in answer.iter_content(_PIECE):
                received += len(piece)
                yield piece
        except requests.RequestException as error:
            raise OutOfReach(f"it broke off after {received} bytes ({_why(error)}); try again") from error
        if announced is not None and received != int(announced):
            raise OutOfReach(f"it broke off after {received} of {announced} bytes; try again")

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
            raise Refused(f"{self.shown_url} sends us on to {answer.headers['Location']}; put that into LACKEY_URL")
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
    def shown_url(self) -> str:
        """The URL as it may be shown, without a password in it."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def _unreachable(self, error: requests.RequestException) -> ClientError:
        return OutOfReach(
            f"no service answers at {self.shown_url} ({_why(error)}); "
            "start it with: lackey serve (or set LACKEY_URL to where it runs)"
        )

    def _no(self, answer: requests.Response) -> ClientError:
        if answer.status_code == 401 and not self._has_key:
            return Refused(
                f"{self.shown_url} wants a key and there is none; put one into LACKEY_KEY "
                "(on the service's host, lackey key create NAME --scope run makes one), or: lackey login URL"
            )
        if answer.status_code == 401:
            return Refused(
                f"{self.shown_url} does not accept the key (LACKEY_KEY, that of lackey login, or admin.key in data_dir)"
            )
        if answer.status_code == 409 and answer.request.method == "GET":
            return NotAFile(_explanation(answer))
        kind = OutOfReach if answer.status_code in _AWAY else Refused
        return kind(_explanation(answer))


def is_address(url: str) -> bool:
    """Whether it is the address of a service."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def same_service(one: str, other: str) -> bool:
    """Whether both are addresses of the same service; all names of this host are one."""
    if not (is_address(one) and is_address(other)):
        return False
    a, b = urlsplit(one), urlsplit(other)
    same_host = a.hostname == b.hostname or (is_loopback(a.hostname or "") and is_loopback(b.hostname or ""))
    return same_host and a.scheme == b.scheme and a.port == b.port


def is_loopback(host: str) -> bool:
    """Whether it is this host, by a name or address that no other can have."""
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
