"""What a launched command is given of its parameters, and that its end is its own."""

import signal

import pytest

from lackey.domain.run import RunState
from tests.stage import Stage

NAMELIST = """\
cat > in.nml <<EOF
&input n={n}, twice=$(( {n} * 2 )), name='{name}' /
EOF
cat > in.json <<EOF
{"n": {n}, "name": "{name}"}
EOF
cat in.nml in.json
"""
NAME = [{"name": "n", "default": None, "kind": "integer"}, {"name": "name", "default": "O'Neill $(exit 9)"}]
# It says that it is there once its handler is set.
ENDS_ITSELF = """
import pathlib, signal, sys
def end(*_):
    pathlib.Path("checkpoint").write_text(sys.argv[1] + chr(10))
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
pathlib.Path("ready").write_text("yes" + chr(10))
while True:
    signal.pause()
"""


def test_input_files_are_written_with_the_values_of_each_run(stage: Stage) -> None:
    application = stage.add("heat", NAMELIST, parameters=NAME, workdir="run")
    for n in ("64", "-3"):
        run = stage.until_ended(stage.schedule(application, parameters={"n": n}))
        assert run.state is RunState.SUCCEEDED
        assert stage.log(run).splitlines() == [
            f"&input n={n}, twice={int(n) * 2}, name='O'Neill $(exit 9)' /",
            f'{{"n": {n}, "name": "O\'Neill $(exit 9)"}}',
        ]


def test_a_simple_command_is_the_process_that_is_cancelled_and_whose_exit_code_counts(stage: Stage) -> None:
    application = stage.add("heat", "python3 solver.py {n}", parameters=NAME[:1])
    (stage.place / "lab/heat/solver.py").write_text(ENDS_ITSELF)
    run_id = stage.schedule(application, parameters={"n": "64"})
    stage.told(application, "ready")
    stage.cancel(run_id)
    run = stage.until_ended(run_id)
    assert (run.state, run.exit_code, run.signal) == (RunState.CANCELLED, 7, None)
    assert stage.told(application, "checkpoint") == "64\n"


@pytest.mark.parametrize("command", ["./solver", "./solver; exit $?"])
def test_a_crash_is_told_with_its_signal_where_the_command_is_simple(stage: Stage, command: str) -> None:
    application = stage.add("heat", command)
    solver = stage.place / "lab/heat/solver"
    solver.write_text("#!/bin/sh\nulimit -c 0; kill -SEGV $$\n")
    solver.chmod(0o755)
    run = stage.until_ended(stage.schedule(application))
    assert run.state is RunState.FAILED
    assert (run.exit_code, run.signal) == ((None, signal.SIGSEGV) if command == "./solver" else (139, None))
