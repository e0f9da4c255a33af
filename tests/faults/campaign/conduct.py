"""A campaign on one set-up: traffic and faults for a while; then all faults are lifted, and run by run is compared."""

import random
import re
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.campaign.clock import Clock
from tests.faults.campaign.faults import End, Fault, Planned, Scene, faults, plan
from tests.faults.campaign.ledger import Ledger
from tests.faults.campaign.processes import commands, named
from tests.faults.campaign.setups import Known, Setup, started
from tests.faults.campaign.traffic import Refused, Service, Traffic, up
from tests.faults.campaign.verdict import FINAL, Evidence, Finding, Restored, findings, unknown_to_lackey

SETTLE_SECONDS = 180.0
_LOOK_SECONDS = 0.2
# More than a process of lackey's has open when nothing is under way.
_DESCRIPTORS = 100


@dataclass
class Report:
    """What came of a campaign. `troubles`: sentences on what else must not be; `settled`: in how many seconds."""

    setup: str
    seed: int
    seconds: float
    place: Path
    runs: int = 0
    reports: int = 0
    settled: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    details: str = ""

    def count(self, kind: str) -> int:
        """How many findings of a kind."""
        return len([one for one in self.findings if one.kind == kind])

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings and not self.troubles


class Conductor:
    """Begins the planned faults in their time, ends them, and keeps the set-up's services going."""

    def __init__(self, scene: Scene, report: Report, say: Callable[[str], None]) -> None:
        self._scene, self._report, self._say = scene, report, say
        self._open: list[Ending] = []
        self.marks_full: list[tuple[float, float]] = []

    def conduct(self, planned: list[Planned], seconds: float) -> None:
        """All of them; returns when none is open any more. Time that it takes to begin or end one does not count."""
        began, to_come = time.monotonic(), list(planned)
        while (elapsed := time.monotonic() - began) < seconds:
            due = min([(end.at, 0) for end in self._open] + [(one.at, 1) for one in to_come[:1]], default=(seconds, 0))
            if due[0] <= elapsed:
                if due[1]:
                    self._begin(to_come.pop(0))
                else:
                    self._end(min(self._open))
                began += max(0.0, time.monotonic() - began - elapsed)
            else:
                self._scene.setup.tend()
                time.sleep(_LOOK_SECONDS)
        self.lift()

    def lift(self) -> None:
        """End all that is open."""
        while self._open:
            self._end(min(self._open))

    def _begin(self, one: Planned) -> None:
        if one.fault.alone:
            self.lift()
        end = None
        try:
            end = one.fault.begin(self._scene)
        except Exception:
            self._report.troubles.append(f"the campaign itself failed:\n{traceback.format_exc()}")
        if end is None:
            self._say(f"{up():.2f} {one.fault.name}: nothing to do it to")
            return
        self._say(f"{up():.2f} {one.fault.name}{f', for {one.seconds:.0f} s' if one.seconds else ''}")
        self._report.faults[one.fault.name] += 1
        if one.seconds or one.fault.alone:
            self._open.append(Ending(one.at + one.seconds, one.fault, end, up()))

    def _end(self, one: "Ending") -> None:
        self._open.remove(one)
        if one.fault.alone:
            self.lift()
        try:
            one.end()
        except Exception:
            self._report.troubles.append(f"the campaign itself failed:\n{traceback.format_exc()}")
        self._say(f"{up():.2f} end of: {one.fault.name}")
        if one.fault.name.startswith("full disk: marks"):
            self.marks_full.append((one.begun, up()))


@dataclass(order=True, frozen=True)
class Ending:
    """A fault that has begun, and what ends it, `at` seconds after the campaign's beginning.

    `begun`: in seconds since the boot.
    """

    at: float
    fault: Fault = field(compare=False)
    end: End = field(compare=False)
    begun: float = field(compare=False)


def campaign(name: str, place: Path, seconds: float, seed: int, as_root: bool, clock: Clock | None) -> Report:
    """Go through it; what was found. `place`: an empty directory, whose parents all may enter."""
    report = Report(name, seed, seconds, place)
    ledger = Ledger(place / "ledger")
    diary = ledger.place / "diary"

    def say(text: str) -> None:
        with diary.open("a") as file:
            file.write(text + "\n")

    with started(name, place, ledger.file, as_root) as setup:
        traffic = Traffic(Service(setup.url, setup.key), ledger, seed)
        restored: list[Restored] = []

        def note_restored(copied: float, at: float, known: Known) -> None:
            restored.append(Restored(copied, at, known))
            traffic.forget(known)

        scene = Scene(setup, ledger, random.Random(seed), clock, note_restored)
        conductor = Conductor(scene, report, say)
        traffic.start()
        try:
            planned = plan(faults(setup, clock is not None), seconds, random.Random(seed))
            conductor.conduct(planned, seconds)
        except Exception:
            report.troubles.append(f"the campaign itself failed:\n{traceback.format_exc()}")
        finally:
            traffic.stop()
            conductor.lift()
        _settle_and_compare(
            setup, traffic, lambda: _gather(traffic, ledger, restored, conductor.marks_full), restored, report
        )
    report.troubles += _tracebacks(setup.logs())
    return report


