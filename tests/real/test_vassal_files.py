"""The vassals' files: what uWSGI makes of them, and of what people get wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.real import emperor as emperors
from tests.real.deployed import environment, for_others, host


def started(file: Path) -> "subprocess.CompletedProcess[str]":
    """What uWSGI says to a file that it does not start with."""
    command = [str(Path(sys.prefix) / "bin/uwsgi"), "--xml", str(file)]
    return subprocess.run(for_others(command), cwd="/", env=environment(), capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("vassal", [emperors.WEB, emperors.SCHEDULER])
def test_a_misspelt_vacuum_is_refused_by_name(vassal: str) -> None:
    with host() as on:
        emperors.ship(on, vassal)
        file = on.alter(f"deploy/uwsgi/{vassal}.xml", {"</uwsgi>": "<vaccum>true</vaccum></uwsgi>"})
        refused = started(file)
        assert refused.returncode != 0
        assert "unknown config directive: vaccum" in refused.stderr


def test_a_vassal_whose_application_does_not_load_does_not_answer_everything_with_500() -> None:
    with host() as on:
        emperors.ship(on, emperors.WEB)
        (on.project / "lackey.toml").write_text('[sever]\nurl = "http://localhost"\n')
        file = on.project / f"deploy/uwsgi/{emperors.WEB}.xml"
        refused = started(file)
        assert refused.returncode != 0
        assert "sever: is no setting of lackey" in refused.stderr
        assert not emperors.listens(on)
