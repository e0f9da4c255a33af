"""Taking over the database of lackey 1.0: projects, applications, runs, logs, tokens.

What was decided:

- **One transaction.** All of it is taken over, or nothing. Rows are read and written in batches, and a log is held in
  memory one at a time, so that size does not matter. Meanwhile others can't write on SQLite; on PostgreSQL nobody else
  can make projects, applications and runs, but reports go on.
- **Ids are kept**, so that scripts go on reporting to their runs. What has such an id here already, or such a name, and
  is not the imported one itself is in the way: all that is in the way is named, and nothing written. Ids that are given
  out later are higher than those of the file.
- **Twice is harmless.** A project or application is the imported one if it has the same id, and a name that the import
  would have given; a run if its `uid` is, for that of an imported run is worked out from its id and token. What is
  there is left as it is; only a start or stop that the old service got since is merged as a late report, for reports
  commute. New rows are added.
- **Tokens** go on being good for their runs. One that is empty is none; of two runs with one token the first has it.
- **Runs become reported runs**: what scripts told the old service about is evidence, received at the time it tells of,
  and the outcome is worked out from it as for any run. Nothing is launched on account of an import. What was due
  and never started is cancelled, or waits for its own start report if it is to be kept. A log is the stop's own.
- **Directories** are what the old service made by writing the application's behind the project's, below a share. Where
  that is no directory on a share, a run is kept without one (its event says what it was), and an application archived.
- **Names** that are not allowed here, or come twice, are changed as little as needed; descriptions keep the old ones.
- **Commands** run as they did: see `domain.taking_over.runnable`.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from lackey.domain.paths import Share
from lackey.domain.refusals import NotImportable
from lackey.services.importing import catalogue, history
from lackey.services.importing.takeover import Found, ImportSummary, Options, Takeover
from lackey.store import lackey_1, sequences
from lackey.store.database import Database, NotUnique, take_your_time
from lackey.store.waiting_writes import Changed

__all__ = ["Found", "Options", "ImportSummary", "import_v1"]


def import_v1(
    database: Database, file: Path, options: Options, shares: Mapping[str, Share], now: datetime
) -> ImportSummary:
    """Take over what is in the file. Raises NotImportable, with nothing written; OSError where there is no file."""
    live = Path(database.url.database or "") if database.is_sqlite else None
    if live is not None and live.exists() and live.samefile(file):
        raise NotImportable(f"{file.name} is the database of this installation itself")
    with lackey_1.opened(file) as old:

        def work(connection: Connection) -> ImportSummary:
            take_your_time(connection)
            return _take_over(Takeover(connection, old, options, shares, now))

        return database.write(work)


def _take_over(takeover: Takeover) -> ImportSummary:
    """Raises Changed when somebody else took an id or a name meanwhile: next time it is seen to be taken."""
    for table in lackey_1.COLUMNS:
        sequences.move_past(takeover.connection, table, takeover.old.highest_id(table))
    try:
        applications = catalogue.take_over(takeover)
        history.take_over(takeover, applications)
    except NotUnique as error:
        raise Changed from error
    takeover.refuse_if_in_the_way()
    return takeover.summary()
