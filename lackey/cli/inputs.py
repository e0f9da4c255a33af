"""The options that say what a run is given, for all commands that make one."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lackey.cli.session import pairs
from lackey.cli.terminal import plain
from lackey.domain import durations

F = TypeVar("F", bound=Callable[..., Any])

GRID = (
    "The values of a parameter: 1,2,5; 1..10; 0..1/11, eleven of them, evenly; 1e-6..1e-2/5log. A run for each "
    "combination; the first one named changes slowest."
)
_ENDS = ("succeeded", "ended", "failed")


def duration(text: str) -> float:
    """Seconds. Raises BadParameter."""
    try:
        return durations.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{plain(text)!r} {error}.") from error


def limit(text: str) -> float:
    """More than no seconds. Raises BadParameter."""
    seconds = duration(text)
    if seconds <= 0:
        raise click.BadParameter(f"{plain(text)!r} is no time at all.")
    return seconds


def _awaited(text: str) -> dict[str, Any]:
    """A run or a sweep that is waited for, and what it is to come to, as the API has it."""
    kind, colon, named = text.partition(":")
    if kind != "sweep" or not colon:
        kind, named = "run", text
    on_id, colon, wants = named.partition(":")
    if not (on_id.isascii() and on_id.isdigit()) or (colon and wants not in _ENDS):
        raise click.BadParameter(
            f"{plain(text)!r} is no run and no sweep; it is the id of a run, or sweep:ID, with an end or without: "
            f"7:{', 7:'.join(_ENDS)}, sweep:3:{_ENDS[1]}."
        )
    return {kind: int(on_id), "on": wants or _ENDS[0]}


def awaited_as_typed(one: dict[str, Any]) -> str:
    """The inverse, as a form has it, too."""
    named = f"sweep:{one['sweep']}" if "sweep" in one else str(one["run"])
    return f"{named}:{one['on']}"


AFTER: tuple[tuple[str, ...], dict[str, Any]] = (
    ("--after",),
    {
        "multiple": True,
        "type": _awaited,
        "metavar": "[sweep:]ID[:END]",
        "help": "A run that has to succeed first, or a sweep; ID:ended, ID:failed.",
    },
)
_INPUTS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("-p", "--parameter", "parameters"), {"multiple": True, "metavar": "NAME=VALUE", "help": "A parameter."}),
    (
        ("--env", "environment"),
        {"multiple": True, "metavar": "NAME=VALUE", "help": "A variable of its environment, taken as it is."},
    ),
    (("--tag", "tags"), {"multiple": True, "metavar": "TAG", "help": "To find it by: run list --tag."}),
    (("--priority",), {"type": int, "help": "Higher ones are started first."}),
    AFTER,
    (("--cpus",), {"type": click.IntRange(min=1), "help": "It takes so many."}),
    (("--memory",), {"metavar": "SIZE", "help": "It takes so much: 4GiB."}),
    (("--gpus",), {"type": click.IntRange(min=0), "help": "Give it so many devices."}),
    (
        ("--time-limit",),
        {"type": limit, "metavar": "DURATION", "help": "End it after this: 90s, 1h30m, 00:10:00."},
    ),
)


def input_options(command: F) -> F:
    """Give a command these options; it is called with their values by name."""
    for names, details in reversed(_INPUTS):
        command = click.option(*names, **details)(command)
    return command


def asked(**given: Any) -> dict[str, Any]:
    """What is asked of the API, with what was given alone. Raises UsageError."""
    body = {name: value for name, value in given.items() if value is not None and value != ()}
    for name, option in (("parameters", "-p"), ("environment", "--env")):
        if name in body:
            body[name] = pairs(body[name], option)
    return body
