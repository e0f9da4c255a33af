"""A wheel of lackey has all that it needs, and in an empty environment it serves and launches."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
import requests
from packaging.requirements import Requirement

from scripts.check_structure import find_imports
from tests.cli.desk import DEADLINE_SECONDS, free_port, wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--no-input"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of a copy of the project, since what is built leaves something behind."""
    project = tmp_path_factory.mktemp("copy") / "project"
    made_by_use = shutil.ignore_patterns(".*", "__pycache__", "node_modules", "*.egg-info", "build", "dist", "var")
    shutil.copytree(ROOT, project, ignore=made_by_use)
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    subprocess.run([*PIP, "wheel", *offline, "--wheel-dir", project / "dist", project], check=True)
    (built,) = (project / "dist").iterdir()
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with this wheel and with what it says that it needs, and nothing else."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place], check=True)
    python = str(place / "bin" / "python")
    subprocess.run([*PIP, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True)
    (packages,) = (place / "lib").glob("*/site-packages")
    (installed,) = Distribution.discover(name="lackey", path=[str(packages)])
    for needed in {each.name: each for each in needs(installed, "")}.values():
        for name in {file.parts[0] for file in needed.files or () if file.parts[0] != ".."}:
            if not (packages / name).exists():
                (packages / name).symlink_to(str(needed.locate_file(name)))
    return place


def needs(of: Distribution, extra: str) -> Iterator[Distribution]:
    """What a distribution needs, and what that needs, as they are installed for the tests."""
    for requirement in map(Requirement, of.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            found = distribution(requirement.name)
            assert requirement.specifier.contains(found.version)
            yield found
            for more in ("", *requirement.extras):
                yield from needs(found, more)


def test_all_that_lies_in_the_package_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (file for file in (ROOT / "lackey").rglob("*") if file.is_file())
    ignored = {"__pycache__", "node_modules"}
    assert shipped == {file.relative_to(ROOT).as_posix() for file in files if not ignored.intersection(file.parts)}
    assert "lackey/examples/epidemic/epidemic.sh" in shipped
    folders = {name.rpartition("/")[0] for name in shipped if name.startswith("lackey/web/static/vendor/")}
    assert len(folders) == 2, "scripts/assets brings them"
    assert all(f"{folder}/LICENSE" in shipped for folder in folders)


def test_all_that_the_code_imports_is_there_once_the_wheel_is_installed(environment: Path) -> None:
    files = [file for file in (ROOT / "lackey").rglob("*.py") if "node_modules" not in file.parts]
    imports = (each for file in files for each in find_imports(ast.parse(file.read_text()), "lackey"))
    packages = sorted({each.module.split(".")[0] for each in imports})
    missing = "import importlib.util, sys; print([name for name in sys.argv[1:] if not importlib.util.find_spec(name)])"
    python = [str(environment / "bin" / "python"), "-P", "-c", missing]
    assert subprocess.run([*python, *packages], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_installed_from_the_wheel_it_serves_and_an_example_runs(environment: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LACKEY_", "PYTHON"))}
    command, url = str(environment / "bin" / "lackey"), f"http://127.0.0.1:{free_port()}"

    def call(*arguments: str) -> str:
        done = subprocess.run([*arguments], cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = "import lackey.examples, sys; print(*lackey.examples.__path__, *sys.path, sep='\\n')"
    examples, *looked_in = call(str(environment / "bin" / "python"), "-c", where).splitlines()
    assert Path(examples).is_relative_to(environment)
    assert not any(str(ROOT / "lackey") in place or place == str(ROOT) for place in looked_in)
    with (tmp_path / "serve.log").open("wb") as log:
        service = subprocess.Popen(
            [command, "serve", "--port", url.rpartition(":")[2]], cwd=tmp_path, env=kept, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: service.poll() is not None or is_ready(url), "the service")
        assert service.poll() is None, (tmp_path / "serve.log").read_text()
        shutil.copytree(examples, tmp_path / "var" / "share" / "examples")
        register(url, (tmp_path / "var" / "admin.key").read_text().strip(), Path(examples) / "examples.json")
        assert "infected at once" in call(command, "run", "now", "examples/epidemic", "-p", "days=20", "--follow")
        (run,) = json.loads(call(command, "run", "list", "--json"))
        assert (run["state"], run["exit_code"], run["launched"]) == ("succeeded", 0, True)
    finally:
        service.terminate()
        assert service.wait(DEADLINE_SECONDS) == 0


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def register(url: str, key: str, catalogue: Path) -> None:
    """Make the examples known."""
    examples = json.loads(catalogue.read_text())
    given = [("project", examples["project"])]
    given += [("application", {"project": "examples", **each}) for each in examples["applications"]]
    for noun, fields in given:
        headers = {"Authorization": f"Bearer {key}"}
        assert requests.post(f"{url}/api/{noun}", json=fields, headers=headers, timeout=30).ok
