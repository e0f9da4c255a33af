"""Directories over HTTP: registered in any form, shown in all of them, and never off their share."""

from typing import Any

import pytest

from lackey.app import make_app
from tests.web.client import Api, fields_at_fault
from tests.web.conftest import MakeApi

HEAT = {
    "posix": "/srv/lab/heat/a b",
    "unc": r"\\fileserver\lab\heat\a b",
    "drive": r"Z:\heat\a b",
    "smb": "smb://fileserver/lab/heat/a%20b",
}
FORMS = [
    *HEAT.values(),
    "//FILESERVER/Lab/heat/a b",
    '"Z:\\heat\\a b"',
    r"\\?\UNC\fileserver\lab\heat\a b",
    "lab:heat/a b",
]
OFF_THE_SHARE = [
    *("..", "a/../..", "..\\x", "/srv/lab/..", "/srv/lab/../../etc", "Z:\\..\\x", "lab:..", r"\\fileserver\lab\..\x"),
    *("smb://fileserver/lab/%2e%2e/x", "smb://fileserver/lab/a%2F..%2F..%2Fx", "file:///srv/lab/%2E%2E"),
    *("/etc", "/srv/laboratory", "Q:\\x", "q:x", "Z:x", "C:/Windows", "none:x", "~root:x", "https://fileserver/lab/x"),
    *(r"\\other\lab\x", "//other/lab/x", r"\/other\lab/x", r"\\fileserver\other\x", r"\\?\UNC\other\lab\x"),
    *("smb://other/lab/x", "file://other/lab/x", r"\\fileserver", r"\\.\pipe\x", r"\\?\GLOBALROOT\x"),
    *("a\0b", "a\nb", "con", "lab:aux.txt", "Z:\\a.", "heat:stream", "/srv/lab/heat:$DATA", "a?"),
    *("x" * 300, "/".join(["x" * 100] * 11), "x/" * 3000),
]  # fmt: skip


def project(api: Api, **fields: Any) -> Any:
    return api.post("/api/project", {"name": "heat", **fields})


def application(api: Api, directory: str, **fields: Any) -> Any:
    given = {"project": "heat", "name": "explicit", "command": "true", "directory": directory, **fields}
    return api.post("/api/application", given)


@pytest.mark.parametrize("typed", FORMS)
def test_a_project_is_registered_in_any_form_and_shown_in_all(api: Api, typed: str) -> None:
    made = project(api, directory=typed).json
    assert (made["share"], made["directory"], made["paths"]) == ("lab", "heat/a b", HEAT)
    assert api.get("/api/project").json["items"] == [made]


def test_the_directory_tells_the_share_and_a_share_beside_it_must_be_the_same(api: Api) -> None:
    made = project(api, directory="/srv/store/Heat").json
    assert (made["share"], made["directory"]) == ("store", "Heat")
    assert made["paths"] == {"posix": "/srv/store/Heat", "unc": None, "drive": None, "smb": None}
    refused = project(api, name="flow", directory="Z:\\flow", share="store")
    assert fields_at_fault(refused) == ["share"]
    assert "store" in refused.json["detail"] and "lies on lab" in refused.json["detail"]
    assert project(api, name="flow", directory="Z:\\flow", share="lab").json["directory"] == "flow"
    assert project(api, name="wind", directory="wind", share="store").json["share"] == "store"


def test_a_project_moves_with_all_that_is_in_it_to_where_its_new_directory_lies(api: Api) -> None:
    project(api, directory="heat")
    there = f"/api/application/{application(api, 'explicit').json['id']}"
    before = api.post("/api/run", {"application": "heat/explicit"}).json
    path = "/api/project/1"
    assert api.put(path, {"directory": "warm"}).json["paths"]["posix"] == "/srv/lab/warm"
    moved = api.put(path, {"directory": "/srv/store/warm"}).json
    assert (moved["share"], moved["directory"]) == ("store", "warm")
    assert api.get(there).json["paths"]["posix"] == "/srv/store/warm/explicit"
    assert api.post("/api/run", {"application": "heat/explicit"}).json["directory"] == "store:warm/explicit"
    assert api.run(before)["paths"]["drive"] == r"Z:\heat\explicit"
    assert api.put(path, {"directory": "cold"}).json["share"] == "store", "a relative one stays on the project's share"
    assert fields_at_fault(api.put(path, {"directory": "Z:/heat", "share": "store"})) == ["share"]
    assert api.put(path, {"share": "lab"}).json["paths"]["posix"] == "/srv/lab/cold"


