"""The scheduler's loop: wake, look, end, claim, launch. It never touches a share, and waits only to be woken.

A tick does all there is to do and may be done at any time. What it waits for: a datagram (somebody scheduled or
cancelled, here or, as `notices` heard, on another host), an executor (a run has begun or ended), the time of the next
run, a second as the safety net. Where the executor alone has news, what it comes to is recorded, and what can start in
its place is launched; the other questions are asked when their time comes. Where nothing woke it and one question shows
that there is nothing to do, that is all it asks.

The first executor, the host's own, is driven by the loop itself, for it waits for nothing, and to hand over to another
thread would cost each run more than its launch. Each further one is driven by a thread of its own (`Aside`).
"""

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from lackey.domain.policy import ShareState
from lackey.domain.refusals import Unavailable
from lackey.scheduler.driver import Driver
from lackey.scheduler.host import Host
from lackey.scheduler.leading import Lead
from lackey.scheduler.troubles import Faults
from lackey.services import Database
from lackey.services.admin import health
from lackey.services.dispatch import attempts, hearing, queueing, share_states, silence
from lackey.services.runs import dependents
from lackey.services.schedules import firing
from lackey.services.sweeps.care import Care

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
# How often it is looked for what a scheduler of the version before has launched or closed.
_CATCH_UP_SECONDS = 60.0
# How often it is looked whether the clock was set back.
_CLOCK_SECONDS = 20.0
STUCK_SECONDS = 60.0
# At least so often all is asked for, though there seems to be nothing to do.
_THOROUGH_SECONDS = 20.0


@dataclass
class _Memory:
    """What a tick leaves for the next; all of it can be lost."""

    catch_up_at: float = 0.0
    beat_at: float = 0.0
    silence_at: float = 0.0
    thorough_at: float = 0.0
    woken: bool = True
    clock_at: float = 0.0
    looked_at: datetime | None = None
    # When schedules are looked at next (monotonic seconds), and when the first of them is to fire.
    schedules_at: float = 0.0
    fires_at: datetime | None = None
    led: bool | None = None
    kept_for: int | None = None
    launches_nothing: str | None = None
    shares: dict[str, ShareState] | None = None
    # When all is to be done again, if nothing but the executor has news before (monotonic seconds).
    all_at: float = 0.0


