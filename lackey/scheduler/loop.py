"""The scheduler's loop: wake, look, end, claim, launch. It never touches a share, and waits only to be woken.

A tick does all there is to do and may be done at any time. What it waits for: a datagram (somebody scheduled or
cancelled, here or, as `notices` heard, on another host; a guard has news), a pidfd (a guard has ended), the time of the
next run, a second as the safety net.
"""

import logging
import os
import selectors
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from lackey.domain.evidence import KillCause
from lackey.domain.run import Run
from lackey.executors.base import Executor
from lackey.scheduler.follower import Follower
from lackey.scheduler.keeper import LogKeeper
from lackey.scheduler.leading import Lead
from lackey.scheduler.pauses import Pauses
from lackey.scheduler.place import Place
from lackey.scheduler.shares_watch import SharesWatch
from lackey.services import Database, claiming, following, health, queueing

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_RECONCILE_SECONDS = 60.0


@dataclass
class _Memory:
    """What a tick leaves for the next; all of it can be lost."""

    watched: dict[str, int] = field(default_factory=dict)
    under_way: set[str] = field(default_factory=set)
    news: set[str] = field(default_factory=set)
    deadlines: dict[str, float] = field(default_factory=dict)
    pauses: Pauses[int] = field(default_factory=Pauses)
    reconcile_at: float = 0.0
    beat_at: float = 0.0
    silence_at: float = 0.0
    led: bool | None = None


