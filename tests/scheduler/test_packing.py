"""What is left of a run's launch takes no inodes for ever, and is kept as long as somebody may ask for it."""

from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

from lackey.domain.run import RunState
from lackey.executors.local.packed import FILE
from tests import nursery as born
from tests.stage import Stage, until


def schedule() -> int:
    """Be a scheduler that packs marks as soon as it may, and all the time."""
    with ExitStack() as patched:
        for name, seconds in {"_EVERY_SECONDS": 0.05, "_AGE_SECONDS": 0.0, "_PAUSE_SECONDS": 0.0}.items():
            patched.enter_context(patch(f"lackey.scheduler.packer.{name}", seconds))
        return born.schedule()


PACKING = "tests.scheduler.test_packing:schedule"


def marks(stage: Stage) -> list[str]:
    """The names of the directories of marks, but for one that is just being removed."""
    return sorted(path.name for path in (stage.data_dir / "tickets").iterdir() if not path.suffix)


def until_packed(stage: Stage, run_id: int) -> None:
    """Wait until nothing but a row is left of the run's launch."""
    mark: Path = stage.data_dir / "tickets" / (stage.get(run_id).ticket or "none")
    until(lambda: not mark.exists() and (mark.parent / FILE).exists(), "the packing of its mark")


def test_runs_that_have_ended_leave_no_directory_and_those_that_run_keep_theirs(quiet: Stage) -> None:
    quiet.start_scheduler(PACKING)
    going = quiet.schedule(quiet.add("going", "while [ ! -e go ]; do sleep 0.02; done; exit 4"))
    quiet.until_running(going)
    ended = [quiet.schedule(quiet.add(f"heat{number}", f"exit {number}")) for number in range(3)]
    assert [quiet.until_ended(run_id).exit_code for run_id in ended] == [0, 1, 2]
    for run_id in ended:
        until_packed(quiet, run_id)
    assert marks(quiet) == [quiet.get(going).ticket]
    (quiet.place / "lab/going/go").touch()
    assert quiet.until_ended(going).exit_code == 4
    until(lambda: marks(quiet) == [], "the last one's packing")


def test_a_mark_is_not_packed_before_the_log_is_taken_in_for_it_may_yet_say_what_became_of_that(quiet: Stage) -> None:
    quiet.start_scheduler(PACKING)
    command = "echo > ready; while [ ! -e ../../attic/go ]; do sleep 0.02; done"
    application = quiet.add("heat", command)
    run_id = quiet.schedule(application)
    quiet.told(application, "ready")
    (quiet.place / "lab").rename(quiet.place / "away")
    (quiet.place / "attic/go").touch()
    assert quiet.until_ended(run_id).state is RunState.SUCCEEDED
    other = quiet.schedule(quiet.add("waves", share="attic"))
    quiet.until_ended(other)
    until_packed(quiet, other)
    assert marks(quiet) == [quiet.get(run_id).ticket]
    (quiet.place / "away").rename(quiet.place / "lab")
    until_packed(quiet, run_id)
    assert quiet.get(run_id).log_kept


def test_a_run_that_could_not_be_started_leaves_nothing_either(quiet: Stage) -> None:
    quiet.add("heat")
    run_id = quiet.schedule("lab/heat", instead={"command": "true", "directory": "nowhere"})
    quiet.start_scheduler(PACKING)
    assert quiet.until_ended(run_id).state is RunState.FAILED
    until_packed(quiet, run_id)
    assert marks(quiet) == []
