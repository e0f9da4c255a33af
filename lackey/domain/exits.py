"""Exit codes and signals in words: the one place that says what they mean.

What a shell's own codes mean is a custom, not a law (POSIX, Shell Command Language, 2.8.2): 126 and 127 say that a
command could not be had, 128 and the number of a signal that one was ended by it. Any program may end with these
numbers for reasons of its own, so what is said is that of the custom, with the number beside it; of other numbers
nothing is made up. Why a command could not be had the shell has told the log, in the words of its language; so the last
line of the log is what counts, and a cause is named only where that line shows it.
"""

import re
import signal
from dataclasses import dataclass

NOT_EXECUTED, NOT_FOUND = 126, 127

_LONGEST_LINE = 200
_UNSEEN = dict.fromkeys((*range(32), 127))


@dataclass(frozen=True)
class _Ending:
    """What a signal does to a process, and what is behind that, often."""

    what: str
    why: str = ""


_SIGNALS = {
    "SIGHUP": _Ending("hung up", "the terminal or session that it was started from was closed"),
    "SIGINT": _Ending("interrupted", "as by Ctrl-C"),
    "SIGQUIT": _Ending("told to quit", "as by Ctrl-\\"),
    "SIGILL": _Ending("crashed: illegal instruction", "it may be built for another kind of processor"),
    "SIGTRAP": _Ending("ended by a trap"),
    "SIGABRT": _Ending("aborted", "it ended itself, after a fault that it had found: a failed assertion, say"),
    "SIGBUS": _Ending("crashed: bus error", "it used memory that is not there: a file that was cut, a full disk, say"),
    "SIGFPE": _Ending("crashed: arithmetic error", "whole numbers were divided by zero, say"),
    "SIGUSR1": _Ending("ended by a signal that it did not handle"),
    "SIGSEGV": _Ending("crashed: segmentation fault", "it used memory that is not its own"),
    "SIGUSR2": _Ending("ended by a signal that it did not handle"),
    "SIGPIPE": _Ending("ended by a broken pipe", "who read its output was gone"),
    "SIGALRM": _Ending("ended by its own alarm"),
    "SIGTERM": _Ending("asked to end", "by somebody, or by the system as it shut down"),
    "SIGXCPU": _Ending("ended at its limit of processor time"),
    "SIGXFSZ": _Ending("ended at its limit of file size", "a file of its became larger than it may"),
    "SIGVTALRM": _Ending("ended by its own alarm"),
    "SIGPROF": _Ending("ended by a profiler's alarm"),
    "SIGIO": _Ending("ended by a signal that it did not handle"),
    "SIGSYS": _Ending("crashed: forbidden system call"),
    "SIGKILL": _Ending("killed", "by somebody, or by the system, which does so when memory runs out"),
}

_BASH = "is bash's: give the application the shell /bin/bash"
# What the log's last line shows, and what is to be done then. The first that fits.
_ADVICE = (
    (re.compile(r"(?:\^M|\\r)['’\"]*:"), "it has Windows line ends: sed -i 's/\\r$//' on the file mends that"),
    (re.compile(r": source: "), f"source {_BASH}, or write . in its place"),
    (re.compile(r": (?:module|ml|conda|mamba|spack): "), "a login shell may know it: /bin/bash -l as the shell"),
    (re.compile(r": (\[\[|shopt|pushd|popd|declare|mapfile|readarray): "), f"that {_BASH}"),
    (re.compile(r": [^ :]*/[^:]*: "), "there is no such file, or its first line names a program that is not there"),
)


def reason(code: int | None, number: int | None, log_says: str | None = None, *, is_reported: bool = False) -> str:
    """Why a run failed that ended with this exit code or by this signal; `log_says` as `last_words` has it.

    `is_reported`: the code is what the run said of itself, so that no shell of ours need have made it.
    """
    if number is not None:
        ending = _ending_of(number)
        return f"ended by signal {number}" if ending is None else _told(ending, f"signal {number}, {_short(number)}")
    if code in (NOT_EXECUTED, NOT_FOUND) and not (is_reported and log_says is None):
        return _not_had(code, log_says)
    if code in (NOT_EXECUTED, NOT_FOUND):
        return f"ended with exit code {code}: as a shell has it, {_not_had_words(code)}"
    ending = None if code is None else _shell_ending(code)
    if code is None or ending is None:
        return f"ended with exit code {code}"
    return _told(ending, f"exit code {code}: as a shell has it, signal {code - 128}, {_short(code - 128)}")


def code_meaning(code: int) -> str:
    """What an exit code means by the custom of shells; empty if nothing."""
    if code in (NOT_EXECUTED, NOT_FOUND):
        return _not_had_words(code)
    ending = _shell_ending(code)
    return "" if ending is None else f"as a shell has it when SIG{_short(code - 128)} ended a command: {_both(ending)}"


def signal_meaning(number: int) -> str:
    """What it means that a signal ended a process; empty if nothing in particular."""
    ending = _ending_of(number)
    return "" if ending is None else _both(ending)


def last_words(code: int | None, log_end: bytes) -> str | None:
    """The line of the log that tells why a command could not be had; None where that is not what the code says.

    `log_end`: bytes from the end of the log.
    """
    if code not in (NOT_EXECUTED, NOT_FOUND):
        return None
    # By line feeds alone: a carriage return within is what shows Windows line ends.
    lines = [line.strip(" \t\r") for line in log_end.decode(errors="replace").split("\n")]
    said = next((line for line in reversed(lines) if line), "")[:_LONGEST_LINE]
    return said.replace("\r", "^M").translate(_UNSEEN) or None


def _not_had(code: int | None, log_says: str | None) -> str:
    what = f"{_not_had_words(code)} (exit code {code})"
    if log_says is None:
        causes = {
            NOT_EXECUTED: "its file may lack the permission to be executed, or be no program",
            NOT_FOUND: "it is misspelt, not in PATH, or a script whose first line names a program that is not there",
        }
        return f"{what}: {causes[code or 0]}; the log says more"
    advice = next((advice for pattern, advice in _ADVICE if pattern.search(log_says)), None)
    return f"{what}; the log ends: {log_says}" + (f"; {advice}" if advice else "")


def _not_had_words(code: int | None) -> str:
    return "a command was not found" if code == NOT_FOUND else "a command is there, but could not be executed"


def _told(ending: _Ending, by: str) -> str:
    return f"{ending.what} ({by})" + (f": {ending.why}" if ending.why else "")


def _both(ending: _Ending) -> str:
    return f"{ending.what}: {ending.why}" if ending.why else ending.what


def _shell_ending(code: int) -> _Ending | None:
    return _ending_of(code - 128) if code > 128 else None


def _ending_of(number: int) -> _Ending | None:
    try:
        return _SIGNALS.get(signal.Signals(number).name)
    except ValueError:
        return None


def _short(number: int) -> str:
    return signal.Signals(number).name.removeprefix("SIG")
