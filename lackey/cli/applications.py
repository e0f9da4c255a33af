"""`lackey application`, or `lackey app` for short."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lackey.cli import show
from lackey.cli.failure import CommandFailed
from lackey.cli.inputs import duration, limit
from lackey.cli.session import Session, confirm, json_option, pairs, pass_session, yes_option

F = TypeVar("F", bound=Callable[..., Any])

_LIMITS = ("time_limit", "start_grace", "silence")
_KINDS = ("text", "integer", "number", "boolean", "choice")


def _seconds(text: str) -> float | str:
    """A limit in seconds; `none` stays as it is, since None means: not given."""
    return text if text == "none" else limit(text)


_LIMIT = {"type": _seconds, "metavar": "DURATION"}
_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--command",),
        {"help": "For its shell; {n} stands for the value of n, quoted by itself, {{n}} for {n} itself."},
    ),
    (("--directory",), {"help": f"Its directory, relative to the project's, or as you type it: {show.PATHS}."}),
    (("--description",), {"help": "What it does."}),
    (
        ("-p", "--parameter", "parameters"),
        {"multiple": True, "metavar": "NAME[=DEFAULT]", "help": "A parameter; without a default it has to be given."},
    ),
    (
        ("--kind", "kinds"),
        {"multiple": True, "metavar": "NAME=KIND", "help": f"What a parameter takes: {', '.join(_KINDS)}."},
    ),
    (("--choices",), {"multiple": True, "metavar": "NAME=A,B,…", "help": "The values that a parameter may have."}),
    (
        ("--env", "environment"),
        {
            "multiple": True,
            "metavar": "NAME=VALUE",
            "help": "A variable of its environment, taken as it is.",
        },
    ),
    (("--cpus",), {"type": click.IntRange(min=1), "help": "How many a run takes; 1 if left out."}),
    (("--memory",), {"metavar": "SIZE", "help": "How much a run takes: 4GiB; none: it is not counted."}),
    (("--gpus",), {"type": click.IntRange(min=0), "help": "How many devices a run is given."}),
    (("--time-limit",), {**_LIMIT, "help": "It is ended after this long: 90s, 1h30m, 00:10:00; none: never."}),
    (
        ("--start-grace",),
        {**_LIMIT, "help": "A run not launched here is lost if it does not report its start for this long."},
    ),
    (("--silence",), {**_LIMIT, "help": "A run not launched here is lost if it says nothing for this long."}),
    (("--retries",), {"type": click.IntRange(min=0), "help": "How often it is run again after it failed."}),
    (
        ("--retry-on",),
        {"metavar": "ENDS", "help": "Which ends are retried: failed,timed_out,lost; none: all three."},
    ),
    (
        ("--retry-wait",),
        {"type": duration, "metavar": "DURATION", "help": "How long before the first retry; doubled for each other."},
    ),
    (("--max-running",), {"type": click.IntRange(min=1), "help": "How many of its runs go on at a time."}),
    (
        ("--workdir",),
        {"type": click.Choice(["application", "run"]), "help": "Whose directory its command begins in."},
    ),
    (("--shell",), {"help": "What runs its command: '/bin/bash -l'; none: the executor's own shell."}),
    (("--executor",), {"help": "What launches it."}),
)


def _options(command: F) -> F:
    for names, details in reversed(_OPTIONS):
        command = click.option(*names, **details)(command)
    return command


def find_application(session: Session, wanted: str) -> dict[str, Any]:
    """An application by its id or `project/name`. Raises CommandFailed when there is none."""
    if wanted.isascii() and wanted.isdigit():
        found: dict[str, Any] = session.client.get(f"/api/application/{wanted}")
        return found
    for each in session.client.items("/api/application"):
        if f"{each['project']}/{each['name']}" == wanted:
            return each
    raise CommandFailed(f"there is no application {wanted}; lackey application list shows those there are")


def split_name(full_name: str) -> tuple[str, str]:
    """`project/name` in its parts. Raises UsageError."""
    project, slash, name = full_name.partition("/")
    if not (slash and project and name):
        raise click.UsageError(f"An application is named PROJECT/NAME, not {full_name!r}.")
    return project, name


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """The options that were given, as the API's fields."""
    fields = {
        name: None if value == "none" and name in (*_LIMITS, "shell", "memory", "retry_on") else value
        for name, value in given.items()
        if value is not None and value != () and name not in ("parameters", "kinds", "choices", "environment")
    }
    if given["retry_on"] not in (None, "none"):
        fields["retry_on"] = [word.strip() for word in given["retry_on"].split(",")]
    if given["environment"]:
        fields["environment"] = pairs(given["environment"], "--env")
    parameters = _parameters(given["parameters"], given["kinds"], given["choices"])
    if parameters:
        fields["parameters"] = parameters
    return fields


