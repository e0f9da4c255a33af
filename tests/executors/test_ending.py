"""How a run is ended: a checkpoint is written whole, and the end on record is that of its last process."""

import signal
import time

from lackey.executors.protocol import Running
from tests.executors.workbench import Workbench, alive, until

# Says how often it is told to end, and takes its time to save what it has.
CHECKPOINT = """
import os, signal, sys, time
told = []
def save(*_):
    told.append(time.monotonic())
    if len(told) > 1:
        return
    with open("checkpoint", "w") as file:
        for n in range(20):
            print("part", n, file=file, flush=True)
            time.sleep(0.05)
    with open("told", "w") as file:
        print(len(told), file=file)
    sys.exit(7)
signal.signal(signal.SIGTERM, save)
with open("ready", "w") as file:
    print(os.getpid(), file=file)
while True:
    time.sleep(60)
"""


def test_a_checkpoint_is_written_whole_though_the_shell_around_it_ends_at_once(local: Workbench) -> None:
    local.application.joinpath("save.py").write_text(CHECKPOINT)
    launch = local.draft("python3 save.py; echo never")
    local.start(launch)
    saver = int(local.told("ready").read_text())
    local.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    told_at = time.time()
    receipt = local.finish(launch)
    assert (receipt.signal, receipt.killed, receipt.left_behind) == (signal.SIGTERM, "cancelled", 0)
    assert len((local.application / "checkpoint").read_text().splitlines()) == 20
    assert (local.application / "told").read_text() == "1\n", "it was told to end once"
    assert receipt.ended_at >= told_at + 0.9, "the end is that of the last process"
    assert abs(receipt.duration - (receipt.ended_at - (receipt.started_at or 0))) < 0.2
    assert not alive(saver)


def test_it_is_still_running_until_the_last_process_has_ended(local: Workbench) -> None:
    hold = CHECKPOINT.replace("range(20)", "iter(lambda: os.path.exists('go'), True)")
    local.application.joinpath("hold.py").write_text(hold)
    launch = local.draft("python3 hold.py; true")
    shell = local.start(launch)
    local.told("ready")
    local.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    until(lambda: not alive(shell))
    assert isinstance(local.look(launch), Running)
    (local.application / "go").touch()
    assert local.finish(launch).killed == "cancelled"


def test_what_a_handler_starts_to_save_its_state_is_not_told_to_end(local: Workbench) -> None:
    command = "trap 'sh -c \"sleep 0.6; echo whole > saved\"; exit 9' TERM; sleep 60 & echo > ready; wait"
    launch = local.draft(command)
    local.start(launch)
    local.told("ready")
    local.executor.kill(launch.ticket, "timed_out", launch.kill_grace)
    receipt = local.finish(launch)
    assert (receipt.exit_code, receipt.killed) == (9, "timed_out")
    assert (local.application / "saved").read_text() == "whole\n"


def test_what_is_left_of_a_checkpoint_after_the_grace_time_is_killed(local: Workbench) -> None:
    local.application.joinpath("save.py").write_text(CHECKPOINT.replace("sleep(0.05)", "sleep(60)"))
    launch = local.draft("python3 save.py; true", kill_grace=0.5)
    local.start(launch)
    saver = int(local.told("ready").read_text())
    local.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    receipt = local.finish(launch)
    assert (receipt.signal, receipt.killed) == (signal.SIGTERM, "cancelled"), "signal and code are the command's"
    assert 0.5 <= receipt.duration < 15.0
    assert not alive(saver)


def test_what_the_command_left_behind_is_told_to_end_once(local: Workbench) -> None:
    local.application.joinpath("save.py").write_text(CHECKPOINT)
    receipt = local.run("python3 save.py & while [ ! -s ready ]; do sleep 0.01; done")
    assert (receipt.exit_code, receipt.killed, receipt.left_behind) == (0, None, 1)
    assert (local.application / "told").read_text() == "1\n"
    assert len((local.application / "checkpoint").read_text().splitlines()) == 20


def test_all_of_a_tree_that_is_left_behind_are_counted(local: Workbench) -> None:
    receipt = local.run("setsid sh -c 'sleep 60 & sleep 60 & echo > begun; wait' & while [ ! -s begun ]; do :; done")
    assert receipt.left_behind == 3


def test_what_ends_by_itself_right_after_its_command_was_not_left_behind(local: Workbench) -> None:
    receipt = local.run('{ while [ -e "/proc/$$/exe" ]; do :; done; echo last words; } & exit 0')
    assert (receipt.exit_code, receipt.left_behind) == (0, 0)
    assert local.log(receipt) == "last words\n"
