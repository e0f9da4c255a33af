"""Users whom the web server vouches for, and everybody who says to be one."""

from collections.abc import Callable
from typing import Any

import pytest

from lackey.services.admin import keys
from tests.web.client import Api
from tests.web.conftest import MakeApi

OTHER_SITE = {"Origin": "https://elsewhere.example", "Sec_Fetch_Site": "cross-site"}

SignIn = Callable[..., Api]


@pytest.fixture
def sign_in(make_api: MakeApi) -> SignIn:
    """Makes a service that the web server has let a user through to; `name` as its bytes come through WSGI."""

    def sign(name: str = "anna", scope: str = "run") -> Api:
        api = make_api(trusts_remote_user=True, remote_user_scope=scope)
        return signed_in(api, name)

    return sign


def signed_in(api: Api, name: str) -> Api:
    """The same service; requests have no key, and come as this user."""
    api.key = ""
    api.client.extra_environ = {"REMOTE_USER": name.encode().decode("latin-1")}
    return api


def schedule(api: Api, **options: Any) -> Any:
    return api.post("/api/run", {"launch": False, "name": "by hand"}, **options)


def test_a_user_whom_the_web_server_vouches_for_schedules_runs_under_their_own_name(sign_in: SignIn) -> None:
    api = sign_in("Zoë Müller")
    made = schedule(api)
    assert (made.status_int, made.json["by"]) == (201, "Zoë Müller")
    cancelled = api.post(f"/api/run/cancel/{made.json['id']}").json
    assert cancelled["state"] == "cancelled"
    events = api.get(f"/api/run/{made.json['id']}/events").json["items"]
    assert {event["by"] for event in events} == {"Zoë Müller"}


@pytest.mark.parametrize("scope", keys.SCOPES)
def test_such_a_user_may_do_what_the_setting_says_and_no_more(sign_in: SignIn, scope: str) -> None:
    api = sign_in(scope=scope)
    asked: dict[str, Callable[[], Any]] = {
        "read": lambda: api.get("/api/run"),
        "run": lambda: schedule(api),
        "manage": lambda: api.post("/api/project", {"name": "heat", "directory": "heat"}),
        "admin": lambda: api.get("/api/key"),
    }
    may = {needed: ask().status_int != 403 for needed, ask in asked.items()}
    assert may == {needed: keys.SCOPES.index(needed) <= keys.SCOPES.index(scope) for needed in keys.SCOPES}


def test_basic_credentials_that_the_web_server_passes_on_change_nothing(sign_in: SignIn) -> None:
    assert sign_in().get("/api/run", Authorization="Basic YW5uYTpzZWNyZXQ=").status_int == 200


def test_a_key_counts_more_than_who_has_signed_in(sign_in: SignIn) -> None:
    api = sign_in()
    assert schedule(api, key=api.key_of("run")).json["by"] == "run key"
    assert schedule(api, key=api.key_of("read")).status_int == 403


@pytest.mark.parametrize("sent", ["Bearer wrong", "bearer wrong", "Bearer", "Bearer "])
def test_a_wrong_key_lets_nobody_in_whoever_has_signed_in(sign_in: SignIn, sent: str) -> None:
    answer = sign_in().get("/api/run", Authorization=sent)
    assert (answer.status_int, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="lackey"')


def test_nobody_has_signed_in_where_the_name_is_empty(sign_in: SignIn) -> None:
    assert sign_in("").get("/api/run").status_int == 401


def test_without_the_setting_nobody_is_believed(make_api: MakeApi) -> None:
    api = signed_in(make_api(trust_remote_user=True), "anna")
    assert (api.get("/api/run").status_int, schedule(api).status_int) == (401, 401)


def test_what_a_client_writes_into_a_header_is_not_believed(sign_in: SignIn) -> None:
    api = sign_in()
    assert schedule(api, Remote_User="admin").json["by"] == "anna"
    api.client.extra_environ = {}
    assert api.get("/api/run", Remote_User="anna", REMOTE_USER="anna").status_int == 401


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"an\xffna", "UTF-8"),
        (b"an\xed\xa0\x80na", "UTF-8"),
        (b"an\x00na", "control characters"),
        (b"anna\n", "control characters"),
        (b"an\x1b[31mna", "control characters"),
        ("an\u202ena".encode(), "control characters"),
        ("an\u2028na".encode(), "control characters"),
        (b" anna", "space"),
        (b" ", "space"),
        (b"a" * 256, "255 characters"),
    ],
)
def test_a_name_that_nobody_could_read_is_refused_in_words(sign_in: SignIn, name: bytes, words: str) -> None:
    api = sign_in()
    api.client.extra_environ = {"REMOTE_USER": name.decode("latin-1")}
    answer = schedule(api)
    assert answer.status_int == 401
    assert words in answer.json["detail"]


