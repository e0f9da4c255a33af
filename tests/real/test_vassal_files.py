"""The vassals' files: what uWSGI makes of them, and of what people get wrong."""

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real import emperor as emperors
from tests.real.deployed import SERVICE_USER, WEB_GROUP, environment, for_others, host
from tests.real.emperor import emperor
from tests.waiting import wait_until


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


def test_what_the_service_planted_where_its_socket_is_made_changes_nothing_of_roots_and_the_directory_is_roots() -> (
    None
):
    with host() as on:
        emperors.ship(on, emperors.WEB)
        precious = on.place / "precious"
        precious.write_text("root's")
        before = precious.stat()
        # As a version had it that is older; links where root makes, opens up and touches files.
        on.run.mkdir(mode=0o750)
        shutil.chown(on.run, SERVICE_USER, WEB_GROUP)
        for name in ("lackey.sock", "lackey.reload"):
            (on.run / name).symlink_to(precious)
        with emperor(on) as ruling:
            ruling.until_said("is ready to accept requests", 1)
            ruling.chain_reload()
            ready = ruling.said.count("is ready to accept requests")
            ruling.touch(emperors.WEB)
            ruling.until_said("is ready to accept requests", ready + 1)
            wait_until(lambda: emperors.listens(on))
            after, directory, sock = precious.stat(), on.run.stat(), (on.run / "lackey.sock").lstat()
        assert after == before
        assert (directory.st_uid, directory.st_mode & 0o7777) == (0, 0o755)
        assert stat.S_ISSOCK(sock.st_mode) and stat.S_IMODE(sock.st_mode) == 0o660
        assert (on.run / "lackey.sock").owner() == SERVICE_USER and (on.run / "lackey.sock").group() == WEB_GROUP
