"""The schema and its migrations, which Alembic carries out.

Alembic is loaded for that alone: what merely looks where the schema is, and runs for long, is spared its 10 MB.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, column, inspect, select, table, text

from lackey.store.database import Database, take_your_time

if TYPE_CHECKING:
    from alembic.config import Config

_MIGRATIONS = Path(__file__).parent / "migrations"
# Each migration's file begins with its revision, and follows the one before. Looked for now: a later version may have
# put its own there by the time that somebody asks.
_REVISIONS = sorted(path.name.partition("_")[0] for path in _MIGRATIONS.glob("versions/[0-9]*_*.py"))
_AT = table("alembic_version", column("version_num"))
# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_UPGRADING = 0x75706772616465


def _config(connection: Connection) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database) -> None:
    """Bring the schema to this version's, in one transaction; harmless when it is there, or others do it as well."""
    with database.writer.begin() as connection:
        upgrade_within(connection)


def upgrade_within(connection: Connection) -> None:
    """The same, within a transaction that does more."""
    from alembic import command

    take_your_time(connection)
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:it)"), {"it": _UPGRADING})
    command.upgrade(_config(connection), "head")


def current(database: Database) -> str | None:
    """The revision the database is at; None for an empty one. Raises Unavailable."""
    with database.read() as connection:
        return revision(connection)


def revision(connection: Connection) -> str | None:
    """The same, as a transaction sees it."""
    if not inspect(connection).has_table(_AT.name):
        return None
    found: str | None = connection.execute(select(_AT.c.version_num)).scalar_one_or_none()
    return found


def is_known(at: str) -> bool:
    """Whether it is a revision of this version or an earlier one."""
    return at in _REVISIONS


def expected() -> str:
    """The revision this version of lackey needs."""
    return _REVISIONS[-1]
