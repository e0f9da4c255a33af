"""Drives one executor: follows what it runs, ends what has to end, claims what it may have, and launches that.

Each executor has a driver of its own, with its own pace, pauses and faults, so that one which is slow, stuck or broken
delays no other.
"""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from lackey.domain.attempt import OpenAttempt
from lackey.domain.evidence import KillCause
from lackey.domain.policy import ShareState
from lackey.domain.refusals import Unavailable
from lackey.domain.run import Garbled
from lackey.executors.protocol import Executor, NotStarted
from lackey.scheduler.follower import Ending, Follower
from lackey.scheduler.host import Host
from lackey.scheduler.pauses import Pauses
from lackey.scheduler.shares_watch import Holds, SharesWatch
from lackey.scheduler.troubles import Faults, said
from lackey.services import Database
from lackey.services.dispatch import attempts, claiming
from lackey.services.dispatch.claiming import Claim
from lackey.services.dispatch.launching import Closing

log = logging.getLogger(__name__)

RECONCILE_SECONDS = 60.0


@dataclass
class _Memory:
    """What a tick leaves for the next; all of it can be lost."""

    pauses: Pauses[int] = field(default_factory=Pauses)
    reconcile_at: float = 0.0
    launches_nothing: str | None = None
    begun: set[str] = field(default_factory=set)
    # The tickets that were open at the last look at all of them, or were handed over since.
    open: set[str] = field(default_factory=set)
    claims: claiming.Memory = field(default_factory=claiming.Memory)