def _settle_and_compare(
    setup: Setup, traffic: Traffic, gather: Callable[[], Evidence], restored: list[Restored], report: Report
) -> None:
    began = time.monotonic()
    deadline = began + SETTLE_SECONDS
    while time.monotonic() < deadline and not (setup.is_ready() and _is_done(setup, traffic, restored)):
        time.sleep(1.0)
    report.settled = time.monotonic() - began
    traffic.service.given_up.set()
    traffic.join(5.0)
    traffic.service.given_up.clear()
    evidence = gather()
    report.runs, report.reports = len(traffic.asked), len(traffic.told)
    report.answers = traffic.service.answers
    report.findings = [*findings(evidence), *unknown_to_lackey(evidence, traffic.unknown)]
    report.troubles += traffic.troubles + _left(setup)
    report.details = "\n".join(_explain(one, evidence, setup, traffic) for one in report.findings)


def _is_done(setup: Setup, traffic: Traffic, restored: list[Restored]) -> bool:
    """Whether nothing is under way any more: nobody asks, nothing runs, all runs have ended that ever can."""
    traffic.join(1.0)
    if traffic.is_busy() or commands(setup.sees()):
        return False
    for one in restored:
        traffic.tell_again(one.copied, one.at)
    return all(run["state"] in FINAL for run in traffic.service.all_runs())


def _gather(
    traffic: Traffic, ledger: Ledger, restored: list[Restored], marks_full: list[tuple[float, float]]
) -> Evidence:
    service = traffic.service
    runs = {run["id"]: run for run in service.all_runs()}
    evidence = Evidence(runs, traffic.asked, ledger.lines(), ledger.notes(), traffic.told, restored, marks_full)
    for asked in traffic.asked:
        run = runs.get(asked.run_id)
        if not asked.launched and run is not None and run["name"] == asked.key:
            figures = service.ask("GET", f"/api/run/{asked.run_id}/metrics")
            log = service.ask("GET", f"/api/run/{asked.run_id}/log")
            evidence.said[asked.run_id] = (log, len(figures["items"]))
    return evidence


def _left(setup: Setup) -> list[str]:
    """What is left behind, now that nothing is under way."""
    seen = setup.sees()
    left = [f"process {one.pid} is left: {one.line}" for one in commands(seen)]
    for one in named(seen, "-m lackey") + named(seen, "uwsgi"):
        if one.descriptors() > _DESCRIPTORS:
            left.append(f"process {one.pid} has {one.descriptors()} descriptors open: {one.line}")
    return left


# Not the one that Python itself prints, and ignores, if it ends while its threads make objects (weakref.finalize).
_TRACEBACK = re.compile(
    r"(?<!_exitfunc of <class 'weakref.finalize'>>\n)^Traceback \(most recent.*\n(?:[ \n].*\n|\n)*(\S.*)$", re.MULTILINE
)


def _tracebacks(log: str) -> list[str]:
    """The last line of each traceback, and how often it is there."""
    found = Counter(_TRACEBACK.findall(log))
    return [f"{times} × in the logs: {line[:300]}" for line, times in found.items()]


def _explain(one: Finding, evidence: Evidence, setup: Setup, traffic: Traffic) -> str:
    """All that there is on a run."""
    lines = [f"{one.kind.upper()} run {one.run_id} {one.key}: {one.text}"]
    asked = [each for each in evidence.asked if each.key == one.key]
    lines += [f"  asked: {each.body()}, answered at {each.answered_up:.2f}" for each in asked]
    lines += [f"  ledger: {line}" for line in evidence.lines.get((one.run_id, one.key), [])]
    lines += [f"  campaign: {note}" for note in evidence.notes.get(one.run_id, [])]
    lines += [f"  told: {told.verb} at {told.up:.2f}" for told in evidence.told if told.asked.key == one.key]
    with suppress(Refused, TimeoutError):
        for event in traffic.service.ask("GET", f"/api/run/{one.run_id}/events")["items"]:
            lines.append(f"  event: {event['at']} {event['by']}: {event['text']}")
    pattern = re.compile(rf"\brun {one.run_id}\b")
    lines += [f"  log: {line}" for line in setup.logs().splitlines() if pattern.search(line)][:20]
    return "\n".join(lines)
