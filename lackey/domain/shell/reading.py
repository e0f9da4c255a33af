"""What is found in a shell's text: the places of placeholders, and what else is of interest in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

# More braces than anybody writes; without a bound a text of nothing but braces would take a square of its length.
CANDIDATE = re.compile(r"(\{{1,9})([A-Za-z_][A-Za-z0-9_]*)(\}{1,9})")


class Context(Enum):
    """What a place is part of."""

    WORD = auto()
    HERE_DOCUMENT = auto()
    ESCAPED_IN_HERE_DOCUMENT = auto()
    ARITHMETIC = auto()
    INDEX = auto()
    # An argument that the shell evaluates as arithmetic: of let, of -eq within [[ ]].
    EVALUATED = auto()
    COMMENT = auto()
    SINGLE_QUOTES = auto()
    QUOTED_HERE_DOCUMENT = auto()
    DOUBLE_QUOTES = auto()
    BACKTICKS = auto()
    ESCAPED = auto()
    DELIMITER = auto()
    NAME = auto()
    SUBSCRIPT = auto()
    RANGE = auto()
    EXPANSION = auto()


@dataclass
class BracedName:
    """A name in braces. `start` and `end` are those of as many braces as there are on both sides (`braces`)."""

    start: int
    end: int
    name: str
    braces: int
    context: Context
    in_backticks: bool
    delimiter: str = ""


@dataclass
class Simple:
    """A simple command: where its name begins, and its words; None for one that only the shell knows."""

    start: int = 0
    words: list[str | None] = field(default_factory=list)
    assigns: bool = False
    # Whether its arguments are evaluated as arithmetic.
    evaluates: bool = False


@dataclass(frozen=True)
class Variable:
    """A parameter's variable, as `fill` writes it: `"${LACKEY_PARAM_N}"` in WORD, else without quotes."""

    start: int
    end: int
    name: str
    context: Context


@dataclass
class Reading:
    """What was found. Substitutions (`$(…)`) are looked through for all but `commands`, `compound` and `background`.

    `compound`: it is more than simple commands one after the other. `features`: what POSIX does not know, as written.
    """

    places: list[BracedName] = field(default_factory=list)
    variables: list[Variable] = field(default_factory=list)
    commands: list[Simple] = field(default_factory=list)
    compound: bool = False
    background: bool = False
    features: set[str] = field(default_factory=set)


class UnreadableShell(Exception):
    """The text is not understood here; a shell may well do so."""


class SyntaxFault(UnreadableShell):
    """No shell of this kind runs the text."""


def candidates(text: str) -> Iterator[tuple[int, int, str, int]]:
    """Each name in braces of which the shell has not its own idea (`${n}`): start, end, name, number of braces."""
    for found in CANDIDATE.finditer(text):
        if text[found.start() - 1 : found.start()] != "$":
            yield trimmed(found)


def trimmed(found: re.Match[str]) -> tuple[int, int, str, int]:
    """A match of CANDIDATE, without the braces that have none on the other side."""
    braces = min(len(found[1]), len(found[3]))
    return found.start(2) - braces, found.end(2) + braces, found[2], braces
