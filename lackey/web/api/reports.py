"""Reports: what simulations say about themselves, each with the token of its run."""

from lackey.domain import told
from lackey.domain.evidence import Stop
from lackey.domain.receipt import parse_receipt
from lackey.domain.refusals import Conflict, FieldError, Invalid, OtherOutcome, invalid
from lackey.domain.run import Run
from lackey.services.dispatch import launching
from lackey.services.runs import queries, reporting
from lackey.services.runs.queries import Metric
from lackey.services.runs.reporting import ReportedLog, ReportedProgress
from lackey.web.bodies import KeptBytes
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
def start(call: Call, run_id: int, body: StartReport, log: KeptBytes | None) -> RunOut:
    """Report that the run has started."""
    return _answered(
        call, reporting.start(call.database, run_id, body.ts, body.host, call.now, _marks(call), call.reporter)
    )


@report("stop", may=[OtherOutcome])
def stop(call: Call, run_id: int, body: StopReport, log: KeptBytes | None) -> RunOut:
    """Report that the run has ended.

    The same again changes nothing; a different one is refused with the outcome on record. A stop without an exit code
    says success, so in such a one a field that is not known is refused.
    """
    stopped = Stop(body.code, body.ts, call.now.timestamp())
    limit, marks = call.service.log_limit, _marks(call)
    run = reporting.stop(call.database, run_id, stopped, body.host, _text(log), limit, call.now, marks, call.reporter)
    return _answered(call, run)


@report("receipt", may=[Conflict])
def receipt(call: Call, run_id: int, body: ReceiptReport, log: KeptBytes | None) -> RunOut:
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
def progress(call: Call, run_id: int, body: ProgressReport, log: KeptBytes | None) -> RunOut:
    """Report how far the run is; it is a sign of life too. Each of the fields is kept until a later one comes."""
    at = _moment(call, body.ts)
    said = ReportedProgress(at.at, body.fraction, body.done, body.total, body.message)
    return _answered(call, reporting.progress(call.database, run_id, said, call.now, _marks(call, at), call.reporter))


@report("metric")
def metric(call: Call, run_id: int, body: MetricReport, log: KeptBytes | None) -> RunOut:
    """Report a figure, or several.

    There is one value for each name and step, or name and time where there is no step; the latest wins. Of several in
    `metrics` the good ones are kept, and a 400 names the others.
    """
    moments = [_moment(call, body.ts if one.ts is None else one.ts) for one in body.figures]
    figures = [Metric(one.name, one.value, at.at, one.step) for one, at in zip(body.figures, moments, strict=True)]
    errors = body.metrics.errors if body.metrics else ()
    if errors and not figures:
        raise Invalid(*errors)
    run = reporting.keep_metrics(call.database, run_id, figures, call.now, _marks(call, *moments), call.reporter)
    if errors:
        first = FieldError(errors[0].field, f"{errors[0].message} (the {len(figures)} that are right were kept)")
        raise Invalid(first, *errors[1:])
    return _answered(call, run)


@report("log", log_field="text")
def log(call: Call, run_id: int, body: LogReport, query: LogReportQuery, log: KeptBytes | None) -> RunOut:
    """Report a piece of the log.

    With an `offset` it may be sent again without harm; without one it goes to the end. A body of any other type than
    form or JSON is the text itself.
    """
    text = _text(log)
    if text is None:
        raise invalid("text", "is needed; a file is sent as it is by curl -T FILE, or by -F text=@FILE")
    offset = query.offset if body.offset is None else body.offset
    if query.offset not in (None, offset):
        raise invalid("offset", "is given in the body and behind the ?, and differently")
    limit = call.service.log_limit
    return _answered(
        call, reporting.keep_log(call.database, run_id, text, offset, limit, call.now, _marks(call), call.reporter)
    )


def _answered(call: Call, run: Run) -> RunOut:
    # Of a process that has ended, and whose place is free, the scheduler learns from its guard.
    if run.state.is_final and queries.is_awaited(call.database, run):
        call.service.wake()
    return run_out(run, call.service.shares, call.turns)


def _moment(call: Call, ts: float | None) -> told.Moment:
    return told.moment(ts, call.now.timestamp())


def _marks(call: Call, *moments: told.Moment) -> list[str]:
    """What is odd about the report, beside what its start and stop show."""
    odd = {told.DECODED: call.decoded, told.CLOCK: any(at.is_odd for at in moments)}
    return [mark for mark, is_so in odd.items() if is_so]


def _text(log: KeptBytes | None) -> ReportedLog | None:
    return None if log is None else ReportedLog(log.head, log.tail, log.size)
