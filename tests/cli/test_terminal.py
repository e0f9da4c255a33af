"""Text from outside does nothing to a terminal."""

import pytest

from lackey.cli.terminal import ShownLog, plain


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("red \x1b[31m", r"red \x1b[31m"),
        ("two\nlines\ttab\r", r"two\nlines\ttab\r"),
        ("c1 \x9b31m", r"c1 \x9b31m"),
        ("right-to-left \u202e", r"right-to-left \u202e"),
        ("no character \ud800", r"no character \ud800"),
        ("Größe 数 [red]:smile:", "Größe 数 [red]:smile:"),
    ],
)
def test_control_characters_are_shown_escaped(hostile: str, shown: str) -> None:
    assert plain(hostile) == shown


@pytest.mark.parametrize(
    ("log", "shown"),
    [
        (b"one\ttwo\r\n", "one\ttwo\r\n"),
        (b"\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m"),
        (b"clear \x1b[2J\x1b[H\x1b[?25l!", "clear !"),
        (b"title \x1b]0;mine\x07!", "title !"),
        (b"title \x1b]0;mine\x1b\\!", "title !"),
        (b"answer back \x1bP+q544e\x1b\\!", "answer back !"),
        (b"charset \x1b(0 reset \x1bc bell \x07\x08!", "charset  reset  bell !"),
        ("c1 \x9b2J Größe".encode(), "c1 2J Größe"),
        (b"no text \xff", "no text \ufffd"),
        (b"unfinished \x1b[3", "unfinished 3"),
    ],
)
def test_a_log_keeps_its_colours_and_loses_what_else_a_terminal_would_obey(log: bytes, shown: str) -> None:
    text = ShownLog()
    assert text.feed(log) + text.end() == shown


def test_a_log_that_comes_byte_by_byte_is_shown_as_if_it_came_at_once() -> None:
    log = "Größe \x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J \x1b(0 end\n".encode() * 2
    at_once, in_bytes = ShownLog(), ShownLog()
    shown = "".join(in_bytes.feed(log[place : place + 1]) for place in range(len(log))) + in_bytes.end()
    assert shown == at_once.feed(log) + at_once.end()


def test_what_only_begins_like_a_sequence_is_not_held_back_for_ever() -> None:
    text = ShownLog()
    text.feed(b"\x1b]" + b"x" * 10_000)
    assert "the end" in text.feed(b"the end\n")
