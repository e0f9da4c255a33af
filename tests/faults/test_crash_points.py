"""Every step of a launch is the last one of its process once; which steps there are, a launch that goes well shows.

What holds wherever it ends: no command runs twice, and no run is taken for one that went well, or failed, without the
receipt of its command.
"""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from lackey.domain.run import RunState
from tests.faults.tracing import crash_points, has_done, was_killed
from tests.nursery import DEADLINE_SECONDS, Nursery, Process
from tests.stage import Stage, until

GUARDS = "tests.faults.crashing:schedule_with_crashing_guards"
SCHEDULER = "tests.faults.crashing:schedule"
# The scheduler's many looks at files, and its lines in the log, change nothing: to die before one or after is the same.
LOOKS = ("openat", "write")


def add_counting(stage: Stage, command: str, name: str = "heat") -> str:
    """An application whose commands each leave a line."""
    command = f"echo $LACKEY_RUN_ID >> ran; {command}"
    return stage.add(name, command, parameters=[{"name": each, "default": ""} for each in ("crash", "series")])


def ran(stage: Stage) -> Counter[str]:
    """How often the command of each run has run."""
    return Counter(word for file in (stage.place / "lab").glob("*/ran") for word in file.read_text().split())


def test_wherever_a_guard_dies_its_run_is_started_again_or_lost_and_its_command_never_runs_twice(stage: Stage) -> None:
    stage.start_scheduler(GUARDS)
    application = add_counting(stage, "exit $(( LACKEY_RUN_ID % 2 * 3 ))")
    model = stage.until_ended(stage.schedule(application)).id
    until(lambda: "+++ exited" in (stage.place / f"trace-{model}").read_text(), "the guard's end")
    trace = (stage.place / f"trace-{model}").read_text()
    before = trace[trace.index('owner") ') : trace.index('"!\\n"')]
    assert before.count("fsync(") == 3, "the owner, its directory and that one's are on disk before the command begins"
    points = crash_points(trace, stage.place)
    assert {"mkdir", "link", "rename", "fsync"} <= {point.split(":")[0] for point in points}
    crashes = {stage.schedule(application, parameters={"crash": point}): point for point in points}
    for run_id, point in crashes.items():
        check_guard(stage, run_id, point)


def check_guard(stage: Stage, run_id: int, point: str) -> None:
    """The run has the outcome that the steps which its guard came to allow for."""
    run = stage.until_ended(run_id)
    trace = stage.place / f"trace-{run_id}"
    assert was_killed(trace), point
    signed = has_done(trace, r'link\(.*/owner"\)')
    told = has_done(trace, r'write\(\d+, "!\\n", 2\)')
    # Its end is known from its guard's word, before it is from the mark.
    known = has_done(trace, r'sendto\(\d+, "r\{.*') or has_done(trace, "rename.*")
    seen = (run.state, run.exit_code, ran(stage)[str(run_id)])
    what = f"{point}: {stage.history(run_id)}"
    if signed and not known:
        assert seen == (RunState.LOST, None, int(told)), what
    elif run_id % 2:
        assert seen == (RunState.FAILED, 3, 1), what
    else:
        assert seen == (RunState.SUCCEEDED, 0, 1), what


def until_series_ended(stage: Stage, application: str, crash: str = "") -> tuple[int, int, int]:
    """Three runs that one guard sees through, one after the other, unless it is to die; their ids."""
    stage.stop_schedulers()  # and with it the guards of earlier ones
    stage.start_scheduler(GUARDS)
    first = stage.schedule(application, parameters={"crash": crash, "series": "first"})
    stage.until_ended(first)
    trace = stage.place / f"trace-{first}"
    until(lambda: was_killed(trace) or has_done(trace, r'sendto\(\d+, "f\\n", 2, .*'), "a guard that can take another")
    second, third = (stage.schedule(application, parameters={"series": "next"}) for _ in range(2))
    for run_id in (second, third):
        stage.until_ended(run_id)
    return first, second, third


def test_wherever_a_guard_dies_that_takes_one_run_after_the_other_only_the_one_that_it_was_at_is_lost(
    nursery: Nursery, tmp_path: Path
) -> None:
    with ExitStack() as cleared:
        stage = Stage(nursery, tmp_path / "series", slots=1)
        cleared.callback(stage.close)
        application = add_counting(stage, "exit 3")
        model = until_series_ended(stage, application)
        trace = (stage.place / f"trace-{model[0]}").read_text()
        assert len({stage.owner(stage.get(run_id)).pid for run_id in model[:2]}) == 1
        # From the last word of the first run to that of the second: to wait for the second is among it.
        last = [found.start() for found in re.finditer(r'sendto\(\d+, "f\\n", 2', trace)]
        points = crash_points(trace, stage.place, last[0], last[1])
        # Looks change nothing, and how often it waits depends on how quick all is.
        points = [point for point in points if not point.startswith(("openat:", "rt_sigtimedwait:"))]
        assert {"mkdir", "link", "rename", "fsync", "sendto"} <= {point.split(":")[0] for point in points}
        for point in points:
            series = until_series_ended(stage, application, point)
            assert was_killed(stage.place / f"trace-{series[0]}"), point
            trace = (stage.place / f"trace-{series[0]}").read_text()
            for run_id in series:
                check_one_of_series(stage, run_id, trace, f"{point}: {stage.history(run_id)}")


