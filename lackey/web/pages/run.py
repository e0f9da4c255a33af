"""One run: looked at, cancelled, held, done again."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from lackey.domain import exits
from lackey.domain.command import filled_in
from lackey.domain.paths import shown_paths
from lackey.domain.refusals import Conflict, TooMany
from lackey.domain.run import FINAL, TROUBLED, WAITING, Run, RunState
from lackey.services.runs import cancelling, overview, queries, rerunning, scheduling, viewing
from lackey.services.runs.log_text import LogText
from lackey.web.api import run_log
from lackey.web.pages.report_lines import end_of_token, report_lines, to_new_run
from lackey.web.pages.routes import Html, SeeOther, Unchanged, page
from lackey.web.pages.run_files import FileRows, call_of, files_in
from lackey.web.pages.run_history import line_of
from lackey.web.pages.shown import run_row
from lackey.web.plain_log import plain
from lackey.web.present import run_out
from lackey.web.visits import Visit

_EVENTS = 200
_FILES = 50
_TAIL = 32 * 1024
_LAST_LINES, _LINE = 10, 500


@page("GET", "/run/<run_id:id>", scope="read")
def run(visit: Visit, run_id: int) -> Html | Unchanged:
    """One run: how it is and why, and all that is known of it. Its token too, if the visitor made it just now."""
    return _run(visit, run_id)


@page("POST", "/run/<run_id:id>/cancel", scope="run")
def cancel(visit: Visit, run_id: int) -> Html | SeeOther | Unchanged:
    """Cancel it."""
    return _changed(visit, run_id, lambda: cancelling.cancel(visit.database, run_id, visit.by, visit.now))


@page("POST", "/run/<run_id:id>/hold", scope="run")
def hold(visit: Visit, run_id: int) -> Html | SeeOther | Unchanged:
    """Keep it from starting."""
    return _held(visit, run_id, held=True)


@page("POST", "/run/<run_id:id>/release", scope="run")
def release(visit: Visit, run_id: int) -> Html | SeeOther | Unchanged:
    """Let it start."""
    return _held(visit, run_id, held=False)


@page("POST", "/run/<run_id:id>/rerun", scope="run")
def rerun(visit: Visit, run_id: int) -> Html | SeeOther | Unchanged:
    """Run it again with the same inputs."""
    dependents = visit.sent("dependents") == "true"
    return _made(
        visit, run_id, lambda: rerunning.rerun(visit.database, run_id, visit.by, visit.now, dependents=dependents)
    )


@page("POST", "/run/<run_id:id>/give-up", scope="run")
def give_up(visit: Visit, run_id: int) -> Html | SeeOther | Unchanged:
    """Take it for gone: it is silent."""
    return _changed(visit, run_id, lambda: cancelling.give_up(visit.database, run_id, visit.by, visit.now))


@page("POST", "/run/<run_id:id>/put-back", scope="run")
def put_back(visit: Visit, run_id: int) -> Html | SeeOther | Unchanged:
    """Undo that it was cancelled before it began."""
    return _made(visit, run_id, lambda: rerunning.put_back(visit.database, run_id, visit.by, visit.now))


def _held(visit: Visit, run_id: int, held: bool) -> Html | SeeOther | Unchanged:
    values = {"hold": held}
    return _changed(visit, run_id, lambda: scheduling.change(visit.database, run_id, values, visit.by, visit.now))


def _changed(visit: Visit, run_id: int, change: Callable[[], Run]) -> Html | SeeOther | Unchanged:
    try:
        change()
    except (Conflict, TooMany) as refusal:
        return _run(visit, run_id, str(refusal))
    visit.service.wake()
    return SeeOther(f"/run/{run_id}")


def _made(visit: Visit, run_id: int, make: Callable[[], tuple[Run, str]]) -> Html | SeeOther | Unchanged:
    try:
        made, token = make()
    except (Conflict, TooMany) as refusal:
        return _run(visit, run_id, str(refusal))
    visit.service.wake()
    return to_new_run(made, token)


def _run(visit: Visit, run_id: int, trouble: str = "") -> Html | Unchanged:
    """The page; `trouble` says why what was asked is refused."""
    found = queries.run(visit.database, run_id)
    newest = queries.events(visit.database, run_id, None, 1)
    file, file_trouble = run_log.file_of(call_of(visit), found)
    files = FileRows() if found.run_directory is None else files_in(visit, found, found.run_directory)
    around = viewing.neighbours(visit.database, found)
    row = run_row(found, visit, overview.expected(visit.database, found))
    late_minutes = row.late_by and row.late_by // timedelta(minutes=1)
    sizes = [part.size for part in file]
    tag = _tag(visit, found, newest, sizes, file_trouble is None, files, around, row.expected, late_minutes, row.reason)
    if visit.known == tag and not trouble and visit.token is None:
        return Unchanged(tag)
    history = queries.events(visit.database, run_id, None, _EVENTS)
    log = run_log.with_reports(call_of(visit), found, file, file_trouble)
    shown = {
        "row": row,
        "history": [line_of(event) for _, event in history],
        "files": files,
        "files_at_most": _FILES,
        "around": around,
        "linked_at_most": viewing.LINKED_AT_MOST,
        "holds_up": found.state in FINAL and any(one.outcome == "failed" for one in around.waiting),
        "figures": viewing.figures(visit.database, run_id),
        "trouble": trouble,
        "report": report_lines(run_id, visit.url, visit.token),
        **_facts(visit, found),
        **_log(log, found.state in TROUBLED),
    }
    if trouble:
        return Html("run.html", shown, 409)
    if visit.token is not None:
        return Html("run.html", shown, cookies=end_of_token(run_id), is_secret=True)
    return Html("run.html", shown, tag=tag)


def _tag(visit: Visit, run: Run, newest: list[Any], *others: object) -> str:
    """Of all that is on the page, by what is read quickly: whatever is reported changes the run's revision."""
    seen = (visit.word, visit.asker, visit.system, visit.url, run.revision, [number for number, _ in newest], others)
    return f'"{hashlib.sha256(repr(seen).encode()).hexdigest()[:32]}"'


