"""What is said of a command or an environment when it is saved: that it is likely not meant, and what to write."""

import os
import subprocess
from pathlib import Path

import pytest

from lackey.domain.application import Parameter
from lackey.domain.command import command_of_run
from lackey.domain.shell.warnings import warnings_of

# What is warned of, a part of what is said, what to write then, and what that prints under dash.
MENDED = [
    ("./say a &> out", "write > file 2>&1", "./say a > out 2>&1; cat out", "a\n"),
    ("./say a &>> out", "write >> file 2>&1", "./say a >> out 2>&1; cat out", "a\n"),
    ("source ./settings; ./say $x", "write . ./file", ". ./settings; ./say $x", "set\n"),
    ("[[ a == a ]] && ./say a", "write [ … ]", "[ a = a ] && ./say a", "a\n"),
    ("[ a == a ] && ./say a", "write =", "[ a = a ] && ./say a", "a\n"),
    ("./say $'a b'", '"$(printf …)"', "./say \"$(printf 'a\\tb')\"", "a\tb\n"),
    ("a=(b c); ./say ${a[1]}", 'set -- … and "$@"', 'set -- b c; ./say "$@"', "b c\n"),
    ("a[1]=c; ./say ${a[1]}", "a variable for each", "a1=c; ./say $a1", "c\n"),
    ("cat <(./say a)", "write a file first", "./say a > f; cat f", "a\n"),
    ("./say a > >(cat)", "command | other", "./say a | cat", "a\n"),
    ("cat <<< a", "a here-document", "cat <<E\na\nE", "a\n"),
    ("cat <<< a", "printf '%s\\n' … |", "printf '%s\\n' a | cat", "a\n"),
    ("function f { ./say a; }; f", "name() { …; }", "f() { ./say a; }; f", "a\n"),
    ("for i in {1..3}; do ./say $i; done", "$(seq 1 3)", "for i in $(seq 1 3); do ./say $i; done", "1\n2\n3\n"),
    ("./say a.{b,c}", "write the words", "./say a.b a.c", "a.b a.c\n"),
    ("set -o pipefail; ./say a | cat", "write to a file", "./say a > f && cat f", "a\n"),
    ("let x=1+1; ./say $x", "x=$((…))", "x=$((1+1)); ./say $x", "2\n"),
    ("declare x=1; ./say $x", "x=…", "x=1; ./say $x", "1\n"),
    ("echo -e 'a\\tb'", "write printf", "printf 'a\\tb\\n'", "a\tb\n"),
    ("(( 1 < 2 )) && ./say a", "[ … -lt … ]", "[ 1 -lt 2 ] && ./say a", "a\n"),
    ("nohup ./say a &", "leave out the &", "./say a", "a\n"),
    ("./say a &", "write wait", "./say a & wait", "a\n"),
    ("module load gcc; ./say a", "with . FILE", ". ./settings; module load gcc; ./say a", "a\n"),
    ("./say {{n}}", "{{{n}}}", "./say {{{n}}}", "{5}\n"),
    ("./say user@{hots}", "no declared parameter", "./say user@{n}", "user@5\n"),
]


@pytest.mark.parametrize(("command", "advice", "mended", "printed"), MENDED)
def test_what_sh_may_not_know_is_said_with_what_to_write(
    command: str, advice: str, mended: str, printed: str, tmp_path: Path
) -> None:
    assert [advice in said for said in warnings_of(command, {}, ["n"])] == [True]
    (tmp_path / "say").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "say").chmod(0o755)
    (tmp_path / "settings").write_text("x=set; module() { :; }\n")
    text = command_of_run(mended, [Parameter("n")], {"n": "5"})
    env = {"PATH": os.environ["PATH"], "LACKEY_PARAM_N": "5"}
    done = subprocess.run(["dash", "-c", text], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (printed, "")
    if "{{{" not in mended:
        assert warnings_of(mended, {}, ["n"]) == [] or "module" in mended


@pytest.mark.parametrize("command", [command for command, _, _, _ in MENDED if "&" not in command.split("&&")[-1][-1:]])
def test_what_bash_knows_is_not_warned_of_where_bash_runs_it(command: str) -> None:
    assert [said for said in warnings_of(command, {}, (), "/bin/bash -l") if "behind @" not in said] == []


@pytest.mark.parametrize(
    "command",
    [
        "./heat {n} > log 2>&1",
        "./a & ./b & wait",
        "(./a & wait) | cat",
        "echo '&> source [[ $'; awk '{print, {a,b}}' f",
        "cat <<'E'\nsource x &> y\nE",
        'echo "a[1]=2 {1..3} <("',
        "./heat # &> log",
        "git log @{upstream} | cat",
        "curl -w '%{http_code}' x",
        "echo '",
        "x=$((1+2)) ./heat && ./heat || true",
    ],
)
def test_a_plain_command_is_not_warned_of(command: str) -> None:
    assert warnings_of(command, {"A": "1", "B": "5 $ and ~x", "C": "a{b}"}, ["n"]) == []


@pytest.mark.parametrize(
    ("name", "value", "literal", "advice"),
    [
        ("PATH", "/x:$PATH", "$PATH", "PATH=/x:$PATH ./…"),
        ("OMP_NUM_THREADS", "{n}", "{n}", "OMP_NUM_THREADS={n} ./…"),
        ("DATA", "~/data", "~", "DATA=~/data ./…"),
        ("DATA", "${HOME}/a b", "${HOME}", "DATA=… ./…"),
    ],
)
def test_what_an_environment_does_not_replace_is_said(name: str, value: str, literal: str, advice: str) -> None:
    assert warnings_of("./heat {n}", {name: value}, ["n"]) == [
        f"{name} in the environment is taken as it is, {literal} included; put it into the command instead: {advice}"
    ]


@pytest.mark.parametrize("shell", ["dash", "bash"])
def test_what_is_advised_for_an_environment_works(shell: str, tmp_path: Path) -> None:
    (tmp_path / "tool").write_text('#!/bin/sh\necho "$OMP_NUM_THREADS $DATA"\n')
    (tmp_path / "tool").chmod(0o755)
    command = "PATH=.:$PATH OMP_NUM_THREADS={n} DATA=~/data tool"
    text = command_of_run(command, [Parameter("n")], {"n": "5"})
    env = {"PATH": os.environ["PATH"], "LACKEY_PARAM_N": "5", "HOME": "/h"}
    done = subprocess.run([shell, "-c", text], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout == "5 /h/data\n"
