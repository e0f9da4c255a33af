"""Random requests: near enough to right ones to get far, and wrong in one way or another."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

from lackey.web.pages import PAGES
from lackey.web.pages.routes import PageRoute
from lackey.web.routes import TABLE, Route
from tests.attacks.furnished import Furnished

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "FOO", "P\x1b[31mT")
KINDS = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=frontier",
    "multipart/form-data",
    "text/plain",
    "application/json; charset=utf-16",
    "application/octet-stream",
    "a/b" * 300,
    "",
)
TEXTS = (
    "",
    "a",
    "0",
    "-1",
    "1e400",
    "nan",
    "true",
    "null",
    "9" * 19,
    "9" * 5000,
    "x" * 70_000,
    "\x00",
    "\n",
    "%0a",
    "%",
    "..",
    "../../etc/passwd",
    "'; DROP TABLE run; --",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "\u202e",
    "\u2028",
    "\U0001f600" * 50,
    "2013-05-23T12:36:35Z",
    "9999-12-31T23:59:59+99:99",
    "1369312595",
    "99999999999999",
)
LENGTHS = ("-1", "+1", "1 ", "0x10", "1_0", "\xd9\xa3", "9" * 30, "9" * 5000, "", "a")
HEADERS = (
    "Accept",
    "Cookie",
    "Origin",
    "Sec-Fetch-Site",
    "Range",
    "If-None-Match",
    "Idempotency-Key",
    "User-Agent",
    "Sec-CH-UA-Platform",
    "X-Forwarded-Proto",
    "X-Forwarded-For",
    "X-HTTP-Method-Override",
    "Remote-User",
    "Authorization",
    "Expect",
)
SAID = (
    "*/*",
    "text/html",
    "bytes=0-",
    "bytes=-1",
    "bytes=9-1,5-",
    "bytes=0-" + "9" * 400,
    "null",
    "https",
    "a=b; c",
    "; ;",
)

_ROUTES: list[Route | PageRoute] = [*TABLE, *PAGES]


@dataclass(frozen=True)
class Asked:
    """A request. Texts are bytes as Latin-1, as WSGI shows them."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def only_reads(self) -> bool:
        return self.method in ("GET", "HEAD")


class Noise:
    """Makes requests to a furnished service, by dice."""

    def __init__(self, house: Furnished, dice: Random) -> None:
        self._house, self._dice = house, dice

    def asked(self) -> Asked:
        """The next one."""
        dice = self._dice
        route = dice.choice(_ROUTES)
        method = dice.choice(route.methods) if dice.random() < 0.85 else dice.choice(METHODS)
        target = self._path(route)
        if dice.random() < 0.5:
            target += "?" + self._query(route)
        headers = [*self._credentials(route), *self._odd_headers()]
        body = b""
        if method not in ("GET", "HEAD") or dice.random() < 0.05:
            kind, body = self._body(route)
            headers.append(("Content-Type", kind))
        if body or dice.random() < 0.1:
            headers += self._length(len(body))
        return Asked(method, target, tuple(headers), body)

    def _path(self, route: Route | PageRoute) -> str:
        path, dice = self._house.path(route.path), self._dice
        if dice.random() < 0.75:
            return path
        pieces = path.split("/")
        number = dice.randrange(1, len(pieces))
        pieces[number] = quote_from_bytes(self._bytes()[:3000], safe=dice.choice(("", "/?#%")))
        if dice.random() < 0.2:
            pieces.insert(number, dice.choice(("", ".", "..", "%2e%2e", "%2f")))
        return "/".join(pieces) or "/"

    def _bytes(self) -> bytes:
        """A text, or what is none."""
        dice = self._dice
        return dice.randbytes(dice.randrange(40)) if dice.random() < 0.3 else dice.choice(TEXTS).encode()

    def _names(self, route: Route | PageRoute, part: str) -> Sequence[str]:
        model: Any = getattr(route, part, None)
        known = list(model.model_fields) if model is not None else []
        return [*known, "token", "limit", "cursor", "q", "state", "name", "id", "at", "parameter.n", "metric.residual"]

    def _query(self, route: Route | PageRoute) -> str:
        dice, names = self._dice, self._names(route, "query")
        if dice.random() < 0.03:
            return "&".join(f"a{number}=1" for number in range(dice.choice((101, 2001))))
        pairs = [(dice.choice(names), self._bytes()[:3000]) for _ in range(dice.randrange(5))]
        return urlencode(pairs) if dice.random() < 0.9 else quote_from_bytes(self._bytes()[:3000], safe="&=%")

    def _credentials(self, route: Route | PageRoute) -> list[tuple[str, str]]:
        house, dice = self._house, self._dice
        if isinstance(route, PageRoute):
            cookies = dice.choice(list(house.visitors.values())).browser.cookies
            return [("Cookie", "; ".join(f"{name}={value}" for name, value in cookies.items()))]
        secret = house.run["token"] if route.is_report else house.keys["admin"]
        if dice.random() < 0.2:
            secret = self._bytes()[:200].decode("latin-1").replace("\r", "").replace("\n", "").replace("\0", "")
        return [("Authorization", f"Bearer {secret}")] if dice.random() < 0.9 else []

    def _odd_headers(self) -> list[tuple[str, str]]:
        dice = self._dice
        if dice.random() < 0.6:
            return []
        value = self._bytes()[:3000].decode("latin-1") if dice.random() < 0.4 else dice.choice(SAID)
        return [(dice.choice(HEADERS), "".join(each for each in value if each not in "\r\n\0"))]

    def _length(self, length: int) -> list[tuple[str, str]]:
        dice = self._dice
        if dice.random() < 0.9:
            return [("Content-Length", str(length))]
        if dice.random() < 0.3:
            return [("Transfer-Encoding", "chunked")]
        return [("Content-Length", dice.choice((*LENGTHS, str(length + 7), str(max(0, length - 3)))))]

    def _body(self, route: Route | PageRoute) -> tuple[str, bytes]:
        dice = self._dice
        kind = dice.choice(KINDS[:3]) if dice.random() < 0.8 else dice.choice(KINDS)
        names = self._names(route, "body")
        if dice.random() < 0.1:
            return kind, self._bytes()
        if dice.random() < 0.05:
            return kind, dice.choice(
                (b"[" * 50_000, b'{"a":' * 50_000, b"\xff\xfe{", b"{" + b"1" * 50_000, b"\\x" * 9000)
            )
        if kind.startswith("application/json"):
            fields = {dice.choice(names): self._json(2) for _ in range(dice.randrange(6))}
            return kind, json.dumps(fields).encode()
        pairs = [(dice.choice(names), self._bytes()) for _ in range(dice.randrange(6))]
        if kind.startswith("multipart"):
            parts = [
                b'--frontier\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), value)
                for name, value in pairs
            ]
            return kind, b"".join(parts) + b"--frontier--\r\n"
        return kind, urlencode(pairs).encode()

    def _json(self, depth: int) -> Any:
        dice = self._dice
        plain = (None, True, 0, -1, 2**63, 10**400, 1e308, float("nan"), float("inf"), *TEXTS)
        if not depth or dice.random() < 0.7:
            return dice.choice(plain)
        if dice.random() < 0.5:
            return [self._json(depth - 1) for _ in range(dice.randrange(4))]
        return {dice.choice(("name", "default", "value", "\x00", "x" * 300)): self._json(depth - 1) for _ in range(2)}
