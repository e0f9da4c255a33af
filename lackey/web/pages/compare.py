"""Runs side by side: what differs between them, and how their logs end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlencode

from lackey.domain.comparison import Row, Value
from lackey.domain.refusals import Invalid, NotFound, Unavailable
from lackey.domain.run import Run
from lackey.files import FileError, ShareAway
from lackey.services.runs import viewing
from lackey.web.api import run_log
from lackey.web.call import Call
from lackey.web.pages.many_runs import chosen
from lackey.web.pages.routes import Html, page
from lackey.web.plain_log import plain
from lackey.web.rendering import KNOWN_BY, signal_name, size, span
from lackey.web.visits import Visit

_LINES = 40
# All ends together, so that a page of twenty runs stays small.
_ENDS_BYTES = 40 * 1024
_VALUE = 300
_LABELS = {
    "state": "State",
    "reason": "Why",
    "duration_seconds": "Took",
    "exit_code": "Exit code",
    "signal": "Signal",
    "outcome_source": "Known by",
    "cpu_seconds": "CPU",
    "max_rss_bytes": "Memory at most",
    "host": "Host",
    "command": "Command",
    "shell": "Shell",
    "time_limit": "Time limit",
}
_IN_WORDS: dict[str, Callable[[float], str]] = {
    "duration_seconds": span,
    "cpu_seconds": span,
    "time_limit": span,
    "max_rss_bytes": lambda count: size(int(count)),
    "signal": lambda number: signal_name(int(number)),
}


@dataclass(frozen=True)
class CompareRow:
    """A row of the table. `kind` says how its cells look: `state`, `text`, `code` or `num`.

    `beside`: of each value how far it is from the first run's; empty where there is nothing to reckon.
    """

    label: str
    kind: str
    values: tuple[str, ...]
    differs: bool
    beside: tuple[str, ...] = ()


@dataclass(frozen=True)
class End:
    """The last lines of a run's log; `trouble` says why they are not read from its share."""

    run: Run
    text: str
    trouble: str | None


@page("GET", "/compare", scope="read")
def compare(visit: Visit) -> Html:
    """The runs that the address names. `only=differs` leaves out what they have in common."""
    only = visit.asked("only") == "differs"
    try:
        ids = chosen(visit.query.get("run", []))
        found = viewing.side_by_side(visit.database, ids)
    except (Invalid, NotFound) as refusal:
        why = str(refusal).removeprefix("run: ")
        return Html("compare_refused.html", {"refusal": why}, 400 if isinstance(refusal, Invalid) else 404)
    tables = [
        ("How they went", [_outcome(row) for row in found.outcome]),
        ("Parameters", [_line(row.name, "code", row) for row in found.parameters]),
        ("Metrics, the last of each", [_metric(row) for row in found.metrics]),
    ]
    address = urlencode([("run", run.id) for run in found.runs])
    shown = {
        "runs": found.runs,
        "tables": [(name, [line for line in lines if line.differs or not only]) for name, lines in tables if lines],
        "only": only,
        "other": f"/compare?{address}{'' if only else '&only=differs'}",
        "ends": _ends(visit, found.runs),
    }
    return Html("compare.html", shown)


def _outcome(row: Row) -> CompareRow:
    kind = {"state": "state", "command": "code", "shell": "code"}.get(
        row.name, "num" if row.name in _IN_WORDS else "text"
    )
    return _line(_LABELS[row.name], kind, row)


def _line(label: str, kind: str, row: Row) -> CompareRow:
    # Only the outcome's rows have names that mean something here; a parameter may be called as it likes.
    name = "" if kind == "code" else row.name
    values = tuple(_in_words(name, each) for each in row.values)
    # What differs by less than the words can say is the same to whoever reads them.
    return CompareRow(label, kind, values, len(set(values)) > 1 if name in _IN_WORDS else row.differs)


def _in_words(name: str, value: Value) -> str:
    if value is None:
        return "–"
    if name == "outcome_source":
        return KNOWN_BY[str(value)]
    if name in _IN_WORDS:
        return _IN_WORDS[name](float(value))
    text = str(value)
    return text if len(text) <= _VALUE else f"{text[:_VALUE]}… ({len(text)} characters)"


def _metric(row: Row) -> CompareRow:
    numbers = [None if value is None else float(value) for value in row.values]
    first = numbers[0]
    beside = [
        "" if number is None or first is None or number == first else f"{number - first:+.4g}".replace("-", "−")
        for number in numbers
    ]
    shown = tuple("–" if number is None else f"{number:.10g}" for number in numbers)
    return CompareRow(row.name, "num", shown, row.differs, tuple(beside))


def _ends(visit: Visit, runs: tuple[Run, ...]) -> list[End]:
    """All at once: where a share does not answer, that takes no longer than for one run."""
    call, at_most = Call(visit.service, visit.now, visit.asker), _ENDS_BYTES // len(runs)
    with ThreadPoolExecutor(len(runs)) as pool:
        return list(pool.map(lambda run: _end(call, run, at_most), runs))


def _end(call: Call, run: Run, at_most: int) -> End:
    log, trouble = run_log.read_of(call, run)
    start = max(0, log.size - at_most)
    try:
        text = b"".join(log.read(start, log.size)).decode(errors="replace")
    except (FileError, Unavailable) as error:
        return End(run, "", str(error))
    lines = plain(text).rstrip("\n").split("\n")
    # The first line begins where the piece does; it is shown only if there is no other.
    whole = lines[1:] if start and len(lines) > 1 else lines
    return End(run, "\n".join(whole[-_LINES:]), str(trouble) if isinstance(trouble, ShareAway) else None)
