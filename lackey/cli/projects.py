"""`lackey project`."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from lackey.cli import show
from lackey.cli.failure import CommandFailed
from lackey.cli.session import Session, confirm, json_option, pass_session, yes_option

F = TypeVar("F", bound=Callable[..., Any])


def find_project(session: Session, wanted: str) -> dict[str, Any]:
    """A project by its id or name. Raises CommandFailed when there is none."""
    if wanted.isascii() and wanted.isdigit():
        found: dict[str, Any] = session.client.get(f"/api/project/{wanted}")
        return found
    for each in session.client.items("/api/project"):
        if each["name"] == wanted:
            return each
    raise CommandFailed(f"there is no project {wanted}; lackey project list shows those there are")


def _options(command: F) -> F:
    for option, text in (
        ("--directory", f"Its directory, as you type it: {show.PATHS}, or relative to the share."),
        ("--share", "The name of the share it lies on, where the directory does not tell."),
        ("--description", "What it is about."),
        ("--title", "Its name for people."),
    ):
        command = click.option(option, help=text)(command)
    return command


@click.group()
def project() -> None:
    """Groups of applications, each with a directory on a share."""


@project.command()
@click.argument("name")
@_options
@json_option
@pass_session
def add(session: Session, /, name: str, as_json: bool, **options: str | None) -> None:
    """Make a project."""
    given = {option: value for option, value in options.items() if value is not None}
    _print(session.client.post("/api/project", {"name": name, **given}), as_json)


@project.command("list")
@json_option
@pass_session
def list_(session: Session, as_json: bool) -> None:
    """List the projects, newest first."""
    items = session.client.items("/api/project")
    if as_json:
        show.print_json(items)
        return
    rows = [(str(each["id"]), each["name"], _directory(each), each["title"]) for each in items]
    show.print_table(("ID", "NAME", "DIRECTORY", "TITLE"), rows, "There are no projects yet: lackey project add NAME")


@project.command("show")
@click.argument("project", metavar="PROJECT")
@json_option
@pass_session
def show_(session: Session, project: str, as_json: bool) -> None:
    """Show a project, by its name or id."""
    _print(find_project(session, project), as_json)


@project.command()
@click.argument("project", metavar="PROJECT")
@click.option("--name", help="Its new name.")
@_options
@json_option
@pass_session
def edit(session: Session, /, project: str, as_json: bool, **options: str | None) -> None:
    """Change what is given of a project."""
    given = {option: value for option, value in options.items() if value is not None}
    if not given:
        raise click.UsageError("Say what is to change.")
    _print(session.client.put(f"/api/project/{find_project(session, project)['id']}", given), as_json)


@project.command()
@click.argument("project", metavar="PROJECT")
@yes_option
@pass_session
def remove(session: Session, project: str, yes: bool) -> None:
    """Remove a project. One that has runs is archived: they stay."""
    found = find_project(session, project)
    confirm(f"Remove project {found['name']} and its applications?", yes)
    session.client.delete(f"/api/project/{found['id']}")


def _print(project: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.print_json(project)
        return
    show.print_fields(
        [
            ("id", str(project["id"])),
            ("name", project["name"]),
            ("title", project["title"]),
            ("description", project["description"]),
            ("directory", _directory(project)),
            ("made", show.moment(project["created_at"])),
            ("archived", show.moment(project["archived_at"])),
        ]
    )


def _directory(project: dict[str, Any]) -> str:
    return show.directory(project["paths"], f"{project['share']}:{project['directory']}")
