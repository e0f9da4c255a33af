"""Commands as a shell reads them (POSIX.1-2024, XCU 2.9, 2.10): where in its text something stands.

Only what decides about quoting is looked at; the structure of `if` and loops does not. No parser of others is used:
tree-sitter-bash 0.25 ends a here-document at a line of blanks and its delimiter, takes arithmetic in one for a command
and overlooks backticks there, without an error; and bashlex can't be used under the MIT licence.

dash and bash read some texts differently (`$'…'`, `((`, `[[`), so that a text has a reading for each.
"""

import re

from lackey.domain.shell.reading import Context, Reading, Simple, SyntaxFault, UnreadableShell
from lackey.domain.shell.words import ENDS_WORD, NAME, Word, Words

# After these a command begins; after the others none does.
_OPENING = {"if", "then", "elif", "else", "while", "until", "do", "{", "!", "time"}
_CLOSING = {"fi", "done", "}"}
_OPERATORS = re.compile(r";;&|;;|;&|;|&&|\|\||\|&|\|")
_REDIRECTIONS = re.compile(r"<<<|<<-|<<|<>|<&|>&|>>|>\||<|>")
_DECLARING = {"declare", "typeset", "local", "readonly", "export"}
_NUMERIC_TESTS = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R"}


def read(text: str, bash: bool) -> Reading:
    """How bash, or dash, reads the text. Raises Unreadable."""
    scanner = _Commands(text, bash)
    scanner.commands("")
    scanner.expect_no_more_here_documents()
    return scanner.reading


