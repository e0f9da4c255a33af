"""`lackey db`, and the database as other commands need it: directly, before there is a service to ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lackey.cli import show
from lackey.cli.failure import CommandFailed
from lackey.cli.session import Session, json_option, pass_session

if TYPE_CHECKING:
    from lackey.services import Database
    from lackey.settings import Settings

_KINDS = ("sqlite:///", "postgresql+psycopg://")


@contextmanager
def opened(settings: "Settings", makes: bool = False) -> Iterator["Database"]:
    """The database, whatever state its schema is in; the file of an SQLite one need not be there yet.

    `makes`: the data directory is made if it isn't there.

    Root becomes the owner of its directory, as the scheduler does: see `privileges`. Raises CommandFailed.
    """
    from lackey import privileges
    from lackey.services import Database

    try:
        privileges.settle(settings.own_places, ())
    except privileges.Exposed as error:
        raise CommandFailed(str(error)) from error
    database = Database(settings.database_url)
    try:
        if makes and database.is_sqlite:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield database
    finally:
        database.close()


@contextmanager
def opened_current(settings: "Settings") -> Iterator["Database"]:
    """The database, at this version's schema. Raises CommandFailed when it is at another, or not there."""
    with opened(settings) as database:
        at, needed = revisions(database)
        if at is None and (missing := settings.missing_database_file):
            raise CommandFailed(
                f"there is no database {missing}; lackey serve and lackey db upgrade make one, "
                "and for a service that runs elsewhere set LACKEY_URL"
            )
        if at != needed:
            raise CommandFailed(f"{_standing(at, needed)}; bring it there with: lackey db upgrade")
        yield database


def revisions(database: "Database") -> tuple[str | None, str | None]:
    """Where the schema is, and where this version needs it. An SQLite file is not made for the question."""
    from lackey.store import schema

    missing = database.is_sqlite and not Path(database.url.database or "").exists()
    return None if missing else schema.current(database), schema.expected()


def upgrade_schema(database: "Database") -> None:
    """Bring the schema to this version's. Raises CommandFailed when it is a later version's."""
    from alembic.util import CommandError

    from lackey.services.admin import summarizing
    from lackey.store import schema

    try:
        schema.upgrade(database)
        summarizing.summarize_metrics(database)
    except CommandError as error:
        at, needed = revisions(database)
        raise CommandFailed(
            f"{_standing(at, needed)}, and knows no way there; is the database a later version's?"
        ) from error


@click.group()
def db() -> None:
    """The database: its schema, and moving to another one."""


@db.command()
@pass_session
def upgrade(session: Session) -> None:
    """Bring the schema to what this version needs; harmless when it is there already."""
    with opened(session.settings, makes=True) as database:
        revisions(database)
        upgrade_schema(database)
        click.echo(f"The schema is at {revisions(database)[0]}.")


@db.command()
@pass_session
def check(session: Session) -> None:
    """Say whether the schema is what this version needs; exit code 1 if it is not."""
    with opened_current(session.settings) as database:
        click.echo(f"The schema is at {revisions(database)[0]}, as this version needs it.")


@db.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@json_option
def copy(source: str, target: str, as_json: bool) -> None:
    """Move from one database to another, as from sqlite:///… to postgresql+psycopg://…

    TO has to be empty, or to have lackey's schema and no rows. Stop web services and schedulers first. All rows are
    written in one transaction and then compared, one by one; FROM stays as it is.
    """
    from lackey.services.admin import copying

    with _given(source, "FROM") as read, _given(target, "TO") as written:
        copied = copying.copy(read, written, lambda text: click.echo(text, err=True))
        rows = {**copied.rows, "indexed_text": copied.texts}
        if as_json:
            show.print_json(rows)
        else:
            show.print_table(("TABLE", "ROWS"), [(name, str(count)) for name, count in rows.items()], "")
        click.echo(
            "All rows are the same on both sides. Now say in lackey.toml, with the password in place of *** if there is"
            f' one,\n\n[database]\nurl = "{written.shown}"\n\nand start web services and schedulers again.',
            err=True,
        )


@contextmanager
def _given(url: str, which: str) -> Iterator["Database"]:
    """The database of a URL that was given as an argument."""
    from lackey.services import Database

    if not url.startswith(_KINDS):
        hint = "" if "://" in url else f"; for a file write sqlite:///{Path(url).absolute()}"
        raise click.UsageError(f"{which} has to begin with {' or '.join(_KINDS)}{hint}.")
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def _standing(at: str | None, needed: str | None) -> str:
    return f"the database's schema is at {at or 'nothing'}, this version of lackey needs {needed}"
