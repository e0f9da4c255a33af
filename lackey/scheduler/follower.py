"""Follows tickets: looks at them, and records what has come of each.

Safe to do at any time and by any scheduler of the host: what is concluded rests on marks and receipts, and is written
by guarded updates. See `executors.base` for what the looks mean.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime

from lackey.domain.evidence import Observed
from lackey.domain.refusals import Refusal
from lackey.domain.run import Run
from lackey.executors import base
from lackey.services import Database, launching

log = logging.getLogger(__name__)


class Follower:
    """Knows, beside what the database says, which tickets were found gone and when (monotonic seconds)."""

    def __init__(
        self, database: Database, executor: base.Executor, clock: Callable[[], datetime], second_look_seconds: float
    ) -> None:
        """`second_look_seconds`: how long a process must be gone without a receipt before its run counts as lost."""
        self._database, self._executor, self._clock = database, executor, clock
        self._second_look_seconds = second_look_seconds
        self._gone_since: dict[str, float] = {}

    def follow(self, runs: list[Run], under_way: set[str]) -> list[str]:
        """Look at the runs' tickets and record what has come of them; the tickets that are settled.

        `under_way`: tickets whose guard lives and may not have made its mark yet; that they left nothing says nothing.
        """
        settled: list[str] = []
        endings: list[launching.Ending] = []
        for run in runs:
            ticket = run.ticket or ""
            look = self._executor.look(ticket)
            if isinstance(look, base.Ended) and look.receipt.result == "ended":
                endings.append(_ending(run, look.receipt))
                settled.append(ticket)
            elif self._judge(run, ticket, look, ticket in under_way):
                settled.append(ticket)
        self._record(endings)
        for ticket in settled:
            self._gone_since.pop(ticket, None)
        return settled

    def _record(self, endings: list[launching.Ending]) -> None:
        """Record how commands ended: in one transaction, or each in its own, so that a faulty one stops no other."""
        try:
            if endings:
                launching.ended(self._database, endings, self._clock())
        except Refusal:
            raise
        except Exception:
            log.exception("%d endings could not be recorded", len(endings))
            if len(endings) > 1:
                for ending in endings:
                    self._record([ending])

    def _judge(self, run: Run, ticket: str, look: base.Look, under_way: bool) -> bool:
        """Act on a look that is no end; whether the ticket is settled by it."""
        match look:
            case base.Ended(receipt):
                return self._not_started(run, ticket, receipt)
            case base.Running(handle, _, directory, at):
                self._gone_since.pop(ticket, None)
                if at is not None and directory is not None and not run.state.is_final and run.handle != handle:
                    launching.started(self._database, ticket, handle, directory, at, self._clock())
            case base.Absent() | base.Unowned():
                return not under_way and self.void(ticket, "its launch came to nothing; it is tried again")
            case base.Void():
                launching.give_back(
                    self._database, ticket, "its launch came to nothing; it is tried again", self._clock()
                )
                return True
            case base.Gone(killed):
                return self._gone(ticket, killed)
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

    def _gone(self, ticket: str, killed: str | None) -> bool:
        since = self._gone_since.setdefault(ticket, time.monotonic())
        if killed is None and time.monotonic() - since < self._second_look_seconds:
            return False
        launching.gone(self._database, ticket, killed, self._clock())
        return True

    def _not_started(self, run: Run, ticket: str, receipt: base.Receipt) -> bool:
        """Its command never ran: again when the share is back, or taken up where it ran before, or failed."""
        if receipt.share_away:
            launching.give_back(self._database, ticket, receipt.reason or "its share is away", self._clock())
        elif receipt.ran_as and not isinstance(self._executor.look(receipt.ran_as), base.Absent | base.Void):
            launching.adopt(self._database, ticket, receipt.ran_as, self._clock())
        else:
            launching.ended(self._database, [_ending(run, receipt)], self._clock())
        return True


def _ending(run: Run, receipt: base.Receipt) -> launching.Ending:
    reason = receipt.reason
    if receipt.ran_as:
        reason = "ran already; this database is older, and what came of it is not known here"
    return launching.Ending(
        ticket=run.ticket or "",
        run_uid=receipt.run_uid,
        observed=Observed(receipt.started_at, receipt.ended_at, receipt.exit_code, receipt.signal, reason),
        killed=receipt.killed,
        max_rss_bytes=receipt.max_rss_bytes,
        cpu_seconds=receipt.cpu_seconds,
        run_directory=receipt.run_directory,
        left_behind=receipt.left_behind,
    )
