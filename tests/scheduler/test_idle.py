"""A scheduler that has nothing to do asks little, and misses nothing for that."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, create_autospec, patch

import pytest

from lackey.domain.resources import Capacity
from lackey.domain.run import RunState
from lackey.scheduler.driver import Driver
from lackey.scheduler.host import Host
from lackey.scheduler.leading import Lead
from lackey.scheduler.loop import POLL_SECONDS, Loop
from lackey.services.schedules import changing
from lackey.store.database import Database
from tests.clock import Clock
from tests.services.lab import Lab
from tests.statements import asked_of
from tests.store.rows import add_run

_HOST = Host("i", "h1", "-1", "http://localhost", "wake", {}, None, 10.0, "/bin/sh")


@dataclass
class Watched:
    """A loop that leads, whose driver only notes what it is asked for, and the statements by which the loop reads."""

    loop: Loop
    driver: MagicMock
    news: int
    asked: list[str]

    def poll(self) -> tuple[bool, int]:
        """Wait in vain or for news, and tick: whether the driver had to work, and how many statements there were."""
        self.driver.reset_mock()
        self.asked.clear()
        self.loop.wait(0)
        self.loop.tick()
        followed = self.driver.follow.called or self.driver.follow_news.called
        return followed and self.driver.launch.called, len(self.asked)


@pytest.fixture
def watched(database: Database, clock: Clock, tmp_path: Path) -> Iterator[Watched]:
    news = os.eventfd(0, os.EFD_NONBLOCK)
    driver = create_autospec(Driver, instance=True, executor=MagicMock())
    driver.executor.fileno.return_value = news
    driver.executor.capacity.return_value = Capacity(cpus=1)
    driver.configure_mock(launches_nothing=None, kept_for=None, is_faulty=False)
    driver.share_states.return_value = {}
    driver.launch.return_value = False
    lead = create_autospec(Lead, instance=True)
    lead.take.return_value = True
    with asked_of(database) as asked:
        watched = Watched(Loop(database, _HOST, [driver], lead, clock), driver, news, asked)
        watched.loop.tick()
        yield watched
    watched.loop.close()
    os.close(news)


def test_with_nothing_to_do_it_asks_one_question_each_time(watched: Watched) -> None:
    assert [watched.poll() for _ in range(3)] == [(False, 1)] * 3


def test_it_looks_at_everything_once_there_is_something_though_nobody_has_told_it(
    watched: Watched, database: Database, clock: Clock
) -> None:
    assert watched.poll()[0] is False
    database.write(lambda connection: add_run(connection, clock(), state=RunState.QUEUED))
    assert [watched.poll()[0] for _ in range(2)] == [True, True]


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING])
def test_while_others_run_or_wait_it_looks_once_a_second(
    watched: Watched, database: Database, clock: Clock, state: RunState
) -> None:
    database.write(lambda connection: add_run(connection, clock(), state=state))
    for _ in range(2):
        assert watched.poll()[0] is True
        assert 0 < watched.loop.tick() <= POLL_SECONDS


def test_it_waits_no_longer_than_until_the_next_run_is_due(watched: Watched, database: Database, clock: Clock) -> None:
    due = clock() + timedelta(seconds=0.25)
    database.write(lambda connection: add_run(connection, clock(), state=RunState.SCHEDULED, scheduled_at=due))
    watched.loop.wait(0)
    assert 0 < watched.loop.tick() <= 0.25
    assert watched.poll()[0] is False
    clock.forward(0.25)
    assert watched.poll()[0] is True


def test_a_schedule_fires_when_its_time_has_come_though_nobody_has_told_it(
    watched: Watched, database: Database, clock: Clock
) -> None:
    lab = Lab(database, clock)
    rule: dict[str, Any] = {"application": "heat/explicit", "parameters": {}, "cron": "* * * * *", "timezone": "UTC"}
    rule |= {"overlap": "allow", "catch_up": "latest", "paused": False}
    changing.add(database, rule, "anna", clock())
    assert watched.poll() == (False, 1)
    clock.forward(59.75)
    watched.loop.wait(0)
    assert 0 < watched.loop.tick() <= 0.25
    assert lab.runs() == []
    clock.forward(0.25)
    assert watched.poll()[0] is True
    assert [run.state for run in lab.runs()] == [RunState.QUEUED]


def test_it_works_when_its_executor_has_news(watched: Watched) -> None:
    os.eventfd_write(watched.news, 1)
    assert watched.poll()[0] is True
    os.eventfd_read(watched.news)
    assert watched.poll()[0] is False


def test_where_its_executor_alone_has_news_it_looks_at_nothing_else(watched: Watched) -> None:
    with patch("lackey.scheduler.loop.POLL_SECONDS", 3600.0):
        watched.loop.reconcile_soon()
        assert watched.poll()[0] is True
        os.eventfd_write(watched.news, 1)
        assert watched.poll() == (True, 0), "beside what its driver asks for"
        assert watched.driver.follow_news.called and not watched.driver.follow.called


def test_it_looks_at_everything_while_its_executor_is_in_trouble_or_the_database_was_away(watched: Watched) -> None:
    watched.driver.is_faulty = True
    assert watched.poll()[0] is True
    watched.driver.is_faulty = False
    assert watched.poll()[0] is False
    watched.loop.reconcile_soon()
    assert [watched.poll()[0] for _ in range(2)] == [True, False]


def test_it_looks_at_everything_now_and_then_all_the_same(watched: Watched) -> None:
    with patch("lackey.scheduler.loop._THOROUGH_SECONDS", 0.0):
        watched.loop.reconcile_soon()
        assert [watched.poll()[0] for _ in range(3)] == [True] * 3
