"""Reports: what simulations say about themselves, each with the token of its run."""

from lackey.domain.evidence import Stop
from lackey.domain.receipt import parse_receipt
from lackey.domain.refusals import Conflict, OtherOutcome, invalid
from lackey.domain.run import Run
from lackey.services import launching, reporting
from lackey.services.reading import Metric
from lackey.services.reporting import LogText, Progress
from lackey.web.bodies import Kept
from lackey.web.call import Call
from lackey.web.present import run_out
from lackey.web.routes import report
from lackey.web.schemas.reports import (
    LogReport,
    LogReportQuery,
    MetricReport,
    ProgressReport,
    ReceiptReport,
    StartReport,
    StopReport,
)
from lackey.web.schemas.runs import RunOut


@report("start")
def start(call: Call, run_id: int, body: StartReport, log: Kept | None) -> RunOut:
    """Report that the run has started."""
    return _answered(call, reporting.start(call.database, run_id, body.ts, body.host, call.now))


@report("stop", may=[OtherOutcome])
def stop(call: Call, run_id: int, body: StopReport, log: Kept | None) -> RunOut:
    """Report that the run has ended.

    The same again changes nothing; a different one is refused with the outcome on record.
    """
    stopped = Stop(body.exit, body.ts, call.now.timestamp())
    limit = call.service.log_limit
    return _answered(call, reporting.stop(call.database, run_id, stopped, body.host, _text(log), limit, call.now))


@report("receipt", may=[Conflict])
def receipt(call: Call, run_id: int, body: ReceiptReport, log: Kept | None) -> RunOut:
    """Hand in what came of a launched run's process.

    For the process that waits for a launched command, when the disk of its host is full. The same again changes
    nothing; a receipt of another launch is refused. A kill counts only if lackey had ordered one.
    """
    try:
        told = parse_receipt(body.model_dump_json())
    except ValueError as error:
        raise invalid("body", str(error)) from error
    return _answered(call, launching.handed_in(call.database, run_id, told, call.now))


@report("progress")
def progress(call: Call, run_id: int, body: ProgressReport, log: Kept | None) -> RunOut:
    """Report how far the run is; it is a sign of life too."""
    told = Progress(_moment(call, body.ts), body.fraction, body.done, body.total, body.message)
    return _answered(call, reporting.progress(call.database, run_id, told, call.now))


@report("metric")
def metric(call: Call, run_id: int, body: MetricReport, log: Kept | None) -> RunOut:
    """Report a figure, or several.

    There is one value for each name and step, or name and time where there is no step; the latest wins.
    """
    told = [
        Metric(one.name, one.value, _moment(call, body.ts if one.ts is None else one.ts), one.step)
        for one in body.figures
    ]
    return _answered(call, reporting.keep_metrics(call.database, run_id, told, call.now))


@report("log", log_field="text")
def log(call: Call, run_id: int, body: LogReport, query: LogReportQuery, log: Kept | None) -> RunOut:
    """Report a piece of the log.

    With an `offset` it may be sent again without harm; without one it goes to the end. A body of any other type than
    form or JSON is the text itself.
    """
    text = _text(log)
    if text is None:
        raise invalid("text", "is needed")
    offset = query.offset if body.offset is None else body.offset
    limit = call.service.log_limit
    return _answered(call, reporting.keep_log(call.database, run_id, text, offset, limit, call.now))


def _answered(call: Call, run: Run) -> RunOut:
    if run.state.is_final:  # others may wait for it, or for its place
        call.service.wake()
    return run_out(run, call.service.shares)


def _moment(call: Call, ts: float | None) -> float:
    return call.now.timestamp() if ts is None else ts


def _text(log: Kept | None) -> LogText | None:
    return None if log is None else LogText(log.head, log.tail, log.size)
