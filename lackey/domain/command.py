"""An application's command and parameters: what is refused, and what a run makes of them.

`{n}` stands for `"${LACKEY_PARAM_N}"`, or for what is right in its place (`shell_text`).
"""

import re
import shlex
from collections.abc import Iterable, Mapping

from lackey.domain.application import Parameter
from lackey.domain.refusals import FieldError, Invalid, invalid
from lackey.domain.shell.program import DEFAULT_SHELL
from lackey.domain.shell.reading import Context, UnreadableShell, Variable
from lackey.domain.shell.text import Filled, check_calculable, fill, readings, variable

PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Beside these a value that needs no quotes needs none in the middle of a word either.
_PLAIN_BEFORE, _PLAIN_AFTER = frozenset(" \t\n=/.,:%@"), frozenset(" \t\n;/.,:%@")
_PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./,:%@+-]+")
_RESERVED = {"if", "then", "elif", "else", "fi", "for", "while", "until", "do", "done", "case", "esac", "in"}
_RESERVED |= {"select", "function", "time"}


def check_command(command: str, parameters: Iterable[Parameter], shell: str = DEFAULT_SHELL) -> None:
    """Raise Invalid when a placeholder stands where no value can, or names no declared parameter."""
    fill(command, parameters, shell)


def command_of_run(
    command: str, parameters: Iterable[Parameter], values: Mapping[str, str], shell: str = DEFAULT_SHELL
) -> str:
    """The text for the shell. Raises Invalid: of the command for `application`, of a value for its name."""
    filled = filled_command(command, parameters, shell)
    check_calculable(filled, values)
    return filled.text


def filled_command(command: str, parameters: Iterable[Parameter], shell: str = DEFAULT_SHELL) -> Filled:
    """The same for any values; which ones can be calculated with, is still to be checked.

    A command may be refused that was not when it was saved: an earlier version took it.
    """
    try:
        return fill(command, parameters, shell)
    except Invalid as refusal:
        problem = "; ".join(error.message for error in refusal.errors)
        raise invalid("application", f"can't be run before its command is changed: {problem}") from refusal


def filled_in(command: str, parameters: Mapping[str, str]) -> str:
    """A run's command with the values of its parameters, to be pasted into a shell, in its directory.

    Where a value can't stand in the text itself, a line before it sets the variable. What the command reads from its
    environment beside that (LACKEY_RUN_DIR, the application's variables) is not set by it.
    """
    values = {variable(name).removeprefix("LACKEY_PARAM_"): value for name, value in parameters.items()}
    text, at = [], 0
    for found in _variables(command):
        if found.name in values and (shown := _shown(command, found, values[found.name])) is not None:
            text += [command[at : found.start], shown]
            at = found.end
    filled = "".join([*text, command[at:]])
    left = [name for name in values if re.search(rf"LACKEY_PARAM_{name}(?![A-Za-z0-9_])", command)]
    if all(f"LACKEY_PARAM_{name}" not in filled for name in left):
        return filled
    return "".join(f"export LACKEY_PARAM_{name}={shlex.quote(values[name])}\n" for name in left) + command


def _variables(command: str) -> list[Variable]:
    """Those of which each reading says the same."""
    try:
        first, *others = (reading.variables for reading in readings(command))
    except UnreadableShell:
        return []
    kept = [found for found in first if all(found in other for other in others)]
    return sorted(kept, key=lambda found: found.start)


def _shown(command: str, found: Variable, value: str) -> str | None:
    """A value as it stands in the text; None where it can't."""
    if found.context is Context.WORD:
        before, after = command[found.start - 1 : found.start] or " ", command[found.end : found.end + 1] or " "
        plain = before in _PLAIN_BEFORE and after in _PLAIN_AFTER and value not in _RESERVED
        return value if plain and _PLAIN_VALUE.fullmatch(value) else "'" + value.replace("'", "'\"'\"'") + "'"
    if found.context is Context.HERE_DOCUMENT and "\n" not in value:
        return re.sub(r"[\\$`]", r"\\\g<0>", value)
    if found.context is Context.DOUBLE_QUOTES:
        return re.sub(r'[\\$`"]', r"\\\g<0>", value)
    if found.context is Context.ARITHMETIC and re.fullmatch(r"[+-]?[0-9]+", value):
        return value
    return None


