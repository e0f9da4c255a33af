"""What root calls by hand is done as the user whose directory it is done in."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.other_user import ROOT, seen_by_all

SERVICE = "daemon"


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """One of the service's, beneath directories that are root's and that everybody may enter."""
    place = Path(tempfile.mkdtemp(prefix="lackey-test-"))
    place.chmod(0o755)
    (place / "var").mkdir(mode=0o700)
    shutil.chown(place / "var", SERVICE, SERVICE)
    yield place / "var"
    shutil.rmtree(place)


def lackey(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A call by root."""
    command = [*seen_by_all(), sys.executable, "-P", "-m", "lackey", *arguments]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "LACKEY_SERVER__DATA_DIR": str(data_dir)}
    return subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)


def test_what_root_makes_in_the_directory_of_the_service_is_the_services(data_dir: Path) -> None:
    for arguments in (("db", "upgrade"), ("key", "create", "anna", "--scope", "read")):
        done = lackey(data_dir, *arguments)
        assert done.returncode == 0, done.stderr
    made = list(data_dir.iterdir())
    assert data_dir / "lackey.sqlite3" in made
    assert {path.owner() for path in made} == {SERVICE}


def test_a_link_that_the_service_has_planted_leads_root_nowhere(data_dir: Path) -> None:
    outside = data_dir.parent / "roots"
    outside.touch(0o600)
    (data_dir / "lackey.sqlite3").symlink_to(outside)
    done = lackey(data_dir, "db", "upgrade")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert outside.read_bytes() == b""
