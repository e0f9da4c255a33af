"""Where a followed run is shown: its log on standard output; on standard error how it stands and how far it is."""

import sys
from types import TracebackType
from typing import Any, Self

from lackey.cli.outcome import is_final, outcome_line
from lackey.cli.terminal import ShownLog, plain

# A line that goes on for longer than this is shown in pieces.
_HELD_AT_MOST = 4096


class Display:
    """Lines on standard error, one for each change. To be used as a context."""

    def __init__(self, with_log: bool) -> None:
        """`with_log`: false, if standard output is for something else than the log."""
        self._with_log = with_log
        self._to_terminal = sys.stdout.isatty()
        self._text = ShownLog()
        self._shown: tuple[Any, ...] = ()
        self._ends_line = True

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._write(self._text.end() if self._with_log and self._to_terminal else "")

    def log(self, piece: bytes) -> None:
        """Show a piece of the log: as it is to a file or a pipe, made harmless to a terminal."""
        if not self._with_log or not piece:
            return
        if self._to_terminal:
            self._write(self._text.feed(piece))
        else:
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()

    def run(self, run: dict[str, Any]) -> None:
        """Show how the run (the API's JSON) stands, if that has changed. Its end is not shown here."""
        progress = run["progress"] or {}
        tenths = None if progress.get("fraction") is None else int(progress["fraction"] * 10)
        shown = (run["state"], run["reason"], tenths, progress.get("message") if tenths is None else None)
        if shown != self._shown and not is_final(run):
            self._shown = shown
            self.note(f"run {run['id']} ({run['name']}) {standing(run)}")

    def note(self, text: str) -> None:
        """Say something about the following itself."""
        # On a terminal both streams meet, and a log may pause in the middle of a line.
        begin = "" if self._ends_line else "\n"
        self._ends_line = True
        print(begin + plain(text), file=sys.stderr, flush=True)

    def end(self, run: dict[str, Any]) -> None:
        """Show how the run ended."""
        self.note(outcome_line(run))

    def _write(self, text: str) -> None:
        if text:
            sys.stdout.write(text)
            sys.stdout.flush()
            self._ends_line = text.endswith("\n")


class BarDisplay(Display):
    """A progress bar at the terminal's bottom; notes and the log's lines go by above it, each once it is whole."""

    def __init__(self, with_log: bool) -> None:
        """Nothing is drawn yet."""
        from rich.ansi import AnsiDecoder
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        super().__init__(with_log)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._bar.add_task("", total=None)
        self._lines = AnsiDecoder()
        self._rest = ""

    def __enter__(self) -> Self:
        """Draw it."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take it away."""
        super().__exit__(kind, error, traceback)
        if (rest := self._lines.decode_line(self._rest)).plain:
            self._bar.console.print(rest, soft_wrap=True)
        self._bar.stop()

    def run(self, run: dict[str, Any]) -> None:
        """Show how far it is."""
        fraction = (run["progress"] or {}).get("fraction")
        description = plain(f"run {run['id']} {standing(run)}")
        width = max(20, self._bar.console.width - 45)
        self._bar.update(
            self._task,
            description=description if len(description) <= width else description[: width - 1] + "…",
            total=None if fraction is None else 1.0,
            completed=fraction or 0.0,
        )

    def _write(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > _HELD_AT_MOST:
            lines, self._rest = [*lines, self._rest], ""
        for line in lines:
            self._bar.console.print(self._lines.decode_line(line), soft_wrap=True)


def standing(run: dict[str, Any]) -> str:
    """State, and why it waits or how far it is."""
    progress = run["progress"] or {}
    fraction = None if progress.get("fraction") is None else f"{progress['fraction']:.0%}"
    details = [each for each in (run["reason"], fraction, progress.get("message")) if each]
    return f"{run['state']}: {', '.join(details)}" if details else str(run["state"])


def display_for(with_log: bool) -> Display:
    """A bar where standard error is a terminal, else lines."""
    return BarDisplay(with_log) if sys.stderr.isatty() else Display(with_log)
