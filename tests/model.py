"""A small model of what becomes of runs, and a machine that does everything to them in every order.

The model knows nothing of how lackey works. Whoever drives it says through which door it goes (`Door`).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from lackey.domain.evidence import Observed
from lackey.domain.policy import Away
from lackey.domain.run import Run
from lackey.services import claiming, following, launching
from lackey.services.claiming import Claim
from lackey.services.launching import Begun, Ending
from lackey.store.database import Database
from tests.store.rows import all_runs

SLOTS = 3
GRACE_SECONDS = 50.0


@dataclass
class Modelled:
    """What a run has gone through. `told` and `seen` are exit codes, reported and observed; "?" stands for a signal."""

    launched: bool
    heard: bool = False
    silent: str | None = None
    ended: bool = False
    told: int | None = None
    seen: int | str | None = None
    killed: str | None = None
    asked_to_cancel: bool = False
    claim: Claim | None = None

    @property
    def outcome(self) -> tuple[str, int | None, str | None]:
        """State, exit code and the source of the outcome."""
        code = self.seen if isinstance(self.seen, int) else None
        if self.killed:
            return self.killed, self.told if self.seen is None else code, "observed"
        if self.told is not None:
            return _by(self.told), self.told, "reported"
        if self.seen is not None:
            return _by(self.seen), code, "observed"
        if self.ended:
            return "succeeded", 0, "reported"
        if self.silent:
            return self.silent, None, "inferred"
        return "running" if self.heard else "queued" if self.launched else "scheduled", None, None

    @property
    def state(self) -> str:
        """The state alone."""
        return self.outcome[0]

    @property
    def is_final(self) -> bool:
        """Whether it has ended, as far as is known."""
        return self.state not in ("scheduled", "queued", "running")

    def hear(self) -> None:
        """A sign of life: whatever silence meant, it was wrong."""
        self.heard, self.silent = True, None


def _by(code: int | str) -> str:
    return "succeeded" if code == 0 else "failed"


class Door(Protocol):
    """How the machine speaks to lackey. Each returns what a user would see."""

    database: Database

    def forward(self, seconds: float) -> datetime:
        """Let time pass."""

    def schedule(self, launch: bool) -> int:
        """A new run's id."""

    def start(self, run_id: int) -> None:
        """Its start is reported."""

    def progress(self, run_id: int) -> None:
        """Progress is reported."""

    def stop(self, run_id: int, code: int | None) -> bool:
        """Its end is reported; whether that was accepted."""

    def cancel(self, run_id: int) -> bool:
        """Somebody cancels it; whether that was accepted."""

    def outcomes(self) -> dict[int, tuple[str, int | None, str | None]]:
        """State, exit code and source of the outcome of each run, as shown."""


