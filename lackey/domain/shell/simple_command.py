"""Commands that take the place of their shell, so that signals and exit are their own.

dash stays as the parent of what `sh -c 'a simple command'` starts; bash does not.
"""

from lackey.domain.shell.program import DEFAULT_SHELL
from lackey.domain.shell.reading import Reading, UnreadableShell
from lackey.domain.shell.text import readings

# Of dash 0.5.12 and bash 5.2: what exec would not find, or find as another program (/bin/echo knows -e).
_BUILTINS = frozenset(
    # fmt: off
    (
        ".",
        ":",
        "[",
        "alias",
        "bg",
        "bind",
        "break",
        "builtin",
        "caller",
        "cd",
        "chdir",
        "command",
        "compgen",
        "complete",
        "compopt",
        "continue",
        "coproc",
        "declare",
        "dirs",
        "disown",
        "echo",
        "enable",
        "eval",
        "exec",
        "exit",
        "export",
        "false",
        "fc",
        "fg",
        "getopts",
        "hash",
        "help",
        "history",
        "jobs",
        "kill",
        "let",
        "local",
        "logout",
        "mapfile",
        "popd",
        "printf",
        "pushd",
        "pwd",
        "read",
        "readarray",
        "readonly",
        "return",
        "set",
        "shift",
        "shopt",
        "source",
        "suspend",
        "test",
        "times",
        "trap",
        "true",
        "type",
        "typeset",
        "ulimit",
        "umask",
        "unalias",
        "unset",
        "wait",
    )
    # fmt: on
)


def replacing_the_shell(command: str, shell: str = DEFAULT_SHELL) -> str:
    """The command with `exec` before it, where it is one simple command and the shell is /bin/sh; else as it is.

    exec finds it, fails (126, 127) and runs a script without #! as the shell itself does; dash's message then has
    `exec: ` before the name. A login shell is left alone: its functions (`module`) are no programs.
    """
    if shell != DEFAULT_SHELL:
        return command
    try:
        starts = {_start(reading) for reading in readings(command)}
    except UnreadableShell:
        return command
    start = starts.pop()
    if starts or start is None:
        return command
    return f"{command[:start]}exec {command[start:]}"


def _start(reading: Reading) -> int | None:
    """Where the only command's name stands; None if there is more than one, or the name is not a program's."""
    named = [each for each in reading.commands if each.words or each.assigns]
    if reading.compound or len(named) != 1 or named[0].assigns:
        return None
    name = named[0].words[0]
    if not name or name in _BUILTINS or name.startswith("-"):
        return None
    return named[0].start
