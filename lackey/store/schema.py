"""The schema and its migrations, which Alembic carries out."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from lackey.store.database import Database, take_your_time

_MIGRATIONS = Path(__file__).parent / "migrations"
# PostgreSQL: any number will do, as long as nothing else in the same database uses it.
_UPGRADING = 0x75706772616465


def _config(connection: Connection) -> Config:
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
    return MigrationContext.configure(connection).get_current_revision()


def is_known(at: str) -> bool:
    """Whether it is a revision of this version or an earlier one."""
    return any(script.revision == at for script in _scripts().walk_revisions())


def expected() -> str | None:
    """The revision this version of lackey needs."""
    return _scripts().get_current_head()


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return ScriptDirectory.from_config(config)
