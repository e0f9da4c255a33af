"""Follows tickets: looks at them, and records what has come of each.

Safe to do at any time and by any scheduler of the host: what is concluded rests on marks and receipts, and is written
by guarded updates. See `executors.protocol` for what the observations mean.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from lackey.domain.attempt import OpenAttempt
from lackey.domain.evidence import Observed
from lackey.domain.receipt import Receipt
from lackey.domain.refusals import Unavailable
from lackey.domain.run import RunState, scheduler_of
from lackey.executors import protocol
from lackey.scheduler.troubles import Troubles, said
from lackey.services import Database
from lackey.services.dispatch import launching

T = TypeVar("T")
Ending = tuple[OpenAttempt, launching.Closing]

# So many are recorded in one transaction, so that whoever else writes is not kept waiting.
_AT_ONCE = 20
_CAME_TO_NOTHING = "its launch came to nothing; it is tried again"


class Follower:
    """Knows, beside what the database says, what it saw of tickets: since when they are gone, or their commands run.

    Both by clocks that nobody can set, in seconds: the one on the wall may be put forward while a run runs.
    """

    def __init__(
        self,
        database: Database,
        executor: protocol.Executor,
        clock: Callable[[], datetime],
        second_look_seconds: float,
        hold: Callable[[str, str], None],
        kill_grace: float,
    ) -> None:
        """`second_look_seconds`: how long a process must be gone without a receipt before its run counts as lost.

        `hold` is told of shares on which a launch came to nothing, and why. `kill_grace`: seconds from TERM to KILL.
        """
        self._kill_grace = kill_grace
        self._hold = hold
        self._database, self._executor, self._clock = database, executor, clock
        self._second_look_seconds = second_look_seconds
        self._gone_since: dict[str, float] = {}
        self._began: dict[str, float] = {}
        self.troubles = Troubles(database)

    def follow(self, attempts: list[OpenAttempt]) -> tuple[list[str], list[Ending]]:
        """Look at the tickets of attempts and record what has come of them.

        The tickets that are settled; and what has ended, as far as it may be recorded with what starts in its place:
        some, not so many that others who write would be kept waiting.
        """
        if not attempts:
            return [], []
        settled: list[str] = []
        endings: list[Ending] = []
        begun: list[tuple[OpenAttempt, launching.Begun]] = []
        looks = self._executor.observe([one.ticket for one in attempts])
        for one in attempts:
            with self.troubles.contained(one.run_id, "it can't be seen how it is"):
                look = looks[one.ticket]
                if isinstance(look, protocol.Ended) and look.receipt.result == "ended":
                    endings.append((one, _ending(look.receipt)))
                elif isinstance(look, protocol.Running):
                    self._lives(one.ticket, look)
                    begun += [(one, each) for each in _begun(one, look)]
                elif self._judge(one, look):
                    settled.append(one.ticket)
        self._record(launching.started, begun)
        settled += [one.ticket for one in self.record_ended(endings[_AT_ONCE:])]
        self.forget(settled)
        return settled, endings[:_AT_ONCE]

    def record_ended(self, endings: list[Ending]) -> list[OpenAttempt]:
        """Record what has ended, by itself; the attempts of which it was recorded."""
        return self._record(launching.ended, endings)

    def forget(self, tickets: Iterable[str]) -> None:
        """They are settled."""
        for ticket in tickets:
            self._gone_since.pop(ticket, None)
            self._began.pop(ticket, None)

    def lasted_seconds(self, ticket: str) -> float | None:
        """How long ago the ticket's command was started; None if it has not been seen yet."""
        began = self._began.get(ticket)
        return None if began is None else time.clock_gettime(time.CLOCK_BOOTTIME) - began

    def _lives(self, ticket: str, look: protocol.Running) -> None:
        self._gone_since.pop(ticket, None)
        if look.lasted_seconds is not None:
            self._began.setdefault(ticket, time.clock_gettime(time.CLOCK_BOOTTIME) - look.lasted_seconds)

    def _record(
        self, use_case: Callable[[Database, list[T], datetime], None], seen: list[tuple[OpenAttempt, T]]
    ) -> list[OpenAttempt]:
        """Record what was seen: some in one transaction, or each in its own, so that a faulty one stops no other.

        Returns the attempts of which it was recorded.
        """
        recorded: list[OpenAttempt] = []
        for first in range(0, len(seen), _AT_ONCE):
            some = seen[first : first + _AT_ONCE]
            try:
                use_case(self._database, [one for _, one in some], self._clock())
            except Unavailable:
                raise
            except Exception:
                some = [(attempt, one) for attempt, one in some if self._record_one(use_case, attempt.run_id, one)]
            recorded += [attempt for attempt, _ in some]
        return recorded

    def _record_one(self, use_case: Callable[[Database, list[T], datetime], None], run_id: int, one: T) -> bool:
        with self.troubles.contained(run_id, "it can't be recorded how it is"):
            use_case(self._database, [one], self._clock())
            return True
        return False

    def _judge(self, attempt: OpenAttempt, look: protocol.Observation) -> bool:
        """Act on a look at a ticket of which nothing runs; whether it is settled by that."""
        match look:
            case protocol.Ended(receipt):
                return self._not_started(attempt, receipt)
            case protocol.Absent() | protocol.Unowned():
                return self.void(attempt.run_id, attempt.ticket, _CAME_TO_NOTHING)
            case protocol.Void():
                launching.give_back(self._database, attempt.ticket, _CAME_TO_NOTHING, self._clock())
                return True
            case protocol.Gone(killed):
                return self._gone(attempt, killed)
            case protocol.Unreadable(why):
                self.troubles.tell(attempt.run_id, f"its ticket can't be read, so nothing is concluded: {why}")
        return False

    def void(self, run_id: int, ticket: str, reason: str) -> bool:
        """Make sure that nothing ever runs under the ticket, and give the run back; False if something may."""
        try:
            void = self._executor.void(ticket)
        except OSError as error:
            self.troubles.tell(run_id, f"its ticket can't be made void now: {said(error)}")
            return False
        if void:
            launching.give_back(self._database, ticket, reason, self._clock())
        return void

    def refuse(self, run_uid: str, ticket: str, reason: str) -> None:
        """End a run that can't be launched as it is written down, now or ever; nothing has run under the ticket."""
        if self._executor.void(ticket):
            seen = Observed(None, self._clock().timestamp(), None, None, reason)
            launching.ended(self._database, [launching.Closing(ticket, run_uid, seen)], self._clock())

    def _gone(self, attempt: OpenAttempt, killed: str | None) -> bool:
        ticket = attempt.ticket
        since = self._gone_since.setdefault(ticket, time.monotonic())
        if killed is None and time.monotonic() - since < self._second_look_seconds:
            return False
        try:
            left = self._executor.clear(ticket, self._kill_grace)
        except OSError as error:
            self.troubles.tell(attempt.run_id, f"its process is gone, but nothing is concluded: {said(error)}")
            launching.note(self._database, ticket, f"its process is gone, but {error}")
            return False
        if left is None:
            return False
        launching.gone(self._database, ticket, killed, self._clock(), left)
        return True

    def _not_started(self, attempt: OpenAttempt, receipt: Receipt) -> bool:
        """Its command never ran: again when the share is back, or taken up where it ran before, or failed."""
        if receipt.share_away:
            reason = receipt.reason or "its share is away"
            self._hold(attempt.share, reason)
            launching.give_back(self._database, attempt.ticket, reason, self._clock())
            return True
        if receipt.ran_as:
            known = self._knows(attempt, receipt.ran_as)
            if known is None:
                return False
            if known and launching.adopt(self._database, attempt.ticket, receipt.ran_as, self._clock()):
                return True
        launching.ended(self._database, [_ending(receipt)], self._clock())
        return True

    def _knows(self, attempt: OpenAttempt, earlier: str) -> bool | None:
        """Whether somebody can say what came of a ticket that the share names as this run's; None: ask later.

        The share is in reach of others, so it may name anything.
        """
        of_this_run = earlier.startswith(attempt.run_uid)
        if scheduler_of(earlier, attempt.host) != scheduler_of(attempt.ticket, attempt.host):
            return of_this_run
        look = self._executor.observe([earlier])[earlier]
        if of_this_run and isinstance(look, protocol.Unreadable):
            return None
        return isinstance(look, protocol.Running | protocol.Ended | protocol.Gone)


def _begun(attempt: OpenAttempt, look: protocol.Running) -> list[launching.Begun]:
    """What there is to record of a ticket that lives: nothing if that was done, or its command is not on record yet."""
    if look.started_at is None or look.run_directory is None:
        return []
    if attempt.state is not RunState.LOST and (attempt.state.is_final or attempt.handle == look.handle):
        return []
    return [launching.Begun(attempt.ticket, look.handle, look.run_directory, look.started_at, look.token_digest)]


def _ending(receipt: Receipt) -> launching.Closing:
    ending = launching.Closing.of(receipt)
    if not receipt.ran_as:
        return ending
    reason = "ran already; this database is older, and what came of it is not known here"
    return replace(ending, observed=replace(ending.observed, reason=reason))
