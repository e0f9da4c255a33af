"""What has to be there before the service can serve: the schema, the installation, a key for this host."""

import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lackey.cli.db import revisions, upgrade_schema
from lackey.cli.failure import CommandFailed
from lackey.cli.running import KEY_FILE
from lackey.domain.refusals import NotAllowed, NotAuthenticated
from lackey.services import Database
from lackey.services.admin import health, keys
from lackey.settings import Settings

_LOCAL = "local"


def found(settings: Settings, database: Database) -> None:
    """Make what is not there yet. Raises CommandFailed when the schema of a PostgreSQL database is not current."""
    settings.make_own_share()
    at, needed = revisions(database)
    if at != needed and not database.is_sqlite:
        # Others may use this database at the same time; its administrator says when.
        raise CommandFailed(f"the schema is at {at or 'nothing'}, this version needs {needed}: lackey db upgrade")
    if at != needed:
        upgrade_schema(database)
    health.found(database, datetime.now(UTC))
    _make_key(database, settings.data_dir / KEY_FILE)


def _make_key(database: Database, path: Path) -> None:
    """See to it that the file holds an admin key that is in force in this database."""
    known = _in_force(database, path)
    if known:
        return
    made, secret = keys.create(database, _LOCAL, "admin", datetime.now(UTC))
    file, name = tempfile.mkstemp(prefix=f".{KEY_FILE}.", dir=path.parent)
    with os.fdopen(file, "w", encoding="ascii") as aside:
        aside.write(f"{secret}\n")
        aside.flush()
        os.fsync(aside.fileno())
    try:
        if known is None:
            os.link(name, path)
        else:
            # A key of an earlier database, or one that was revoked.
            os.rename(name, path)
    except FileExistsError:
        # Another lackey serve was faster; its key is in the file, and ours is of no use.
        keys.revoke(database, made.id, datetime.now(UTC))
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _in_force(database: Database, path: Path) -> bool | None:
    """Whether the file's key is an admin key of this database; None: there is no file."""
    try:
        secret = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return None
    try:
        keys.authorize(database, secret, "admin")
    except (NotAuthenticated, NotAllowed):
        return False
    return True
