"""The page of keys: made and shown once, revoked after a warning."""

import re
from typing import Any

import pytest

from tests.web.client import Api
from tests.web.visitor import Visitor, form_to

SECRET = re.compile(r"lackey_[A-Za-z0-9_-]{43}")
HOSTILE = "<img src=x onerror=alert(1)>"


def fill_in(visitor: Visitor, name: str = "anna", scope: str = "run") -> Any:
    """The form of another key, filled in."""
    form = form_to(visitor.see("/key"), "/key")
    form["name"], form["scope"] = name, scope
    return form


def names(visitor: Visitor) -> list[str]:
    return [key["name"] for key in visitor.api.get("/api/key").json["items"]]


def key_id(visitor: Visitor, name: str) -> int:
    (found,) = [key["id"] for key in visitor.api.get("/api/key").json["items"] if key["name"] == name]
    return int(found)


def test_a_key_is_made_and_shown_once_on_a_page_that_nobody_keeps(visitor: Visitor) -> None:
    made = fill_in(visitor).submit()
    (secret,) = set(SECRET.findall(made.text))
    assert made.headers["Cache-Control"] == "no-store" and "ETag" not in made.headers
    assert visitor.api.get("/api/run", key=secret).status_int == 200
    assert visitor.api.get("/api/key", key=secret).status_int == 403, "it may do no more than was chosen"
    page = visitor.see("/key").text
    assert "anna" in page and not SECRET.search(page)


def test_a_page_with_a_key_that_is_loaded_again_makes_no_second_one_and_leaves_the_first_as_it_is(
    visitor: Visitor,
) -> None:
    form = fill_in(visitor)
    secret = SECRET.findall(form.submit().text)[0]
    again = form.submit(status=303).follow()
    assert "no second one" in again.text and not SECRET.search(again.text)
    assert names(visitor).count("anna") == 1
    assert visitor.api.get("/api/run", key=secret).status_int == 200


def test_who_goes_back_and_types_another_name_gets_another_key(visitor: Visitor) -> None:
    form = fill_in(visitor)
    first = SECRET.findall(form.submit().text)[0]
    form["name"] = "bob"
    second = SECRET.findall(form.submit().text)[0]
    assert first != second and {"anna", "bob"} <= set(names(visitor))


def test_two_keys_of_one_name_are_made_by_two_forms(visitor: Visitor) -> None:
    for _ in range(2):
        assert SECRET.search(fill_in(visitor).submit().text)
    assert names(visitor).count("anna") == 2


@pytest.mark.parametrize(("name", "scope"), [("", "run"), ("anna", "god"), ("x" * 300, "run")])
def test_what_is_typed_wrong_is_shown_again_and_makes_no_key(visitor: Visitor, name: str, scope: str) -> None:
    form = fill_in(visitor)
    fields = {**dict(form.submit_fields()), "name": name, "scope": scope}
    before = names(visitor)
    page = visitor.browser.post("/key", fields, status=400)
    assert form_to(page, "/key")["name"].value == name
    assert names(visitor) == before


def test_a_key_is_revoked_after_the_page_has_said_what_ends_with_it(visitor: Visitor) -> None:
    secret = SECRET.findall(fill_in(visitor).submit().text)[0]
    anna = Visitor(visitor.api)
    form = anna.see("/sign-in").forms[0]
    form["key"] = secret
    form.submit()
    page = visitor.see("/key")
    number = key_id(visitor, "anna")
    assert "is signed out in 1 browser." in page.text
    after = form_to(page, f"/key/{number}/revoke").submit().follow()
    assert "1 revoked" in after.text
    assert f"/key/{number}/revoke" not in [form.action for form in after.forms.values()]
    assert visitor.api.get("/api/run", key=secret).status_int == 401
    anna.see("/", 303)


def test_one_s_own_key_is_marked_and_revoking_it_signs_one_out(visitor: Visitor) -> None:
    page = visitor.see("/key")
    assert page.text.count(">yours<") == 1 and "you are signed out" in page.text
    mine = next(row for row in page.html.find_all("li") if row.find("span", string="yours"))
    form_to(page, mine.find("form")["action"]).submit()
    assert "/sign-in" in visitor.see("/key", 303).location


def test_a_key_with_a_hostile_name_does_no_harm(visitor: Visitor) -> None:
    assert HOSTILE not in fill_in(visitor, HOSTILE).submit().text
    assert HOSTILE not in visitor.see("/key").text


@pytest.mark.parametrize("scope", ["read", "run", "manage"])
def test_keys_are_for_admins_alone(api: Api, scope: str) -> None:
    visitor = Visitor(api)
    word = form_to(visitor.sign_in(scope), "/sign-out")["word"].value
    visitor.see("/key", 403)
    visitor.post("/key", 403, word=word, name="mine", scope="admin")
    visitor.post("/key/1/revoke", 403, word=word)
    assert "mine" not in names(visitor)
