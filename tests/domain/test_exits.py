"""What a log's last line tells of a command that could not be had, in the words of whatever shell wrote it."""

import pytest

from lackey.domain.exits import last_words, reason

LOGIN, WINDOWS, DOT = "a login shell may know it", "Windows line ends", "write . in its place"
MISSING = "its first line names a program that is not there"


@pytest.mark.parametrize(
    ("code", "said", "advice"),
    [
        (127, "/bin/sh: 1: module: not found", LOGIN),
        (127, "/bin/bash: line 1: module: command not found", LOGIN),
        (127, "/bin/bash: Zeile 1: conda: Kommando nicht gefunden.", LOGIN),
        (127, "sh: module: not found", LOGIN),
        (127, "/bin/sh: 1: source: not found", DOT),
        (127, "/bin/sh: 1: [[: not found", "that is bash's"),
        (127, "/bin/sh: 1: ./solver: not found", MISSING),
        (127, "/bin/bash: line 1: ./solver: No such file or directory", MISSING),
        (127, "./solver: 2: cd\r: not found", WINDOWS),
        (127, "./solver: line 2: $'cd\\r': command not found", WINDOWS),
        (
            127,
            "/usr/bin/env: \N{LEFT SINGLE QUOTATION MARK}bash\\r\N{RIGHT SINGLE QUOTATION MARK}: No such file",
            WINDOWS,
        ),
        (126, "/bin/bash: ./solver: /bin/sh^M: bad interpreter: No such file or directory", WINDOWS),
        (127, "/bin/sh: 1: solver: not found", ""),
        (126, "/bin/sh: 1: solver: Permission denied", ""),
        (127, "10 %\r20 %\r30 %", ""),
    ],
)
def test_a_cause_is_named_where_the_line_shows_it_and_nowhere_else(code: int, said: str, advice: str) -> None:
    told = reason(code, None, last_words(code, f"step 1\n{said}\n\n".encode()))
    line = said.replace("\r", "^M")
    assert f"(exit code {code}); the log ends: {line}" in told
    _, _, behind = told.partition(line)
    assert advice in behind and bool(behind) is bool(advice)


def test_line_ends_are_not_blamed_where_no_log_shows_them() -> None:
    assert "Windows" not in reason(127, None) and "Windows" not in reason(126, None)


@pytest.mark.parametrize("code", [None, 0, 1, 2, 128, 137])
def test_other_codes_take_nothing_from_a_log(code: int | None) -> None:
    assert last_words(code, b"/bin/sh: 1: module: not found\n") is None


@pytest.mark.parametrize("log", [b"", b"\n \n\r\n", b"\x1b"])
def test_a_log_that_says_nothing_is_not_quoted(log: bytes) -> None:
    assert last_words(127, log) is None


def test_a_line_is_cut_and_does_nothing_to_a_terminal() -> None:
    said = last_words(127, b"\x1b[31m\xff" + b"x" * 5000)
    assert said is not None and said.startswith("[31m\N{REPLACEMENT CHARACTER}xx") and len(said) <= 200
