"""Between the fork of a guard and its receipt nothing is imported: the library may be gone by then."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.domain.resources import Capacity
from tests.executors.sealed import SealedExecutor
from tests.executors.test_guard import WAIT_FOR_STOP, Disk, Service, disk, end_on_full_disk, service
from tests.executors.workbench import Workbench, until

__all__ = ["disk", "service"]


@pytest.fixture
def local(data_dir: Path, share: Path) -> Iterator[Workbench]:
    """The executor for this host, whose guards can import nothing."""
    executor = SealedExecutor(data_dir, Capacity(cpus=2))
    bench = Workbench(executor, share)
    yield bench
    bench.tidy()
    executor.close()
    assert not (share / "missed").exists(), (share / "missed").read_text()


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        ("exit 3", (3, None, 0)),
        ("kill -SEGV $$", (None, 11, 0)),
        ("setsid sleep 60 & sleep 60 & exit 4", (4, None, 2)),
        ("echo > ../log; exit 5", (5, None, 0)),
    ],
)
@pytest.mark.parametrize("user", [None, "root"])
def test_however_a_command_ends_it_is_told(
    local: Workbench, command: str, seen: tuple[int | None, int | None, int], user: str | None
) -> None:
    receipt = local.run(command, user=user, kill_grace=0.2)
    assert (receipt.exit_code, receipt.signal, receipt.left_behind) == seen


@pytest.mark.parametrize("changes", [{"directory": "nowhere"}, {"parameters": {"n": "a\0b"}}, {"user": "no-such-user"}])
def test_why_a_command_was_not_started_is_told(local: Workbench, changes: dict[str, object]) -> None:
    assert local.run(**changes).result == "not_started"  # type: ignore[arg-type]


@pytest.mark.parametrize("command", ["sleep 60", "trap '' TERM; while :; do sleep 0.1; done"])
def test_what_is_cancelled_is_told(local: Workbench, command: str) -> None:
    launch = local.draft(command, kill_grace=0.3)
    local.start(launch)
    local.executor.kill(launch.ticket, "cancelled", launch.kill_grace)
    assert local.finish(launch).killed == "cancelled"


@pytest.mark.parametrize("end", ["exit 3", "kill -KILL $$", "setsid sleep 60 & exit 3"])
@pytest.mark.parametrize("answer", [200, 404])
def test_what_the_disk_won_t_take_is_told_to_the_service(
    disk: Disk, local: Workbench, service: Service, end: str, answer: int
) -> None:
    service.answers = [answer, 200]
    service.url = service.url.replace("127.0.0.1", "localhost")
    launch = end_on_full_disk(disk, local, service, end)
    until(lambda: len(service.told) == (1 if answer == 200 else 2))
    disk.free()
    assert local.finish(launch).ticket == launch.ticket
    assert WAIT_FOR_STOP in launch.command
    assert len(service.told) == (1 if answer == 200 else 2)