def test_reports_need_their_token_whoever_has_signed_in(sign_in: SignIn) -> None:
    api = sign_in(scope="admin")
    made = schedule(api).json
    assert api.put(f"/api/run/start/{made['id']}", {"ts": 1}).status_int == 401
    # A script may well run in a browser of another site: its token does not come by itself.
    answer = api.put(f"/api/run/start/{made['id']}", {"ts": 1, "token": made["token"]}, **OTHER_SITE)
    assert answer.json["state"] == "running"


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "SAME-ORIGIN"},
        {"Sec_Fetch_Site": ""},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://lackey.example:81"},
        {"Origin": "http://lackey.example.elsewhere.example"},
        {"Origin": "http://[lackey.example"},
        {"Origin": "http://lackey.example:port"},
        {"Origin": "ftp://lackey.example"},
        {"Origin": "http://lackey.example", "Sec_Fetch_Site": "cross-site"},
    ],
)
def test_what_another_site_makes_a_browser_send_changes_nothing(sign_in: SignIn, headers: dict[str, str]) -> None:
    api = sign_in(scope="admin")
    made = schedule(api).json
    sent = {"Host": "lackey.example", **headers}
    for method, path in (("POST", "/api/run"), ("PUT", f"/api/run/{made['id']}"), ("DELETE", "/api/project/1")):
        assert api.ask(method, path, {}, **sent).status_int == 403
    # With a form, no preflight asks before it.
    answer = api.ask(
        "POST", "/api/run", b"launch=false&name=x", Content_Type="application/x-www-form-urlencoded", **sent
    )
    assert answer.status_int == 403
    assert [run["id"] for run in api.get("/api/run", **sent).json["items"]] == [made["id"]]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec_Fetch_Site": "same-origin", "Origin": "http://lackey.example"},
        {"Sec_Fetch_Site": "none"},
        {"Origin": "https://lackey.example"},
        {"Origin": "https://LACKEY.example:443"},
        {"Host": "lackey.example:8443", "Origin": "https://lackey.example:8443"},
    ],
)
def test_what_lackeys_own_pages_and_programs_send_is_done(sign_in: SignIn, headers: dict[str, str]) -> None:
    assert schedule(sign_in(), **{"Host": "lackey.example", **headers}).status_int == 201


def test_other_sites_matter_to_nobody_who_sends_a_key(sign_in: SignIn) -> None:
    api = sign_in()
    assert schedule(api, key=api.key_of("run"), **OTHER_SITE).status_int == 201


def test_a_user_without_a_key_can_send_a_request_again_without_harm(sign_in: SignIn) -> None:
    api = sign_in()
    first, again = (schedule(api, Idempotency_Key="once").json for _ in range(2))
    assert (first["id"], first["token"] == again["token"]) == (again["id"], False)
    other = api.post("/api/run", {"launch": False, "name": "other"}, Idempotency_Key="once")
    assert other.status_int == 409


def test_neither_another_user_nor_a_key_of_that_name_or_number_meets_a_users_requests(sign_in: SignIn) -> None:
    api = sign_in("1")
    key = api.key_of("run")
    others = [schedule(api, Idempotency_Key="once").json["id"]]
    others.append(schedule(api, Idempotency_Key="once", key=key).json["id"])
    for name in ("2", "run key"):
        others.append(schedule(signed_in(api, name), Idempotency_Key="once").json["id"])
    assert len(set(others)) == 4
