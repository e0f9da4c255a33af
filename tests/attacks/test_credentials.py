"""Every route with every kind of credentials: who has too little comes to nothing, who has enough is let in.

Both tables are the service's own, so that a route is attacked from the day that it is made.
"""

import logging
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from webtest import TestApp

from lackey.web.pages import PAGES
from lackey.web.pages.routes import PageRoute
from lackey.web.routes import TABLE, Route
from tests.attacks.furnished import SCOPES, Furnished
from tests.web.conftest import MakeApi
from tests.web.visitor import form_to

USER_MAY = "run"
KNOWN = (200, 201, 204, 303, 304, 400, 404, 405, 409, 413, 415, 429, 503)


@dataclass(frozen=True)
class Somebody:
    """Who asks: with which headers, variables of the web server's and cookies, and which scope that is worth."""

    name: str
    headers: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    scope: str | None = None
    run_id: int | None = None
    word: dict[str, str] = field(default_factory=dict)

    def may(self, scope: str | None) -> bool:
        return scope is None or (self.scope is not None and SCOPES.index(self.scope) >= SCOPES.index(scope))

    def ask(self, house: Furnished, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        browser = TestApp(house.api.wsgi, extra_environ=self.environ)
        headers = {"Content-Type": kind, **self.headers}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return browser.request(path, method=method, headers=headers, body=body, expect_errors=True)


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{name}:{password}'.encode()).decode()}"}


def strangers(house: Furnished) -> list[Somebody]:
    """Who has nothing that is worth anything, anywhere."""
    admin = house.keys["admin"]
    names = list(house.visitors["admin"].browser.cookies)
    return [
        Somebody("nobody"),
        Somebody("garbage", bearer("garbage")),
        Somebody("an empty key", bearer("")),
        Somebody("a key that was cut", bearer(admin[:-1])),
        Somebody("a key in other letters", bearer(admin.swapcase())),
        Somebody("a revoked key", bearer(house.revoked)),
        Somebody("a key as a password", basic("admin", admin)),
        Somebody("a key as a name", basic(admin, "")),
        Somebody("a key in a header of its own", {"X-Api-Key": admin, "Token": admin, "Cookie": f"key={admin}"}),
        Somebody("a header of the web server's", {"Remote-User": "admin", "X-Remote-User": "admin"}),
        Somebody("cookies of nobody", cookies=dict.fromkeys(names, "garbage")),
        Somebody("a key as a cookie", cookies=dict.fromkeys(names, admin)),
    ]


def callers(house: Furnished) -> list[Somebody]:
    """Who calls the API, strangers first. No cookie counts there."""
    sessions = [
        Somebody(f"a session that may {scope}", cookies=dict(visitor.browser.cookies))
        for scope, visitor in house.visitors.items()
    ]
    return [
        *strangers(house),
        *sessions,
        Somebody("another run's token", bearer(house.other["token"]), run_id=house.other["id"]),
        Somebody("its run's token", bearer(house.run["token"]), run_id=house.run["id"]),
        *(Somebody(f"a key that may {scope}", bearer(house.keys[scope]), scope=scope) for scope in SCOPES),
    ]


def visitors(house: Furnished) -> list[Somebody]:
    """Who looks at pages, strangers first. No key counts there but as what one signs in with."""
    found = [
        *strangers(house),
        Somebody("its run's token", bearer(house.run["token"])),
        Somebody("an admin's key", bearer(house.keys["admin"])),
    ]
    for scope, visitor in house.visitors.items():
        word = dict(form_to(visitor.see("/"), "/sign-out").submit_fields())
        cookies = dict(visitor.browser.cookies)
        found.append(Somebody(f"a session that may {scope}, no word", cookies=cookies, scope=scope))
        found.append(Somebody(f"a session that may {scope}", cookies=cookies, scope=scope, word=word))
    return found


def users(house: Furnished) -> list[Somebody]:
    """Whom the web server has let sign in, and who says so."""
    signed_in = {"REMOTE_USER": "anna"}
    cross = {"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"}
    return [
        Somebody("nobody"),
        Somebody("a header", {"Remote-User": "admin"}),
        Somebody("an empty name", environ={"REMOTE_USER": ""}),
        Somebody("no name", environ={"REMOTE_USER": "\xff\x00"}),
        Somebody("a user with a wrong key", bearer("garbage"), signed_in),
        Somebody("a user by another site", cross, signed_in),
        Somebody("a user with a password", basic("anna", "secret"), signed_in, scope=USER_MAY),
        Somebody("a user", environ=signed_in, scope=USER_MAY),
        Somebody("a user with a read key", bearer(house.keys["read"]), signed_in, scope="read"),
    ]


@pytest.fixture(scope="module")
def trusting(make_api: MakeApi) -> Iterator[Furnished]:
    """A service that believes the web server who has signed in."""
    furnished = Furnished(make_api(trusts_remote_user=True, remote_user_scope=USER_MAY))
    yield furnished
    furnished.close()


@pytest.fixture(scope="module")
def lookers(house: Furnished) -> list[Somebody]:
    return visitors(house)


def calls() -> list[tuple[Route, str]]:
    return [(route, method) for route in TABLE for method in (*route.methods, *(["HEAD"] * ("GET" in route.methods)))]


def looks() -> list[tuple[PageRoute, str]]:
    return [(route, method) for route in PAGES for method in route.methods]


def named(value: object) -> str | None:
    return value.path if isinstance(value, Route | PageRoute) else None


def check(house: Furnished, answer: Any, who: Somebody, log: pytest.LogCaptureFixture, seen_in_log: int) -> None:
    """Whatever came of it: no mistake of lackey's, and no secret in the answer or the log."""
    assert answer.status_int < 500 or answer.status_int == 503, (who.name, answer)
    # A cookie goes back to the browser that sent it, and to no script there.
    headers = [(name, value) for name, value in answer.headers.items() if name != "Set-Cookie"]
    told = f"{headers}\n{answer.text if answer.charset else answer.body!r}"
    assert not [secret for secret in house.secrets if secret in told], who.name
    for record in log.records[seen_in_log:]:
        assert record.exc_info is None, (who.name, record.getMessage())
        assert not [secret for secret in house.secrets if secret in record.getMessage()], who.name


def refusals_of(house: Furnished, route: Route, method: str, who: Somebody) -> tuple[int, ...]:
    """With what somebody is turned away; nothing: they are let in."""
    if route.is_report:
        return () if who.run_id == house.run["id"] else (401,)
    if route.scope is None or who.may(route.scope):
        return ()
    if "Sec-Fetch-Site" in who.headers:
        reads = method in ("GET", "HEAD") and SCOPES.index(USER_MAY) >= SCOPES.index(route.scope)
        return () if reads else (403,)
    return (403,) if who.scope else (401,)


@pytest.mark.parametrize(("route", "method"), calls(), ids=named)
@pytest.mark.parametrize("service", ["house", "trusting"])
def test_a_call_is_answered_as_its_scope_says(
    request: pytest.FixtureRequest, service: str, route: Route, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    house: Furnished = request.getfixturevalue(service)
    path = house.path(route.path)
    for who in (callers if service == "house" else users)(house):
        before, logged = house.version(), len(caplog.records)
        answer = who.ask(house, method, path, b"" if method in ("GET", "HEAD") else b"{}")
        check(house, answer, who, caplog, logged)
        refused = refusals_of(house, route, method, who)
        assert answer.status_int in (refused or KNOWN), (who.name, answer)
        if refused or method in ("GET", "HEAD"):
            assert house.version() == before, (who.name, answer)


@pytest.mark.parametrize(("route", "method"), looks(), ids=named)
def test_a_page_is_shown_as_its_scope_says(
    house: Furnished, lookers: list[Somebody], route: PageRoute, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = house.path(route.path)
    for who in lookers:
        if path == "/sign-out" and who.word:
            continue  # the one that would be let in, and be gone for the other pages
        before, logged = house.version(), len(caplog.records)
        sent = "&".join(f"{name}={value}" for name, value in who.word.items()).encode()
        answer = who.ask(house, method, path, b"" if method == "GET" else sent, "application/x-www-form-urlencoded")
        check(house, answer, who, caplog, logged)
        if method != "GET" and not who.word:
            assert answer.status_int == 403, (who.name, answer)
        elif who.may(route.scope):
            assert answer.status_int in (*KNOWN, 401), (who.name, answer)
        elif who.scope is None:
            assert answer.status_int == 303 and "/sign-in" in answer.location, (who.name, answer)
        else:
            assert answer.status_int == 403, (who.name, answer)
        if not who.may(route.scope) or method == "GET" or not who.word:
            assert house.version() == before, (who.name, answer)


@pytest.mark.parametrize("service", ["house", "trusting"])
def test_no_key_token_or_cookie_is_in_the_database(request: pytest.FixtureRequest, service: str) -> None:
    house: Furnished = request.getfixturevalue(service)
    kept = b"".join(path.read_bytes() for path in house.file.parent.iterdir() if path.is_file())
    assert not [secret for secret in house.secrets if secret.encode() in kept]