class Machine(RuleBasedStateMachine):
    """Simulations that report, a scheduler and a process table, and people who cancel."""

    ids = Bundle("ids")

    def __init__(self, door: Door) -> None:
        super().__init__()
        self.door = door
        self.known: dict[int, Modelled] = {}
        self.configured = True

    @rule(target=ids, launch=st.booleans())
    def schedule(self, launch: bool) -> int:
        return self.schedule_one(launch)

    def schedule_one(self, launch: bool) -> int:
        run_id = self.door.schedule(launch)
        self.known[run_id] = Modelled(launch)
        return run_id

    @rule(target=ids, begins=st.booleans())
    def launch(self, begins: bool) -> int:
        """A run that is under way at once, where there is a slot."""
        run_id = self.schedule_one(True)
        self.claim_all()
        if begins and self.known[run_id].claim:
            self.begin_one(self.known[run_id])
        return run_id

    @rule(run_id=ids)
    def report_start(self, run_id: int) -> None:
        self.door.forward(1)
        self.door.start(run_id)
        self.known[run_id].hear()

    @rule(run_id=ids)
    def report_progress(self, run_id: int) -> None:
        self.door.forward(1)
        self.door.progress(run_id)
        self.known[run_id].hear()

    @rule(run_id=ids, code=st.sampled_from([None, 0, 3]))
    def report_stop(self, run_id: int, code: int | None) -> None:
        self.door.forward(1)
        run = self.known[run_id]
        contradicts = code is not None and run.told not in (None, code)
        assert self.door.stop(run_id, code) is not contradicts
        if not contradicts:
            run.hear()
            run.ended = run.ended or code is None
            run.told = run.told if code is None else code

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

    @rule(configured=st.booleans())
    def configure(self, configured: bool) -> None:
        """The scheduler is started anew, with the share of all runs in its configuration or without it."""
        self.configured = configured

    @rule()
    def claim(self) -> None:
        self.claim_all()

    def claim_all(self) -> None:
        now = self.door.forward(1)
        away = Away(("another",), {}) if not self.configured else {}
        holding = [run for run in self.known.values() if run.claim and run.state != "lost" and self.configured]
        waiting = [run_id for run_id, run in self.known.items() if run.state == "queued" and not run.claim]
        claims = claiming.claim(self.door.database, "h1", SLOTS, away, (), now)
        free = max(0, SLOTS - len(holding)) if self.configured else 0
        assert [claim.run.id for claim in claims] == sorted(waiting)[:free]
        for claim in claims:
            self.known[claim.run.id].claim = claim

    def open(self) -> list[int]:
        """The runs whose ticket is open."""
        return [run_id for run_id, run in self.known.items() if run.claim]

    @precondition(lambda machine: bool(machine.open()))
    @rule(data=st.data())
    def begin(self, data: Any) -> None:
        self.begin_one(self._pick(data)[0])

    def begin_one(self, run: Modelled) -> None:
        assert run.claim is not None
        now = self.door.forward(1)
        launching.started(self.door.database, [Begun(run.claim.ticket, "1", "there", now.timestamp())], now)
        run.hear()

    @precondition(lambda machine: bool(machine.open()))
    @rule(data=st.data(), code=st.sampled_from([0, 3, "?"]), killed=st.sampled_from([None, "cancelled", "timed_out"]))
    def end(self, data: Any, code: int | str, killed: str | None) -> None:
        run, claim = self._pick(data)
        now = self.door.forward(1)
        exit_code, signal = (None, 9) if isinstance(code, str) else (code, None)
        seen = Observed(now.timestamp() - 1, now.timestamp(), exit_code, signal)
        ending = Ending(claim.ticket, claim.run.uid, seen, killed)
        for _ in range(2):
            launching.ended(self.door.database, [ending], now)
        run.seen, run.killed, run.claim = code, run.killed or killed, None

    @precondition(lambda machine: bool(machine.open()))
    @rule(data=st.data(), killed=st.sampled_from([None, "cancelled", "timed_out"]))
    def vanish(self, data: Any, killed: str | None) -> None:
        run, claim = self._pick(data)
        launching.gone(self.door.database, claim.ticket, killed, self.door.forward(1))
        run.silent = run.silent if killed else "lost"
        run.killed, run.claim = run.killed or killed, None

    @precondition(lambda machine: bool(machine.open()))
    @rule(data=st.data())
    def give_back(self, data: Any) -> None:
        run, claim = self._pick(data)
        launching.give_back(self.door.database, claim.ticket, "its share is away", self.door.forward(1))
        run.claim = None
        if run.asked_to_cancel:
            run.killed = run.killed or "cancelled"

    @rule()
    def quiet(self) -> None:
        following.note_silence(self.door.database, self.door.forward(2 * GRACE_SECONDS))
        for run in self.known.values():
            if run.state == "scheduled" or (run.state == "running" and not run.claim):
                run.silent = "lost"

    @invariant()
    def every_run_is_shown_as_the_model_has_it(self) -> None:
        assert self.door.outcomes() == {run_id: run.outcome for run_id, run in self.known.items()}
        for stored in self._stored():
            run = self.known[stored.id]
            assert (stored.ticket_open, stored.ended_at is not None) == (run.claim is not None, run.is_final)
            assert run.claim is None or stored.ticket == run.claim.ticket

    def _pick(self, data: Any) -> tuple[Modelled, Claim]:
        run = self.known[data.draw(st.sampled_from(self.open()))]
        assert run.claim is not None
        return run, run.claim

    def _stored(self) -> list[Run]:
        with self.door.database.read() as connection:
            return all_runs(connection)
