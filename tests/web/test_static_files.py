"""The files that pages use, as the service itself serves them."""

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lackey.web import static_files
from lackey.web.static_files import asset_url
from tests.copies import ROOT
from tests.web.client import Api

STATIC = ROOT / "lackey/web/static"
FOR_EVER = "public, max-age=31536000, immutable"
BROUGHT = {"pico": "text/css", "uplot": "text/javascript", "uplot.css": "text/css"}


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stylesheet that somebody has just put beside lackey's own, in a copy of the folder."""
    copy = shutil.copytree(STATIC, tmp_path / "static")
    monkeypatch.setattr(static_files, "ROOT", copy)
    (copy / "beside.css").write_text("body {}")
    return copy / "beside.css"


def url_of(name: str) -> str:
    url = asset_url(name)
    assert url is not None, f"{name} is not there; scripts/assets brings it"
    return url


def get(api: Api, url: str, **headers: str) -> Any:
    return api.get(url, key="", **headers)


@pytest.mark.parametrize("name, kind", [("lackey.css", "text/css"), ("favicon.svg", "image/svg+xml"), *BROUGHT.items()])
def test_a_file_is_served_to_anybody_for_ever(api: Api, name: str, kind: str) -> None:
    served = get(api, url_of(name))
    assert served.status_int == 200
    assert served.content_type == kind
    assert served.headers["Cache-Control"] == FOR_EVER
    assert served.headers["X-Content-Type-Options"] == "nosniff"
    (file,) = STATIC.rglob(url_of(name).rpartition("/")[2])
    assert served.body == file.read_bytes()


@pytest.mark.parametrize("name", ["lackey.css", "uplot"])
def test_who_has_a_file_already_is_not_sent_it_again(api: Api, name: str) -> None:
    etag = get(api, url_of(name)).headers["ETag"]
    for known in (etag, f'"other", W/{etag}'):
        again = get(api, url_of(name), If_None_Match=known)
        assert (again.status_int, again.body, again.headers["ETag"]) == (304, b"", etag)
    assert get(api, url_of(name), If_None_Match='"other"').status_int == 200


def test_with_any_change_all_of_lackeys_own_have_another_address_and_those_of_others_the_same(
    api: Api, beside: Path
) -> None:
    before = {name: url_of(name) for name in ("lackey.css", beside.name, "uplot")}
    beside.write_text("main {}")
    os.utime(beside, ns=(1, 1))
    after = {name: url_of(name) for name in before}
    assert {name for name in before if before[name] != after[name]} == {"lackey.css", beside.name}
    assert get(api, after[beside.name]).text == "main {}"
    assert get(api, after[beside.name]).headers["Cache-Control"] == FOR_EVER


def test_an_edited_stylesheet_shows_at_the_next_page(api: Api, beside: Path) -> None:
    before = get(api, "/sign-in").html.find("link", rel="stylesheet", href=re.compile("lackey.css"))["href"]
    (beside.parent / "lackey.css").write_text("main { color: red }")
    after = get(api, "/sign-in").html.find("link", rel="stylesheet", href=re.compile("lackey.css"))["href"]
    assert after != before
    assert get(api, after).text == "main { color: red }"


def test_a_page_of_another_version_gets_what_there_is_but_not_to_keep(api: Api, beside: Path) -> None:
    old = url_of(beside.name)
    beside.write_text("main { color: red }")
    served = get(api, old)
    assert (served.status_int, served.text) == (200, "main { color: red }")
    assert served.headers["Cache-Control"] == "no-cache"


def test_without_what_is_of_others_lackeys_own_is_served_all_the_same(api: Api, beside: Path) -> None:
    shutil.rmtree(beside.parent / "vendor")
    assert [asset_url(name) for name in BROUGHT] == [None] * len(BROUGHT)
    assert get(api, url_of("lackey.css")).status_int == 200


def test_files_of_lackeys_own_find_each_other_by_relative_addresses() -> None:
    assert url_of("favicon.svg").rpartition("/")[0] == url_of("lackey.css").rpartition("/")[0]


@pytest.mark.parametrize(
    "path",
    [
        "lackey.css",
        "00000000/absent.css",
        "00000000/",
        "00000000/../wsgi.py",
        "00000000/%2e%2e/wsgi.py",
        "00000000//etc/passwd",
        "00000000/vendor/../lackey.css",
        "vendor/../lackey.css",
        "vendor/../../wsgi.py",
        "vendor/..%2f..%2fpackage.json",
        "vendor//etc/passwd",
        "vendor/uplot-1.6.32/",
        "vendor/%00",
        "",
    ],
)
def test_nothing_else_can_be_had(api: Api, path: str) -> None:
    served = get(api, f"/static/{path}")
    assert served.status_int == 404
    assert served.content_type == "application/problem+json"


def test_a_name_that_no_file_has_is_a_mistake_in_a_page_and_told() -> None:
    with pytest.raises(KeyError, match="lacky.css"):
        asset_url("lacky.css")
