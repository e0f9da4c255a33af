"""`lackey doctor` finds who could change or read what is not theirs, and who is root and should not be."""

import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lackey.cli.checks import CHECKS
from tests.cli.conftest import calls

SERVICE, SIMULATIONS = "daemon", "nobody"
Told = Callable[[], dict[str, str | None]]


@pytest.fixture
def place() -> Iterator[Path]:
    """An installation of a user's, beneath directories that are root's and that everybody may enter."""
    place = Path(tempfile.mkdtemp(prefix="lackey-test-"))
    place.chmod(0o755)
    (place / "lackey.toml").write_text(f'[executor.local]\nuser = "{SIMULATIONS}"\n')
    for directory in (place / "var", place / "var/tickets", place / "var/tickets/0123456789"):
        directory.mkdir()
    (place / "var").chmod(0o2770)
    (place / "var/lackey.sqlite3").touch(0o660)
    (place / "var/tickets/0123456789/owner").touch(0o600)
    for path in (place / "var", *place.glob("var/**/*")):
        shutil.chown(path, SERVICE, SERVICE)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def told(place: Path, monkeypatch: pytest.MonkeyPatch) -> Told:
    """What is found of rights, each with what to do about it."""
    lackey = calls(monkeypatch, place)
    monkeypatch.setattr("lackey.cli.checks.exposure.WEB_DIRECTORY", place / "run")
    # The others take their time, and find that nothing runs.
    monkeypatch.setattr("lackey.cli.checks.CHECKS", [check for check in CHECKS if check.about == "rights"])

    def told() -> dict[str, str | None]:
        findings = [each for each in json.loads(lackey("doctor", "--json").stdout) if each["about"] == "rights"]
        return {each["what"]: each["mend"] for each in findings if each["level"] == "trouble"}

    return told


def test_where_everybody_has_their_own_there_is_no_trouble(told: Told) -> None:
    assert told() == {}


def test_a_scheduler_that_is_root_in_a_directory_of_the_services_is_trouble(told: Told, place: Path) -> None:
    (place / "var/scheduler.lock").touch()
    with (place / "var/scheduler.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ((what, mend),) = told().items()
    assert "is root, and works in" in what and mend and "without a drop-in" in mend
    assert told() == {}


def test_a_data_directory_that_others_can_write_in_is_trouble(told: Told, place: Path) -> None:
    (place / "var").chmod(0o2777)
    assert f"everybody can write in {place}/var" in told()
    (place / "var").chmod(0o2770)
    shutil.chown(place / "var", group="nogroup")
    ((what, mend),) = told().items()
    assert "can write in" in what and "by the group nogroup" in what and mend == "Take nobody out of the group nogroup."


def test_simulations_of_the_services_own_user_are_trouble(told: Told, place: Path) -> None:
    (place / "lackey.toml").write_text(f'[executor.local]\nuser = "{SERVICE}"\n')
    assert f"simulations run as {SERVICE}, to whom {place}/var belongs" in told()


def test_marks_that_the_scheduler_can_not_read_are_trouble(told: Told, place: Path) -> None:
    (place / "var/tickets/0123456789/receipt").touch(0o600)
    ((what, mend),) = told().items()
    assert "are files that are not of the user" in what and mend and mend.startswith("chown -R -h ")


@pytest.mark.parametrize("end", ["", "-wal", "-writer"])
def test_a_database_that_everybody_can_read_is_trouble_where_they_can_get_to_it(
    told: Told, place: Path, end: str
) -> None:
    (place / f"var/lackey.sqlite3{end}").touch()
    (place / f"var/lackey.sqlite3{end}").chmod(0o644)
    assert told() == {}
    (place / "var").chmod(0o755)
    assert told() == {
        f"everybody can read {place}/var/lackey.sqlite3, or what belongs to it": f"chmod o= {place}/var/lackey.sqlite3*"
    }


def test_a_configuration_that_the_service_can_change_is_trouble(told: Told, place: Path) -> None:
    shutil.chown(place / "lackey.toml", SERVICE)
    assert "others than root can change lackey.toml, which says as whom simulations run" in told()


def test_a_directory_of_the_socket_that_is_not_roots_is_trouble(told: Told, place: Path) -> None:
    (place / "run").mkdir()
    assert told() == {}
    shutil.chown(place / "run", SERVICE)
    assert f"others than root can write in {place}/run, where root makes the web service's socket" in told()
