"""Simple commands take the place of their shell; that they fail as before is tried with real shells."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lackey.domain.application import Parameter
from lackey.domain.command import command_of_run
from lackey.domain.shell.simple_command import replacing_the_shell


def _simple() -> Iterator[tuple[str, str]]:
    yield "./there a 'b c' > out 2>&1; cat out", "./there a 'b c' > out 2>&1; cat out"
    yield "./there a 'b c' {a}", "exec ./there a 'b c' \"${LACKEY_PARAM_A}\""
    yield "2>&1 ./there >&2", "2>&1 exec ./there >&2"
    yield "# first\n./there \\\n x\n", "# first\nexec ./there \\\n x\n"
    yield "cat - <<E\nx {a}\nE\n", "exec cat - <<E\nx ${LACKEY_PARAM_A}\nE\n"
    yield "./there $(echo a; echo b)", "exec ./there $(echo a; echo b)"
    for plain in (
        "echo a", "printf a", "cd .", ". ./there", "test -e there", "[ -e there ]", "x=1 ./there", "x=1",
        "exec ./there",
        "time ./there", "! ./there", "{ ./there; }", "(./there)", "./there &", "./there | cat", "./there && ./there",
        "./there\n./there", "if :; then ./there; fi", "f() { ./there; }; f", "$PWD/there", "{a} a", "./there &> out",
        "> out\n./there; ./there", "", "# nothing", "-v", "'", "for i in 1; do ./there; done",
    ):  # fmt: skip
        yield plain, plain.replace("{a}", '"${LACKEY_PARAM_A}"')


@pytest.mark.parametrize(("command", "expected"), list(_simple()))
def test_a_simple_command_takes_the_place_of_its_shell_and_nothing_else_does(command: str, expected: str) -> None:
    text = command_of_run(command, [Parameter("a")], {"a": "5"})
    assert replacing_the_shell(text) == expected
    assert replacing_the_shell(text, "/bin/bash -l") == text


@pytest.mark.parametrize("shell", ("dash", "bash"))
@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("nosuchprogram a", 127),
        ("./nosuch", 127),
        ("./plain", 126),
        ("/", 126),
        ("./script x", 3),
        ("> /no/such ls", None),
    ],
)
def test_a_simple_command_fails_as_without_exec(shell: str, command: str, code: int | None, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("exit 0")
    (tmp_path / "script").write_text('echo "script $1"; exit 3\n')
    (tmp_path / "script").chmod(0o755)
    before, after = (
        subprocess.run([shell, "-c", text], cwd=tmp_path, capture_output=True)
        for text in (command, replacing_the_shell(command))
    )
    assert before.returncode == after.returncode == (before.returncode if code is None else code)
    assert before.stdout == after.stdout
    # bash as sh names the whole path, and each of them the exec.
    assert bool(before.stderr) == bool(after.stderr)
