"""What a command's placeholders become in the text that a shell is given.

A value is never pasted into that text: a variable stands for it, quoted as its place asks for. Where that can't be
done, or nobody can be sure how a shell reads the text, the command is refused with what to write instead.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from lackey.domain.application import Parameter
from lackey.domain.refusals import invalid
from lackey.domain.shell.commands import read
from lackey.domain.shell.program import DEFAULT_SHELL
from lackey.domain.shell.reading import BracedName, Context, Reading, SyntaxFault, UnreadableShell, candidates

_INTEGERS_ONLY = (Context.ARITHMETIC, Context.INDEX, Context.EVALUATED)
_LEFT_ALONE = (Context.SINGLE_QUOTES, Context.QUOTED_HERE_DOCUMENT)
# `%{http_code}`, `@{upstream}`: other programs' own.
_OTHERS_OWN = ("%", "@", "$")
# What a shell calculates with: 64 bits, and no leading zero, which would make 010 an 8.
_CALCULABLE = re.compile(r"[+-]?(0|[1-9][0-9]*)")
_LARGEST = 2**63 - 1


def variable(name: str) -> str:
    """The environment variable that carries the parameter."""
    return f"LACKEY_PARAM_{name.upper()}"


@lru_cache(maxsize=100)
def readings(command: str, shell: str = DEFAULT_SHELL) -> list[Reading]:
    """How the shell reads the text; `/bin/sh` may be dash or bash, so it has two. Raises Unreadable.

    A reading in which the text is no program is left out, as long as there is another one.
    """
    name = shell.split()[0].rpartition("/")[2] if shell.split() else ""
    kinds = {"bash": (True,), "dash": (False,)}.get(name, (False, True))
    found, faults = [], []
    for bash in kinds:
        try:
            found.append(read(command, bash))
        except SyntaxFault as fault:
            faults.append(fault)
    if not found:
        raise faults[0]
    return found


@dataclass(frozen=True)
class Filled:
    """The text for the shell, and the names of the parameters with which it calculates."""

    text: str
    calculated: frozenset[str]


def fill(command: str, parameters: Iterable[Parameter], shell: str = DEFAULT_SHELL) -> Filled:
    """The command with a variable for each placeholder. Raises Invalid for `command`."""
    declared = {parameter.name: parameter for parameter in parameters}
    if not any(True for _ in _all_candidates(command)):
        return Filled(command, frozenset())
    try:
        found = readings(command, shell)
    except UnreadableShell as fault:
        _refuse_unread(command, declared, fault)
        return Filled(command, frozenset())
    filled = [_filled(command, reading.places, declared) for reading in found]
    if len({each.text for each in filled}) > 1:
        raise invalid(
            "command",
            "is read in one way by dash and in another by bash, and /bin/sh may be either: "
            "$'…' with a quote in it, or ((…)) for $((…)); write it in a way that both know",
        )
    return Filled(filled[0].text, frozenset().union(*(each.calculated for each in filled)))


def _all_candidates(command: str) -> Iterator[tuple[int, int, str, int]]:
    yield from candidates(command)
    # What follows $$ (the shell's own id) is looked at too; `candidates` leaves it to the shell.
    for found in re.finditer(r"\$\$(\{[A-Za-z_][A-Za-z0-9_]*\})", command):
        yield found.start(1), found.end(1), found[1][1:-1], 1


def _refuse_unread(command: str, declared: dict[str, Parameter], fault: UnreadableShell) -> None:
    """Raise Invalid if there is a placeholder where nobody knows what it is part of."""
    for start, end, name, braces in _all_candidates(command):
        if name in declared:
            raise invalid(
                "command",
                f"{command[start:end]} stands in a text that is not understood ({fault}); "
                f'mend that, or write "${variable(name)}" in its place',
            )
        if braces > 1 or command[start - 1 : start] not in _OTHERS_OWN:
            raise invalid(
                "command",
                f"{command[start:end]} {_unknown(declared)}, and stands in a text that is not understood ({fault}); "
                f"mend that, or put the text into a script, a file of its own",
            )


def _filled(command: str, places: list[BracedName], declared: dict[str, Parameter]) -> Filled:
    pieces, at, calculated = [], 0, set()
    for place in sorted(places, key=lambda each: each.start):
        pieces += [command[at : place.start], _piece(command, place, declared)]
        at = place.end
        if place.name in declared and place.context in _INTEGERS_ONLY:
            calculated.add(place.name)
    return Filled("".join([*pieces, command[at:]]), frozenset(calculated))


def _piece(command: str, place: BracedName, declared: dict[str, Parameter]) -> str:
    written = command[place.start : place.end]
    known = declared.get(place.name)
    if place.context is Context.COMMENT:
        return written
    if place.context in _LEFT_ALONE and (known is None or place.braces > 1):
        return written
    if place.context is Context.ESCAPED and known is None:
        return written
    halves = place.braces // 2
    if place.braces % 2 == 0 and place.context not in (Context.EXPANSION, Context.BACKTICKS):
        return "{" * halves + place.name + "}" * halves
    if known is None:
        if command[place.start - 1 : place.start] in _OTHERS_OWN and place.context is not Context.EXPANSION:
            return written
        raise invalid("command", _undeclared(place, written, declared))
    return "{" * halves + _value(command, place, known) + "}" * halves


def _unknown(declared: Iterable[str]) -> str:
    return f"names no declared parameter (declared: {', '.join(sorted(declared)) or 'none'})"


def _undeclared(place: BracedName, written: str, declared: Iterable[str]) -> str:
    if place.context is Context.EXPANSION:
        return f"{written} {_unknown(declared)}; within ${{…}}, a variable that holds it can stand there instead"
    if place.context is Context.BACKTICKS:
        return f"{written} {_unknown(declared)}; if these braces are the command's own, write $(…) for `…`"
    doubled = "{" * place.braces + written + "}" * place.braces
    return f"{written} {_unknown(declared)}; if these braces are the command's own, write {doubled}"


def _value(command: str, place: BracedName, parameter: Parameter) -> str:
    """What stands for the value. Raises Invalid where nothing can."""
    name = variable(parameter.name)
    if place.in_backticks or place.context in _ADVICE:
        context = Context.BACKTICKS if place.in_backticks else place.context
        raise invalid("command", f"{{{parameter.name}}} {_ADVICE[context](parameter.name, name, place.delimiter)}")
    if place.context in _INTEGERS_ONLY:
        _check_calculation(command, place, parameter)
    return {
        Context.HERE_DOCUMENT: f"${{{name}}}",
        Context.ESCAPED_IN_HERE_DOCUMENT: f"\\${{{name}}}",
        Context.ARITHMETIC: f"(${{{name}}})",
        Context.INDEX: f"${{{name}}}",
    }.get(place.context, f'"${{{name}}}"')


def _check_calculation(command: str, place: BracedName, parameter: Parameter) -> None:
    if parameter.kind != "integer":
        raise invalid(
            "command",
            f"{{{parameter.name}}} is calculated with, and a shell would run what stands in a text; "
            f"declare {parameter.name} as integer",
        )
    beside = command[place.start - 1 : place.start] + command[place.end : place.end + 1]
    if place.context is Context.ARITHMETIC and re.search(r"[A-Za-z0-9_#.{}$]", beside):
        raise invalid(
            "command", f"{{{parameter.name}}} is only a part of a number; put a blank or an operator beside it"
        )


def check_calculable(filled: Filled, values: Mapping[str, str]) -> None:
    """Raise Invalid for a value that a shell would not take for the number that it is."""
    for name in sorted(filled.calculated & values.keys()):
        value = values[name]
        if not _CALCULABLE.fullmatch(value) or abs(int(value)) > _LARGEST:
            raise invalid(
                f"parameters.{name}",
                f"{value[:40]} is calculated with by the command's shell, which takes a leading zero for octal and "
                f"knows no number beyond {_LARGEST}",
            )


_ADVICE: dict[Context, Callable[[str, str, str], str]] = {
    Context.SINGLE_QUOTES: lambda n, v, _: (
        f"stands in single quotes, in which nothing is put in; end them before it and begin them again behind it, "
        f"'…'{{{n}}}'…', or, within a program (sh -c, awk), read {v} from the environment; "
        f"for these very letters write {{''{n}}}"
    ),
    Context.DOUBLE_QUOTES: lambda n, v, _: (
        f'stands inside quotes; leave them out, it is quoted by itself, or end them before it: "…"{{{n}}}"…"; '
        f"for these very letters write {{{{{n}}}}}"
    ),
    Context.QUOTED_HERE_DOCUMENT: lambda n, v, d: (
        f"stands in a here-document that is taken as it is, since its delimiter is quoted; write "
        f"{'<<' + d if re.fullmatch('[A-Za-z0-9_]+', d) else 'a word'} without quotes there, and a backslash before "
        f"each $, ` and \\ that is to stay; for these very letters write {{{{{n}}}}} then"
    ),
    Context.BACKTICKS: lambda n, v, _: "stands within `…`; write $(…)",
    Context.ESCAPED: lambda n, v, _: (
        f"stands behind a backslash; leave it out; for these very letters write {{{{{n}}}}}"
    ),
    Context.DELIMITER: lambda n, v, _: "is the delimiter of a here-document; write another word",
    Context.NAME: lambda n, v, _: (
        f"stands in the name of a variable or function, which is the same in all runs; "
        f"to set a variable of that name write export {{{n}}}=…"
    ),
    Context.SUBSCRIPT: lambda n, v, _: (
        f"is only a part of an index; calculate it before: i=$(( … {{{n}}} … )); a[$i]=…"
    ),
    Context.RANGE: lambda n, v, _: (
        f"stands in {{…..…}}, whose list is made before values are put in; write $(seq 1 {{{n}}})"
    ),
    Context.EXPANSION: lambda n, v, _: f'stands within ${{…}}; write "${v}" in its place',
}
