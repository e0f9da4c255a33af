"""What lackey says, compared with what happened, run by run: lost, twice or wrong."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.faults.campaign.ledger import Line, Note
from tests.faults.campaign.setups import Known
from tests.faults.campaign.traffic import PIECE, STEPS, Asked, Told

Kind = Literal["lost", "twice", "wrong"]
FINAL = {"succeeded", "failed", "timed_out", "cancelled", "lost"}
_SLACK_SECONDS = 0.5


@dataclass(frozen=True)
class Finding:
    """Something that must not be, of a run (0: of none that lackey knows)."""

    kind: Kind
    run_id: int
    key: str
    text: str


@dataclass(frozen=True)
class Restored:
    """A copy that was made and put back, at these seconds since the boot; and the runs that it has."""

    copied: float
    at: float
    known: Known


@dataclass
class Evidence:
    """All that is to be compared. `runs`: what lackey answers; `said`: of reported runs, their log and figures.

    `marks_full`: from when to when, in seconds since the boot, the disk of the marks had no room.
    """

    runs: dict[int, dict[str, Any]]
    asked: list[Asked]
    lines: dict[tuple[int, str], list[Line]]
    notes: dict[int, list[Note]]
    told: list[Told]
    restored: list[Restored]
    marks_full: list[tuple[float, float]]
    said: dict[int, tuple[bytes, int]] = field(default_factory=dict)

    def forgotten(self, key: str, run_id: int, since: float) -> bool:
        """Whether a copy was put back that does not have a run that was there at `since`."""
        return any(one.at > since and (key, run_id) not in one.known for one in self.restored)

    def undone(self, at: float) -> bool:
        """Whether what was taken in at this time went with a database that was replaced."""
        return any(one.copied <= at <= one.at for one in self.restored)

    def receipt_undone(self, ended: float) -> bool:
        """Whether the receipt of a run that ended then may have gone to the service alone, and with its database."""
        return any(
            full - 2.0 <= ended <= free and one.copied <= free and ended <= one.at
            for full, free in self.marks_full
            for one in self.restored
        )


def findings(evidence: Evidence) -> Iterator[Finding]:
    """All that must not be."""
    yield from _missing(evidence)
    yield from _made_twice(evidence)
    for (run_id, key), lines in evidence.lines.items():
        yield from _run_twice(evidence, run_id, key, lines)
    by_key = {asked.key: asked for asked in evidence.asked}
    for run in evidence.runs.values():
        asked = by_key.get(run["name"])
        if asked is None:
            yield Finding("wrong", run["id"], run["name"], "nobody has asked for it")
        elif asked.launched:
            yield from _launched(evidence, run, asked)
        else:
            yield from _reported(evidence, run, asked)
    retried = {run["parent"] for run in evidence.runs.values() if run["cause"] == "retry"}
    for run in evidence.runs.values():
        asked = by_key.get(run["name"])
        if not asked or not asked.retries or run["cause"] is not None or run["state"] != "failed":
            continue
        # Whoever asked to cancel it wants no other try.
        unwanted = any(note.what == "cancel" for note in evidence.notes.get(run["id"], []))
        if run["id"] not in retried and not unwanted:
            yield Finding("lost", run["id"], asked.key, "failed, and was not tried again")


def _missing(evidence: Evidence) -> Iterator[Finding]:
    """Runs whose making was answered, and of which lackey knows nothing."""
    for asked in evidence.asked:
        run = evidence.runs.get(asked.run_id)
        is_there = run is not None and run["name"] == asked.key
        may_be_gone = not asked.answered_up or evidence.forgotten(asked.key, asked.run_id, asked.answered_up)
        if not is_there and not may_be_gone:
            yield Finding("lost", asked.run_id, asked.key, "was made, and is not there")


def _made_twice(evidence: Evidence) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for run in evidence.runs.values():
        if run["cause"] is None and first.setdefault(run["name"], run["id"]) != run["id"]:
            yield Finding("twice", run["id"], run["name"], f"was made twice, as run {first[run['name']]} too")


def _run_twice(evidence: Evidence, run_id: int, key: str, lines: list[Line]) -> Iterator[Finding]:
    begun = [line for line in lines if line.what == "begins"]
    for before, after in zip(begun, begun[1:], strict=False):
        # Then it is another run with this id: a retry that the database which was put back did not know.
        another = any(before.up < one.at < after.up and (key, run_id) not in one.known for one in evidence.restored)
        if not another:
            yield Finding("twice", run_id, key, f"began as process {before.pid}, and again as {after.pid}")


@dataclass(frozen=True)
class Outcome:
    """What a run may have come to: exit code and signal count where `exact`."""

    state: str
    exit_code: int | None = None
    signal: int | None = None
    exact: bool = True

    @classmethod
    def of(cls, exit_code: int | None, signal: int | None) -> "Outcome":
        """Of a command that ended like this."""
        return cls("succeeded" if exit_code == 0 else "failed", exit_code, signal)

    def fits(self, run: dict[str, Any]) -> bool:
        """Whether lackey says so."""
        seen = (run["exit_code"], run["signal"])
        return run["state"] == self.state and (not self.exact or seen == (self.exit_code, self.signal))

    def __str__(self) -> str:
        code = "" if self.exit_code is None else f" with exit code {self.exit_code}"
        return f"{self.state}{code}{'' if self.signal is None else f' by signal {self.signal}'}"


def _launched(evidence: Evidence, run: dict[str, Any], asked: Asked) -> Iterator[Finding]:
    run_id, key = run["id"], run["name"]
    if run["state"] not in FINAL:
        yield Finding("lost", run_id, key, f"never ended: it is {run['state']}, {run['reason']}")
        return
    notes = [note for note in evidence.notes.get(run_id, []) if note.key in ("", key)]
    lines = _of_its_last_life(evidence, run_id, key)
    possible = list(_possible(evidence, run, asked, lines, notes))
    if any(outcome.fits(run) for outcome in possible):
        return
    says = Outcome(run["state"], run["exit_code"], run["signal"])
    truth = " or ".join(map(str, possible)) or "nothing that is known"
    missed = run["state"] == "lost" or (run["state"] == "failed" and not lines)
    yield Finding("lost" if missed else "wrong", run_id, key, f"lackey says {says} ({run['reason']}); it was {truth}")


def _of_its_last_life(evidence: Evidence, run_id: int, key: str) -> list[Line]:
    """The lines since the run came to have this id: a database that was put back may have given it out anew."""
    since = max((one.at for one in evidence.restored if (key, run_id) not in one.known), default=0.0)
    return [line for line in evidence.lines.get((run_id, key), []) if line.up > since]


def _possible(
    evidence: Evidence, run: dict[str, Any], asked: Asked, lines: list[Line], notes: Iterable[Note]
) -> Iterator[Outcome]:
    by_what = {line.what: line for line in lines}
    accepted = by_what.get("reported")
    done = {note.what for note in notes}
    if "cancel" in done:
        yield Outcome("cancelled", exact=False)
    if not lines and _waited_in_vain(evidence, run):
        yield Outcome("cancelled", exact=False)
    if lines and asked.time_limit and _lasted(by_what) >= asked.time_limit - _SLACK_SECONDS:
        yield Outcome("timed_out", exact=False)
    if accepted is not None and not evidence.undone(accepted.up):
        yield Outcome.of(*accepted.outcome)
        return
    for what in ("ends", "reports"):
        if what in by_what:
            yield Outcome.of(*by_what[what].outcome)
    if "told" in by_what:
        yield Outcome("failed", 143)
    if lines and evidence.receipt_undone(lines[-1].up):
        yield Outcome("lost")
    for note in notes:
        if note.what == "command" and note.signum in (9, 15):
            yield Outcome("failed", None, note.signum)
        if note.what == "guard":
            yield Outcome("lost")


def _lasted(by_what: dict[str, Line]) -> float:
    """Seconds; without end where it left no word of its end."""
    end = by_what.get("ends") or by_what.get("told")
    return float("inf") if end is None else end.up - by_what["begins"].up


def _waited_in_vain(evidence: Evidence, run: dict[str, Any]) -> bool:
    """Whether it waited for a run that did not succeed, or that no one knows any more."""
    waited_for = [evidence.runs.get(one["run"]) for one in run["after"]]
    return any(one is None or one["state"] != "succeeded" for one in waited_for)


def _reported(evidence: Evidence, run: dict[str, Any], asked: Asked) -> Iterator[Finding]:
    told = [one for one in evidence.told if one.asked is asked]
    stops = [one for one in told if one.verb == "stop" and not evidence.undone(one.up)]
    if not stops:
        return
    expected = Outcome.of(int(asked.how), None)
    if not expected.fits(run):
        kind: Kind = "wrong" if run["state"] in FINAL - {"lost"} else "lost"
        says = Outcome(run["state"], run["exit_code"])
        yield Finding(kind, run["id"], asked.key, f"lackey says {says}; it reported {expected}")
    log, figures = evidence.said.get(run["id"], (b"", 0))
    pieces = len([one for one in told if one.verb == "log"])
    if not log.startswith(PIECE * pieces) or not log.endswith(b"the end\n"):
        yield Finding("lost", run["id"], asked.key, f"of {pieces} pieces of its log and its end there is {log!r}")
    if figures < min(STEPS, len([one for one in told if one.verb == "metric"])):
        yield Finding("lost", run["id"], asked.key, f"only {figures} of its figures are there")


def unknown_to_lackey(evidence: Evidence, unknown: set[str]) -> Iterator[Finding]:
    """Reports that were refused for their token though no copy was put back that does not have the run."""
    for asked in evidence.asked:
        if asked.key in unknown and not evidence.forgotten(asked.key, asked.run_id, asked.answered_up):
            yield Finding("lost", asked.run_id, asked.key, "its token is not known any more")
