"""What gets into lackey's log from outside can't pass for a line of it, nor tell a terminal anything."""

import subprocess
import sys

PROGRAM = """
import logging
from lackey import log_lines
log_lines.to_stderr()
log = logging.getLogger("lackey.test")
told = "heat\\n2026-01-01 00:00:00,000 INFO lackey: run 7: running \\u2192 succeeded\\x1b]0;mine\\x07\\r\\u202e\\x9b2J"
log.warning("no such file: %s", told)
try:
    raise ValueError(told)
except ValueError:
    log.exception("%s failed", told)
log.info("run 1: running \\u2192 succeeded")
log.warning("caf\\udce9", stack_info=True)
"""


def written(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=True)
    return done.stderr.decode()


def test_no_text_from_outside_begins_a_line_or_moves_a_cursor() -> None:
    lines = written(PROGRAM).split("\n")
    assert not [letter for line in lines for letter in line if not letter.isprintable()]
    records = [line for line in lines if line and not line.startswith("    ")]
    assert len(records) == 4, lines
    assert r"no such file: heat\n2026-01-01" in records[0]
    assert r"\x1b]0;mine\x07\r\u202e\x9b2J" in records[0]
    assert records[2].endswith("run 1: running → succeeded")
    assert r"caf\udce9" in records[3]


def test_a_traceback_stays_readable() -> None:
    lines = written(PROGRAM).split("\n")
    start = lines.index("    Traceback (most recent call last):")
    assert lines[start + 1].startswith('      File "<string>", line ')
    assert lines[start + 2] == "    ValueError: heat"
    assert lines[start + 3].startswith("    2026-01-01 ")


def test_who_has_the_log_written_elsewhere_goes_on_having_it_so() -> None:
    program = "import logging; from lackey import log_lines\nlogging.basicConfig(format='mine %(message)s')\n"
    assert written(program + "log_lines.to_stderr(); logging.warning('x')") == "mine x\n"
