"""Who gets in, and that nobody gets in by another way."""

from collections.abc import Iterator

import pytest
from webtest import TestApp

from lackey.app import make_app
from lackey.services.admin import keys
from lackey.web.link import Link
from lackey.web.pages import PAGES
from lackey.web.pages.routes import PageRoute
from tests.web.client import Api
from tests.web.conftest import MakeApi
from tests.web.visitor import Visitor, form_to


@pytest.fixture
def visitor(api: Api) -> Visitor:
    return Visitor(api)


def test_whoever_has_a_key_gets_in_and_on_to_where_they_wanted_to_go(visitor: Visitor) -> None:
    shown = visitor.see("/project", 303).follow()
    form = form_to(shown, "/sign-in")
    form["key"] = visitor.api.key_of("read")
    inside = form.submit().follow()
    assert inside.request.path == "/project"
    assert "read key" in inside.text


def test_whoever_has_no_key_stays_outside_and_is_told(visitor: Visitor) -> None:
    form = visitor.see("/sign-in").forms[0]
    form["key"] = "lackey_wrong"
    assert "There is no such key in force." in form.submit(status=401).text
    assert visitor.see("/", 303).location.endswith("/sign-in?next=/")
    asked = visitor.see("/run?state=failed&q=%26", 303)
    assert asked.location.endswith("/sign-in?next=/run%3Fstate%3Dfailed%26q%3D%2526")


def test_a_session_ends_when_one_signs_out(visitor: Visitor) -> None:
    form_to(visitor.sign_in(), "/sign-out").submit()
    visitor.see("/", 303)


def test_a_session_ends_with_its_key(visitor: Visitor) -> None:
    visitor.sign_in("read")
    (key,) = [key for key in keys.listing(visitor.api.database, None, 10) if key.name == "read key"]
    keys.revoke(visitor.api.database, key.id, visitor.api.clock.now)
    visitor.see("/", 303)