def _parameters(declared: tuple[str, ...], kinds: tuple[str, ...], choices: tuple[str, ...]) -> list[dict[str, Any]]:
    parameters: dict[str, dict[str, Any]] = {}
    for text in declared:
        name, equals, default = text.partition("=")
        if name in parameters:
            raise click.UsageError(f"--parameter names {name} twice.")
        parameters[name] = {"name": name, **({"default": default} if equals else {})}
    asked = (("kind", pairs(kinds, "--kind")), ("choices", pairs(choices, "--choices")))
    for field, values in asked:
        for name, value in values.items():
            if name not in parameters:
                raise click.UsageError(f"--{field} names {name}, which no --parameter declares.")
            parameters[name][field] = value.split(",") if field == "choices" else value
            if field == "choices":
                parameters[name].setdefault("kind", "choice")
    return list(parameters.values())


@click.group()
def application() -> None:
    """What can be run: a directory, a command, defaults. Also: lackey app."""


@application.command()
@click.argument("name", metavar="PROJECT/NAME")
@_options
@json_option
@pass_session
def add(session: Session, /, name: str, as_json: bool, **given: Any) -> None:
    """Make an application; it needs a --command."""
    if not given["command"]:
        raise click.UsageError("An application needs a --command.")
    project, own = split_name(name)
    _print_with_warnings(
        session.client.post("/api/application", {"project": project, "name": own, **_fields(given)}), as_json
    )


@application.command("list")
@click.option("--project", help="Those of this project only, by its name or id.")
@json_option
@pass_session
def list_(session: Session, project: str | None, as_json: bool) -> None:
    """List the applications, newest first."""
    items = session.client.items("/api/application", None, **({"project": project} if project else {}))
    if as_json:
        show.print_json(items)
        return
    rows = [(str(each["id"]), f"{each['project']}/{each['name']}", each["command"]) for each in items]
    empty = "There are no applications yet: lackey application add PROJECT/NAME --command …"
    show.print_table(("ID", "NAME", "COMMAND"), rows, empty)


@application.command("show")
@click.argument("application", metavar="PROJECT/NAME")
@json_option
@pass_session
def show_(session: Session, application: str, as_json: bool) -> None:
    """Show an application, by its name or id."""
    # A list leaves the warnings out.
    found = session.client.get(f"/api/application/{find_application(session, application)['id']}")
    _print_with_warnings(found, as_json)


@application.command()
@click.argument("application", metavar="PROJECT/NAME")
@click.option("--name", help="Its new name within the project.")
@_options
@json_option
@pass_session
def edit(session: Session, /, application: str, as_json: bool, **given: Any) -> None:
    """Change what is given of an application.

    All parameters, or all variables of the environment, are given at once. Runs made before stay as they are.
    """
    fields = _fields(given)
    if not fields:
        raise click.UsageError("Say what is to change.")
    place = f"/api/application/{find_application(session, application)['id']}"
    _print_with_warnings(session.client.put(place, fields), as_json)


@application.command()
@click.argument("application", metavar="PROJECT/NAME")
@yes_option
@pass_session
def remove(session: Session, application: str, yes: bool) -> None:
    """Remove an application. One that has runs is archived: they stay."""
    found = find_application(session, application)
    confirm(f"Remove application {found['project']}/{found['name']}?", yes)
    session.client.delete(f"/api/application/{found['id']}")


def _print_with_warnings(application: dict[str, Any], as_json: bool) -> None:
    _print(application, as_json)
    for warning in application.get("warnings", ()):
        click.echo(f"Warning: {warning}", err=True)


def _print(application: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.print_json(application)
        return
    show.print_fields(
        [
            ("id", str(application["id"])),
            ("name", f"{application['project']}/{application['name']}"),
            ("description", application["description"]),
            ("directory", show.directory(application["paths"], application["directory"])),
            ("command", application["command"]),
            *(("parameter", _declaration(each)) for each in application["parameters"]),
            *(("environment", f"{name}={value}") for name, value in application["environment"].items()),
            ("executor", application["executor"]),
            ("workdir", application["workdir"]),
            ("shell", application["shell"]),
            ("cpus", str(application["cpus"] or 1)),
            ("memory", show.size(application["memory"])),
            ("gpus", str(application["gpus"] or "")),
            *((name.replace("_", " "), show.span(application[name])) for name in _LIMITS),
            ("retries", str(application["retries"])),
            ("retries after", ", ".join(application["retry_on"] or ())),
            ("wait for a retry", show.span(application["retry_wait"])),
            ("max running", "" if application["max_running"] is None else str(application["max_running"])),
            ("archived", show.moment(application["archived_at"])),
        ]
    )


def _declaration(parameter: dict[str, Any]) -> str:
    text = parameter["name"] if parameter["default"] is None else f"{parameter['name']}={parameter['default']}"
    kind = f"{parameter['kind']}: {', '.join(parameter['choices'])}" if parameter["choices"] else parameter["kind"]
    return f"{text} ({kind})"
