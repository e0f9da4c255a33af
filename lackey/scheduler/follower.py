"""Follows tickets: looks at them, and records what has come of each.

Safe to do at any time and by any scheduler of the host: what is concluded rests on marks and receipts, and is written
by guarded updates. See `executors.base` for what the looks mean.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from lackey.domain.receipt import Receipt
from lackey.domain.refusals import Refusal
from lackey.domain.run import Run, RunState
from lackey.executors import base
from lackey.services import Database, launching

T = TypeVar("T")

log = logging.getLogger(__name__)


class Follower:
    """Knows, beside what the database says, which tickets were found gone and when (monotonic seconds)."""

    def __init__(
        self,
        database: Database,
        executor: base.Executor,
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

    def follow(self, runs: list[Run], under_way: set[str]) -> list[str]:
        """Look at the runs' tickets and record what has come of them; the tickets that are settled.

        `under_way`: tickets whose guard lives and may not have made its mark yet; that they left nothing says nothing.
        """
        settled: list[str] = []
        endings: list[launching.Ending] = []
        begun: list[launching.Begun] = []
        for run in runs:
            ticket = run.ticket or ""
            look = self._executor.look(ticket)
            if isinstance(look, base.Ended) and look.receipt.result == "ended":
                endings.append(_ending(look.receipt))
                settled.append(ticket)
            elif isinstance(look, base.Running):
                self._gone_since.pop(ticket, None)
                begun += _begun(run, look)
            elif self._judge(run, ticket, look, ticket in under_way):
                settled.append(ticket)
        self._record(launching.started, begun)
        self._record(launching.ended, endings)
        for ticket in settled:
            self._gone_since.pop(ticket, None)
        return settled

    def _record(self, use_case: Callable[[Database, list[T], datetime], None], seen: list[T]) -> None:
        """Record what was seen: in one transaction, or each in its own, so that a faulty one stops no other."""
        try:
            if seen:
                use_case(self._database, seen, self._clock())
        except Refusal:
            raise
        except Exception:
            log.exception("of %d tickets it could not be recorded how they are", len(seen))
            if len(seen) > 1:
                for one in seen:
                    self._record(use_case, [one])

    def _judge(self, run: Run, ticket: str, look: base.Look, under_way: bool) -> bool:
        """Act on a look at a ticket of which nothing runs; whether it is settled by that."""
        match look:
            case base.Ended(receipt):
                return self._not_started(run, ticket, receipt)
            case base.Absent() | base.Unowned():
                return not under_way and self.void(ticket, "its launch came to nothing; it is tried again")
            case base.Void():
                launching.give_back(
                    self._database, ticket, "its launch came to nothing; it is tried again", self._clock()
                )
                return True
            case base.Gone(killed):
                return self._gone(run, ticket, killed)
            case base.Unreadable(why):
                log.warning("run %d: its ticket can't be read, so nothing is concluded: %s", run.id, why)
        return False

    def void(self, ticket: str, reason: str) -> bool:
        """Make sure that nothing ever runs under the ticket, and give the run back; False if something may."""
        try:
            void = self._executor.void(ticket)
        except OSError as error:
            log.warning("a ticket can't be made void now: %s", error)
            return False
        if void:
            launching.give_back(self._database, ticket, reason, self._clock())
        return void

    def _gone(self, run: Run, ticket: str, killed: str | None) -> bool:
        since = self._gone_since.setdefault(ticket, time.monotonic())
        if killed is None and time.monotonic() - since < self._second_look_seconds:
            return False
        try:
            left = self._executor.clear(ticket, self._kill_grace)
        except OSError as error:
            log.warning("run %d: its process is gone, but nothing is concluded: %s", run.id, error)
            launching.note(self._database, ticket, f"its process is gone, but {error}")
            return False
        if left is None:
            return False
        launching.gone(self._database, ticket, killed, self._clock(), left)
        return True

    def _not_started(self, run: Run, ticket: str, receipt: Receipt) -> bool:
        """Its command never ran: again when the share is back, or taken up where it ran before, or failed."""
        if receipt.share_away:
            self._hold(run.share or "", receipt.reason or "its share is away")
            launching.give_back(self._database, ticket, receipt.reason or "its share is away", self._clock())
            return True
        if receipt.ran_as:
            known = self._knows(run, receipt.ran_as)
            if known is None:
                return False
            if known and launching.adopt(self._database, ticket, receipt.ran_as, self._clock()):
                return True
        launching.ended(self._database, [_ending(receipt)], self._clock())
        return True

    def _knows(self, run: Run, earlier: str) -> bool | None:
        """Whether somebody can say what came of a ticket that the share names as this run's; None: ask later.

        The share is in reach of others, so it may name anything.
        """
        of_this_run = earlier.startswith(run.uid)
        if launching.series_of(earlier) != launching.series_of(run.ticket or ""):
            return of_this_run
        look = self._executor.look(earlier)
        if of_this_run and isinstance(look, base.Unreadable):
            return None
        return isinstance(look, base.Running | base.Ended | base.Gone)


def _begun(run: Run, look: base.Running) -> list[launching.Begun]:
    """What there is to record of a ticket that lives: nothing if that was done, or its command is not on record yet."""
    if look.started_at is None or look.run_directory is None:
        return []
    if run.state is not RunState.LOST and (run.state.is_final or run.handle == look.handle):
        return []
    return [launching.Begun(run.ticket or "", look.handle, look.run_directory, look.started_at, look.token_digest)]


def _ending(receipt: Receipt) -> launching.Ending:
    ending = launching.Ending.of(receipt)
    if not receipt.ran_as:
        return ending
    reason = "ran already; this database is older, and what came of it is not known here"
    return replace(ending, observed=replace(ending.observed, reason=reason))
