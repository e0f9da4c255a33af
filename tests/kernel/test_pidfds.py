"""What is no process any more is told from what can't be told, in the words of this kernel."""

import os
import subprocess
import threading

from lackey.kernel import open_pidfd


def test_a_pid_that_a_thread_has_now_is_no_process() -> None:
    told, ends = threading.Event(), threading.Event()

    def live() -> None:
        told.set()
        ends.wait()

    thread = threading.Thread(target=live)
    thread.start()
    try:
        assert told.wait(30) and thread.native_id is not None
        assert open_pidfd(thread.native_id) is None
    finally:
        ends.set()
        thread.join()


def test_a_reaped_leader_of_a_session_that_has_members_is_no_process() -> None:
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 1000 & echo $!"], stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    with leader:
        assert leader.stdout is not None
        member = int(leader.stdout.readline())
        try:
            assert leader.wait(30) == 0 and os.getsid(member) == leader.pid
            assert open_pidfd(leader.pid) is None
        finally:
            os.kill(member, 9)