class _Commands(Words):
    def commands(self, closer: str) -> str:
        """Read commands until `closer`: "" is the end, "esac" the end of an item of `case`. What they ended with."""
        with self._deeper():
            while True:
                self._blanks()
                if self.at >= self.end:
                    if closer:
                        raise SyntaxFault(f"{closer} is missing")
                    return ""
                if self._here() in "\n#":
                    self._lines()
                elif self._here() == ")":
                    if closer != ")":
                        raise SyntaxFault("there is a ) too many")
                    self.at += 1
                    return ")"
                elif operator := self._matched(_OPERATORS):
                    self.at = operator.end()
                    self.reading.compound = True
                    if operator[0] in (";;", ";&", ";;&"):
                        if closer != "esac":
                            raise SyntaxFault(f"{operator[0]} is outside of case")
                        return operator[0]
                elif self._here() == "&" and not self._redirects_both():
                    self.at += 1
                    self.reading.compound = True
                    self.reading.background = True
                elif self._command(closer) == "esac":
                    return "esac"

    def _command(self, closer: str) -> str:
        """One simple command, or the head of a compound one. Says "esac" where it ended an item of `case`."""
        command = Simple()
        words = command.words
        self.reading.commands.append(command)
        begins = True
        while True:
            self._blanks()
            here = self._here()
            if here == "(" and begins:
                return self._parenthesis()
            if here in ("", "\n", ";", "|", ")") or (here == "&" and not self._redirects_both()):
                return ""
            if here == "#":
                self._comment()
                return ""
            if here in "<>&":
                self._redirection()
                begins = False
                continue
            first = len(self.reading.places)
            word = self._word(Context.WORD, naming=begins)
            if word.is_function:
                self.reading.compound = True
                self._names(first)
                return ""
            if begins and word.literal is not None and not word.quoted:
                said = self._reserved(word.literal, closer)
                if said is not None:
                    self.reading.compound = True
                    return said
            begins = False
            if word.literal is not None and word.literal.isdigit() and self._here() in ("<", ">"):
                continue
            if not words and self._assignment(word, first):
                command.assigns = True
                continue
            command.start = command.start if words else word.start
            words.append(word.literal)
            self._arguments(command, word, first)
            self._ranges(word, first)

    def _redirects_both(self) -> bool:
        return self.bash and self._here(2) == "&>"

    def _parenthesis(self) -> str:
        self.reading.compound = True
        if self.bash and self._take("(("):
            self.reading.features.add("((…))")
            self._arithmetic()
        else:
            self.at += 1
            self.commands(")")
        return ""

    def _reserved(self, word: str, closer: str) -> str | None:
        """Read on after a reserved word; None if it is none."""
        if word == "esac" and closer == "esac":
            return "esac"
        if word in _OPENING or word in _CLOSING:
            return ""
        if word in ("for", "select"):
            self._for()
        elif word == "case":
            self._case()
        elif word == "[[" and self.bash:
            self.reading.features.add("[[ … ]]")
            self._test()
        elif word == "function" and self.bash:
            self.reading.features.add("function")
            first = len(self.reading.places)
            self._blanks()
            self._word(Context.NAME, naming=True)
            self._names(first)
            self._blanks()
        else:
            return None
        return ""

    def _for(self) -> None:
        self._blanks()
        if self.bash and self._take("(("):
            self._arithmetic()
            return
        first = len(self.reading.places)
        self._word(Context.NAME)
        self._names(first)
        self._lines()
        if self._keyword("in"):
            while True:
                self._blanks()
                if self._here() in ("", "\n", ";", "#"):
                    return
                first = len(self.reading.places)
                self._ranges(self._word(Context.WORD), first)

    def _case(self) -> None:
        self._blanks()
        self._word(Context.WORD)
        self._lines()
        if not self._keyword("in"):
            raise SyntaxFault("case has no in")
        ended = ""
        while ended != "esac":
            self._lines()
            if self._keyword("esac"):
                return
            self._take("(")
            while True:
                self._blanks()
                self._word(Context.WORD)
                self._blanks()
                if self._take(")"):
                    break
                if not self._take("|"):
                    raise SyntaxFault("a pattern of case has no )")
            ended = self.commands("esac")

    def _keyword(self, word: str) -> bool:
        after = self.text[self.at + len(word) : min(self.at + len(word) + 1, self.end)]
        return (after == "" or after in ENDS_WORD) and self._take(word)

    def _test(self) -> None:
        first, words = len(self.reading.places), set()
        while True:
            self._lines()
            if self._keyword("]]"):
                break
            if not self._here():
                raise SyntaxFault("]] is missing")
            if any(map(self._take, ("&&", "||", "(", ")", "<", ">"))):
                continue
            word = self._word(Context.WORD)
            words.add(word.literal)
            if word.literal == "=~":
                self._blanks()
                self._regular_expression()
        if words & _NUMERIC_TESTS:
            self._mark(first, Context.WORD, Context.EVALUATED)

    def _regular_expression(self) -> None:
        parentheses = 0
        while self._here() and (parentheses or self._here() not in " \t\n"):
            if self._here() in "()":
                parentheses += 1 if self._here() == "(" else -1
                self.at += 1
            elif self._here() in "|<>&; \t\n":
                self.at += 1
            else:
                self._word(Context.WORD)

    def _redirection(self) -> None:
        if self._redirects_both():
            self.reading.features.add(self._here(3) if self._here(3) == "&>>" else "&>")
            self.at += 1
        operator = self._matched(_REDIRECTIONS)
        if operator is None:
            raise UnreadableShell("it has a redirection of an unknown kind")
        self.at = operator.end()
        if self._here() == "(" and operator[0] in "<>":
            self.reading.features.add(f"{operator[0]}(…)")
            self._needs_bash("(")
            self.at += 1
            self._substitution()
            return
        self._blanks()
        if operator[0] in ("<<", "<<-"):
            self.pending.append(self._delimiter(operator[0] == "<<-"))
            return
        if operator[0] == "<<<":
            self.reading.features.add("<<<")
            self._needs_bash("<<<")
        if self._here() in "<>" and self._here():
            # > >(…)
            self._redirection()
        else:
            self._word(Context.WORD)

    def _assignment(self, word: Word, first: int) -> bool:
        raw = self.text[word.start : word.end]
        if named := re.match(rf"(?:[A-Za-z0-9_]|\{{{{1,9}}{NAME}\}}{{1,9}})+\+?=", raw):
            for place in self.reading.places[first:]:
                if place.end <= word.start + named.end() and place.context is Context.WORD:
                    place.context = Context.NAME
            return True
        if self.bash and (subscript := re.match(rf"({NAME}\[)", raw)):
            self._subscript(word, first, word.start + subscript.end())
            return bool(re.match(rf"{NAME}\[[^]]*\]\+?=", raw))
        return False

    def _subscript(self, word: Word, first: int, begins: int) -> None:
        closes = self.text.find("]", begins, word.end)
        if closes < 0:
            raise UnreadableShell("it has an index with blanks")
        self.reading.features.add("an array, a[…]=")
        for place in self.reading.places[first:]:
            if place.start < closes and place.context is Context.WORD:
                alone = (place.start, place.end) == (begins, closes)
                place.context = Context.INDEX if alone else Context.SUBSCRIPT

    def _arguments(self, command: Simple, word: Word, first: int) -> None:
        """Of commands that evaluate their arguments as arithmetic."""
        name = command.words[0]
        if name == "let" or (name in _DECLARING and re.fullmatch(r"-[A-Za-z]*i[A-Za-z]*", word.literal or "")):
            command.evaluates = True
        if command.evaluates:
            self._mark(first, Context.WORD, Context.EVALUATED)

    def _ranges(self, word: Word, first: int) -> None:
        """{1..{n}}: a list is made before values are put in."""
        raw = self.text[word.start : word.end]
        lists = re.findall(r"(?<!\$)\{[^{}\s]*\}", raw) if not word.quoted else []
        if any("," in each or ".." in each for each in lists):
            self.reading.features.add("{a,b} or {a..b}")
        for place in self.reading.places[first:]:
            if place.context is not Context.WORD:
                continue
            opened = raw.rfind("{", 0, place.start - word.start) > raw.rfind("}", 0, place.start - word.start)
            begins = self.text.startswith("..", place.end) and self.text[place.start - 1 : place.start] == "{"
            if begins or (opened and self.text.endswith("..", 0, place.start)):
                place.context = Context.RANGE

    def _names(self, first: int) -> None:
        self._mark(first, Context.WORD, Context.NAME)

    def _mark(self, first: int, before: Context, after: Context) -> None:
        for place in self.reading.places[first:]:
            if place.context is before:
                place.context = after
