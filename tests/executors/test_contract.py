"""What every executor does with a launch, as the one who wrote the command would see it."""

import json
import os
import pwd
import select
import signal
import time
from pathlib import Path

import pytest

from lackey.domain.evidence import KillCause
from lackey.executors.local.environment import language
from lackey.executors.protocol import Absent, Ended, Running, Starting, Unreadable, Void
from lackey.host_zone import time_zone
from tests.executors.workbench import DEADLINE_SECONDS, Workbench, alive, until

HOSTILE = "$(touch pwned) `touch pwned`; touch pwned & \"'\\ \n*?"


def test_a_command_that_succeeds_has_exit_code_0(bench: Workbench) -> None:
    before = time.time()
    receipt = bench.run("true")
    assert (receipt.result, receipt.exit_code, receipt.signal, receipt.killed) == ("ended", 0, None, None)
    assert receipt.started_at is not None
    assert before <= receipt.started_at <= receipt.ended_at <= time.time()
    assert receipt.duration >= 0


def test_the_receipt_says_which_attempt_at_which_run_it_is_of(bench: Workbench) -> None:
    launch = bench.draft()
    bench.hand_over(launch)
    receipt = bench.finish(launch)
    assert (receipt.ticket, receipt.run_uid, receipt.run_id) == (launch.ticket, launch.run_uid, 7)
    assert (receipt.installation, receipt.run_directory) == ("here", "heat/lackey-runs/7")


@pytest.mark.parametrize("code", [1, 3, 127, 255])
def test_an_exit_code_is_kept(bench: Workbench, code: int) -> None:
    assert bench.run(f"exit {code}").exit_code == code


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_a_signal_that_ended_the_command_is_kept(bench: Workbench, signum: signal.Signals) -> None:
    receipt = bench.run(f"ulimit -c 0; kill -{signum.value} $$")
    assert (receipt.exit_code, receipt.signal, receipt.killed) == (None, signum, None)


def test_stdout_and_stderr_stand_in_the_log_in_their_order(bench: Workbench) -> None:
    receipt = bench.run("echo one; echo two >&2; echo three; cat")
    assert bench.log(receipt) == "one\ntwo\nthree\n"


def test_the_log_can_be_followed_while_the_command_runs(bench: Workbench) -> None:
    launch = bench.draft("echo begun; sleep 60")
    bench.start(launch)
    log = bench.application / "lackey-runs" / "7" / "log.txt"
    until(lambda: log.read_text() == "begun\n")
    bench.executor.kill(launch.ticket, "cancelled", 1)


@pytest.mark.parametrize(("workdir", "place"), [("application", "heat"), ("run", "heat/lackey-runs/7")])
def test_the_command_runs_where_it_was_asked_to(bench: Workbench, workdir: str, place: str) -> None:
    assert bench.log(bench.run("pwd -P", workdir=workdir)) == f"{bench.share / place}\n"


def test_the_environment_is_what_the_contract_names_and_nothing_else(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "secret")
    launch = bench.draft("env -0", parameters={"n": "64", "Mesh": "fine"}, environment={"OMP_NUM_THREADS": "2"})
    bench.hand_over(launch)
    found = dict(line.split("=", 1) for line in bench.log(bench.finish(launch)).split("\0") if line)
    me = pwd.getpwuid(os.getuid())
    assert found.pop("PWD") == str(bench.application)  # the shell's own
    assert found == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": me.pw_dir,
        "USER": me.pw_name,
        "LANG": language(os.environ),
        "TZ": time_zone(os.environ),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": "2",
        "LACKEY_CPUS": "1",
        "LACKEY_URL": launch.url,
        "LACKEY_RUN_ID": "7",
        "LACKEY_TOKEN": launch.token,
        "LACKEY_RUN_DIR": f"{bench.application}/lackey-runs/7",
        "LACKEY_APPLICATION_DIR": str(bench.application),
        "LACKEY_PARAM_N": "64",
        "LACKEY_PARAM_MESH": "fine",
    }


def test_an_application_may_change_its_path_but_not_what_lackey_tells_the_run(bench: Workbench) -> None:
    environment = {"PATH": "/opt/solver:/bin", "LACKEY_RUN_ID": "8", "LACKEY_PARAM_N": "0"}
    receipt = bench.run('echo "$PATH $LACKEY_RUN_ID $LACKEY_PARAM_N"', environment=environment, parameters={"n": "64"})
    assert bench.log(receipt) == "/opt/solver:/bin 7 64\n"


def test_a_parameter_is_never_shell_text(bench: Workbench) -> None:
    receipt = bench.run('printf %s "${LACKEY_PARAM_N}"', parameters={"n": HOSTILE})
    assert bench.log(receipt) == HOSTILE
    assert sorted(os.listdir(bench.application)) == ["lackey-runs"]


