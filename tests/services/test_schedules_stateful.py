"""Ticks, steps of the clock, pauses, other rules, two schedulers at once, in every order: no time twice, none lost."""

from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from lackey.domain import recurrence
from lackey.domain.recurrence import Reckoning, reckon
from lackey.domain.schedule import Tick
from lackey.services.runs import cancelling
from lackey.services.schedules import changing, firing, reading
from lackey.store.database import Database
from tests.clock import Clock
from tests.services.lab import Lab

CRONS = st.sampled_from(["* * * * *", "*/5 * * * *", "0 * * * *", "30 2 * * *", "0,30 1-3 * * *"])
OVERLAPS = st.sampled_from(["skip", "queue", "allow"])


class Ticking(RuleBasedStateMachine):
    """One schedule, and beside it a count of the times that it owes: those of its rule while it is not paused."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self._directory = TemporaryDirectory()
        file = Path(self._directory.name) / "lackey.sqlite3"
        copyfile(self.template, file)
        self.database = Database(f"sqlite:///{file}")
        self.lab = Lab(self.database, Clock())
        values: dict[str, Any] = {"application": "heat/explicit", "parameters": {}, "cron": "0 * * * *"}
        values |= {"timezone": "Europe/Zurich", "overlap": "skip", "catch_up": "latest", "paused": False}
        self.schedule = changing.add(self.database, values, "anna", self.lab.clock())
        self.owed = 0
        self.since = self.lab.clock()

    def teardown(self) -> None:
        self.database.close()
        self._directory.cleanup()

    @rule(minutes=st.integers(1, 400))
    def wait(self, minutes: int) -> None:
        self.lab.clock.forward(60 * minutes)

    @rule(seconds=st.integers(-90_000, 90_000))
    def step(self, seconds: int) -> None:
        self.lab.clock.forward(seconds)

    @rule()
    def fire(self) -> None:
        firing.fire(self.database, self.lab.clock())
        self._note_what_was_due()

    @rule()
    def fire_twice_at_once(self) -> None:
        """Another scheduler deals with it between this one's look and its writing."""

        def interrupted(*given: Any) -> Reckoning:
            with patch.object(firing, "reckon", reckon):
                firing.fire(self.database, self.lab.clock())
            return reckon(*given)

        with patch.object(firing, "reckon", interrupted):
            firing.fire(self.database, self.lab.clock())
        self._note_what_was_due()

    @rule()
    def fire_and_die(self) -> None:
        """It is killed before it has committed, and the next one comes."""
        with patch.object(firing.log, "info", side_effect=_Killed), suppress(_Killed):
            firing.fire(self.database, self.lab.clock())
        self.fire()

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        if paused != self.schedule.paused:
            self._change(paused=paused)
            self._count_from_now()

    @rule(cron=CRONS)
    def take_another_rule(self, cron: str) -> None:
        if cron != self.schedule.cron:
            self._change(cron=cron)
            self._count_from_now()

    @rule(overlap=OVERLAPS, catch_up=st.sampled_from(["latest", "none"]))
    def overlap(self, overlap: str, catch_up: str) -> None:
        self._change(overlap=overlap, catch_up=catch_up)

    @rule()
    def end_the_oldest(self) -> None:
        for run in self.lab.runs():
            if run.waits:
                cancelling.cancel(self.database, run.id, "anna", self.lab.clock())
                return

    @invariant()
    def no_time_is_dealt_with_twice_and_none_is_lost(self) -> None:
        spans = sorted((tick.due_at, tick.last_due_at or tick.due_at) for tick in self._history())
        assert all(last < first for (_, last), (first, _) in zip(spans, spans[1:], strict=False)), spans
        assert sum(tick.count for tick in self._history()) == self.owed

    @invariant()
    def each_run_is_of_one_time_and_each_time_that_made_one_names_it(self) -> None:
        runs = {run.id: run for run in self.lab.runs()}
        made = {tick.run_id: tick for tick in self._history() if tick.came_to in ("made", "caught_up")}
        assert runs.keys() == made.keys()
        for run_id, tick in made.items():
            assert run_id is not None and runs[run_id].scheduled_at == tick.due_at

    def _history(self) -> list[Tick]:
        return [tick for _, tick in reading.ticks(self.database, self.schedule.id, None, 10_000)]

    def _change(self, **values: Any) -> None:
        self.schedule = changing.change(self.database, self.schedule.id, values, self.lab.clock())

    def _count_from_now(self) -> None:
        covered = [tick.last_due_at or tick.due_at for tick in self._history()]
        self.since = max([self.lab.clock(), *covered])

    def _note_what_was_due(self) -> None:
        now = self.lab.clock()
        if self.schedule.paused:
            return
        due = list(takewhile(lambda at: at <= now, self.schedule.rule.firings(self.since)))
        self.owed += len(due)
        self.since = max([self.since, *due])
        assert reading.schedule(self.database, self.schedule.id).next_at == self.schedule.rule.next(self.since)


class _Killed(BaseException):
    """The process ends here."""


def test_whatever_happens_in_whatever_order_no_time_comes_twice_and_none_is_lost(sqlite_template: Path) -> None:
    machine = type("OnCopies", (Ticking,), {"template": sqlite_template})
    # All are counted, however far the clock was put forward.
    with patch.object(recurrence, "COUNTED_AT_MOST", 1_000_000):
        run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=30))
