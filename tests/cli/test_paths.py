"""Directories at the command line: taken as they are typed, shown as they are typed on this machine."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lackey.cli import show
from tests.cli.conftest import Lackey
from tests.cli.desk import Service, serving

Json = Callable[..., Any]

SHARE = r"""
[[share]]
name = "lab"
path = "lab"
unc = '\\fileserver\lab'
drive = "Z:"
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without a scheduler, and with a share that Windows users have too."""
    place = tmp_path_factory.mktemp("service")
    (place / "lackey.toml").write_text(SHARE)
    with serving(place, "--no-scheduler", ready="/healthz") as started:
        yield started


def test_a_directory_goes_to_the_service_with_its_backslashes_and_comes_back_as_this_machine_has_it(
    cli: Lackey, as_json: Json, service: Service
) -> None:
    made = as_json("project", "add", "heat", "--directory", r"\\fileserver\lab\heat")
    assert (made["share"], made["directory"]) == ("lab", "heat")
    app = as_json("app", "add", "heat/explicit", "--command", "true", "--directory", r"Z:\heat\explicit")
    assert (app["share"], app["directory"]) == ("lab", "explicit")
    assert as_json("app", "edit", "heat/explicit", "--directory", r"Z:\heat\fine\x")["directory"] == "fine/x"
    run = as_json("run", "now", "heat/explicit")
    here = f"{service.directory}/lab/heat"
    assert f"directory  {here}\n" in cli("project", "show", "heat").stdout
    assert f" {here} " in cli("project", "list").stdout
    assert f" {here}/fine/x\n" in cli("app", "show", "heat/explicit").stdout
    assert f" {here}/fine/x\n" in cli("run", "show", str(run["id"])).stdout
    assert as_json("project", "edit", "heat", "--directory", r'"Z:\warm"')["directory"] == "warm"


def test_what_is_refused_says_which_shares_there_are(cli: Lackey, service: Service) -> None:
    refused = cli("project", "add", "flow", "--directory", r"\\other\lab\flow")
    assert refused.exit_code == 1
    known = rf"lab ({service.directory}/lab, \\fileserver\lab, Z:)"
    assert rf"directory: \\other\lab is on none of the shares here; there are: {known}" in refused.stderr


@pytest.mark.parametrize("command", [("project", "add"), ("project", "edit"), ("app", "add"), ("app", "edit")])
def test_the_help_says_how_a_directory_may_be_typed(cli: Lackey, command: tuple[str, str]) -> None:
    text = " ".join(cli(*command, "--help").stdout.split())
    assert all(form in text for form in (r"\\fileserver\lab\heat", "smb://fileserver", r"Z:\heat", "/srv/lab/heat"))


PATHS = {
    "posix": "/srv/lab/heat",
    "unc": r"\\fileserver\lab\heat",
    "drive": r"Z:\heat",
    "smb": "smb://fileserver/lab/heat",
}


@pytest.mark.parametrize(
    ("platform", "missing", "shown"),
    [
        ("linux", (), "/srv/lab/heat"),
        ("freebsd14", (), "/srv/lab/heat"),
        ("win32", (), r"Z:\heat"),
        ("win32", ("drive",), r"\\fileserver\lab\heat"),
        ("win32", ("drive", "unc"), "lab:heat"),
        ("darwin", (), "smb://fileserver/lab/heat"),
        ("darwin", ("smb",), "lab:heat"),
        ("linux", tuple(PATHS), "lab:heat"),
    ],
)
def test_each_machine_shows_its_own_form(platform: str, missing: tuple[str, ...], shown: str) -> None:
    assert show.directory({**PATHS, **dict.fromkeys(missing)}, "lab:heat", platform) == shown
    assert show.directory(None, "lab:heat", platform) == "lab:heat"
