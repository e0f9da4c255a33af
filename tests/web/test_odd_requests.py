"""What no client of ours sends is answered in words too: never 500, never another resource, never a torn answer."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import unquote

import pytest

from lackey.files import FilePiece, ShareFiles
from lackey.services.runs import queries
from tests.web.client import Api, fields_at_fault
from tests.web.visitor import Visitor, form_to


@pytest.mark.parametrize("query", ["&".join(["limit=1"] * 101), "&" * 3000, "q=" + "a" * 9000])
@pytest.mark.parametrize("path", ["/api/run", "/api/run/1/log", "/run", "/sign-in", "/"])
def test_a_query_past_its_limits_is_refused_by_name(visitor: Visitor, path: str, query: str) -> None:
    visitor.api.reported_run()
    answer = visitor.api.get(f"{path}?{query}") if path.startswith("/api") else visitor.see(f"{path}?{query}", 400)
    assert answer.status_int == 400
    assert "more than 100 fields" in answer or "at most 8192" in answer


@pytest.mark.parametrize("length", ["1" * 5000, "-1", "+1", "1_0", " 1 1", "٣", "1e3", "0x10"])
@pytest.mark.parametrize("path", ["/api/run", "/api/run/stop/1", "/sign-in"])
def test_a_content_length_that_is_none_is_refused(api: Api, path: str, length: str) -> None:
    run = api.reported_run()
    key = run["token"] if "stop" in path else api.key
    sent = {"CONTENT_LENGTH": length, "CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": f"Bearer {key}"}
    status, answer = ask_as_it_is(api, "POST", path, sent)
    assert status == 400
    assert b"Content-Length" in answer


def test_a_transfer_encoding_that_nobody_can_take_apart_is_refused(api: Api) -> None:
    for encoding in ("gzip, chunked", "identity", "chunked, chunked"):
        answer = api.ask("POST", "/api/run", b"{}", Transfer_Encoding=encoding)
        assert fields_at_fault(answer) == ["Transfer-Encoding"]


@pytest.mark.parametrize(
    "path", ["/api/run/{}", "/api/run/{}/log", "/api/run/{}/events", "/run/{}", "/api/run/stop/{}"]
)
@pytest.mark.parametrize("end", ["%0a", "%0A%0a", "%0d%0a", "%00", "%20", "%ff", "%e2%80%a8"])
def test_a_path_with_something_behind_it_is_another_path(api: Api, path: str, end: str) -> None:
    run = api.reported_run()
    address = path.format(run["id"]) + end
    if "stop" in path:
        sent = {"HTTP_AUTHORIZATION": f"Bearer {run['token']}", "CONTENT_LENGTH": "0"}
        assert ask_as_it_is(api, "PUT", unquote(address, "latin-1"), sent)[0] in (401, 404)
    else:
        sent = {"HTTP_AUTHORIZATION": f"Bearer {api.key}"}
        assert ask_as_it_is(api, "GET", unquote(address, "latin-1"), sent)[0] == 404
    assert api.run(run)["state"] == "scheduled"


def test_a_long_address_is_not_carried_through_the_signing_in(api: Api) -> None:
    visitor = Visitor(api)
    for query in ("q=" + "%26" * 2000, "q=" + "x" * 5000):
        way = visitor.see(f"/run?{query}", 303)
        assert len(way.headers["Location"]) < 2500
        assert visitor.see(f"/sign-in?next=/run?{query}").forms[0]["next"].value == "/"
    assert visitor.see("/run?q=heat", 303).headers["Location"].endswith("next=/run%3Fq%3Dheat")


def test_an_idempotency_key_of_what_was_removed_says_so(api: Api) -> None:
    def made(path: str, body: Any) -> Any:
        return api.post(path, body, Idempotency_Key="once")

    for path, body in (("/api/project", {"name": "wind"}), ("/api/key", {"name": "bob", "scope": "run"})):
        first = made(path, body)
        assert made(path, body).json["id"] == first.json["id"]
        assert api.delete(f"{path}/{first.json['id']}").status_int in (200, 204)
        again = made(path, body)
        assert again.status_int == 409
        assert "removed since" in again.json["detail"]
        assert api.post(path, body, Idempotency_Key=f"new {path}").status_int == 201
        api.post(path, body, Idempotency_Key="once")
        api.clock.advance(25 * 3600)


def test_a_form_opened_by_another_is_asked_about_before_it_counts(api: Api) -> None:
    visitor = Visitor(api)
    visitor.sign_in("admin")
    opened = form_to(visitor.see("/key"), "/key")
    opened["name"] = "bob <b>"
    visitor.browser.post("/sign-out", {"word": form_to(visitor.see("/"), "/sign-out")["word"].value})
    assert "You are no longer signed in" in opened.submit(status=401)
    visitor.sign_in("admin")
    asked = opened.submit(expect_errors=True)
    assert asked.status_int == 409
    assert "somebody else was signed in" in asked
    assert all(key["name"] != "bob <b>" for key in api.get("/api/key").json["items"])
    again = form_to(asked, "/key")
    assert again["name"].value == "bob <b>"
    again.submit()
    assert any(key["name"] == "bob <b>" for key in api.get("/api/key").json["items"])


def test_a_form_of_another_browser_is_not_even_asked_about(visitor: Visitor) -> None:
    other = Visitor(visitor.api)
    other.sign_in()
    visitor.post("/key", 403, word=form_to(other.see("/key"), "/key")["word"].value, name="bob", scope="run")


def test_over_https_no_neighbour_can_set_the_cookies(api: Api) -> None:
    visitor = Visitor(api)
    visitor.browser.extra_environ = {"wsgi.url_scheme": "https", "HTTP_HOST": "localhost"}
    form = visitor.browser.get("https://localhost/sign-in").forms[0]
    form["key"] = api.key
    answer = form.submit()
    set_here = [cookie for cookie in answer.headers.getall("Set-Cookie") if "max-age=-1" not in cookie.lower()]
    assert {cookie.partition("=")[0] for cookie in set_here} == {"__Host-lackey_session", "__Host-lackey_seed"}
    for cookie in set_here:
        assert "secure" in cookie.lower() and "path=/;" in cookie.lower() + ";" and "domain" not in cookie.lower()
    session = next(cookie for cookie in set_here if "session" in cookie).partition(";")[0]
    for sent, status in ((session, 200), (session.removeprefix("__Host-"), 303)):
        seen = api.client.get("https://localhost/", headers={"Cookie": sent}, status="*")
        assert seen.status_int == status


def test_signing_out_ends_the_cookies_of_both_names(api: Api) -> None:
    visitor = Visitor(api)
    visitor.browser.extra_environ = {"wsgi.url_scheme": "https", "HTTP_HOST": "localhost"}
    form = visitor.browser.get("https://localhost/sign-in").forms[0]
    form["key"] = api.key
    out = form_to(form.submit().follow(), "/sign-out").submit()
    ended = [cookie for cookie in out.headers.getall("Set-Cookie") if "max-age=-1" in cookie.lower()]
    assert {cookie.partition("=")[0] for cookie in ended} == {"__Host-lackey_session", "lackey_session"}
    assert all("secure" in cookie.lower() for cookie in ended)


class Torn:
    """A file that becomes shorter after `whole` reads."""

    def __init__(self, whole: int) -> None:
        self.left = whole

    def read(self, share: str, path: str, offset: int, length: int) -> FilePiece:
        self.left -= 1
        size = 3 << 20 if self.left >= 0 else 5
        return FilePiece(size, 0.0, (b"x" * size)[offset : offset + length])


@pytest.fixture
def fetch(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Any], tuple[int, bytes]]:
    """Ask for a page of a run whose file, whichever, is this one."""
    api = visitor.api
    run = api.reported_run()
    real = queries.run
    placed: dict[str, Any] = {"share": "lab", "run_directory": "heat/lackey-runs/1"}
    monkeypatch.setattr(queries, "run", lambda database, run_id: replace(real(database, run_id), **placed))

    def fetched(page: str, file: Any) -> tuple[int, bytes]:
        monkeypatch.setattr(ShareFiles, "read", lambda _, *asked: file.read(*asked))
        headers = {"HTTP_AUTHORIZATION": f"Bearer {api.key}"}
        cookies = "; ".join(f"{name}={value}" for name, value in visitor.browser.cookies.items())
        return ask_as_it_is(api, "GET", page.format(run["id"]), {**headers, "HTTP_COOKIE": cookies})

    return fetched


FILE_PAGES = ["/api/run/{}/log", "/run/{}/log", "/run/{}/file/a"]


@dataclass
class Swapped:
    """A file in whose place there is another after `whole` reads: the first is all `a`, the second all `b`."""

    whole: int
    size: int
    mtime: float
    inode: int

    def read(self, share: str, path: str, offset: int, length: int) -> FilePiece:
        self.whole -= 1
        known = (3 << 20, 1.0, 1, b"a") if self.whole >= 0 else (self.size, self.mtime, self.inode, b"b")
        size, mtime, inode, letter = known
        return FilePiece(size, mtime, (letter * size)[offset : offset + length], inode)


@pytest.mark.parametrize("page", FILE_PAGES)
@pytest.mark.parametrize("whole", [1, 2, 3])
@pytest.mark.parametrize(
    "other",
    [
        pytest.param((3 << 20, 2.0, 2), id="as large"),
        pytest.param((4 << 20, 2.0, 2), id="larger"),
        pytest.param((3 << 20, 2.0, 1), id="written anew in its place"),
    ],
)
def test_no_answer_holds_bytes_of_a_file_and_of_another_that_took_its_place(
    fetch: Callable[[str, Any], tuple[int, bytes]], page: str, whole: int, other: tuple[int, float, int]
) -> None:
    status, body = fetch(page, Swapped(whole, *other))
    assert status == 503 or (status == 200 and set(body) == {ord("a")} and len(body) < 3 << 20)


@pytest.mark.parametrize("page", FILE_PAGES)
def test_a_file_that_grows_while_it_is_read_is_answered_as_it_was(
    fetch: Callable[[str, Any], tuple[int, bytes]], page: str
) -> None:
    status, body = fetch(page, Swapped(1, 4 << 20, 2.0, 1))
    assert (status, len(body)) == (200, 3 << 20)


@pytest.mark.parametrize("page", FILE_PAGES)
@pytest.mark.parametrize("whole", [1, 2, 3])
def test_a_file_that_shrinks_while_it_is_read_is_refused_or_cut_short(
    fetch: Callable[[str, Any], tuple[int, bytes]], page: str, whole: int
) -> None:
    status, body = fetch(page, Torn(whole))
    assert status in (200, 503)
    assert status == 503 or len(body) < 3 << 20


@pytest.mark.parametrize("body", ["[" * 100_000, '{"name":' * 50_000, '{"ts": ' + "9" * 5000 + "}"])
def test_json_that_is_too_deep_or_too_long_a_number_is_refused(api: Api, body: str) -> None:
    for path in ("/api/run", "/api/project"):
        assert api.post(path, body.encode()).status_int == 400
    run = api.reported_run()
    assert api.put(f"/api/run/stop/{run['id']}", body.encode(), key=run["token"]).status_int == 400


@pytest.mark.parametrize("sent", ["nan", "-1", "99999999999999999999", "1e3", "9" * 5000, "%00", "1;2", "%D9%A3"])
def test_ids_and_numbers_that_are_none_lead_nowhere(visitor: Visitor, sent: str) -> None:
    api = visitor.api
    assert api.get(f"/api/run/{sent}").status_int == 404
    visitor.see(f"/run/{sent}", 404)
    for query in (f"limit={sent}", f"since={sent}", f"application={sent}"):
        assert api.get(f"/api/run?{query}").status_int in (200, 400)


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "a=b; =; lackey_session=\xff; \x01"},
        {"Accept": "*/*;q=nan, text/html;;"},
        {"Range": "bytes=" + "9" * 5000 + "-"},
        {"Range": "bytes=5-1,9-"},
        {"If-None-Match": '"' * 1000},
        {"Authorization": "Bearer " + "\xff" * 1000},
        {"Authorization": "Bearer"},
        {"Host": "a b<c>"},
        {"Origin": "http://[::1"},
        {"Content-Type": "multipart/form-data; boundary=" + '"' * 50},
        {"Content-Type": "\xff/\xff; charset=utf-99"},
        {"Idempotency-Key": "\xff"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "DELETE"])
def test_odd_headers_break_nothing(api: Api, headers: dict[str, str], method: str) -> None:
    run = api.reported_run()
    for path in ("/api/run", f"/api/run/{run['id']}/log", f"/api/run/stop/{run['id']}", "/", "/run", "/static/x"):
        sent = {"Authorization": f"Bearer {api.key}", **headers}
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in sent.items()}
        environ |= {"CONTENT_TYPE": headers.get("Content-Type", ""), "CONTENT_LENGTH": "0"}
        status, answer = ask_as_it_is(api, method, path, environ)
        assert status < 500, (path, answer)


def ask_as_it_is(api: Api, method: str, path: str, environ: dict[str, Any]) -> tuple[int, bytes]:
    """The status and the body of an answer to what no client of WSGI would send."""
    statuses: list[int] = []
    given: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
    }
    given |= {"wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), **environ}
    body = api.wsgi(given, lambda status, headers, exc_info=None: statuses.append(int(status[:3])))
    return statuses[0], b"".join(body)


def test_deep_values_in_a_report_are_passed_over_or_refused(api: Api) -> None:
    run = api.reported_run()
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    body = json.dumps({"token": run["token"], "other": deep, "exit": 0}).encode()
    assert api.put(f"/api/run/stop/{run['id']}", body, key="").status_int in (200, 400)
