"""Words as a shell reads them: quotes, expansions, here-documents (POSIX.1-2024, XCU 2.2, 2.3, 2.6, 2.7.4)."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lackey.domain.shell.reading import (
    CANDIDATE,
    BracedName,
    Context,
    Reading,
    SyntaxFault,
    UnreadableShell,
    Variable,
    candidates,
    trimmed,
)

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(r"\$\{LACKEY_PARAM_([A-Z0-9_]+)\}")
_QUOTED_VARIABLE = re.compile(r'"\$\{LACKEY_PARAM_([A-Z0-9_]+)\}"')
ENDS_WORD = " \t\n;&|<>()"
_DEEPEST = 40


@dataclass
class _HereDocument:
    delimiter: str
    strips_tabs: bool
    quoted: bool


@dataclass
class Word:
    start: int
    end: int
    # What it is after quote removal; None if it holds an expansion or a placeholder.
    literal: str | None
    quoted: bool
    is_function: bool = False


class Words(ABC):
    """Reads words; what they hold of commands is left to `commands`."""

    def __init__(self, text: str, bash: bool) -> None:
        self.text, self.bash = text, bash
        self.at, self.end = 0, len(text)
        self.reading = Reading()
        self.pending: list[_HereDocument] = []
        self.depth = 0
        self.backticks = 0

    @abstractmethod
    def commands(self, closer: str) -> str:
        """Read commands until `closer`: "" is the end, "esac" the end of an item of `case`. What they ended with."""

    # Letters

    def _here(self, length: int = 1) -> str:
        return self.text[self.at : min(self.at + length, self.end)]

    def _take(self, token: str) -> bool:
        if self._here(len(token)) != token:
            return False
        self.at += len(token)
        return True

    def _matched(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        return pattern.match(self.text, self.at, self.end)

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise UnreadableShell("it is nested too deeply")
        yield
        self.depth -= 1

    def _candidate(self, context: Context) -> bool:
        found = self._matched(CANDIDATE)
        if found is None or self.text[max(self.at - 2, 0) : self.at] == "\\$":
            return False
        place = BracedName(*trimmed(found), context, self.backticks > 0)
        self.reading.places.append(place)
        self.at = place.end
        return True

    def _variable(self, pattern: re.Pattern[str], context: Context) -> bool:
        found = self._matched(pattern)
        if found is None:
            return False
        if not self.backticks:
            self.reading.variables.append(Variable(self.at, found.end(), found[1], context))
        self.at = found.end()
        return True

    def _blanks(self) -> None:
        while self._here() in (" ", "\t") or self._here(2) == "\\\n":
            self.at += 1 if self._here() != "\\" else 2

    def _lines(self) -> None:
        """Blanks, ends of lines, comments."""
        while True:
            self._blanks()
            if self._here() == "#":
                self._comment()
            elif self._here() == "\n":
                self._newline()
            else:
                return

    def _comment(self) -> None:
        end = self.text.find("\n", self.at, self.end)
        self.at = self.end if end < 0 else end

    # Words

    def _needs_bash(self, what: str) -> None:
        if not self.bash:
            raise SyntaxFault(f"{what} is nothing that sh knows")

    def _word(self, context: Context, naming: bool = False) -> Word:
        """Read a word. `naming`: it stands where a command, a function or a variable may be named."""
        start, literal, quoted = self.at, "", False
        known = True
        while self._here() and self._here() not in ENDS_WORD:
            here = self._here()
            if here == "\\":
                literal += self._escaped()
                quoted = True
            elif here == '"' and self._variable(_QUOTED_VARIABLE, context):
                quoted, known = True, False
            elif here in "'\"`$":
                begun = self.at
                self._special(here)
                plain = here == "'" or (here == '"' and not re.search(r"[$`\\{]", self.text[begun : self.at]))
                quoted, known = quoted or here != "$", known and plain
                literal += self.text[begun + 1 : self.at - 1] if plain else ""
            elif here == "{" and self._candidate(context):
                known = False
            else:
                literal += here
                self.at += 1
        word = Word(start, self.at, literal if known else None, quoted)
        if self._here() == "(":
            self._parenthesis_in(word, naming)
        elif self.at == start:
            raise SyntaxFault("a word is missing")
        return word

    def _escaped(self) -> str:
        """A backslash and what follows it, outside of quotes; what stays of it."""
        self.at += 1
        if self._here() == "{" and self._candidate(Context.ESCAPED):
            return ""
        letter = self._here()
        self.at += 1
        return "" if letter == "\n" else letter

    def _special(self, here: str) -> None:
        if here == "'":
            self._single_quotes()
        elif here == '"':
            self.at += 1
            self._double_quotes()
        elif here == "`":
            self._backtick()
        else:
            self._dollar(quoted=False)

    def _parenthesis_in(self, word: Word, naming: bool) -> None:
        """What a parenthesis right behind a word means: a function, an array; else nothing is known of it."""
        empty = self._matched(re.compile(r"\([ \t]*\)"))
        if re.fullmatch(rf"{NAME}\+?=", self.text[word.start : word.end]):
            self.reading.features.add("an array, a=(…)")
            self._needs_bash("(")
            self.at += 1
            self._lines()
            while not self._take(")"):
                self._word(Context.WORD)
                self._lines()
            word.end, word.literal = self.at, None
        elif empty and naming and not word.quoted and word.end > word.start:
            self.at = empty.end()
            word.is_function = True
        else:
            self._needs_bash("(")
            raise UnreadableShell("there is a ( in a word")

    # Quotes

    def _raw(self, end: int, context: Context, delimiter: str = "") -> None:
        """What no shell looks into."""
        for start, stop, name, braces in candidates(self.text[self.at : end]):
            place = BracedName(self.at + start, self.at + stop, name, braces, context, self.backticks > 0, delimiter)
            self.reading.places.append(place)
        self.at = end

    def _single_quotes(self) -> None:
        self.at += 1
        end = self.text.find("'", self.at, self.end)
        if end < 0:
            raise SyntaxFault("a ' has no second one")
        self._raw(end, Context.SINGLE_QUOTES)
        self.at += 1

    def _ansi_c_quotes(self) -> None:
        self.reading.features.add("$'…'")
        end = re.compile(r"(?:[^'\\]|\\.)*", re.DOTALL).match(self.text, self.at + 2, self.end)
        assert end
        if end.end() >= self.end:
            raise SyntaxFault("a $' has no second one")
        self.at += 2
        self._raw(end.end(), Context.SINGLE_QUOTES)
        self.at += 1

    def _double_quotes(self) -> None:
        while not self._take('"'):
            if not self._here():
                raise SyntaxFault('a " has no second one')
            self._expanding(Context.DOUBLE_QUOTES)

    def _expanding(self, context: Context) -> None:
        """One step through text in which only $, ` and a backslash before these mean something."""
        here = self._here()
        if here == "\\":
            if self.text[self.at + 1 : self.at + 2] == "{":
                self.at += 1
                inside = context is Context.HERE_DOCUMENT
                if not self._candidate(Context.ESCAPED_IN_HERE_DOCUMENT if inside else context):
                    self.at += 1
            else:
                self.at += 2 if self._here(2)[1:] in ("$", "`", '"', "\\", "\n") else 1
        elif here == "$":
            if not self._variable(_VARIABLE, context):
                self._dollar(quoted=True)
        elif here == "`":
            self._backtick()
        elif not (here == "{" and self._candidate(context)):
            self.at += 1

    def _backtick(self) -> None:
        """A substitution of the old kind: it ends at the next `, whatever is quoted within."""
        body = re.compile(r"(?:[^`\\]|\\.)*", re.DOTALL).match(self.text, self.at + 1, self.end)
        assert body
        if body.end() >= self.end:
            raise SyntaxFault("a ` has no second one")
        self.at += 1
        if "\\" in body[0]:
            self._raw(body.end(), Context.BACKTICKS)
        else:
            self.backticks += 1
            self._within(body.end(), self._substituted)
            self.backticks -= 1
        self.at = body.end() + 1

    def _within(self, end: int, scan: Callable[[], object]) -> None:
        """Scan up to `end`, as if the text ended there."""
        with self._deeper():
            whole, self.end = self.end, end
            scan()
            self.end = whole

    # Expansions

    def _dollar(self, quoted: bool) -> None:
        """`quoted`: within double quotes or a here-document."""
        if self._take("$(("):
            self._arithmetic()
        elif self._take("$("):
            self._substitution()
        elif self._take("${"):
            self._expansion(quoted)
        elif self._here(2) == "$'" and not quoted and self.bash:
            self._ansi_c_quotes()
        elif self._here(2) == "$[" and self.bash:
            raise UnreadableShell("$[…] is no arithmetic that all shells know; write $((…))")
        else:
            self.at += 2 if self._here(2) in ("$$", "$#") else 1

    def _substitution(self) -> None:
        self._substituted(")")

    def _substituted(self, closer: str = "") -> None:
        """Commands with here-documents of their own, the ( being read."""
        outside, self.pending = self.pending, []
        reading, start = self.reading, self.at
        commands, compound, background = list(reading.commands), reading.compound, reading.background
        self.commands(closer)
        self.expect_no_more_here_documents()
        if outside and "\n" in self.text[start : self.at]:
            raise UnreadableShell("a line ends within $(…) before a here-document has begun")
        self.pending = outside
        reading.commands, reading.compound, reading.background = commands, compound, background

    def _arithmetic(self) -> None:
        """The (( being read."""
        parentheses = 0
        with self._deeper():
            while not (parentheses == 0 and self._take("))")):
                here = self._here()
                if not here or (here == ")" and parentheses == 0):
                    raise UnreadableShell("(( has no )); write ( ( for one command within another")
                if here in "'\"" or (here == "\\" and self._here(2) != "\\\n") or (here == "\n" and self.pending):
                    raise UnreadableShell("there are quotes in arithmetic")
                if here in "()":
                    parentheses += 1 if here == "(" else -1
                    self.at += 1
                else:
                    self._expanding(Context.ARITHMETIC)

    def _expansion(self, quoted: bool) -> None:
        """The ${ being read. It ends at the first } that is not quoted."""
        with self._deeper():
            if (index := self._matched(re.compile(rf"{NAME}\[(?=\{{{NAME}\}}\]\}})"))) and self.bash:
                self.at = index.end()
                self._candidate(Context.INDEX)
            while not self._take("}"):
                here = self._here()
                if not here:
                    raise SyntaxFault("a ${ has no }")
                if here in "'\"":
                    if quoted:
                        raise UnreadableShell("there are quotes in a quoted ${…}")
                    self._special(here)
                elif here == "\\":
                    self.at += 2
                else:
                    self._expanding(Context.EXPANSION)

    # Here-documents

    def _delimiter(self, strips_tabs: bool) -> _HereDocument:
        first = len(self.reading.places)
        start = self.at
        word = self._word(Context.DELIMITER)
        for place in self.reading.places[first:]:
            place.context = Context.DELIMITER
        raw = self.text[start : self.at]
        if "$" in raw or "`" in raw or "\n" in raw:
            raise UnreadableShell("the delimiter of a here-document has an expansion")
        if word.literal is None and len(self.reading.places) == first:
            raise UnreadableShell("the delimiter of a here-document is written in an unusual way")
        return _HereDocument(word.literal or "", strips_tabs, word.quoted)

    def expect_no_more_here_documents(self) -> None:
        """Raise Unreadable if one has not begun."""
        if self.pending:
            raise UnreadableShell("a here-document has no lines")

    def _newline(self) -> None:
        self.at += 1
        pending, self.pending = self.pending, []
        for document in pending:
            end, after = self._end_of(document)
            if document.quoted:
                self._raw(end, Context.QUOTED_HERE_DOCUMENT, document.delimiter)
            else:
                self._within(end, self._body)
            self.at = after

    def _body(self) -> None:
        while self._here():
            self._expanding(Context.HERE_DOCUMENT)

    def _end_of(self, document: _HereDocument) -> tuple[int, int]:
        """Where its lines end, and where the text goes on."""
        at, joined = self.at, False
        while at < self.end:
            newline = self.text.find("\n", at, self.end)
            stop = self.end if newline < 0 else newline
            line = self.text[at:stop]
            if not joined and (line.lstrip("\t") if document.strips_tabs else line) == document.delimiter:
                return at, min(stop + 1, self.end)
            joined = not document.quoted and (len(line) - len(line.rstrip("\\"))) % 2 == 1
            at = stop + 1
        return self.end, self.end