class Loop:
    """One scheduler at work."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        place: Place,
        watch: SharesWatch,
        keeper: LogKeeper,
        follower: Follower,
        clock: Callable[[], datetime],
    ) -> None:
        """Nothing is done before `tick`."""
        self._database, self._executor, self._place = database, executor, place
        self._shares, self._keeper, self._follower, self._clock = watch, keeper, follower, clock
        self._lead = Lead(database)
        self._memory = _Memory()
        self._selector = selectors.DefaultSelector()
        self._started_at = clock()

    def listen(self, *descriptors: int) -> None:
        """Descriptors that end a wait when something can be read from them."""
        for descriptor in descriptors:
            self._selector.register(descriptor, selectors.EVENT_READ, None)

    def tick(self) -> float:
        """Do what there is to do; the seconds until there may be more.

        Raises Unavailable while the database is away.
        """
        self._follow()
        leads = self._lead.take()
        if leads is not self._memory.led:
            log.info("this scheduler %s", "claims runs" if leads else "stands by: another one claims runs")
            self._memory.led = leads
            self._memory.beat_at = 0.0
        self._beat(leads)
        wait = _POLL_SECONDS
        if leads:
            now = self._clock()
            self._note_silence(now)
            next_due = queueing.queue_due(self._database, now)
            self._claim_and_launch()
            if next_due is not None:
                wait = min(wait, max(0.0, (next_due - self._clock()).total_seconds()))
        return wait

    def wait(self, seconds: float) -> None:
        """Until something happens, `seconds` at most."""
        for key, _ in self._selector.select(seconds):
            if key.data is not None:
                self._unwatch(key.data)
                self._memory.news.add(key.data)

    def reconcile_soon(self) -> None:
        """Look at all tickets in the next tick."""
        self._memory.reconcile_at = 0.0

    def close(self) -> None:
        """Let go of what is held. What was launched lives on."""
        for ticket in list(self._memory.watched):
            self._unwatch(ticket)
        self._lead.release()
        self._executor.close()

    def _follow(self) -> None:
        """Look at the tickets that may have news, record it, and end what has to end."""
        memory, now = self._memory, time.monotonic()
        everything = now >= memory.reconcile_at
        if everything:
            memory.reconcile_at = now + _RECONCILE_SECONDS
        runs = following.open_tickets(self._database, self._place.host, self._place.series)
        memory.under_way &= memory.watched.keys()
        settled = self._follower.follow([run for run in runs if everything or self._has_news(run)], memory.under_way)
        memory.news.difference_update(settled)
        for run in runs:
            if run.ticket in settled:
                self._forget(run.ticket)
                # One that was given back would be launched again at once, over and over while the trouble lasts.
                memory.pauses.begin(run.id)
            elif run.ticket is not None:
                self._tend(run, run.ticket)
        open_still = [run for run in runs if run.ticket not in settled]
        claiming.note_held_up(self._database, open_still, self._shares.away())
        if settled:
            self._keeper.wake()

    def _has_news(self, run: Run) -> bool:
        """Whether its guard has ended, is not watched, or has not been seen to start its command."""
        memory = self._memory
        return run.ticket in memory.news or run.ticket not in memory.watched or run.handle is None

    def _tend(self, run: Run, ticket: str) -> None:
        """Watch a ticket that is open, and end its processes where it was asked for, or their time is up."""
        if ticket not in self._memory.watched:
            pidfd = self._executor.watch(ticket)
            if pidfd is not None:
                self._watch(ticket, pidfd)
        cause: KillCause | None = (
            "cancelled" if run.cancel_requested_at else "timed_out" if self._overdue(run) else None
        )
        if cause is None:
            return
        if cause == "cancelled" and run.handle is None and self._follower.void(ticket, "cancelled before it started"):
            self._forget(ticket)
            return
        try:
            self._executor.kill(ticket, cause, self._place.kill_grace)
        except OSError as error:
            log.warning("run %d can't be ended now: %s", run.id, error)

    def _overdue(self, run: Run) -> bool:
        """Whether its time is up, by a clock that nobody can set from the moment it was first seen running."""
        if run.time_limit is None or run.ticket is None or "observed_start" not in run.evidence:
            return False
        deadlines = self._memory.deadlines
        if run.ticket not in deadlines:
            # By this host's clock, as its guard's.
            lasted = max(0.0, time.time() - run.evidence["observed_start"])
            deadlines[run.ticket] = time.monotonic() + run.time_limit - lasted
        return time.monotonic() >= deadlines[run.ticket]

    def _beat(self, leads: bool) -> None:
        if time.monotonic() >= self._memory.beat_at:
            place = self._place
            name = place.host + place.series
            health.beat(self._database, name, self._started_at, leads, self._clock(), place.slots)
            self._memory.beat_at = time.monotonic() + health.BEAT_EVERY.total_seconds()

    def _note_silence(self, now: datetime) -> None:
        """Once a poll, however often the loop is woken: silence is counted in seconds."""
        if time.monotonic() >= self._memory.silence_at:
            self._memory.silence_at = time.monotonic() + _POLL_SECONDS
            following.note_silence(self._database, now)
            following.note_silent_schedulers(self._database, now)

    def _claim_and_launch(self) -> None:
        memory, place, away = self._memory, self._place, self._shares.away()
        passed_over = memory.pauses.still()
        claims = claiming.claim(
            self._database,
            place.host,
            place.slots,
            away,
            passed_over,
            self._clock(),
            place.series,
            self._lead.is_ours,
            self._shares.held(),
        )
        for claim in claims:
            try:
                started = self._executor.launch(place.launch_of(claim))
            except OSError as error:
                log.warning("run %d could not be launched: %s", claim.run.id, error)
                memory.pauses.begin(claim.run.id)
                self._follower.void(claim.ticket, f"could not be launched: {error}")
                continue
            if started.pidfd is not None:
                memory.under_way.add(claim.ticket)
                self._watch(claim.ticket, started.pidfd)

    def _watch(self, ticket: str, pidfd: int) -> None:
        self._memory.watched[ticket] = pidfd
        self._selector.register(pidfd, selectors.EVENT_READ, ticket)

    def _unwatch(self, ticket: str) -> None:
        pidfd = self._memory.watched.pop(ticket, None)
        if pidfd is not None:
            self._selector.unregister(pidfd)
            os.close(pidfd)

    def _forget(self, ticket: str) -> None:
        self._unwatch(ticket)
        self._memory.under_way.discard(ticket)
        self._memory.news.discard(ticket)
        self._memory.deadlines.pop(ticket, None)