def _facts(visit: Visit, run: Run) -> dict[str, Any]:
    share = visit.service.shares.get(run.share or "")
    never_began = run.state is RunState.CANCELLED and run.started_at is None
    return {
        "run": run,
        "out": run_out(run, visit.service.shares, visit.turns),
        "own_paths": shown_paths(share, run.run_directory) if share and run.run_directory else None,
        "is_final": run.state in FINAL,
        "elapsed": _elapsed(visit, run),
        "never_began": never_began,
        "is_being_cancelled": run.cancel_requested_at is not None and (run.ticket_open or run.state not in FINAL),
        "may_hold": run.launched and run.waits,
        "may_give_up": run.is_silent,
        "is_waiting": run.state in WAITING,
        "filled_in": filled_in(run.command, run.parameters) if run.command and run.parameters else None,
        "exit_meaning": "" if run.exit_code is None else exits.code_meaning(run.exit_code),
        "signal_meaning": "" if run.signal is None else exits.signal_meaning(run.signal),
    }


def _elapsed(visit: Visit, run: Run) -> float | None:
    """Seconds since its start, while it runs; None where a clock has that in the future."""
    if run.state is not RunState.RUNNING or run.started_at is None or run.started_at > visit.now:
        return None
    return (visit.now - run.started_at).total_seconds()


def _log(log: LogText, is_troubled: bool) -> dict[str, Any]:
    """Its end; of a run that went wrong the last lines too, which say why as a rule."""
    start = max(0, log.size - _TAIL)
    text = b"".join(log.read(start, log.size)).decode(errors="replace")
    last = plain(text).rstrip("\n").split("\n")[-_LAST_LINES:] if is_troubled else []
    return {"log": text, "log_start": start, "log_size": log.size, "last_lines": "\n".join(map(_cut, last))}


def _cut(line: str) -> str:
    return line if len(line) <= _LINE else f"{line[:_LINE]}…"
