"""`lackey db`, and the database as other commands need it: directly, before there is a service to ask."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lackey.cli.session import Session, Trouble, pass_session

if TYPE_CHECKING:
    from lackey.services import Database
    from lackey.settings import Settings


@contextmanager
def opened(settings: "Settings") -> Iterator["Database"]:
    """The database, whatever state its schema is in; the file of an SQLite one need not be there yet."""
    from lackey.services import Database

    database = Database(settings.database_url)
    try:
        if database.is_sqlite:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield database
    finally:
        database.close()


@contextmanager
def opened_current(settings: "Settings") -> Iterator["Database"]:
    """The database, at this version's schema. Raises Trouble when it is at another, or not there."""
    with opened(settings) as database:
        at, needed = revisions(database)
        if at != needed:
            raise Trouble(f"{_standing(at, needed)}; bring it there with: lackey db upgrade")
        yield database


def revisions(database: "Database") -> tuple[str | None, str | None]:
    """Where the schema is, and where this version needs it. An SQLite file is not made for the question."""
    from lackey.store import schema

    missing = database.is_sqlite and not Path(database.url.database or "").exists()
    return None if missing else schema.current(database), schema.expected()


def upgrade_schema(database: "Database") -> None:
    """Bring the schema to this version's. Raises Trouble when it is a later version's."""
    from alembic.util import CommandError

    from lackey.store import schema

    try:
        schema.upgrade(database)
    except CommandError as error:
        at, needed = revisions(database)
        raise Trouble(f"{_standing(at, needed)}, and knows no way there; is the database a later version's?") from error


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
@pass_session
def upgrade(session: Session) -> None:
    """Bring the schema to what this version needs; harmless when it is there already."""
    with opened(session.settings) as database:
        revisions(database)
        upgrade_schema(database)
        click.echo(f"The schema is at {revisions(database)[0]}.")


@db.command()
@pass_session
def check(session: Session) -> None:
    """Say whether the schema is what this version needs; exit code 1 if it is not."""
    with opened_current(session.settings) as database:
        click.echo(f"The schema is at {revisions(database)[0]}, as this version needs it.")


def _standing(at: str | None, needed: str | None) -> str:
    return f"the database's schema is at {at or 'nothing'}, this version of lackey needs {needed}"