@pytest.mark.parametrize("typed", [*FORMS, "a b", r".\a b/"])
def test_an_application_is_registered_in_any_form_and_kept_relative_to_its_project(api: Api, typed: str) -> None:
    project(api, directory="heat")
    made = application(api, typed).json
    assert (made["directory"], made["paths"]) == ("a b", HEAT)
    path = f"/api/application/{made['id']}"
    assert api.put(path, {"directory": "c"}).json["directory"] == "c"
    assert api.put(path, {"directory": typed}).json == api.get(path).json == made
    assert made.pop("warnings") == []
    assert api.get("/api/application").json["items"] == [made]
    assert api.post("/api/run", {"application": "heat/explicit"}).json["paths"] == HEAT


@pytest.mark.parametrize(
    ("typed", "place"),
    [
        (r"\\fileserver\lab\flow", "lab:flow"),
        ("Z:\\", "lab:"),
        ("/srv/lab/heater", "lab:heater"),
        ("smb://fileserver/lab/Heat", "lab:Heat"),
        ("/srv/store/heat", "store:heat"),
    ],
)
def test_an_application_outside_of_its_project_is_refused_in_words_that_name_both(
    api: Api, typed: str, place: str
) -> None:
    project(api, directory="heat")
    refused = application(api, typed)
    assert fields_at_fault(refused) == ["directory"]
    assert f"{place} does not lie in the directory of its project, lab:heat" in refused.json["detail"]
    made = application(api, "explicit").json
    assert fields_at_fault(api.put(f"/api/application/{made['id']}", {"directory": typed})) == ["directory"]


def test_an_application_that_moves_to_another_project_lies_in_that_ones_directory(api: Api) -> None:
    project(api, directory="heat")
    project(api, name="flow", directory="/srv/store/flow")
    path = f"/api/application/{application(api, 'explicit').json['id']}"
    assert fields_at_fault(api.put(path, {"project": "flow", "directory": "Z:/heat/explicit"})) == ["directory"]
    moved = api.put(path, {"project": "flow", "directory": "/srv/store/flow/fine"}).json
    assert (moved["full_name"], moved["share"], moved["directory"]) == ("flow/explicit", "store", "fine")


@pytest.fixture(scope="module")
def settled(make_api: MakeApi) -> Api:
    """A service with a project and an application in it, both with the id 1."""
    api = make_api()
    project(api, directory="heat")
    application(api, "explicit")
    return api


@pytest.mark.parametrize("typed", OFF_THE_SHARE)
def test_nothing_off_the_share_is_registered_in_whatever_form_and_encoding(settled: Api, typed: str) -> None:
    paths = ("/api/project/1", "/api/application/1")
    before = [settled.get(path).json for path in paths]
    for asked in (
        project(settled, name="flow", directory=typed),
        project(settled, name="flow", directory=typed, share="lab"),
        application(settled, typed, name="fine"),
        *(settled.put(path, {"directory": typed}) for path in paths),
    ):
        assert fields_at_fault(asked) == ["directory"]
    assert [settled.get(path).json for path in paths] == before
    assert len(settled.get("/api/project").json["items"]) == len(settled.get("/api/application").json["items"]) == 1


def test_what_is_no_text_is_refused_before_it_is_taken_for_a_path(settled: Api) -> None:
    for typed in ("\ud800", "Z:\\heat\\\udfff"):
        assert settled.put("/api/project/1", {"directory": typed}).status_int == 400
    assert settled.put("/api/project/1", b'{"directory": "/srv/lab/\xff"}').status_int == 400


def test_a_refusal_says_which_shares_there_are_and_repeats_no_password(api: Api) -> None:
    refused = project(api, directory=r"smb://anna:secret@other/lab/x")
    known = r"lab (/srv/lab, \\fileserver\lab, Z:), store (/srv/store)"
    assert rf"\\other\lab is on none of the shares here; there are: {known}" in refused.json["detail"]
    assert "secret" not in refused.text


def test_what_lies_on_a_share_that_the_settings_have_no_more_is_shown_without_its_paths(api: Api) -> None:
    project(api, directory="heat")
    application(api, "explicit")
    run = api.post("/api/run", {"application": "heat/explicit"}).json
    settings = api.settings.model_copy(update={"share": api.settings.share[1:]})
    later = Api(make_app(settings, clock=api.clock), api.database, settings, api.clock, api.key)
    for path in ("/api/project/1", "/api/application/1", f"/api/run/{run['id']}"):
        assert later.get(path).json["paths"] is None
    assert later.put("/api/application/1", {"directory": "fine"}).json["directory"] == "fine"
    assert later.put("/api/project/1", {"directory": "/srv/store/heat"}).json["paths"]["posix"] == "/srv/store/heat"
