"""A small model of what becomes of runs, and a machine that does everything to them in every order.

The model knows nothing of how lackey works. Whoever drives it says through which door it goes (`Door`).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from lackey.domain.evidence import Observed
from lackey.domain.policy import AwayShares
from lackey.domain.resources import Capacity
from lackey.domain.run import Run
from lackey.services.dispatch import claiming, launching, queueing, silence
from lackey.services.dispatch.claiming import Claim, Site
from lackey.services.dispatch.launching import Begun, Closing
from lackey.store.database import Database
from tests.store.rows import all_runs, open_tickets

SLOTS = 3
GRACE_SECONDS = 50.0
# What a scheduler may be silent for before its runs are lost is less than this.
LONG_SECONDS = 200.0
HOSTS = ("h1", "h2")
WANTS = ("succeeded", "ended", "failed")
BAD = ("failed", "timed_out", "lost")


@dataclass
class Modelled:
    """What a run has gone through. `told` and `seen` are exit codes, reported and observed; "?" stands for a signal.

    `place`: the run in whose place it stands, or itself. `in_vain`: what it waited for does not come any more;
    `withdrawn`: the run that it was to repeat is back.
    """

    launched: bool
    executor: str
    place: int = 0
    parent: int | None = None
    is_retry: bool = False
    retries: int = 0
    after: dict[int, str] = field(default_factory=dict)
    due_at: datetime | None = None
    is_due: bool = False
    held: bool = False
    heard: bool = False
    silent: str | None = None
    given_up: bool = False
    ended: bool = False
    told: int | None = None
    seen: int | str | None = None
    killed: str | None = None
    in_vain: bool = False
    withdrawn: bool = False
    asked_to_cancel: bool = False
    has_ticket: bool = False
    claim: Claim | None = None
    host: str = ""

    @property
    def outcome(self) -> tuple[str, int | None, str | None]:
        """State, exit code and the source of the outcome."""
        code = self.seen if isinstance(self.seen, int) else None
        killed = self.killed or ("cancelled" if self.in_vain or self.withdrawn else None)
        if killed:
            return killed, self.told if self.seen is None else code, "observed"
        if self.told is not None:
            return _by(self.told), self.told, "reported"
        if self.seen is not None:
            return _by(self.seen), code, "observed"
        if self.ended:
            return "succeeded", 0, "reported"
        if self.silent:
            return self.silent, None, "inferred"
        return "running" if self.heard else "queued" if self.launched and self.is_due else "scheduled", None, None

    @property
    def state(self) -> str:
        """The state alone."""
        return self.outcome[0]

    @property
    def is_final(self) -> bool:
        """Whether it has ended, as far as is known."""
        return self.state not in ("scheduled", "queued", "running")

    @property
    def waits(self) -> bool:
        """Whether nobody has begun to launch it, and nothing was heard from it."""
        return self.state in ("scheduled", "queued") and not self.has_ticket

    @property
    def is_silent(self) -> bool:
        """Whether nobody knows that it has ended."""
        guessed = self.outcome[2] == "inferred"
        return guessed and not self.given_up and (not self.has_ticket or self.claim is not None)

    @property
    def is_to_be_retried(self) -> bool:
        """Whether it has ended in a way that is worth another try."""
        wanted = self.launched and self.retries > 0 and not self.asked_to_cancel
        return wanted and self.state in BAD and not self.is_silent

    @property
    def decided(self) -> str | None:
        """What it has come to, if that is settled."""
        may_live = self.claim is not None and not self.given_up and self.is_to_be_retried
        return None if not self.is_final or self.is_silent or may_live else self.state

    def hear(self) -> None:
        """A sign of life: whatever silence meant, it was wrong. What it waited for is nothing to it any more."""
        self.heard, self.silent = True, None
        if self.in_vain:
            self.killed, self.in_vain = "cancelled", False

    def learn(self) -> None:
        """Something is known of it now: unless that is silence again, nobody has given it up."""
        self.given_up = self.given_up and self.outcome[2] == "inferred"


def _by(code: int | str) -> str:
    return "succeeded" if code == 0 else "failed"


class Door(Protocol):
    """How the machine speaks to lackey. Each returns what a user would see."""

    database: Database
    executors: tuple[str, ...]

    def forward(self, seconds: float) -> datetime:
        """Let time pass."""

    def schedule(self, launch: bool, after: dict[int, str], retries: int, executor: str) -> int:
        """A new run's id. It waits for others to come to what is said of each."""

    def start(self, run_id: int) -> None:
        """Its start is reported."""

    def progress(self, run_id: int) -> None:
        """Progress is reported."""

    def stop(self, run_id: int, code: int | None) -> bool:
        """Its end is reported; whether that was accepted."""

    def cancel(self, run_id: int) -> bool:
        """Somebody cancels it; whether that was accepted."""

    def give_up(self, run_id: int) -> bool:
        """Somebody takes it for gone; whether that was accepted."""

    def hold(self, run_id: int, hold: bool) -> bool:
        """Somebody holds or releases it; whether that was accepted."""

    def rerun(self, run_id: int, dependents: bool) -> int | None:
        """The id of the run that does it again; None if that was refused."""

    def outcomes(self) -> dict[int, tuple[str, int | None, str | None]]:
        """State, exit code and source of the outcome of each run, as shown."""