def test_all_parameters_lie_in_a_file(bench: Workbench) -> None:
    parameters = {"n": "64", "name": "Grüße", "hostile": HOSTILE}
    receipt = bench.run('cat "$LACKEY_RUN_DIR/parameters.json"', parameters=parameters)
    assert json.loads(bench.log(receipt)) == parameters


def test_parameters_of_a_megabyte_arrive(bench: Workbench) -> None:
    parameters = {f"p{n}": "x" * 100_000 for n in range(10)}
    receipt = bench.run('cat "$LACKEY_RUN_DIR/parameters.json"', parameters=parameters)
    assert json.loads(bench.log(receipt)) == parameters


def test_a_parameter_too_long_for_the_system_is_named_as_the_reason(bench: Workbench) -> None:
    receipt = bench.run(parameters={"n": "x" * 1_000_000})
    assert receipt.result == "not_started"
    assert receipt.reason and "too long" in receipt.reason


def test_a_parameter_that_no_environment_can_hold_is_a_reason_too(bench: Workbench) -> None:
    receipt = bench.run(parameters={"n": "a\0b"})
    assert receipt.result == "not_started"
    assert receipt.reason and bench.draft().token not in receipt.reason


def test_the_command_has_no_descriptors_but_its_own(bench: Workbench) -> None:
    log = bench.log(bench.run("for f in /proc/$$/fd/*; do readlink $f; done"))
    assert log.splitlines() == ["/dev/null"] + [f"{bench.application}/lackey-runs/7/log.txt"] * 2


def test_the_command_ignores_and_blocks_no_signal(bench: Workbench) -> None:
    log = bench.log(bench.run("grep -E '^Sig(Blk|Ign)' /proc/self/status"))
    # Two are the C library's own: it has no program use them, and what posix_spawn(3) or system(3) starts ignore them.
    own = sum(1 << each - 1 for each in {32, 33} - signal.valid_signals())
    assert [int(line.split()[1], 16) & ~own for line in log.splitlines()] == [0, 0]


def test_what_a_run_costs_is_kept(bench: Workbench) -> None:
    hungry = "import time; x = bytearray(80_000_000); t = time.process_time()\nwhile time.process_time() < t + .2: pass"
    receipt = bench.run('/usr/bin/env python3 -c "$LACKEY_PARAM_CODE"', parameters={"code": hungry})
    assert receipt.exit_code == 0, bench.log(receipt)
    assert receipt.max_rss_bytes is not None and 80_000_000 < receipt.max_rss_bytes < 500_000_000
    assert receipt.cpu_seconds is not None and receipt.cpu_seconds >= 0.2


def test_a_running_command_is_seen_with_its_pid_and_its_place(bench: Workbench) -> None:
    launch = bench.draft("echo $$ > pid; exec sleep 60")
    pid = bench.start(launch)
    look = bench.look(launch)
    assert isinstance(look, Running)
    assert int(bench.told("pid").read_text()) == pid
    assert look.run_directory == "heat/lackey-runs/7"
    assert look.started_at is not None and look.started_at <= time.time()


@pytest.mark.parametrize("cause", ["cancelled", "timed_out"])
def test_a_kill_ends_the_command_and_says_why(bench: Workbench, cause: KillCause) -> None:
    launch = bench.draft("exec sleep 60")
    bench.start(launch)
    bench.executor.kill(launch.ticket, cause, launch.kill_grace)
    receipt = bench.finish(launch)
    assert (receipt.result, receipt.signal, receipt.killed) == ("ended", signal.SIGTERM, cause)


def test_a_kill_at_the_earliest_moment_is_not_forgotten(bench: Workbench) -> None:
    launch = bench.draft("exec sleep 60")
    bench.hand_over(launch)
    until(lambda: isinstance(bench.look(launch), Running))
    bench.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    assert bench.finish(launch).killed == "cancelled"


def test_the_first_cause_of_a_kill_stands(bench: Workbench) -> None:
    launch = bench.draft("trap 'sleep 0.3; exit 5' TERM; echo > ready; sleep 60 & wait")
    bench.start(launch)
    bench.told("ready")
    bench.executor.kill(launch.ticket, "timed_out", launch.kill_grace)
    bench.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    receipt = bench.finish(launch)
    assert (receipt.exit_code, receipt.killed) == (5, "timed_out")


def test_a_command_that_ignores_term_is_killed_after_its_grace_time(bench: Workbench) -> None:
    launch = bench.draft("trap '' TERM; echo > ready; while :; do sleep 0.1; done", kill_grace=0.5)
    bench.start(launch)
    bench.told("ready")
    bench.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    receipt = bench.finish(launch)
    assert (receipt.signal, receipt.killed) == (signal.SIGKILL, "cancelled")
    assert receipt.duration >= 0.5


def test_a_kill_reaches_what_has_detached_itself(bench: Workbench) -> None:
    daemon = "setsid sh -c 'setsid sleep 60 & echo $! > daemon' &"
    launch = bench.draft(f"{daemon} wait; sleep 60")
    bench.start(launch)
    pid = int(bench.told("daemon").read_text())
    assert alive(pid)
    bench.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    assert bench.finish(launch).killed == "cancelled"
    assert not alive(pid)


