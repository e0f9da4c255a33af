"""The schema comes from the migrations, and is the one that the models describe."""

from datetime import UTC, datetime, timedelta

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from lackey.store import keys, schema
from lackey.store.database import Database
from lackey.store.models import Base
from lackey.store.tokens import digest
from tests.clock import Clock
from tests.processes import in_processes


def tables(database: Database) -> set[str]:
    catalogue = "sqlite_master" if database.is_sqlite else "(SELECT tablename AS name FROM pg_tables) AS known"
    with database.read() as connection:
        return set(connection.execute(text(f"SELECT name FROM {catalogue}")).scalars())


def test_an_empty_database_is_brought_to_the_schema_this_version_needs(empty: Database) -> None:
    assert schema.current(empty) is None
    schema.upgrade(empty)
    assert schema.current(empty) == schema.expected() is not None
    assert {"run", "event", "token", "run_words"} <= tables(empty)


def test_upgrading_twice_is_harmless(empty: Database) -> None:
    schema.upgrade(empty)
    before = tables(empty)
    schema.upgrade(empty)
    assert tables(empty) == before


def upgrade(url: str) -> str | None:
    database = Database(url)
    schema.upgrade(database)
    return schema.current(database)


def test_hosts_that_upgrade_one_database_at_once_all_succeed(empty_url: str) -> None:
    assert in_processes(upgrade, [empty_url] * 3) == [schema.expected()] * 3


def _ours(_: object, name: str | None, kind: str, *__: object) -> bool:
    """The words are kept in each database's own form, which the models know nothing of."""
    return not (kind == "table" and (name or "").startswith("run_words"))


def test_the_migrations_make_what_the_models_describe(database: Database) -> None:
    options = {"include_object": _ours, "compare_type": True, "compare_server_default": True}
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


# As the version wrote it that knew no users without a key.
_KEY_OF_0001 = "INSERT INTO key (id, name, scope, digest, created_at) VALUES (1, 'anna', 'run', :digest, 0)"
_ANSWER_OF_0001 = (
    "INSERT INTO idempotency (key_id, digest, request_digest, resource_id, created_at) "
    "VALUES (1, :digest, :request, :resource, :at)"
)
_ANSWERS_OF_0001 = "SELECT resource_id FROM idempotency WHERE key_id = 1 ORDER BY resource_id"
_FORGET_OF_0001 = "DELETE FROM idempotency WHERE created_at <= 0"


def test_a_version_that_knows_no_users_without_a_key_goes_on_working_and_what_it_has_kept_survives(
    empty: Database, clock: Clock
) -> None:
    at = (clock() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    def answer(name: str, resource: int) -> dict[str, object]:
        return {"digest": digest(name), "request": b"r", "resource": resource, "at": at}

    with empty.writer.begin() as connection:
        command.upgrade(schema._config(connection), "0001")
        connection.execute(text(_KEY_OF_0001), {"digest": b"d"})
        connection.execute(text(_ANSWER_OF_0001), answer("before", 7))
    schema.upgrade(empty)
    with empty.writer.begin() as connection:
        connection.execute(text(_FORGET_OF_0001))
        connection.execute(text(_ANSWER_OF_0001), answer("after", 8))
        assert list(connection.execute(text(_ANSWERS_OF_0001)).scalars()) == [7, 8]
    since = clock() - timedelta(days=1)
    with empty.read() as connection:
        assert keys.answered(connection, 1, "before", since) == (b"r", 7)
        assert keys.answered(connection, 1, "after", since) == (b"r", 8)
        assert keys.answered(connection, "1", "before", since) is None
