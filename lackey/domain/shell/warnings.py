"""What is likely not meant in a command or an environment: taken as it is, and said when it is saved."""

import re
from collections.abc import Iterable, Mapping

from lackey.domain.shell.program import DEFAULT_SHELL
from lackey.domain.shell.reading import Context, Reading, UnreadableShell
from lackey.domain.shell.text import readings

_BOTH = "> file 2>&1"
# What to write for it in sh.
_INSTEAD = {
    "&>": f"dash runs the command in the background instead, and ends at once; write {_BOTH}",
    "&>>": "dash runs the command in the background instead, and ends at once; write >> file 2>&1",
    "[[ … ]]": "write [ … ]",
    "((…))": "write $((…)), or [ … -lt … ]",
    "$'…'": "write the letters themselves between '…', or \"$(printf …)\"",
    "an array, a=(…)": 'write the words themselves, or set -- … and "$@"',
    "an array, a[…]=": 'write a variable for each, or set -- … and "$@"',
    "<(…)": "write a file first",
    ">(…)": "write command | other",
    "<<<": "write printf '%s\\n' … | command, or a here-document",
    "function": "write name() { …; }",
    "{a,b} or {a..b}": "sh does not make a list of it; write the words, or $(seq 1 3)",
}
_COMMANDS = {
    "source": "write . ./file",
    "let": "write x=$((…))",
    "declare": "write x=…",
    "typeset": "write x=…",
    "shopt": "leave it out",
    "pushd": "write cd",
    "popd": "write cd",
    "mapfile": "write while read -r line",
    "readarray": "write while read -r line",
}
# Functions of login shells.
_OF_LOGIN_SHELLS = frozenset(("module", "ml", "conda", "mamba", "micromamba"))
# What git knows behind an @.
_OF_GIT = frozenset(("u", "upstream", "push"))
_FURTHER_SHELLS = ("bash", "zsh", "ksh")
_VARIABLE = re.compile(r"\$(\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*)")
_HOME = re.compile(r"(?:^|:)(~)(?=/|:|$)")


def warnings_of(
    command: str, environment: Mapping[str, str], parameters: Iterable[str] = (), shell: str = DEFAULT_SHELL
) -> list[str]:
    """A sentence for each. `parameters`: the names declared. `shell`: with its options, as it is configured."""
    declared = set(parameters)
    return [*_of_command(command, declared, shell), *_of_environment(command, environment, declared)]


def _of_command(command: str, parameters: set[str], shell: str) -> list[str]:
    try:
        found = readings(command, shell)
    except UnreadableShell:
        return []
    said: dict[str, None] = {}
    if not any(name in shell for name in _FURTHER_SHELLS):
        said |= dict.fromkeys(_of_bash(found, shell))
    if not {"-l", "--login"} & set(shell.split()):
        said |= dict.fromkeys(_of_login_shells(found, shell))
    # dash, which may be /bin/sh, takes &> for an &; that has been said.
    if all(reading.background for reading in found) and "wait" not in _names(found):
        said |= {
            "What the command leaves in the background (&) is ended when it ends: leave out the &, or write wait": None
        }
    said |= dict.fromkeys(_of_braces(command, found[-1], parameters))
    return [f"{sentence}." for sentence in said]


def _of_braces(command: str, reading: Reading, parameters: set[str]) -> Iterable[str]:
    for place in reading.places:
        if place.context in (Context.COMMENT, Context.SINGLE_QUOTES, Context.QUOTED_HERE_DOCUMENT):
            continue
        if place.braces == 2 and place.name in parameters:
            braced = f"{{{place.name}}}"
            yield f"{{{braced}}} stands for {braced} itself, not for a value; a value in braces is {{{{{braced}}}}}"
        # Other undeclared names are refused, or, behind a %, are a format.
        behind_at = place.braces == 1 and command[place.start - 1 : place.start] == "@"
        if behind_at and place.name not in {*parameters, *_OF_GIT}:
            yield f"{{{place.name}}} behind @ is left as it is, for it names no declared parameter"


def _of_login_shells(found: list[Reading], shell: str) -> Iterable[str]:
    for name in sorted(_OF_LOGIN_SHELLS & set(_names(found))):
        yield f"{name} is a function of login shells, which {shell} may not know: source its script first, with . FILE"


def _of_environment(command: str, environment: Mapping[str, str], parameters: set[str]) -> Iterable[str]:
    for name, value in environment.items():
        if f'eval "${name}"' in command:
            continue
        literal = [found[0] for found in _VARIABLE.finditer(value)] + [found[1] for found in _HOME.finditer(value)]
        literal += [f"{{{each}}}" for each in sorted(parameters) if f"{{{each}}}" in value]
        if literal:
            yield (
                f"{name} in the environment is taken as it is, {' and '.join(dict.fromkeys(literal))} included; "
                f"put it into the command instead: {_assignment(name, value)} ./…"
            )


def _assignment(name: str, value: str) -> str:
    """As it is written before a command; a value that needs quotes is left to the reader."""
    return f"{name}={value}" if re.fullmatch(r"[A-Za-z0-9_./:,=+${}~-]+", value) else f"{name}=…"


def _names(found: list[Reading]) -> list[str]:
    commands = (each.words for reading in found for each in reading.commands if each.words)
    return [words[0] for words in commands if words[0] is not None]


def _of_bash(found: list[Reading], shell: str) -> Iterable[str]:
    features = set().union(*(reading.features for reading in found))
    commands = [each.words for reading in found for each in reading.commands if each.words]
    for feature, instead in _INSTEAD.items():
        if feature in features:
            yield f"{shell} may not know {feature}: {instead}"
    for words in commands:
        if words[0] in _COMMANDS:
            yield f"{shell} may not know {words[0]}: {_COMMANDS[words[0]]}"
        elif words[0] == "set" and "pipefail" in words:
            yield f"{shell} may not know set -o pipefail, and then ends at once: write to a file, and read it then"
        elif words[0] == "echo" and words[1:2] == ["-e"]:
            yield f"echo of {shell} may print -e: write printf"
        elif words[0] == "[" and "==" in words:
            yield f"[ of {shell} may not know ==: write ="