def test_what_the_command_leaves_behind_is_ended_and_counted(bench: Workbench) -> None:
    receipt = bench.run("setsid sleep 60 & echo $! > a; sleep 60 & echo $! > b; exit 3")
    assert (receipt.exit_code, receipt.killed, receipt.left_behind) == (3, None, 2)
    assert not any(alive(int(bench.told(name).read_text())) for name in "ab")


def test_what_is_left_behind_and_ignores_term_is_killed(bench: Workbench) -> None:
    stubborn = "trap '' TERM; echo $$ > stubborn; while :; do sleep 0.1; done"
    receipt = bench.run('sh -c "$C" & while [ ! -s stubborn ]; do :; done', environment={"C": stubborn}, kill_grace=0.3)
    assert receipt.exit_code == 0
    assert receipt.left_behind >= 1
    assert not alive(int(bench.told("stubborn").read_text()))


def test_a_kill_that_comes_after_the_end_changes_nothing(bench: Workbench) -> None:
    launch = bench.draft("exit 4")
    bench.hand_over(launch)
    receipt = bench.finish(launch)
    bench.executor.kill(launch.ticket, "cancelled", 0)
    assert bench.look(launch) == Ended(receipt)
    assert (receipt.exit_code, receipt.killed) == (4, None)


def test_there_is_news_of_a_ticket_before_and_after_it_runs_and_none_while_nothing_changes(bench: Workbench) -> None:
    launch = bench.draft("while [ ! -e stop ]; do sleep 0.05; done")
    assert bench.executor.news([launch.ticket]) == {launch.ticket}
    bench.start(launch)
    assert bench.executor.news([launch.ticket]) == set()
    assert not select.select([bench.executor], [], [], 0)[0]
    (bench.application / "stop").write_text("")
    assert select.select([bench.executor], [], [], DEADLINE_SECONDS)[0]
    assert bench.executor.news([launch.ticket]) == {launch.ticket}
    assert not select.select([bench.executor], [], [], 0)[0], "it has been told"
    assert isinstance(bench.look(launch), Ended)


def test_a_launch_that_is_under_way_is_not_taken_for_one_that_came_to_nothing(bench: Workbench) -> None:
    launch = bench.draft("while [ ! -e stop ]; do sleep 0.05; done")
    bench.hand_over(launch)
    looks = [bench.look(launch)]
    while bench.commanded(launch) is None:
        looks.append(bench.look(launch))
    assert {type(look) for look in looks} <= {Starting, Running}
    (bench.application / "stop").write_text("")


def test_many_tickets_are_observed_at_once_and_one_that_is_none_disturbs_no_other(bench: Workbench) -> None:
    ended, never = bench.draft("exit 3"), bench.draft()
    bench.hand_over(ended)
    receipt = bench.finish(ended)
    looks = bench.executor.observe(["../owner", never.ticket, ended.ticket])
    assert isinstance(looks.pop("../owner"), Unreadable)
    assert looks == {never.ticket: Absent(), ended.ticket: Ended(receipt)}


def test_a_ticket_is_launched_once(bench: Workbench) -> None:
    launch = bench.draft("echo ran >> ../count")
    bench.hand_over(launch)
    receipt = bench.finish(launch)
    bench.refuse(launch)
    assert (bench.share / "count").read_text() == "ran\n"
    assert bench.look(launch) == Ended(receipt)


def test_a_void_ticket_is_never_launched(bench: Workbench) -> None:
    launch = bench.draft("echo > ran")
    assert bench.look(launch) == Absent()
    assert bench.executor.void(launch.ticket)
    assert bench.executor.void(launch.ticket)
    bench.refuse(launch)
    assert bench.look(launch) == Void()
    assert not (bench.application / "ran").exists()


def test_a_launched_ticket_is_not_voided(bench: Workbench) -> None:
    launch = bench.draft("sleep 60")
    bench.start(launch)
    assert not bench.executor.void(launch.ticket)
    bench.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    receipt = bench.finish(launch)
    assert not bench.executor.void(launch.ticket)
    assert bench.look(launch) == Ended(receipt)


def test_a_copy_of_the_receipt_lies_with_the_run(bench: Workbench) -> None:
    bench.run("exit 3")
    copy = bench.application / "lackey-runs" / "7" / "receipt.json"
    until(lambda: copy.exists() and copy.read_text().endswith("\n"))
    assert json.loads(copy.read_text())["exit_code"] == 3


def test_a_token_is_left_nowhere(bench: Workbench, tmp_path: Path) -> None:
    launch = bench.draft("true")
    bench.hand_over(launch)
    bench.finish(launch)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 4
    assert not [path for path in files if launch.token in path.read_text()]
    assert launch.token not in repr(launch)
