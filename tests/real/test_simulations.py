"""Real simulations, launched: parameters arrive, what they took agrees with GNU time, cancelled ones leave nothing."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lackey.domain.run import Run, RunState
from tests.nursery import Nursery, the_nursery
from tests.stage import Stage, until

# LAMMPS' own benchmark of a Lennard-Jones melt, smaller; its size and length come from the run.
MELT = """
cat > in.melt <<INPUT
units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 {cells} 0 {cells} 0 {cells}
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287 loop geom
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
neighbor 0.3 bin
neigh_modify delay 5 every 1
fix 1 all nve
thermo 10
run {steps}
INPUT
"""
MPIRUN = "mpirun --allow-run-as-root --oversubscribe -np 2"
PARAMETERS = [{"name": "cells", "default": "20"}, {"name": "steps", "default": "50"}]

# Takes a second to save its state, in pieces, and says how often it was told to end.
SOLVER = """
import json, os, signal, sys, time

told = 0

def save(*_):
    global told
    told += 1
    with open("told", "w") as file:
        print(told, file=file)
    if told == 1:
        with open("checkpoint", "w") as file:
            for step in range(100):
                print(step, file=file, flush=True)
                time.sleep(0.01)
        print("saved", flush=True)
        sys.exit(0)

signal.signal(signal.SIGTERM, save)
with open("ready", "w") as file:
    print(os.getpid(), file=file)
data = bytearray(int(os.environ["LACKEY_PARAM_MEBIBYTES"]) << 20)
while True:
    sum(data[:100_000])
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    nursery: Nursery = the_nursery()
    stage = Stage(nursery, tmp_path, kill_grace=60.0)
    stage.start_scheduler()
    yield stage
    stage.close()


def ended(stage: Stage, run_id: int) -> Run:
    until(lambda: stage.get(run_id).state.is_final, f"the end of run {run_id}", within_seconds=180)
    return stage.until_ended(run_id)


def timed(path: Path) -> tuple[float, int]:
    """CPU seconds, and bytes of the largest process, as GNU time has them."""
    said = path.read_text()
    figures = [float(found) for found in re.findall(r"(?:User|System) time \(seconds\): ([0-9.]+)", said)]
    largest = re.search(r"Maximum resident set size \(kbytes\): (\d+)", said)
    assert len(figures) == 2 and largest
    return sum(figures), int(largest[1]) * 1024


def left_of(stage: Stage, run: Run) -> list[str]:
    """What lives of a run: by its session, or by the run in its environment. Its guard may be waiting for another."""
    session, found = stage.owner(run).pid, []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
            directory = f"LACKEY_RUN_DIR={stage.run_directory(run)}".encode()
            if (os.getsid(int(name)) == session and int(name) != session) or directory in environment:
                found.append(Path(f"/proc/{name}/cmdline").read_text())
        except OSError:
            continue
    return found


def melt(stage: Stage, command: str, **parameters: Any) -> int:
    application = stage.add("melt", MELT + command, parameters=PARAMETERS)
    return stage.schedule(application, parameters={name: str(value) for name, value in parameters.items()})


def test_parameters_arrive_in_a_here_document_and_what_one_process_took_agrees_with_gnu_time(stage: Stage) -> None:
    # Alone, or else Open MPI starts a daemon beside it, which counts too.
    alone = "export OMPI_MCA_ess_singleton_isolated=1; /usr/bin/time -v -o time.txt lmp -in in.melt"
    run = ended(stage, melt(stage, alone, cells=16, steps=200))
    log = stage.log(run)
    assert run.state is RunState.SUCCEEDED, log
    assert "Created 16384 atoms" in log and re.search(r"Loop time of \S+ on 1 procs for 200 steps", log)
    cpu, largest = timed(stage.place / "lab/melt/time.txt")
    assert run.cpu_seconds == pytest.approx(cpu, rel=0.1)
    assert run.max_rss_bytes == pytest.approx(largest, rel=0.1)


def test_what_the_ranks_of_an_mpi_program_took_is_counted_together(stage: Stage) -> None:
    each = f"{MPIRUN} sh -c 'exec /usr/bin/time -v -o rank$OMPI_COMM_WORLD_RANK.txt lmp -in in.melt'"
    run = ended(stage, melt(stage, f"/usr/bin/time -v -o time.txt {each}", cells=32, steps=20))
    log = stage.log(run)
    assert run.state is RunState.SUCCEEDED, log
    assert "Created 131072 atoms" in log and "on 2 procs for 20 steps" in log
    directory = stage.place / "lab/melt"
    cpu, _ = timed(directory / "time.txt")
    ranks = [timed(directory / f"rank{rank}.txt")[1] for rank in (0, 1)]
    assert run.cpu_seconds == pytest.approx(cpu, rel=0.1)
    assert run.max_rss_bytes is not None
    # Libraries and buffers that both ranks hold count once; mpirun itself is there too.
    assert max(ranks) < run.max_rss_bytes < sum(ranks) * 1.1 + (32 << 20)


def test_a_cancelled_mpi_program_leaves_nothing_behind_and_has_ended_when_its_last_process_has(stage: Stage) -> None:
    run_id = melt(stage, f"{MPIRUN} lmp -in in.melt", steps=1_000_000)
    run = stage.until_running(run_id)
    until(lambda: "Step" in stage.log(run), "its first step", within_seconds=60)
    until(lambda: sum("lmp" in command for command in left_of(stage, run)) >= 3, "its ranks")
    stage.cancel(run_id)
    run = ended(stage, run_id)
    assert left_of(stage, run) == []
    assert run.state is RunState.CANCELLED
    assert (run.exit_code is None) != (run.signal is None), "how its command ended is on record"
    assert run.cpu_seconds and run.max_rss_bytes
    assert run.ended_at is not None and run.cancel_requested_at is not None and run.ended_at >= run.cancel_requested_at


@pytest.mark.parametrize("command", ["python3 solver.py", "cd . && python3 solver.py; echo 'not reached'"])
def test_a_checkpoint_is_saved_whole_and_once_when_a_program_is_cancelled(stage: Stage, command: str) -> None:
    application = stage.add("solver", command, parameters=[{"name": "mebibytes"}])
    directory = stage.place / "lab/solver"
    (directory / "solver.py").write_text(SOLVER)
    run_id = stage.schedule(application, parameters={"mebibytes": "50"})
    stage.told(application, "ready")
    stage.cancel(run_id)
    run = ended(stage, run_id)
    assert run.state is RunState.CANCELLED
    assert (directory / "told").read_text() == "1\n"
    assert [int(line) for line in (directory / "checkpoint").read_text().split()] == list(range(100))
    assert "saved" in stage.log(run)
    assert run.ended_at is not None and run.cancel_requested_at is not None
    assert (run.ended_at - run.cancel_requested_at).total_seconds() >= 1.0, "it has ended once it has saved its state"
    assert (run.signal, run.exit_code) in ((signal.SIGTERM, None), (None, 0))
    assert run.max_rss_bytes is not None and 50 << 20 < run.max_rss_bytes < 75 << 20
    assert left_of(stage, run) == []