def check_parameters(parameters: Iterable[Parameter]) -> None:
    """Raise Invalid, naming every faulty declaration."""
    errors, seen = [], set()
    for number, parameter in enumerate(parameters):
        where = f"parameters.{number}"
        if not PARAMETER_NAME.fullmatch(parameter.name):
            errors.append(FieldError(f"{where}.name", "letters, digits and _ only, not beginning with a digit"))
        if parameter.name.upper() in seen:
            errors.append(FieldError(f"{where}.name", f"{parameter.name} is declared twice (case does not count)"))
        seen.add(parameter.name.upper())
        if parameter.kind == "choice" and not parameter.choices:
            errors.append(FieldError(f"{where}.choices", "a choice needs its choices"))
        if parameter.default is not None and (problem := _misfit(parameter, parameter.default)):
            errors.append(FieldError(f"{where}.default", problem))
    if errors:
        raise Invalid(*errors)


def fill_parameters(declared: Iterable[Parameter], given: dict[str, str]) -> dict[str, str]:
    """The values of a run: those given, else the defaults. Raises Invalid, naming every faulty one."""
    left, values, errors = dict(given), {}, []
    for parameter in declared:
        value = left.pop(parameter.name, parameter.default)
        where = f"parameters.{parameter.name}"
        if value is None:
            errors.append(FieldError(where, "has no default and has to be given"))
        elif problem := _misfit(parameter, value):
            errors.append(FieldError(where, problem))
        else:
            values[parameter.name] = value
    errors += [FieldError(f"parameters.{name}", "is not a parameter of this application") for name in left]
    if errors:
        raise Invalid(*errors)
    return values


def change_parameters(
    command: str | None, before: Mapping[str, str], given: Mapping[str, str], declared: Iterable[Parameter] | None
) -> dict[str, str]:
    """The values of a run with the command of one before: that one's, but for those given. Raises Invalid.

    `declared`: those that its application takes now; None for a run of no application, which may have any.
    """
    if declared is None:
        return {**before, **given}
    by_name = {parameter.name: parameter for parameter in declared}
    errors = []
    for name, value in given.items():
        problem = _misfit(by_name.get(name, Parameter(name)), value)
        if name not in before:
            has = ", ".join(before) or "none"
            problem = f"is not a parameter of this run, which has {has}; to give others, make a new run"
        if problem:
            errors.append(FieldError(f"parameters.{name}", problem))
    if errors:
        raise Invalid(*errors)
    filled = Filled(command or "", _calculated(command or "", given))
    check_calculable(filled, given)
    return {**before, **given}


def _calculated(command: str, names: Iterable[str]) -> frozenset[str]:
    """With which of the parameters a run's command calculates."""
    found = {each.name for each in _variables(command) if each.context is Context.ARITHMETIC}
    return frozenset(name for name in names if variable(name).removeprefix("LACKEY_PARAM_") in found)


def _misfit(parameter: Parameter, value: str) -> str | None:
    if "\0" in value:
        return "holds a NUL character, which no environment variable can carry"
    if parameter.choices and value not in parameter.choices:
        return f"is none of {', '.join(parameter.choices)}"
    if parameter.kind == "integer" and not re.fullmatch(r"[+-]?[0-9]+", value):
        return f"{value[:40]!r} is no whole number"
    if parameter.kind == "number" and not _is_number(value):
        return f"{value[:40]!r} is no number"
    if parameter.kind == "boolean" and value not in ("true", "false"):
        return "is neither true nor false"
    return None


def _is_number(text: str) -> bool:
    """Whether C and Fortran would read it too: Python alone allows 1_000, other scripts' digits, blanks around it."""
    try:
        float(text)
    except ValueError:
        return False
    return text.isascii() and "_" not in text and text == text.strip()
