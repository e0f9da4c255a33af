"""What lackey's pages use of others is brought by `scripts/assets`, here in a copy of the project."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.copies import ROOT, copy_project

NOWHERE = "http://127.0.0.1:9/"


class Project:
    """A copy of the project, without what has been brought so far."""

    def __init__(self, place: Path) -> None:
        self.place = place
        copy_project(place)

    def assets(self, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.place / "scripts/assets", *options],
            cwd="/",
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    @property
    def web(self) -> Path:
        return self.place / "lackey/web"

    @property
    def brought(self) -> set[str]:
        """What lies where lackey serves it."""
        vendor = self.web / "static/vendor"
        return {file.relative_to(vendor).as_posix() for file in vendor.rglob("*") if file.is_file()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def path_without_npm(tmp_path: Path) -> str:
    """A PATH with all that there is on this host but npm and Node."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for place in reversed(os.environ["PATH"].split(":")):
        for program in Path(place).glob("*"):
            if program.name not in ("npm", "npx", "node", "nodejs"):
                (directory / program.name).unlink(missing_ok=True)
                (directory / program.name).symlink_to(program)
    return str(directory)


def expected() -> set[str]:
    versions = json.loads((ROOT / "lackey/web/package.json").read_text())["dependencies"]
    pico, uplot = (versions[name] for name in ("@picocss/pico", "uplot"))
    return {
        *(f"pico-{pico}/{name}" for name in ("pico.min.css", "LICENSE")),
        *(f"uplot-{uplot}/{name}" for name in ("uPlot.iife.min.js", "uPlot.min.css", "LICENSE")),
    }


def test_just_what_the_pages_use_is_brought_with_its_licences_and_what_was_before_goes(project: Project) -> None:
    old = project.web / "static/vendor/pico-1.0.0"
    old.mkdir(parents=True)
    (old / "pico.min.css").write_text("of long ago")
    done = project.assets()
    assert done.returncode == 0, done.stderr
    assert project.brought == expected()
    for file in project.web.glob("static/vendor/*/LICENSE"):
        assert "copyright" in file.read_text().lower() or "permission" in file.read_text().lower()
    assert not (project.web / "node_modules/axe-core").exists()


def test_once_it_is_there_nothing_is_fetched_and_nothing_written(project: Project) -> None:
    assert project.assets().returncode == 0
    before = {file: file.stat().st_mtime_ns for file in project.web.rglob("*")}
    again = project.assets(npm_config_registry=NOWHERE)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert before == {file: file.stat().st_mtime_ns for file in project.web.rglob("*")}
    tests_too = project.assets("--with-tests")
    assert tests_too.returncode == 0, tests_too.stderr
    assert (project.web / "node_modules/axe-core/axe.min.js").exists()
    assert project.brought == expected()


def test_without_npm_one_is_borrowed_and_leaves_nothing_behind(
    project: Project, path_without_npm: str, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = project.assets(PATH=path_without_npm, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert "no npm here" in done.stderr
    assert project.brought == expected()
    assert not list(temporary.iterdir())


def test_where_it_can_not_be_had_the_reason_is_told_and_the_next_try_begins_anew(
    project: Project, tmp_path: Path
) -> None:
    away = {"npm_config_registry": NOWHERE, "npm_config_cache": str(tmp_path / "cache")}
    failed = project.assets(**away)
    assert failed.returncode == 1
    assert "ECONNREFUSED" in failed.stderr
    assert failed.stderr.endswith("assets: npm could not fetch them\n")
    done = project.assets()
    assert done.returncode == 0, done.stderr
    assert project.brought == expected()


def test_where_it_need_not_be_had_one_line_says_what_is_missing(project: Project, tmp_path: Path) -> None:
    away = {"npm_config_registry": NOWHERE, "npm_config_cache": str(tmp_path / "cache")}
    done = project.assets("--if-possible", **away)
    assert done.returncode == 0
    _, line = done.stderr.splitlines()
    assert re.fullmatch("the pages go without their style.*npm could not fetch them; scripts/assets .*", line)


def test_the_lock_names_one_content_for_each_package_and_the_public_registry_alone() -> None:
    lock = json.loads((ROOT / "lackey/web/package-lock.json").read_text())
    packages = {name: each for name, each in lock["packages"].items() if name}
    assert len(packages) == 3
    for each in packages.values():
        assert each["integrity"].startswith("sha512-")
        assert each["resolved"].startswith("https://registry.npmjs.org/")


def test_nothing_of_others_is_committed() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "lackey/web"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "lackey/web/package.json" in listed
    assert not re.search("vendor|node_modules|uplot|pico", listed, re.IGNORECASE)
