"""Texts of lackey 1.0: times of clocks that are changed, commands that a real shell runs as it did."""

import subprocess
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lackey.domain.application import NAME
from lackey.domain.command import check_command
from lackey.domain.lackey_1 import OldClock
from lackey.domain.taking_over import possible_names, runnable


@pytest.mark.parametrize(
    ("text", "at", "doubtful"),
    [
        ("2013-10-27 01:59:59", datetime(2013, 10, 26, 23, 59, 59, tzinfo=UTC), 0),
        ("2013-10-27 02:00:00", datetime(2013, 10, 27, 0, 0, 0, tzinfo=UTC), 1),
        ("2013-10-27T03:00:00", datetime(2013, 10, 27, 2, 0, 0, tzinfo=UTC), 0),
        ("2013-03-31 02:30:00.5", datetime(2013, 3, 31, 1, 30, 0, 500_000, tzinfo=UTC), 1),
    ],
)
def test_of_two_times_the_earlier_is_meant_and_one_that_never_was_is_put_forward(
    text: str, at: datetime, doubtful: int
) -> None:
    clock = OldClock(ZoneInfo("Europe/Berlin"))
    assert (clock.read(text), clock.doubtful) == (at, doubtful)


@given(st.text(max_size=200), st.integers(1, 10**15))
@example("a" * 150, 10**15)
@example("a" * 79 + "  b", 7)
@example("12", 10**15)
@example("/", 1)
def test_names_are_allowed_ones_and_never_run_out(text: str, number: int) -> None:
    names = list(islice(possible_names(number, text, "application"), 4))
    assert len(set(names)) == 4 and all(NAME.fullmatch(name) for name in names)
    assert names[0] == text or not NAME.fullmatch(text)


AWKWARD = st.lists(
    st.sampled_from(["{n}", "{", "}", "'", '"', "`", "$(", ")", "\\", " ", "\n", "#", "a", "<<a\n", ";"])
)


@given(AWKWARD.map(lambda parts: "echo " + "".join(parts)))
@example("echo {n} '{print}' \"{n}\"")
@example("cat <<'.'\n{n}\n.")
@example("echo {{n}} '{{n}}'")
@example("cat <<.\n{n}\n.")
def test_a_command_does_what_it_did_whatever_its_braces_stand_in(tmp_path: Path, command: str) -> None:
    text, variables = runnable(command)
    check_command(text, ())
    before, now = (
        subprocess.run(["/bin/sh", "-c", each], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, capture_output=True)
        for each, env in ((command, {"PATH": "/bin:/usr/bin"}), (text, {"PATH": "/bin:/usr/bin", **variables}))
    )
    assert (now.returncode, now.stdout) == (before.returncode, before.stdout)