def test_a_session_ends_after_a_month(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.api.clock.advance(31 * 86400)
    visitor.see("/", 303)


def test_the_cookie_is_for_this_site_alone_and_no_script_can_read_it(visitor: Visitor) -> None:
    form = visitor.see("/sign-in").forms[0]
    form["key"] = visitor.api.key_of("read")
    cookies = [value.lower() for name, value in form.submit().headerlist if name == "Set-Cookie"]
    assert len(cookies) == 2
    assert all("httponly" in cookie and "samesite=lax" in cookie for cookie in cookies)


def test_under_tls_the_cookie_never_travels_in_the_clear(visitor: Visitor) -> None:
    page = visitor.browser.get("/sign-in", extra_environ={"wsgi.url_scheme": "https"})
    assert "secure" in page.headers["Set-Cookie"].lower()


def test_the_api_does_not_take_the_cookie(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.browser.get("/api/run", status=401)


@pytest.mark.parametrize(
    "place", ["https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"]
)
def test_signing_in_leads_to_no_other_site(visitor: Visitor, place: str) -> None:
    form = visitor.browser.get("/sign-in", {"next": place}).forms[0]
    form["key"] = visitor.api.key_of("read")
    assert form.submit().location in ("http://localhost:80/", "http://localhost/", "/")


@pytest.fixture
def linked(make_api: MakeApi) -> Iterator[tuple[TestApp, Link]]:
    """A browser on the host of `lackey serve`, and the link that its terminal shows."""
    api = make_api()
    link = Link(api.key)
    yield TestApp(make_app(api.settings, clock=api.clock, wake=lambda: None, link=link)), link


def test_the_link_of_the_terminal_lets_in_once(linked: tuple[TestApp, Link]) -> None:
    browser, link = linked
    form = browser.get(f"/sign-in/{link.code}").forms[0]
    assert "admin key" in form.submit().follow().text
    stranger = TestApp(browser.app)
    assert "has been used" in stranger.get(f"/sign-in/{link.code}").text


def test_a_wrong_link_lets_nobody_in(linked: tuple[TestApp, Link]) -> None:
    browser, _ = linked
    assert "has been used" in browser.get("/sign-in/guess").text


def changing() -> list[PageRoute]:
    return [route for route in PAGES if "POST" in route.methods]


@pytest.mark.parametrize("route", changing(), ids=lambda route: route.path)
def test_no_form_is_taken_that_no_page_of_ours_has_shown(visitor: Visitor, route: PageRoute) -> None:
    visitor.sign_in()
    path = route.path.replace("<project_id:id>", "1").replace("<run_id:id>", "1").replace("<key_id:id>", "1")
    path = (
        path.replace("<application_id:id>", "1")
        .replace("<sweep_id:id>", "1")
        .replace("<code>", "x")
        .replace("<name>", "local")
    )
    assert "this form is from another time or place" in visitor.post(path, 403, name="x", word="0" * 64).text


def test_what_another_site_makes_the_browser_send_is_refused(visitor: Visitor) -> None:
    form = form_to(visitor.sign_in(), "/sign-out")
    fields = dict(form.submit_fields())
    visitor.browser.post("/sign-out", fields, headers={"Sec-Fetch-Site": "cross-site"}, status=403)


@pytest.mark.parametrize("route", PAGES, ids=lambda route: f"{route.methods[0]} {route.path}")
def test_no_page_but_those_for_signing_in_is_shown_to_strangers(visitor: Visitor, route: PageRoute) -> None:
    assert (route.scope is None) == route.path.startswith(("/sign-in", "/sign-out"))


def test_each_answer_forbids_scripts_and_styles_that_are_not_files_of_ours(visitor: Visitor) -> None:
    for page in (visitor.see("/sign-in"), visitor.sign_in(), visitor.see("/run/99", 404)):
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "<style" not in page.text and " style=" not in page.text and " on" not in page.text.split("<main")[0]


def test_what_a_scope_may_not_do_is_not_shown_and_not_done(visitor: Visitor) -> None:
    visitor.api.application()
    seen = visitor.sign_in("read")
    assert "/key" not in seen.text
    assert "Run it" not in visitor.see("/application/1").text
    assert "New project" not in visitor.see("/project").text
    word = form_to(seen, "/sign-out")["word"].value
    visitor.post("/application/1/run", 403, word=word)
    visitor.see("/key", 403)
    assert "Pause" not in visitor.see("/service").text
    visitor.post("/executor/local/pause", 403, word=word)


def test_what_was_typed_comes_back_after_signing_in_again(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.api.post("/api/project", {"name": "heat", "directory": "heat"})
    opened = form_to(visitor.see("/project/1/application"), "/project/1/application")
    opened["name"], opened["command"] = "implicit", "./heat --note '<b> & é'"
    visitor.browser.post("/sign-out", {"word": form_to(visitor.see("/"), "/sign-out")["word"].value})
    asked = opened.submit(status=401)
    assert "What you filled in is kept" in asked.text
    wrong = form_to(asked, "/sign-in")
    wrong["key"] = "lackey_wrong"
    right = form_to(wrong.submit(status=401), "/sign-in")
    right["key"] = visitor.api.key_of("manage")
    again = right.submit()
    assert "./heat --note" in again.text and "manage key" in again.text
    assert visitor.api.get("/api/application").json["items"] == []
    made = form_to(again, "/project/1/application").submit()
    assert made.status_int == 303
    (kept,) = visitor.api.get("/api/application").json["items"]
    assert (kept["name"], kept["command"]) == ("implicit", "./heat --note '<b> & é'")


def test_a_button_pressed_while_signed_out_is_asked_about_after_signing_in(visitor: Visitor) -> None:
    visitor.sign_in()
    visitor.api.reported_run()
    cancel = form_to(visitor.see("/run/1"), "/run/1/cancel")
    visitor.browser.post("/sign-out", {"word": form_to(visitor.see("/"), "/sign-out")["word"].value})
    form = form_to(cancel.submit(status=401), "/sign-in")
    form["key"] = visitor.api.key_of("run")
    form_to(form.submit(), "/run/1/cancel").submit()
    assert visitor.api.get("/api/run/1").json["state"] == "cancelled"
