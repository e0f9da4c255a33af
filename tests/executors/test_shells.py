"""The shell that runs a command: the executor's, or the application's own, with its profile."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from lackey.executors.protocol import Launch, NotStarted
from tests.executors.workbench import Workbench

LOGIN = "/bin/bash -l"
MODULE = 'module() { export LOADED="$2"; export PATH="$HOME/opt/$2:$PATH"; }\n'
CONDA = 'conda() { export CONDA_DEFAULT_ENV="$2" PATH="$HOME/envs/$2/bin:$PATH"; }\n'


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The home of the user that simulations run as, without a profile yet."""
    place = tmp_path / "home"
    place.mkdir()
    return place


def at_home(home: Path) -> dict[str, dict[str, str]]:
    return {"environment": {"HOME": str(home)}}


def program(path: Path, says: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho {says}\n")
    path.chmod(0o755)


def test_a_command_for_bash_runs_in_bash(bench: Workbench) -> None:
    receipt = bench.run("[[ lackey == l* ]] && echo ${BASH_VERSION:+bash} &> said; cat said", shell="/bin/bash")
    assert (receipt.exit_code, bench.log(receipt)) == (0, "bash\n")


def test_without_one_it_is_sh(bench: Workbench) -> None:
    assert bench.log(bench.run('echo "$0 ${BASH_VERSION:-no bash}"')) == "/bin/sh no bash\n"


@pytest.mark.parametrize("profile", [".bash_profile", ".profile"])
def test_a_login_shell_knows_modules(bench: Workbench, home: Path, profile: str) -> None:
    (home / profile).write_text(MODULE)
    program(home / "opt" / "openfoam" / "solver", "solved")
    receipt = bench.run("module load openfoam && solver && echo $LOADED", shell=LOGIN, **at_home(home))
    assert (receipt.exit_code, bench.log(receipt)) == (0, "solved\nopenfoam\n")


def test_without_a_login_shell_modules_are_not_found(bench: Workbench, home: Path) -> None:
    (home / ".profile").write_text(MODULE)
    receipt = bench.run("module load openfoam && solver", **at_home(home))
    assert (receipt.exit_code, bench.log(receipt)) == (127, "/bin/sh: 1: module: not found\n")


def test_an_environment_of_conda_is_activated(bench: Workbench, home: Path) -> None:
    (home / ".bash_profile").write_text(CONDA)
    program(home / "envs" / "fem" / "bin" / "mesh", "meshed")
    receipt = bench.run("conda activate fem; mesh; echo $CONDA_DEFAULT_ENV", shell=LOGIN, **at_home(home))
    assert bench.log(receipt) == "meshed\nfem\n"


def test_a_profile_may_print_and_fail_and_what_lackey_tells_the_run_is_still_there(
    bench: Workbench, home: Path
) -> None:
    (home / ".bash_profile").write_text("echo welcome; false; PATH=/usr/bin:/bin; no-such-command 2>/dev/null\n")
    command = 'echo "$LACKEY_RUN_ID $LACKEY_PARAM_N $PATH"; cd "$LACKEY_RUN_DIR" && ls log.txt'
    receipt = bench.run(command, shell=LOGIN, parameters={"n": "64"}, **at_home(home))
    assert (receipt.exit_code, bench.log(receipt)) == (0, "welcome\n7 64 /usr/bin:/bin\nlog.txt\n")


def test_a_profile_that_ends_the_shell_ends_the_run_with_its_exit_code(bench: Workbench, home: Path) -> None:
    (home / ".bash_profile").write_text("exit 3\n")
    assert bench.run("true", shell=LOGIN, **at_home(home)).exit_code == 3


def test_a_path_with_blanks_is_quoted(bench: Workbench, home: Path) -> None:
    (home / "my shell").symlink_to("/bin/bash")
    assert bench.log(bench.run("echo $0", shell=f"'{home}/my shell' -e")) == f"{home}/my shell\n"


@pytest.mark.parametrize(
    ("shell", "why"),
    [
        ("/opt/no-such/bash -l", "the shell '/opt/no-such/bash -l' does not exist"),
        ("/etc/passwd", "the shell '/etc/passwd' is closed to the user that simulations run as"),
        ("/etc", "the shell '/etc' is closed to the user that simulations run as"),
    ],
)
def test_a_shell_that_can_not_be_had_here_is_named(bench: Workbench, shell: str, why: str) -> None:
    receipt = bench.run("echo > ran", shell=shell)
    assert (receipt.result, receipt.share_away, receipt.reason) == ("not_started", False, why)
    assert not (bench.application / "ran").exists()


@pytest.mark.parametrize("shell", ["", "bash", "sh -c", "/bin/sh '", "/bin/\0sh", None, 7])
def test_nothing_is_run_by_what_is_no_shell(bench: Workbench, shell: object) -> None:
    with pytest.raises(NotStarted, match="makes no sense: shell"):
        bench.run("echo > ran", shell=shell)


def test_a_launch_of_a_scheduler_that_knows_no_shells_is_run_by_sh(bench: Workbench) -> None:
    sent = asdict(bench.draft('echo "$0"'))
    del sent["shell"]
    launch = Launch(**json.loads(json.dumps(sent)))
    bench.hand_over(launch)
    assert bench.log(bench.finish(launch)) == "/bin/sh\n"


def test_the_run_directory_tells_by_what_the_command_was_run(bench: Workbench) -> None:
    bench.run(shell=LOGIN)
    told = json.loads((bench.application / "lackey-runs" / "7" / "run.json").read_text())
    assert told["shell"] == LOGIN
