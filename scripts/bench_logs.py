"""A simulation that prints a lot: how long it takes with lackey, and started plainly."""

import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from lackey import wake
from lackey.services.runs import queries, scheduling
from scripts.bench_compiled import program
from scripts.bench_figures import Figure, Report, Target, say
from scripts.bench_plan import Plan
from scripts.bench_processes import Group
from scripts.bench_servers import Installation, installation, scheduler

_LOOK_SECONDS = 0.05


def measure(plan: Plan, report: Report) -> None:
    """Each in turn, into files on the same disk."""
    command = f"{program('lines', plan.place)} {plan.log_bytes}"
    with installation(plan.place / "logs") as made, scheduler(made) as members:
        application = made.add_application("lines", command)
        members.settle()
        ours, plain = [], []
        for number in range(plan.rounds):
            ours.append(_by_lackey(made, members, application))
            plain.append(_plainly(command, made.share / "plain.txt"))
            say(f"logs, round {number + 1} of {plan.rounds}: lackey {ours[-1]:.2f} s, plainly {plain[-1]:.2f} s")
    name = f"a simulation that prints {plan.log_bytes / 1e9:g} GB"
    report.add([Figure(name, "s", ours, "started plainly", plain, Target(1.05, at_most=True, of_ratio=True))])


def _by_lackey(made: Installation, members: Group, application: str) -> float:
    """Seconds from its start to its end, as lackey records them."""
    os.sync()
    wanted = scheduling.Wanted(application=application)
    run, _ = scheduling.schedule(made.database, wanted, "bench", datetime.now(UTC))
    wake.send(made.settings.data_dir)
    while not run.state.is_final or run.ticket_open:
        if not members.pids():
            raise SystemExit(f"bench: the scheduler has ended:\n{(made.place / 'scheduler.log').read_text()}")
        time.sleep(_LOOK_SECONDS)
        run = queries.run(made.database, run.id)
    if run.started_at is None or run.ended_at is None or run.exit_code != 0:
        raise SystemExit(f"bench: the simulation has not succeeded: {run.state}, {run.reason}")
    (made.share / (run.run_directory or "") / "log.txt").unlink()
    return (run.ended_at - run.started_at).total_seconds()


def _plainly(command: str, into: Path) -> float:
    """Seconds from its start to its end."""
    os.sync()
    with into.open("wb") as log:
        begun = time.perf_counter()
        subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)
        taken = time.perf_counter() - begun
    into.unlink()
    return taken
