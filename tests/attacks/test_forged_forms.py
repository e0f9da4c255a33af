"""Every form of the pages, sent by somebody whom it was not shown to, or from elsewhere: nothing changes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from webtest import TestApp

from lackey.web.pages import PAGES
from lackey.web.pages.routes import PageRoute
from tests.attacks.furnished import Furnished
from tests.web.conftest import MakeApi
from tests.web.visitor import Visitor, form_to

ELSEWHERE = "https://elsewhere.example"
FORM = "application/x-www-form-urlencoded"
Word = dict[str, str]


def changing() -> list[PageRoute]:
    return [route for route in PAGES if "POST" in route.methods]


class Forger:
    """Somebody with a session that may everything, and what else a forger may have got hold of.

    Of each word only the value is forged: the name of its field is told by the page.
    """

    def __init__(self, house: Furnished) -> None:
        self.house = house
        self.victim = self.signed_in()
        self.word = self.word_of(self.victim)
        ((self.field, self.value),) = self.word.items()
        (self.stranger,) = self.word_of(Visitor(house.api), "/sign-in").values()
        (self.other,) = self.word_of(self.signed_in()).values()
        (self.reader,) = self.word_of(self.signed_in("read")).values()

    def signed_in(self, scope: str = "admin") -> Visitor:
        visitor = Visitor(self.house.api)
        visitor.sign_in(scope)
        return visitor

    def word_of(self, visitor: Visitor, path: str = "/") -> Word:
        """What a page's form carries beside what one fills in."""
        form = form_to(visitor.see(path), "/sign-in" if path == "/sign-in" else "/sign-out")
        return {name: value for name, value in form.submit_fields() if len(value) >= 32}

    def nobodys(self) -> str:
        """The word of the victim's browser, on a page that it showed while nobody was signed in."""
        page = self.send("/sign-in", None, without="session")
        return str(dict(form_to(page, "/sign-in").submit_fields())[self.field])

    def old(self) -> str:
        """The word of the victim's own session before, in the same browser."""
        visitor = self.signed_in()
        (before,) = self.word_of(visitor).values()
        form_to(visitor.see("/"), "/sign-out").submit()
        return before

    def send(
        self, path: str, fields: dict[str, str] | None, headers: dict[str, str] | None = None, without: str = "?"
    ) -> Any:
        """What the victim's browser sends: a form, or no fields for a look; `without` a cookie of such a name."""
        cookies = [f"{name}={value}" for name, value in self.victim.browser.cookies.items() if without not in name]
        sent = {"Cookie": "; ".join(cookies), **(headers or {})}
        app = TestApp(self.house.api.wsgi)
        if fields is None:
            return app.get(path, headers=sent, expect_errors=True)
        return app.post(path, fields, headers=sent, expect_errors=True)


@pytest.fixture(scope="module")
def forger(make_api: MakeApi) -> Iterator[Forger]:
    house = Furnished(make_api())
    yield Forger(house)
    house.close()


FORGED: dict[str, Callable[[Forger], tuple[Word, dict[str, str]]]] = {
    "none": lambda forger: ({}, {}),
    "empty": lambda forger: ({forger.field: ""}, {}),
    "zeros": lambda forger: ({forger.field: "0" * len(forger.value)}, {}),
    "cut": lambda forger: ({forger.field: forger.value[: len(forger.value) // 3]}, {}),
    "shifted": lambda forger: ({forger.field: "0" + forger.value}, {}),
    "its end": lambda forger: ({forger.field: forger.value[1:]}, {}),
    "no UTF-8": lambda forger: ({forger.field: "\xff"}, {}),
    "a cookie": lambda forger: ({forger.field: next(iter(forger.victim.browser.cookies.values()))}, {}),
    "a stranger's": lambda forger: ({forger.field: forger.stranger}, {}),
    "another session's": lambda forger: ({forger.field: forger.other}, {}),
    "a reader's": lambda forger: ({forger.field: forger.reader}, {}),
    "an old one": lambda forger: ({forger.field: forger.old()}, {}),
    "under another name": lambda forger: ({"token": forger.value}, {}),
    "in a header": lambda forger: ({}, {"X-CSRF-Token": forger.value, forger.field: forger.value}),
    "by another site": lambda forger: (forger.word, {"Sec-Fetch-Site": "cross-site", "Origin": ELSEWHERE}),
    "by a neighbour": lambda forger: (forger.word, {"Sec-Fetch-Site": "same-site"}),
    "of another origin": lambda forger: (forger.word, {"Origin": ELSEWHERE}),
    "of no origin": lambda forger: (forger.word, {"Origin": "null"}),
    "of another port": lambda forger: (forger.word, {"Origin": "http://localhost:81"}),
    "as a document": lambda forger: (forger.word, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}),
}


@pytest.mark.parametrize("route", changing(), ids=lambda route: route.path)
def test_a_forged_form_changes_nothing(forger: Forger, route: PageRoute) -> None:
    house = forger.house
    path = house.path(route.path)
    fields = {"name": "forged", "scope": "admin", "id": str(house.run["id"]), "key": house.keys["admin"]}
    for name, forge in FORGED.items():
        word, headers = forge(forger)
        before = house.version()
        answer = forger.send(path, {**fields, **word}, headers)
        assert answer.status_int == 403, (name, answer)
        assert house.version() == before, (name, answer)
    before = house.version()
    in_query = "&".join(f"{name}={value}" for name, value in forger.word.items())
    assert forger.send(f"{path}?{in_query}", fields).status_int == 403
    assert house.version() == before


@pytest.mark.parametrize("route", [each for each in changing() if each.scope], ids=lambda route: route.path)
def test_a_form_that_was_shown_while_nobody_was_signed_in_changes_nothing(forger: Forger, route: PageRoute) -> None:
    before = forger.house.version()
    fields = {"name": "forged", "scope": "admin", forger.field: forger.nobodys()}
    assert forger.send(forger.house.path(route.path), fields).status_int == 409
    assert forger.house.version() == before


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x", ""])
@pytest.mark.parametrize("route", changing(), ids=lambda route: route.path)
def test_a_form_of_another_kind_is_never_taken_without_its_word(forger: Forger, route: PageRoute, kind: str) -> None:
    before = forger.house.version()
    path = forger.house.path(route.path)
    answer = forger.send(path, {"name": "forged", "scope": "admin"}, {"Content-Type": kind})
    assert answer.status_int in (400, 403, 415), answer
    assert forger.house.version() == before


def test_what_the_forger_lacks_is_the_word_alone(forger: Forger) -> None:
    before = forger.house.version()
    assert forger.send("/project", {"name": "genuine", "directory": "genuine", **forger.word}).status_int == 303
    assert forger.house.version() != before
