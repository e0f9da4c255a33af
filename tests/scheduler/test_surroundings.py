"""What a launched simulation finds around itself, and what it does not."""

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lackey.domain.run import RunState
from lackey.executors.local.environment import language
from lackey.host_zone import time_zone
from lackey.services.runs import listing
from lackey.services.runs.queries import Search
from tests.nursery import Nursery
from tests.stage import Stage, until

SECRETS = {"LACKEY_KEY": "top-secret-key", "SMTP_PASSWORD": "top-secret-password"}


@pytest.fixture
def discreet(nursery: Nursery, tmp_path: Path) -> Iterator[Stage]:
    """An installation whose scheduler has secrets in its environment."""
    stage = Stage(nursery, tmp_path)
    url = f"sqlite:///{stage.database_file}"
    stage.start_scheduler(**SECRETS, LACKEY_DATABASE__URL=url, LACKEY_SERVER__URL="https://lackey.example")
    yield stage
    stage.close()


def test_the_environment_holds_what_the_run_needs_and_nothing_of_the_service_s(discreet: Stage) -> None:
    application = discreet.add(
        "heat", "env -0", parameters=[{"name": "n", "default": "64"}], environment={"OMP_NUM_THREADS": "2"}
    )
    run = discreet.until_ended(discreet.schedule(application))
    found = dict(line.split("=", 1) for line in discreet.log(run).split("\0") if line)
    me = pwd.getpwuid(os.getuid())
    assert len(found.pop("LACKEY_TOKEN")) == 36
    assert found == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": me.pw_dir,
        "USER": me.pw_name,
        "LANG": language(os.environ),
        "TZ": time_zone(os.environ),
        "PYTHONUNBUFFERED": "1",
        "PWD": str(discreet.place / "lab/heat"),  # the shell's own
        "OMP_NUM_THREADS": "2",
        "LACKEY_CPUS": "1",
        "LACKEY_URL": "https://lackey.example",
        "LACKEY_RUN_ID": str(run.id),
        "LACKEY_RUN_DIR": str(discreet.run_directory(run)),
        "LACKEY_APPLICATION_DIR": str(discreet.place / "lab/heat"),
        "LACKEY_PARAM_N": "64",
    }


def test_the_shell_is_that_of_the_executor_or_the_application_s_own(nursery: Nursery, tmp_path: Path) -> None:
    stage = Stage(nursery, tmp_path, shell="/bin/bash -e")
    stage.start_scheduler()
    try:
        usual = stage.until_ended(stage.schedule(stage.add("heat", 'echo "$0 $-"')))
        own = stage.until_ended(stage.schedule(stage.add("cool", 'echo "$0"', shell="/bin/sh")))
        assert (stage.log(usual), usual.shell) == ("/bin/bash ehBc\n", None)
        assert (stage.log(own), own.shell) == ("/bin/sh\n", "/bin/sh")
    finally:
        stage.close()


def test_a_run_whose_application_and_runs_lie_behind_links_is_seen(stage: Stage) -> None:
    (stage.place / "lab/2026").mkdir(parents=True)
    (stage.place / "lab/scratch").mkdir()
    (stage.place / "lab/latest").symlink_to("2026")
    (stage.place / "lab/2026/lackey-runs").symlink_to("../scratch")
    # In two pieces, for words are looked for in commands too.
    application = stage.add("heat", "echo commen''cement", directory="latest")
    run_id = stage.schedule(application)
    stage.until_ended(run_id)
    until(lambda: stage.get(run_id).log_kept, "its log")
    run = stage.get(run_id)
    assert (run.state, run.file_size) == (RunState.SUCCEEDED, len("commencement\n"))
    assert run.run_directory == f"latest/lackey-runs/{run_id}"
    assert [each.id for each in listing.page(stage.database, Search(words="commencement"), None, 10).runs] == [run_id]


def test_nothing_of_the_service_s_can_be_seen_in_the_processes_above_a_run(discreet: Stage) -> None:
    application = discreet.add("heat", "echo > ready; exec sleep 60")
    run_id = discreet.schedule(application)
    discreet.told(application, "ready")
    guard = psutil.Process(discreet.owner(discreet.until_running(run_id)).pid)
    launcher = guard.parent()
    assert launcher is not None and "lackey.executors.local.launcher" in launcher.cmdline()
    command = psutil.Process(discreet.owner(discreet.get(run_id)).command.command_pid)  # type: ignore[union-attr]
    for process in (guard, launcher, command):
        shown = f"{process.environ()} {process.cmdline()}"
        assert "secret" not in shown and "sqlite" not in shown and "LACKEY_DATABASE__URL" not in shown
    assert "LACKEY_TOKEN" not in guard.environ()


def test_the_descriptors_of_the_service_are_closed_to_a_run(stage: Stage) -> None:
    run = stage.until_ended(stage.schedule(stage.add("heat", "for f in /proc/$$/fd/*; do readlink $f; done")))
    assert stage.log(run).splitlines() == ["/dev/null"] + [f"{stage.run_directory(run)}/log.txt"] * 2


@pytest.fixture
def shared(nursery: Nursery) -> Iterator[Stage]:
    """An installation that runs simulations as another user, to whom the application's directory belongs."""
    place = Path(tempfile.mkdtemp(prefix="lackey-test-"))
    place.chmod(0o755)
    stage = Stage(nursery, place, user="nobody")
    stage.start_scheduler()
    yield stage
    stage.close()
    shutil.rmtree(place)


def test_simulations_run_as_the_user_that_is_set_and_can_not_read_the_service_s_files(shared: Stage) -> None:
    application = shared.add("heat", f"id -un; echo > made; ls {shared.data_dir} || echo denied")
    shutil.chown(shared.place / "lab/heat", "nobody")
    run = shared.until_ended(shared.schedule(application))
    assert run.state is RunState.SUCCEEDED
    lines = shared.log(run).splitlines()
    assert (lines[0], lines[-1]) == ("nobody", "denied")
    for made in (shared.place / "lab/heat/made", shared.run_directory(run), shared.run_directory(run) / "log.txt"):
        assert made.owner() == "nobody"


def test_the_log_of_a_run_of_that_user_is_read_and_kept(shared: Stage) -> None:
    # In two pieces, for words are looked for in commands too.
    application = shared.add("heat", "echo commen''cement; chmod 600 $LACKEY_RUN_DIR/log.txt")
    shutil.chown(shared.place / "lab/heat", "nobody")
    run_id = shared.schedule(application)
    shared.until_ended(run_id)
    until(lambda: shared.get(run_id).log_kept, "its log")
    found = listing.page(shared.database, Search(words="commencement"), None, 10).runs
    assert [run.id for run in found] == [run_id]


def test_a_run_in_a_directory_that_is_closed_to_that_user_fails_with_the_reason(shared: Stage) -> None:
    run = shared.until_ended(shared.schedule(shared.add("heat", "echo > ran")))
    assert run.state is RunState.FAILED
    assert run.reason and "is closed to the user that simulations run as" in run.reason
    assert not (shared.place / "lab/heat/ran").exists()


def test_a_run_of_that_user_is_cancelled_too(shared: Stage) -> None:
    application = shared.add("heat", "setsid sleep 60 & echo > ready; sleep 60")
    shutil.chown(shared.place / "lab/heat", "nobody")
    run_id = shared.schedule(application)
    shared.told(application, "ready")
    shared.cancel(run_id)
    assert shared.until_ended(run_id).state is RunState.CANCELLED