class Loop:
    """One scheduler at work."""

    def __init__(
        self, database: Database, here: Host, drivers: Sequence[Driver], lead: Lead, clock: Callable[[], datetime]
    ) -> None:
        """Nothing is done before `tick`. `drivers`: of the executors, the host's own first."""
        self._database, self._here, self._clock = database, here, clock
        self._own, self._lead = drivers[0], lead
        self._aside = [Aside(driver, self._leads) for driver in drivers[1:]]
        self._memory, self._faults = _Memory(), Faults()
        self._untold, self._sweeps, self._drafts = dependents.UntoldSearch(), Care(), firing.Drafts()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._own.executor, selectors.EVENT_READ)
        self._started_at = clock()

    def listen(self, *descriptors: int) -> None:
        """Descriptors that end a wait when something can be read from them; they stay their owner's."""
        for descriptor in descriptors:
            self._selector.register(descriptor, selectors.EVENT_READ)

    def start(self) -> None:
        """Begin to drive the executors that are not driven by ticks."""
        for aside in self._aside:
            aside.start()

    def tick(self) -> float:
        """Do what there is to do; the seconds until there may be more.

        Raises Unavailable while the database is away.
        """
        memory = self._memory
        if memory.led is None or time.monotonic() >= memory.all_at:
            self._all()
        else:
            self._own.follow_news()
            if self._own.launch(bool(memory.led)) and dependents.are_untold(self._database):
                memory.all_at = 0.0
        return max(0.0, memory.all_at - time.monotonic())

    def _all(self) -> None:
        memory = self._memory
        self._idle = False
        memory.all_at = 0.0  # should anything be raised
        self._faults.contained("see whether there is anything to do", self._look_for_tasks)
        if self._idle:
            self._own.hear()  # what it keeps at hand for a while, it lets go
            self._show_itself()
        else:
            self._wait_seconds = POLL_SECONDS
            self._do_all()
        memory.all_at = time.monotonic() + self._wait_seconds

    def _do_all(self) -> None:
        memory = self._memory
        memory.thorough_at = time.monotonic() + _THOROUGH_SECONDS
        self._faults.contained("catch up with the version before", self._catch_up)
        self._own.follow()
        self._show_itself()
        if memory.led:
            self._faults.contained("count silence", self._note_silence)
            self._faults.contained("fire schedules", self._fire_schedules)
            self._faults.contained("queue what is due", self._queue_due)
            self._faults.contained("look after sweeps", self._look_after_sweeps)
        if self._own.launch(bool(memory.led)) and dependents.are_untold(self._database):
            self._wait_seconds = 0.0
        known = self._own.launches_nothing, self._own.kept_for
        if memory.led and known != (memory.launches_nothing, memory.kept_for):
            memory.beat_at = 0.0
        for aside in self._aside:
            aside.wake()

    def wait(self, seconds: float) -> None:
        """Until something happens, `seconds` at most."""
        ready = {key.fileobj for key, _ in self._selector.select(seconds)}
        self._memory.woken = bool(ready)
        if self._own.executor in ready:
            self._own.hear()
        if ready != {self._own.executor}:
            self._memory.all_at = 0.0

    def reconcile_soon(self) -> None:
        """Look at all tickets in the next tick."""
        self._memory.catch_up_at = self._memory.thorough_at = self._memory.all_at = 0.0
        self._own.reconcile_soon()

    def close(self) -> None:
        """Let go of what is held. What was launched lives on."""
        self._selector.close()
        for aside in self._aside:
            aside.stop()
        self._lead.release()
        self._own.executor.close()

    def _leads(self) -> bool:
        return bool(self._memory.led)

    def _look_for_tasks(self) -> None:
        """See whether it is idle: nothing has happened and there is nothing to do, as far as one question tells."""
        memory = self._memory
        if memory.woken or self._aside or not memory.led or self._faults or self._own.is_faulty:
            return
        if memory.launches_nothing or time.monotonic() >= memory.thorough_at:
            return
        now = self._clock()
        task = queueing.next_task(self._database, now)
        self._idle = task is None or task > now
        if not self._idle:
            memory.schedules_at = 0.0  # it may be one that was made since they were looked at
        self._wait_seconds = POLL_SECONDS
        self._wait_for(task)

    def _show_itself(self) -> None:
        self._faults.contained("lead", self._take_lead)
        self._faults.contained("say that it is here", self._beat)
        self._faults.contained("say how its shares are", self._publish_shares)

    def _catch_up(self) -> None:
        if time.monotonic() >= self._memory.catch_up_at:
            attempts.catch_up(self._database, self._clock())
            self._memory.catch_up_at = time.monotonic() + _CATCH_UP_SECONDS

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
        self._wait_for(queueing.queue_due(self._database, self._clock()))

    def _look_after_sweeps(self) -> None:
        if self._sweeps.tick(self._database, self._clock()):
            self._wait_seconds = 0.0

    def _fire_schedules(self) -> None:
        """Once a poll, or when the first is to fire: however often the loop is woken, that changes nothing of it."""
        memory, now = self._memory, self._clock()
        fires = memory.fires_at is not None and memory.fires_at <= now
        if fires or time.monotonic() >= memory.schedules_at:
            memory.schedules_at = time.monotonic() + POLL_SECONDS
            memory.fires_at = firing.fire(self._database, now, self._drafts)
        self._wait_for(memory.fires_at)

    def _wait_for(self, due: datetime | None) -> None:
        if due is not None:
            self._wait_seconds = min(POLL_SECONDS, max(0.0, (due - self._clock()).total_seconds()))

    def _beat(self) -> None:
        memory, here, now = self._memory, self._here, self._clock()
        leads = bool(memory.led)
        if leads:
            hearing.note_look(self._database, memory.looked_at, now)
        if time.monotonic() >= memory.beat_at:
            name, capacity = here.host + here.series, self._own.executor.capacity()
            trouble, kept_for = self._own.launches_nothing, self._own.kept_for
            health.beat(self._database, name, self._started_at, leads, now, capacity, trouble, kept_for)
            memory.launches_nothing, memory.kept_for = trouble, kept_for
            # Told again: another database may have been put in the place of this one.
            memory.shares = None
            memory.beat_at = time.monotonic() + health.BEAT_EVERY.total_seconds()
        # Only now: where the heartbeat can't be written, nobody's report can.
        memory.looked_at = now if leads else None

    def _publish_shares(self) -> None:
        states = self._own.share_states()
        if states != self._memory.shares:
            share_states.publish(self._database, self._here.scheduler, states, self._clock())
            self._memory.shares = states

    def _note_silence(self) -> None:
        """Once a poll, however often the loop is woken: silence is counted in seconds."""
        now = self._clock()
        if time.monotonic() >= self._memory.silence_at:
            self._memory.silence_at = time.monotonic() + POLL_SECONDS
            silence.note_silence(self._database, now)
            silence.note_silent_schedulers(self._database, now, self._here.host + self._here.series)


class Aside:
    """Drives one executor in a thread of its own, which nobody waits for."""

    def __init__(self, driver: Driver, leads: Callable[[], bool]) -> None:
        """Nothing is done before `start`. `leads`: whether this scheduler claims runs now."""
        self._driver, self._leads = driver, leads
        self._ending = threading.Event()
        # Since when it is asked for something, as long as it is.
        self._began: float | None = None
        self._woken, self._waker = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self._woken, self._waker):
            end.setblocking(False)

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._drive, name=f"executor-{self._driver.executor.name}", daemon=True).start()

    def wake(self) -> None:
        """There may be something to do. Never waits."""
        began = self._began
        if began is not None and time.monotonic() - began > STUCK_SECONDS:
            log.warning("executor %s has not answered for %g s", self._driver.executor.name, STUCK_SECONDS)
            self._began = None  # that is told once
        with suppress(BlockingIOError):
            self._waker.send(b"")

    def stop(self) -> None:
        """Do no more. Does not wait for the executor, which may be stuck."""
        self._ending.set()
        self.wake()

    def _drive(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._driver.executor, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._ending.is_set():
                self._began = time.monotonic()
                try:
                    self._tick()
                except Unavailable as error:
                    log.warning("%s; trying again", error)
                    self._driver.reconcile_soon()
                    self._ending.wait(1.0)
                self._began = None
                self._wait(selector)
        self._driver.executor.close()

    def _wait(self, selector: selectors.BaseSelector) -> None:
        """Until something happens; an executor that does not work is asked again after a while, whatever it has."""
        if self._driver.is_faulty:
            self._ending.wait(POLL_SECONDS)
        if any(key.fileobj is self._driver.executor for key, _ in selector.select(POLL_SECONDS)):
            self._driver.hear()
        with suppress(BlockingIOError):
            while True:
                self._woken.recv(1)

    def _tick(self) -> None:
        self._driver.follow()
        self._driver.launch(self._leads())