def check_one_of_series(stage: Stage, run_id: int, trace: str, what: str) -> None:
    """It has the outcome that the steps which its guard took for it allow for; it may have had another guard."""
    run = stage.get(run_id)
    signed = re.search(rf'^link\(.*/{run.ticket}/owner"\) += 0', trace, re.MULTILINE)
    since = trace[signed.end() :] if signed else ""
    words = rf'^(rename\(.*/{run.ticket}/receipt"\) += 0|sendto\(\d+, "r\{{.* = [1-9])'
    if signed and not re.search(words, since, re.MULTILINE):
        told = re.search(r'^write\(\d+, "!\\n", 2\) += 2', since, re.MULTILINE)
        assert (run.state, run.exit_code, ran(stage)[str(run_id)]) == (RunState.LOST, None, int(bool(told))), what
    else:
        assert (run.state, run.exit_code, ran(stage)[str(run_id)]) == (RunState.FAILED, 3, 1), what


def start_followed(stage: Stage, crash: str = "") -> Process:
    """A scheduler that is to die at `crash`, once it has nothing else to do than what is then made due."""
    scheduler = stage.start_scheduler(SCHEDULER, TRACE=str(stage.place / "trace"), CRASH=crash)
    # It may die before: where its shares are found one after the other, it writes once more by then.
    until(lambda: scheduler.ended() or all(stage.log_says(f"share {each}: is there") for each in ("lab", "attic")))
    return scheduler


def schedule_all(stage: Stage) -> int:
    """A run that fails, and whose retry, a second later, succeeds; and one that waits for it."""
    run_id = stage.schedule(
        add_counting(stage, "sleep 0.3; [ $LACKEY_RUN_ID -gt 1 ] || exit 3"), instead={"retries": 1, "retry_wait": 1.0}
    )
    stage.schedule(add_counting(stage, "true", "next"), after=(run_id,))
    return run_id


def die(stage: Stage, points: tuple[str, ...]) -> bool:
    """Have a scheduler die at each of these points, one after the other, and another one come; whether all did die."""
    scheduler = start_followed(stage, points[0])
    run_id = schedule_all(stage)
    for point in points[1:]:
        assert scheduler.ended(DEADLINE_SECONDS)
        scheduler = start_followed(stage, point)
    until(lambda: scheduler.ended() or stage.get(run_id).state.is_final, points[-1])
    died = scheduler.ended(within_seconds=1.0)
    scheduler.kill()
    start_followed(stage)
    ends = [stage.until_ended(each).state for each in (run_id, run_id + 1, run_id + 2)]
    what = f"{points}: {stage.history(run_id)}"
    assert ends == [RunState.FAILED, RunState.SUCCEEDED, RunState.SUCCEEDED], what
    assert ran(stage) == {str(run_id): 1, str(run_id + 1): 1, str(run_id + 2): 1}, what
    assert (stage.get(run_id + 2).cause, stage.get(run_id + 2).parent_id) == ("retry", run_id), what
    return died


def changes(trace: str, place: Path, begin: int, end: int | None = None) -> list[str]:
    """The crash points of a scheduler in this stretch of its trace."""
    return [point for point in crash_points(trace, place, begin, end) if not point.startswith(LOOKS)]


def all_die(nursery: Nursery, place: Path, points: list[tuple[str, ...]]) -> int:
    """Each of these in an installation of its own; how many did die where they were to.

    One that did not has another try: what two threads write at once is one commit, which has fewer calls.
    """
    with ExitStack() as cleared, ThreadPoolExecutor(4) as pool:

        def tried(some: list[tuple[str, ...]], name: str) -> list[bool]:
            stages = [Stage(nursery, place / name / "-".join(each)) for each in some]
            for stage in stages:
                cleared.callback(stage.close)
            return list(pool.map(die, stages, some))

        died = tried(points, "first")
        return sum(died) + sum(tried([each for each, dead in zip(points, died, strict=True) if not dead], "again"))


def test_wherever_the_scheduler_dies_the_next_one_brings_its_run_to_its_end_and_starts_nothing_twice(
    nursery: Nursery, stage: Stage, tmp_path: Path
) -> None:
    start_followed(stage)
    idle = len((stage.place / "trace").read_text())
    stage.until_ended(schedule_all(stage))
    points = changes((stage.place / "trace").read_text(), stage.place, idle)
    assert {"flock", "fdatasync", "sendto"} <= {point.split(":")[0] for point in points}
    # A start and an end that are seen at once are written at once, in three calls less.
    assert all_die(nursery, tmp_path, [(point,) for point in points]) >= len(points) - 3


def test_wherever_the_scheduler_dies_while_it_takes_a_launch_back_that_never_was_the_run_is_started_once(
    nursery: Nursery, stage: Stage, tmp_path: Path
) -> None:
    claimed_only = "sendto:1"  # the run is to be handed over to the launcher
    first = start_followed(stage, claimed_only)
    run_id = schedule_all(stage)
    assert first.ended(DEADLINE_SECONDS)
    ticket = stage.get(run_id).ticket
    start_followed(stage)
    stage.until_ended(run_id)
    trace = (stage.place / "trace").read_text()
    points = changes(trace, stage.place, trace.index(f"tickets/{ticket}"), trace.index("lackey.sqlite3-scheduler"))
    assert {"mkdir", "link", "fdatasync"} <= {point.split(":")[0] for point in points}
    assert all_die(nursery, tmp_path, [(claimed_only, point) for point in points]) == len(points)
