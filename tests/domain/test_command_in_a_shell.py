"""A real /bin/sh runs the commands: a value arrives as one argument, as it is, and is never executed."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lackey.domain.command import check_command, shell_text, variable

SHOW = """printf '%s\\0' {a} x{b}y {a}"""
# What a process can be given: no NUL, and nothing that has no bytes.
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
awkward = st.text("$(){}`'\"\\;&|<>*?[]~#!%\n\t -=abtouch/.", max_size=40)


@settings(max_examples=40)
@given(values | awkward, values | awkward)
@example("$(touch executed)", "`touch executed`")
@example("'; touch executed; '", '"; touch executed; "')
@example("-n", "--help")
@example("a\nb\\n", "\\")
@example("${HOME}", "{a}")
@example("", " ")
def test_values_arrive_unchanged_as_one_argument_each(tmp_path: Path, a: str, b: str) -> None:
    shown = run(SHOW, {"a": a, "b": b}, tmp_path)
    assert shown.split("\0") == [a, f"x{b}y", a, ""]
    assert os.listdir(tmp_path) == [], "a value was executed"


def run(command: str, parameters: dict[str, str], directory: Path) -> str:
    """What the command prints, run as the executors run it."""
    check_command(command, parameters)
    environment = {variable(name): value for name, value in parameters.items()} | {"PATH": os.environ["PATH"]}
    text = shell_text(command, parameters)
    done = subprocess.run(["/bin/sh", "-c", text], cwd=directory, env=environment, capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize("command", ["cat <<.\n{a}\n.", "echo $(printf %s {a})", 'x={a}; printf %s "$x"'])
def test_values_are_not_executed_wherever_the_command_puts_them(command: str, tmp_path: Path) -> None:
    assert "$(touch executed)" in run(command, {"a": "$(touch executed)"}, tmp_path)
    assert os.listdir(tmp_path) == []


def test_braces_of_the_shell_and_of_awk_are_left_to_them(tmp_path: Path) -> None:
    assert run("n=3; echo 'a b' | awk '{print $2}'; echo ${n}", {"n": "5"}, tmp_path) == "b\n3\n"
