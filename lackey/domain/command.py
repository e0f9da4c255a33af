"""Commands with placeholders. `{n}` stands for `"${LACKEY_PARAM_N}"`; a value is never pasted into shell text."""

import re
from collections.abc import Iterable

from lackey.domain.application import Parameter
from lackey.domain.refusals import FieldError, Invalid, invalid

PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# `${n}` and `{n,m}` are the shell's own; only `{name}` with nothing else inside is a placeholder.
_PLACEHOLDER = re.compile(r"(?<!\$)\{([A-Za-z_][A-Za-z0-9_]*)\}")


def variable(name: str) -> str:
    """The environment variable that carries the parameter."""
    return f"LACKEY_PARAM_{name.upper()}"


def check_command(command: str, names: Iterable[str]) -> None:
    """Raise Invalid when a placeholder stands inside quotes or names no declared parameter."""
    declared = set(names)
    for found in _PLACEHOLDER.finditer(command):
        if found[1] not in declared:
            known = ", ".join(sorted(declared)) or "none"
            raise invalid(
                "command",
                f"{found[0]} names no declared parameter (declared: {known}); "
                f"if these braces are the command's own, write {{ {found[1]} }}",
            )
        if _inside_quotes(command[: found.start()]):
            raise invalid(
                "command", f"{found[0]} stands inside quotes or a comment; leave them out, it is quoted by itself"
            )


def shell_text(command: str, names: Iterable[str]) -> str:
    """The command as given to `/bin/sh -c`."""
    declared = set(names)
    return _PLACEHOLDER.sub(lambda found: f'"${{{variable(found[1])}}}"' if found[1] in declared else found[0], command)


def _inside_quotes(before: str) -> bool:
    """Whether text that follows `before` is quoted (POSIX, Shell Command Language 2.2), or part of a comment."""
    quote = ""
    escaped = False
    previous = " "
    for letter in before:
        if escaped:
            escaped = False
        elif letter == "\\" and quote != "'" and quote != "#":
            escaped = True
        elif quote == "#":
            quote = "" if letter == "\n" else quote
        elif quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"`":
            quote = letter
        elif letter == "#" and (previous.isspace() or previous in ";&|()<>"):
            quote = "#"
        previous = letter
    return bool(quote) or escaped


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