class Driver:
    """One executor at work."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        here: Host,
        shares: SharesWatch,
        holds: Holds,
        follower: Follower,
        leads: Callable[[Connection], bool],
        ended: Callable[[Collection[str]], None],
    ) -> None:
        """`leads`: whether this scheduler is to claim, asked within each claim.

        `ended` is told the shares on which runs have ended.
        """
        self._database, self.executor, self._here, self._shares = database, executor, here, shares
        self._holds, self._follower, self._leads, self._ended = holds, follower, leads, ended
        self._memory = _Memory()
        # Since `follow`: what has ended and is not recorded yet, and whether anything is settled.
        self._endings: list[Ending] = []
        self._has_ended = False
        self._faults = Faults(f" (executor {executor.name})")

    def reconcile_soon(self) -> None:
        """Look at all tickets the next time."""
        self._memory.reconcile_at = 0.0

    @property
    def launches_nothing(self) -> str | None:
        """Why the executor can't launch anything now, if it can't."""
        return self._memory.launches_nothing

    @property
    def kept_for(self) -> int | None:
        """The run for which what is free is kept."""
        return self._memory.claims.kept_for

    def share_states(self) -> dict[str, ShareState]:
        """How all shares are for this executor, by their names."""
        return self._shares.states(self._holds.held())

    @property
    def is_faulty(self) -> bool:
        """Whether something could not be done the last time."""
        return bool(self._faults)

    def hear(self) -> None:
        """Take note that the executor has news, so that its descriptor can't be read any more."""
        self._faults.contained("hear what is new", self._hear)

    def follow(self) -> None:
        """Look at the tickets that may have news, and end what has to end. Raises Unavailable.

        What has ended may be left to `launch` to record.
        """
        self._endings, self._has_ended = [], False
        self._faults.contained("follow runs", self._follow)

    def follow_news(self) -> None:
        """The same for those alone of which the executor has news: it costs nothing for each of the others."""
        self._endings, self._has_ended = [], False
        self._faults.contained("follow runs", self._follow_news)

    def launch(self, leads: bool) -> bool:
        """Record what has ended and, if this scheduler `leads`, launch what may start now; whether anything has ended.

        Raises Unavailable.
        """
        if leads:
            self._faults.contained("claim and launch runs", self._claim_and_launch)
        self._faults.contained("record what has ended", self._record_ended)
        return self._has_ended

    def _hear(self) -> None:
        self.executor.news(())

    def _follow(self) -> None:
        memory, now = self._memory, time.monotonic()
        everything = now >= memory.reconcile_at
        if everything:
            memory.reconcile_at = now + RECONCILE_SECONDS
        found, garbled = attempts.followed(self._database, self.executor.name, self._here.scheduler)
        for each in garbled:
            self._follower.troubles.tell(each.run_id, str(each))
        self._follower.troubles.keep({one.run_id for one in found} | {each.run_id for each in garbled})
        memory.open = {one.ticket for one in found}
        news = self.executor.news(memory.open) | memory.begun
        open_still = self._look_at(found, memory.open if everything else news, news)
        for attempt in open_still:
            with self._follower.troubles.contained(attempt.run_id, "it can't be ended now"):
                self._end_if_asked(attempt)
        claiming.note_held_up(self._database, open_still, self._shares.away())

    def _follow_news(self) -> None:
        memory = self._memory
        news = self.executor.news(memory.open) | memory.begun
        found, _ = attempts.followed(self._database, self.executor.name, self._here.scheduler, news)
        self._look_at(found, news, news)

    def _look_at(self, found: list[OpenAttempt], looked_at: set[str], news: set[str]) -> list[OpenAttempt]:
        """Look at some of these attempts, and record what has come of them; those that are open still."""
        # Until it is on record that a command has begun, it is looked at again: to record it may have failed.
        self._memory.begun = {one.ticket for one in found if one.handle is None and one.ticket in news}
        settled, self._endings = self._follower.follow([one for one in found if one.ticket in looked_at])
        self._settle([one for one in found if one.ticket in settled])
        for run_id in (one.run_id for one in found if one.ticket in settled):
            # One that was given back would be launched again at once, over and over while the trouble lasts.
            self._memory.pauses.begin(run_id)
        over = {*settled, *(attempt.ticket for attempt, _ in self._endings)}
        return [attempt for attempt in found if attempt.ticket not in over]

    def _settle(self, over: Sequence[OpenAttempt]) -> None:
        """Nothing of these attempts is of interest any more."""
        for attempt in over:
            self.executor.forget(attempt.ticket)
            self._memory.open.discard(attempt.ticket)
        if over:
            self._has_ended = True
            self._ended({attempt.share for attempt in over})

    def _record_ended(self) -> None:
        """Record what has ended and was not recorded with what is launched in its place."""
        endings, self._endings = self._endings, []
        self._settle_ended(self._follower.record_ended(endings))

    def _settle_ended(self, over: Sequence[OpenAttempt]) -> None:
        self._follower.forget(attempt.ticket for attempt in over)
        self._settle(over)

    def _end_if_asked(self, attempt: OpenAttempt) -> None:
        """End its processes where it was asked for, or their time is up."""
        cause: KillCause | None = (
            "cancelled" if attempt.is_to_be_cancelled else "timed_out" if self._overdue(attempt) else None
        )
        if cause is None:
            return
        not_begun = cause == "cancelled" and attempt.handle is None
        if not_begun and self._follower.void(attempt.run_id, attempt.ticket, "cancelled before it started"):
            self.executor.forget(attempt.ticket)
        else:
            self.executor.kill(attempt.ticket, cause, self._here.kill_grace)

    def _overdue(self, attempt: OpenAttempt) -> bool:
        """Whether its time is up, counted from its command's own start, by a clock that nobody can set."""
        lasted = self._follower.lasted_seconds(attempt.ticket)
        return attempt.time_limit is not None and lasted is not None and lasted >= attempt.time_limit

    def _claim_and_launch(self) -> None:
        if not self._can_launch():
            return
        endings = self._endings
        self._launch_all(self._claim(endings))
        if endings and not self._memory.claims.is_full:
            # What has ended may have made others due, that waited for it.
            self._launch_all(self._claim([]))

    def _launch_all(self, claims: list[Claim]) -> None:
        for claim in claims:
            with self._follower.troubles.contained(claim.run.id, "it can't be launched now"):
                self._launch(claim)

    def _claim(self, endings: list[Ending]) -> list[Claim]:
        """What is to be launched now; what has ended is recorded with that, or else by itself."""
        if not endings:
            return self._claim_with([])
        try:
            claims = self._claim_with([ending for _, ending in endings])
        except Unavailable:
            raise
        except Exception:
            # One of them may be at fault, which is to keep nothing from being launched.
            self._record_ended()
            return self._claim_with([])
        self._endings = []
        self._settle_ended([attempt for attempt, _ in endings])
        return claims

    def _claim_with(self, endings: list[Closing]) -> list[Claim]:
        """A run that can't be read is passed over, for a while, and the others are not."""
        pauses, executor = self._memory.pauses, self.executor
        while True:
            try:
                return claiming.claim(
                    self._database,
                    self._here.site(executor.name, executor.capacity()),
                    self._shares.away(),
                    pauses.still(),
                    self._database.clock(),
                    self._leads,
                    self._holds.held(),
                    self._memory.claims,
                    endings,
                )
            except Garbled as one:
                pauses.begin(one.run_id)
                self._follower.troubles.tell(one.run_id, str(one))

    def _can_launch(self) -> bool:
        """Whether the executor can launch anything at all now; why not, the next heartbeat tells."""
        memory, name = self._memory, self.executor.name
        why = self.executor.trouble()
        if why != memory.launches_nothing:
            if why:
                log.warning("nothing is launched here (executor %s): %s", name, why)
            else:
                log.info("runs are launched here again (executor %s)", name)
            memory.launches_nothing = why
        return why is None

    def _launch(self, claim: Claim) -> None:
        self._memory.open.add(claim.ticket)
        try:
            self.executor.launch(self._here.launch_of(claim, self.executor.capacity()))
        except NotStarted as refused:
            self._follower.refuse(claim.run.uid, claim.ticket, refused.reason)
        except Exception as error:
            self._memory.pauses.begin(claim.run.id)
            log.warning("run %d could not be launched: %s", claim.run.id, said(error))
            self._follower.void(claim.run.id, claim.ticket, f"could not be launched: {said(error)}")
