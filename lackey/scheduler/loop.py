"""The scheduler's loop: wake, look, end, claim, launch. It never touches a share, and waits only to be woken.

A tick does all there is to do and may be done at any time. What it waits for: a datagram (somebody scheduled or
cancelled, here or, as `notices` heard, on another host; a guard has news), a pidfd (a guard has ended), the time of the
next run, a second as the safety net.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from lackey.domain.evidence import KillCause
from lackey.domain.refusals import Unavailable
from lackey.domain.run import Garbled, Run
from lackey.executors.base import Executor, NotStarted
from lackey.scheduler.follower import Follower
from lackey.scheduler.keeper import LogKeeper
from lackey.scheduler.leading import Lead
from lackey.scheduler.pauses import Pauses
from lackey.scheduler.place import Place
from lackey.scheduler.shares_watch import SharesWatch
from lackey.scheduler.troubles import said
from lackey.scheduler.watches import Watches
from lackey.services import Database, claiming, dependents, following, health, hearing, queueing
from lackey.services.claiming import Claim

log = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_RECONCILE_SECONDS = 60.0
# How often it is looked whether the clock was set back.
_CLOCK_SECONDS = 20.0


@dataclass
class _Memory:
    """What a tick leaves for the next; all of it can be lost."""

    under_way: set[str] = field(default_factory=set)
    news: set[str] = field(default_factory=set)
    pauses: Pauses[int] = field(default_factory=Pauses)
    reconcile_at: float = 0.0
    beat_at: float = 0.0
    silence_at: float = 0.0
    clock_at: float = 0.0
    looked_at: datetime | None = None
    led: bool | None = None
    faults: dict[str, str] = field(default_factory=dict)
    launches_nothing: str | None = None


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
        self._untold = dependents.Search()
        self._memory = _Memory()
        self._watches = Watches()
        self._started_at = clock()

    def listen(self, *descriptors: int) -> None:
        """Descriptors that end a wait when something can be read from them."""
        self._watches.listen(*descriptors)

    def tick(self) -> float:
        """Do what there is to do; the seconds until there may be more.

        Raises Unavailable while the database is away.
        """
        self._wait_seconds = _POLL_SECONDS
        self._step("follow runs", self._follow)
        self._step("lead", self._take_lead)
        self._step("say that it is here", self._beat)
        if self._memory.led:
            self._step("count silence", self._note_silence)
            self._step("queue what is due", self._queue_due)
            self._step("claim and launch runs", self._claim_and_launch)
        return self._wait_seconds

    def _step(self, doing: str, step: Callable[[], None]) -> None:
        """One part of a tick. A fault in it keeps no other from being done; the same one is told once."""
        try:
            step()
        except Unavailable:
            raise
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
            if self._memory.faults.get(doing) != fault:
                log.exception("this scheduler can't %s now", doing)
            self._memory.faults[doing] = fault
        else:
            if self._memory.faults.pop(doing, None):
                log.info("this scheduler can %s again", doing)

    def _take_lead(self) -> None:
        memory, leads = self._memory, False
        try:
            leads = self._lead.take()
        finally:
            if leads is not memory.led:
                log.info("this scheduler %s", "claims runs" if leads else "stands by: another one claims runs")
                memory.led = leads
                memory.beat_at = 0.0

    def _queue_due(self) -> None:
        if time.monotonic() >= self._memory.clock_at:
            self._memory.clock_at = time.monotonic() + _CLOCK_SECONDS
            queueing.put_right(self._database, self._clock())
            self._untold.look(self._database, self._clock())
        next_due = queueing.queue_due(self._database, self._clock())
        if next_due is not None:
            self._wait_seconds = min(_POLL_SECONDS, max(0.0, (next_due - self._clock()).total_seconds()))

    def wait(self, seconds: float) -> None:
        """Until something happens, `seconds` at most."""
        self._memory.news.update(self._watches.wait(seconds))

    def reconcile_soon(self) -> None:
        """Look at all tickets in the next tick."""
        self._memory.reconcile_at = 0.0

    def close(self) -> None:
        """Let go of what is held. What was launched lives on."""
        self._watches.close()
        self._lead.release()
        self._executor.close()

    def _follow(self) -> None:
        """Look at the tickets that may have news, record it, and end what has to end."""
        memory, now = self._memory, time.monotonic()
        everything = now >= memory.reconcile_at
        if everything:
            memory.reconcile_at = now + _RECONCILE_SECONDS
        runs, garbled = following.open_tickets(self._database, self._place.host, self._place.series)
        for one in garbled:
            self._follower.troubles.tell(one.run_id, str(one))
        self._follower.troubles.keep({run.id for run in runs} | {one.run_id for one in garbled})
        memory.under_way &= self._watches.tickets()
        settled = self._follower.follow([run for run in runs if everything or self._has_news(run)], memory.under_way)
        memory.news.difference_update(settled)
        for run in runs:
            if run.ticket in settled:
                self._forget(run.ticket)
                # One that was given back would be launched again at once, over and over while the trouble lasts.
                memory.pauses.begin(run.id)
            elif run.ticket is not None:
                with self._follower.troubles.contained(run, "it can't be watched"):
                    self._tend(run, run.ticket)
        open_still = [run for run in runs if run.ticket not in settled]
        claiming.note_held_up(self._database, open_still, self._shares.away())
        if settled:
            self._keeper.wake()

    def _has_news(self, run: Run) -> bool:
        """Whether its guard has ended, is not watched, or has not been seen to start its command."""
        memory = self._memory
        return run.ticket in memory.news or run.ticket not in self._watches or run.handle is None

    def _tend(self, run: Run, ticket: str) -> None:
        """Watch a ticket that is open, and end its processes where it was asked for, or their time is up."""
        with self._follower.troubles.contained(run, "it can't be ended now"):
            self._end_if_asked(run, ticket)
        if ticket not in self._watches and self._follower.sees(ticket):
            pidfd = self._executor.watch(ticket)
            if pidfd is not None:
                self._watches.add(ticket, pidfd)

    def _end_if_asked(self, run: Run, ticket: str) -> None:
        cause: KillCause | None = (
            "cancelled" if run.cancel_requested_at else "timed_out" if self._overdue(run) else None
        )
        if cause is None:
            return
        not_begun = cause == "cancelled" and run.handle is None
        if not_begun and self._follower.void(run, ticket, "cancelled before it started"):
            self._forget(ticket)
        else:
            self._executor.kill(ticket, cause, self._place.kill_grace)

    def _overdue(self, run: Run) -> bool:
        """Whether its time is up, counted from its command's own start, by a clock that nobody can set."""
        lasted = self._follower.lasted_seconds(run.ticket or "")
        return run.time_limit is not None and lasted is not None and lasted >= run.time_limit

    def _beat(self) -> None:
        memory, place, now = self._memory, self._place, self._clock()
        leads = bool(memory.led)
        if leads:
            hearing.note_look(self._database, memory.looked_at, now)
        if time.monotonic() >= memory.beat_at:
            health.beat(self._database, place.host + place.series, self._started_at, leads, now, place.slots)
            memory.beat_at = time.monotonic() + health.BEAT_EVERY.total_seconds()
        # Only now: where the heartbeat can't be written, nobody's report can.
        memory.looked_at = now if leads else None

    def _note_silence(self) -> None:
        """Once a poll, however often the loop is woken: silence is counted in seconds."""
        now = self._clock()
        if time.monotonic() >= self._memory.silence_at:
            self._memory.silence_at = time.monotonic() + _POLL_SECONDS
            following.note_silence(self._database, now)
            following.note_silent_schedulers(self._database, now, self._place.host + self._place.series)

    def _claim_and_launch(self) -> None:
        if not self._can_launch():
            return
        for claim in self._claim():
            with self._follower.troubles.contained(claim.run, "it can't be launched now"):
                self._launch(claim)

    def _claim(self) -> list[Claim]:
        """What is to be launched now. A run that can't be read is passed over, for a while, and the others are not."""
        place, pauses = self._place, self._memory.pauses
        while True:
            away, passed_over, now = self._shares.away(), pauses.still(), self._clock()
            try:
                return claiming.claim(
                    self._database,
                    place.host,
                    place.slots,
                    away,
                    passed_over,
                    now,
                    place.series,
                    self._lead.is_ours,
                    self._shares.held(),
                )
            except Garbled as one:
                pauses.begin(one.run_id)
                self._follower.troubles.tell(one.run_id, str(one))

    def _can_launch(self) -> bool:
        """Whether the executor can launch anything at all now; what waits is told why not."""
        memory = self._memory
        why = self._executor.trouble()
        if why != memory.launches_nothing:
            log.warning("nothing is launched here: %s", why) if why else log.info("runs are launched here again")
            claiming.let_all_wait(self._database, why, memory.launches_nothing)
            memory.launches_nothing = why
        return why is None

    def _launch(self, claim: Claim) -> None:
        try:
            started = self._executor.launch(self._place.launch_of(claim))
        except NotStarted as refused:
            self._follower.refuse(claim.run, claim.ticket, refused.reason)
            return
        except Exception as error:
            self._memory.pauses.begin(claim.run.id)
            log.warning("run %d could not be launched: %s", claim.run.id, said(error))
            self._follower.void(claim.run, claim.ticket, f"could not be launched: {said(error)}")
            return
        if started.pidfd is not None:
            self._memory.under_way.add(claim.ticket)
            self._watches.add(claim.ticket, started.pidfd)

    def _forget(self, ticket: str) -> None:
        self._watches.drop(ticket)
        self._memory.under_way.discard(ticket)
        self._memory.news.discard(ticket)