class Machine(RuleBasedStateMachine):
    """Simulations that report, two schedulers and a process table, and people who cancel, hold and do again."""

    ids = Bundle("ids")

    def __init__(self, door: Door) -> None:
        super().__init__()
        self.door = door
        self.known: dict[int, Modelled] = {}
        self.were: dict[int, str | None] = {}
        self.configured = True
        self.now = door.forward(0)

    @rule(target=ids, data=st.data(), launch=st.booleans(), retries=st.sampled_from([0, 0, 1, 2]))
    def schedule(self, data: Any, launch: bool, retries: int) -> int:
        after = {}
        if self.known and data.draw(st.booleans()):
            awaited = data.draw(st.lists(st.sampled_from(sorted(self.known)), min_size=1, max_size=3, unique=True))
            after = {run_id: data.draw(st.sampled_from(WANTS)) for run_id in awaited}
        executor = data.draw(st.sampled_from(self.door.executors))
        return self.schedule_one(launch, after, retries if launch else 0, executor)

    def schedule_one(self, launch: bool, after: dict[int, str], retries: int, executor: str) -> int:
        run_id = self.door.schedule(launch, after, retries, executor)
        self.known[run_id] = Modelled(launch, executor, run_id, retries=retries, after=after, due_at=self.now)
        self.draw_conclusions(new=run_id)
        return run_id

    @rule(target=ids, data=st.data(), begins=st.booleans(), retries=st.sampled_from([0, 1, 2]))
    def launch(self, data: Any, begins: bool, retries: int) -> int:
        """A run that is under way at once, where there is a slot."""
        executor = data.draw(st.sampled_from(self.door.executors))
        run_id = self.schedule_one(True, {}, retries, executor)
        self.claim_all(HOSTS[0], executor)
        if begins and self.known[run_id].claim:
            self.begin_one(self.known[run_id])
        return run_id

    @rule(run_id=ids)
    def report_start(self, run_id: int) -> None:
        self.forward(1)
        self.door.start(run_id)
        self.heard_from(run_id)

    @rule(run_id=ids)
    def report_progress(self, run_id: int) -> None:
        self.forward(1)
        self.door.progress(run_id)
        self.heard_from(run_id)

    def heard_from(self, run_id: int) -> None:
        self.known[run_id].hear()
        self.known[run_id].learn()
        self.draw_conclusions()

    @rule(run_id=ids, code=st.sampled_from([None, 0, 3]))
    def report_stop(self, run_id: int, code: int | None) -> None:
        self.forward(1)
        run = self.known[run_id]
        contradicts = code is not None and run.told not in (None, code)
        assert self.door.stop(run_id, code) is not contradicts
        if not contradicts:
            run.hear()
            run.ended = run.ended or code is None
            run.told = run.told if code is None else code
            run.learn()
            self.draw_conclusions()

    @rule(run_id=ids)
    def cancel(self, run_id: int) -> None:
        run = self.known[run_id]
        refused = run.claim is None and run.is_final and not run.asked_to_cancel
        assert self.door.cancel(run_id) is not refused
        if refused:
            return
        run.asked_to_cancel = True
        if run.claim is None:
            run.killed = run.killed or (None if run.is_final else "cancelled")
        self.draw_conclusions()

    @rule(run_id=ids)
    def give_up(self, run_id: int) -> None:
        run = self.known[run_id]
        accepted = run.given_up or (run.is_final and run.decided is None)
        assert self.door.give_up(run_id) is accepted
        run.given_up = accepted
        self.draw_conclusions()

    @rule(run_id=ids, hold=st.booleans())
    def hold(self, run_id: int, hold: bool) -> None:
        run = self.known[run_id]
        accepted = self.door.hold(run_id, hold)
        assert accepted is run.waits
        run.held = hold if accepted else run.held

    @rule(target=ids, run_id=ids, dependents=st.booleans())
    def do_again(self, run_id: int, dependents: bool) -> int:
        run = self.known[run_id]
        refused = dependents and (not run.is_final or self.decision(run_id) == "succeeded")
        again = self.door.rerun(run_id, dependents)
        assert (again is None) is refused
        if again is None:
            return run_id
        retries = self.known[run.place].retries if run.is_retry else run.retries
        place = run.place if dependents else again
        self.known[again] = Modelled(run.launched, run.executor, place, run_id, retries=retries, due_at=self.now)
        self.draw_conclusions(new=again)
        return again

    @rule(configured=st.booleans())
    def configure(self, configured: bool) -> None:
        """The scheduler is started anew, with the share of all runs in its configuration or without it."""
        self.configured = configured

    @rule(data=st.data(), host=st.sampled_from(HOSTS))
    def claim(self, data: Any, host: str) -> None:
        self.claim_all(host, data.draw(st.sampled_from(self.door.executors)))

    def claim_all(self, host: str, executor: str) -> None:
        """Each executor has slots of its own on each host."""
        self.forward(1)
        away = AwayShares(("another",), {}) if not self.configured else {}
        its = {run_id: run for run_id, run in self.known.items() if run.executor == executor}
        mine = [run for run in its.values() if run.claim and run.host == host]
        holding = [run for run in mine if run.state != "lost" and self.configured]
        waiting = {
            run_id
            for run_id, run in its.items()
            if run.state == "queued" and not run.claim and not run.held and not run.asked_to_cancel
        }
        claims = claiming.claim(self.door.database, Site(host, "", Capacity(SLOTS), executor), away, (), self.now)
        free = max(0, SLOTS - len(holding)) if self.configured else 0
        started = [claim.run.id for claim in claims]
        assert len(set(started)) == len(started) == min(free, len(waiting)) and waiting.issuperset(started)
        for claim in claims:
            run = self.known[claim.run.id]
            run.claim, run.has_ticket, run.host = claim, True, host

    @rule(seconds=st.sampled_from([1, 30]))
    def queue(self, seconds: int) -> None:
        """The scheduler queues what is due."""
        self.forward(seconds)
        queueing.queue_due(self.door.database, self.now)
        for run in self.known.values():
            if run.waits and run.launched and not self.unmet(run) and run.due_at is not None:
                run.is_due = run.is_due or run.due_at <= self.now

    def open(self) -> list[int]:
        """The runs whose ticket is open."""
        return [run_id for run_id, run in self.known.items() if run.claim]

    @precondition(lambda machine: bool(machine.open()))
    @rule(data=st.data())
    def begin(self, data: Any) -> None:
        self.begin_one(self._pick(data)[0])

    def begin_one(self, run: Modelled) -> None:
        assert run.claim is not None
        self.forward(1)
        launching.started(self.door.database, [Begun(run.claim.ticket, "1", "there", self.now.timestamp())], self.now)
        self.heard_from(run.claim.run.id)

    @precondition(lambda machine: bool(machine.open()))
    @rule(data=st.data(), code=st.sampled_from([0, 3, "?"]), killed=st.sampled_from([None, "cancelled", "timed_out"]))
    def end(self, data: Any, code: int | str, killed: str | None) -> None:
        run, claim = self._pick(data)
        self.forward(1)
        exit_code, signal = (None, 9) if isinstance(code, str) else (code, None)
        seen = Observed(self.now.timestamp() - 1, self.now.timestamp(), exit_code, signal)
        ending = Closing(claim.ticket, claim.run.uid, seen, killed)
        for _ in range(2):
            launching.ended(self.door.database, [ending], self.now)
        run.seen, run.killed, run.claim = code, run.killed or killed, None
        run.learn()
        self.draw_conclusions()

    @precondition(lambda machine: bool(machine.open()))
    @rule(data=st.data(), killed=st.sampled_from([None, "cancelled", "timed_out"]))
    def vanish(self, data: Any, killed: str | None) -> None:
        run, claim = self._pick(data)
        launching.gone(self.door.database, claim.ticket, killed, self.forward(1))
        run.silent = run.silent if killed else "lost"
        run.killed, run.claim = run.killed or killed, None
        run.learn()
        self.draw_conclusions()

    @precondition(lambda machine: bool(machine.open()))
    @rule(data=st.data())
    def give_back(self, data: Any) -> None:
        run, claim = self._pick(data)
        launching.give_back(self.door.database, claim.ticket, "its share is away", self.forward(1))
        run.claim = None
        run.has_ticket = run.state == "lost" and not run.asked_to_cancel
        if run.asked_to_cancel:
            run.killed = run.killed or "cancelled"
        if run.waits and run.is_retry and run.parent is not None:
            first = self.known[run.parent]
            run.withdrawn = first.decided is None or not first.is_to_be_retried
        run.learn()
        self.draw_conclusions()

    @rule(host=st.sampled_from(HOSTS))
    def fall_silent(self, host: str) -> None:
        """One scheduler is not heard from for long, and the other one notices. It is back whenever it does anything."""
        (other,) = (each for each in HOSTS if each != host)
        silence.note_silent_schedulers(self.door.database, self.forward(LONG_SECONDS), other)
        for run in self.known.values():
            if run.claim and run.host == host and not run.is_final:
                run.silent = "lost"
        self.draw_conclusions()

    @rule()
    def quiet(self) -> None:
        silence.note_silence(self.door.database, self.forward(2 * GRACE_SECONDS))
        for run in self.known.values():
            unstarted = run.state == "scheduled" and not run.launched and not self.unmet(run)
            if unstarted or (run.state == "running" and not run.claim):
                run.silent = "lost"
        self.draw_conclusions()

    def forward(self, seconds: float) -> datetime:
        self.now = self.door.forward(seconds)
        return self.now

    def draw_conclusions(self, new: int | None = None) -> None:
        """What follows from what has just happened: retries are made and withdrawn, what waits goes on, or in vain."""
        for run_id, run in list(self.known.items()):
            if run_id != new and run.decided != self.were[run_id]:
                self._retry_or_withdraw(run_id, run)
        for run_id in sorted(self.known):
            self._let_wait(self.known[run_id], new == run_id)
        self.were = {run_id: run.decided for run_id, run in self.known.items()}

    def _retry_or_withdraw(self, run_id: int, run: Modelled) -> None:
        retries = [(each_id, each) for each_id, each in self.known.items() if each.is_retry and each.parent == run_id]
        if run.decided is None or not run.is_to_be_retried:
            for _, each in retries:
                each.withdrawn = each.withdrawn or each.waits
        elif all(each.withdrawn for _, each in retries):
            (made,) = (one for one in self._stored() if one.parent_id == run_id and one.id not in self.known)
            wait = timedelta(seconds=10 * 2 ** (self.known[run.place].retries - run.retries))
            assert (made.cause, made.scheduled_at, made.by) == ("retry", self.now + wait, "anna")
            self.known[made.id] = Modelled(
                True, run.executor, run.place, run_id, True, run.retries - 1, due_at=made.scheduled_at
            )
            self.were[made.id] = None

    def _let_wait(self, run: Modelled, is_new: bool) -> None:
        """Whether it waits, is due, or waits in vain, by what has become of those that it waits for."""
        outcomes = {self.edge(run_id, wants) for run_id, wants in run.after.items()}
        was_unmet = is_new or run.in_vain or not run.is_due
        made_anew = any(each.parent is not None and self.known[each.parent] is run for each in self.known.values())
        if run.in_vain and not made_anew:
            run.in_vain = "failed" in outcomes
        elif run.waits and "failed" in outcomes:
            run.in_vain = True
        if run.waits and outcomes - {"met"}:
            run.is_due = False
        elif run.waits and (run.after or is_new) and was_unmet and run.due_at is not None:
            run.is_due = run.due_at <= self.now

    def unmet(self, run: Modelled) -> int:
        """How many of those that it waits for have not come to what they are to."""
        return sum(self.edge(run_id, wants) != "met" for run_id, wants in run.after.items())

    def edge(self, run_id: int, wants: str) -> str | None:
        """Whether what is waited for has come, or can't come any more."""
        decision = self.decision(run_id)
        met = {"succeeded": decision == "succeeded", "failed": decision in BAD, "ended": True}[wants]
        return None if decision is None else "met" if met else "failed"

    def decision(self, run_id: int) -> str | None:
        """What a run and those in its place have come to together."""
        place = self.known[run_id].place
        family = [run for _, run in sorted(self.known.items()) if run.place == place]
        each = [run.decided for run in family if not run.withdrawn]
        if "succeeded" in each:
            return "succeeded"
        return None if None in each else each[-1]

    @invariant()
    def every_run_is_shown_as_the_model_has_it(self) -> None:
        assert self.door.outcomes() == {run_id: run.outcome for run_id, run in self.known.items()}
        for stored in self._stored():
            run = self.known[stored.id]
            assert (stored.ticket_open, stored.ended_at is not None) == (run.claim is not None, run.is_final)
            assert run.claim is None or stored.ticket == run.claim.ticket
            assert stored.unmet == self.unmet(run)
        claims = [run.claim.ticket for run in self.known.values() if run.claim]
        assert sorted(self._open_attempts()) == sorted(claims)

    def _pick(self, data: Any) -> tuple[Modelled, Claim]:
        run = self.known[data.draw(st.sampled_from(self.open()))]
        assert run.claim is not None
        return run, run.claim

    def _open_attempts(self) -> list[str]:
        with self.door.database.read() as connection:
            return open_tickets(connection)

    def _stored(self) -> Iterable[Run]:
        with self.door.database.read() as connection:
            return all_runs(connection)
