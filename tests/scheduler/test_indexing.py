"""The words of reported logs come into the index though nobody looks for them."""

from lackey.domain.evidence import Stop
from lackey.services.runs import reporting
from lackey.services.runs.reporting import ReportedLog
from lackey.store import logs
from tests.stage import Stage, now, until
from tests.store.rows import all_runs


def test_a_scheduler_brings_in_the_words_of_logs(stage: Stage) -> None:
    run_id = stage.schedule(None, launch=False, name="by hand")
    said = ReportedLog(b"it diverged", b"", 11)
    reporting.stop(stage.database, run_id, Stop(1, None, now().timestamp()), None, said, 1024, now())

    def are_in() -> bool:
        with stage.database.read() as connection:
            return not logs.are_words_due(connection)

    until(are_in, "its words in the index")
    with stage.database.read() as connection:
        assert [run.id for run in all_runs(connection, text="diverged")] == [run_id]
