"""A packed mark tells what its directory told, and its ticket is taken for ever."""

import os
import threading
from pathlib import Path

import pytest

from lackey.executors.local.guard import take
from lackey.executors.local.packed import FILE, Packed
from lackey.executors.local.tickets import KeptLog, Mark
from lackey.executors.protocol import Ended, Gone, Launch, Observation, Unreadable, Void
from tests.executors.test_local import kill_guard
from tests.executors.workbench import Workbench, alive, until


def pack(tickets: Path, ticket: str) -> None:
    mark = Mark(tickets, ticket)
    Packed(tickets).add({ticket: mark.content()})
    mark.remove()
    assert not mark.path.exists()


def ended(bench: Workbench, tickets: Path) -> Launch:
    launch = bench.draft("echo >> ran; exit 3")
    bench.hand_over(launch)
    assert bench.finish(launch).exit_code == 3
    return launch


def void(bench: Workbench, tickets: Path) -> Launch:
    launch = bench.draft("echo >> ran")
    assert bench.executor.void(launch.ticket)
    return launch


def gone(bench: Workbench, tickets: Path) -> Launch:
    launch = bench.draft("echo >> ran; exec sleep 60")
    pid = bench.start(launch)
    kill_guard(tickets, launch)
    bench.executor.kill(launch.ticket, "cancelled", 0)
    until(lambda: not alive(pid))
    return launch


KINDS = {ended: Ended, void: Void, gone: Gone}


@pytest.mark.parametrize("kind", KINDS)
def test_a_packed_mark_tells_what_it_told_before_and_its_ticket_is_never_launched_again(
    local: Workbench, tickets: Path, kind: object
) -> None:
    assert callable(kind)
    launch: Launch = kind(local, tickets)
    before: Observation = local.look(launch)
    ran = len((local.application / "ran").read_text()) if (local.application / "ran").exists() else 0
    assert isinstance(before, KINDS[kind])
    pack(tickets, launch.ticket)
    assert local.look(launch) == before
    local.refuse(launch)
    assert local.look(launch) == before
    assert not take(Mark(tickets, launch.ticket), launch)
    assert local.executor.void(launch.ticket) == (kind is void)
    local.executor.kill(launch.ticket, "timed_out", 0)
    assert local.look(launch) == before
    assert os.listdir(tickets) == [FILE], "nobody has left anything"
    assert ran == (len((local.application / "ran").read_text()) if ran else 0)


@pytest.mark.parametrize("kind", [ended, void])
def test_one_who_came_too_late_and_was_killed_just_then_makes_nobody_believe_that_nothing_has_run(
    local: Workbench, tickets: Path, kind: object
) -> None:
    assert callable(kind)
    launch: Launch = kind(local, tickets)
    before = local.look(launch)
    pack(tickets, launch.ticket)
    (tickets / launch.ticket).mkdir()
    assert local.look(launch) == before
    assert local.executor.void(launch.ticket) == (kind is void)
    assert not take(Mark(tickets, launch.ticket), launch)
    assert os.listdir(tickets / launch.ticket) == []


def test_what_is_known_of_a_token_and_of_a_log_that_was_removed_is_packed_too(local: Workbench, tickets: Path) -> None:
    launch = ended(local, tickets)
    mark = Mark(tickets, launch.ticket)
    mark.add_kept_log(KeptLog("log.txt", 5))
    digest = mark.token_digest()
    pack(tickets, launch.ticket)
    assert digest is not None
    assert (mark.token_digest(), mark.kept_log()) == (digest, KeptLog("log.txt", 5))


def test_a_mark_that_was_packed_and_whose_directory_could_not_be_removed_can_be_packed_again(
    local: Workbench, tickets: Path
) -> None:
    launch = ended(local, tickets)
    before = local.look(launch)
    Packed(tickets).add({launch.ticket: Mark(tickets, launch.ticket).content()})
    assert local.look(launch) == before
    pack(tickets, launch.ticket)
    assert local.look(launch) == before


def test_while_a_mark_is_packed_nobody_can_take_its_ticket_and_everybody_sees_it(
    local: Workbench, tickets: Path
) -> None:
    for _ in range(30):
        launch = local.draft()
        assert local.executor.void(launch.ticket)
        packed, taken, looks = threading.Event(), list[bool](), list[Observation]()

        def want(launch: Launch = launch, packed: threading.Event = packed, taken: list[bool] = taken) -> None:
            while not packed.is_set():
                taken.append(take(Mark(tickets, launch.ticket), launch))

        def look(launch: Launch = launch, packed: threading.Event = packed, looks: list[Observation] = looks) -> None:
            while not packed.is_set():
                looks.extend(local.executor.observe([launch.ticket]).values())

        threads = [threading.Thread(target=each) for each in (want, look)]
        for thread in threads:
            thread.start()
        until(lambda taken=taken, looks=looks: bool(taken and looks))  # type: ignore[misc]
        pack_over(tickets, launch.ticket)
        packed.set()
        for thread in threads:
            thread.join()
        assert not any(taken)
        assert set(map(repr, looks)) == {repr(Void())}


def pack_over(tickets: Path, ticket: str) -> None:
    """Pack it though somebody may make its directory again just then."""
    mark = Mark(tickets, ticket)
    Packed(tickets).add({ticket: mark.content()})
    mark.remove()


def test_where_the_packed_marks_can_not_be_read_nothing_is_launched_or_concluded(
    local: Workbench, tickets: Path
) -> None:
    launch = local.draft("echo > ran")
    (tickets / FILE).write_bytes(b"not a database, but long enough to be taken for one" * 100)
    local.refuse(launch)
    assert isinstance(local.look(launch), Unreadable)
    with pytest.raises(OSError, match="packed marks can't be used"):
        local.executor.void(launch.ticket)
    assert not (local.application / "ran").exists()
    (tickets / FILE).unlink()
