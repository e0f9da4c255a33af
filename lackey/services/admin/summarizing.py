"""What an upgrade leaves to be worked out, in short transactions, while everybody reads and writes."""

from functools import partial

from lackey.store import metric_summaries
from lackey.store.database import Database


def summarize_metrics(database: Database) -> None:
    """Take the points that an older version wrote into the summaries of their metrics.

    What is read is right before, too, but takes longer. To break off does no harm: a report of the run goes on with it.
    """
    with database.read() as connection:
        waiting = metric_summaries.due(connection)
    for run_id, name in waiting:
        while database.write(partial(metric_summaries.summarize, run_id=run_id, name=name)):
            pass
