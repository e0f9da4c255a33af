"""The scheduler as a vassal: whatever happens to it or to uWSGI, simulations run on, and there is one scheduler."""

import signal
from collections.abc import Iterator

import psutil
import pytest

from tests.real import emperor as emperors
from tests.real.deployed import Host, host
from tests.real.emperor import Emperor, emperor
from tests.real.nginx import Nginx, nginx
from tests.real.simulations import SLOTS, Simulations
from tests.real.site import Site
from tests.stage import until


@pytest.fixture
def on() -> Iterator[Host]:
    with host(**SLOTS) as on:
        emperors.ship(on, emperors.WEB, emperors.SCHEDULER)
        yield on


def ready(on: Host, front: Nginx, ruling: Emperor) -> Site:
    site = Site(on, front, ruling)
    until(lambda: site.answers("/readyz"), "the service", 60)
    return site


def replaced(ruling: Emperor, killed: psutil.Process, scheduler: psutil.Process) -> psutil.Process:
    """The scheduler that has come in place of this one when this process was killed."""
    claiming = ruling.said.count("claims runs")
    killed.send_signal(signal.SIGKILL)
    ruling.until_said("claims runs", claiming + 1)
    (new,) = ruling.schedulers()
    assert new.pid != scheduler.pid
    return new


def test_simulations_outlive_a_scheduler_that_is_killed_and_a_uwsgi_that_is_killed(on: Host) -> None:
    with emperor(on) as ruling, nginx(on) as front:
        simulations = Simulations.running(ready(on, front, ruling))
        (first,) = ruling.schedulers()
        second = replaced(ruling, first, first)
        master = second.parent()
        assert master is not None and "lackey-scheduler.xml" in master.cmdline()[-1]
        replaced(ruling, master, second)
        simulations.check()


def test_simulations_outlive_the_emperor_and_no_scheduler_does(on: Host) -> None:
    with nginx(on) as front:
        with emperor(on) as ruling:
            simulations = Simulations.running(ready(on, front, ruling))
            assert len(ruling.schedulers()) == 1
            ruling.stop()
        assert ruling.schedulers() == []
        with emperor(on) as ruling:
            Simulations(ready(on, front, ruling), simulations.codes).check()
