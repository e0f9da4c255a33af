"""From what the services return to what the API answers."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from lackey.domain.application import Application, Key, Project
from lackey.domain.dependencies import Dependency, awaited
from lackey.domain.evidence import Evidence, instant
from lackey.domain.paths import Share, join, shown_paths
from lackey.domain.progress import progress_of
from lackey.domain.run import Run
from lackey.domain.share_health import Look, ShareHealth, troubles
from lackey.domain.shell.warnings import warnings_of
from lackey.services.admin.executors import ExecutorState
from lackey.services.runs.waiting import WaitReasons
from lackey.web.schemas.base import Paths
from lackey.web.schemas.catalogue import ApplicationOut, CheckedApplication, ParameterOut, ProjectOut
from lackey.web.schemas.executors import ExecutorOut
from lackey.web.schemas.keys import KeyOut
from lackey.web.schemas.runs import AfterRun, AfterSweep, MadeRun, ProgressOut, Received, RunOut
from lackey.web.schemas.shares import ShareHealthOut, ShareOut

_AS_STORED = (
    *("id", "name", "project", "application", "state", "outcome_source", "launched", "by", "cause"),
    *("command", "shell", "parameters", "priority", "executor", "handle", "host", "scheduled_at", "queued_at"),
    *("retries", "retry_on", "retry_wait"),
    *("started_at", "ended_at", "marks", "exit_code", "signal", "max_rss_bytes", "cpu_seconds", "left_behind", "gpus"),
)


def run_out(run: Run, shares: Mapping[str, Share], turns: WaitReasons) -> RunOut:
    """A run without its token."""
    return RunOut(**_run_fields(run, shares, turns))


def made_run(run: Run, token: str, shares: Mapping[str, Share], turns: WaitReasons) -> MadeRun:
    """A run, to whoever made it."""
    return MadeRun(**_run_fields(run, shares, turns), token=token)


def _run_fields(run: Run, shares: Mapping[str, Share], turns: WaitReasons) -> dict[str, Any]:
    evidence = Evidence.from_json(run.evidence)
    stop = evidence.exit_stop or evidence.plain_stop
    stored = vars(run)
    return {
        **{name: stored[name] for name in _AS_STORED},
        "reason": turns.reason_of(run),
        "cpus": (run.cpus or 1) if run.launched else None,
        "memory": run.memory_bytes,
        "parent": run.parent_id,
        "after": after_out(awaited(run)),
        "environment": {name: run.environment[name] for name in run.own_variables or () if name in run.environment},
        "tags": run.tags or [],
        "sweep": run.sweep_id,
        "priority": turns.priority_of(run),
        "schedule": run.schedule_id,
        "directory": None if run.share is None else f"{run.share}:{run.directory}",
        "paths": _paths(run.share, run.directory or "", shares),
        "received": Received(start=moment(evidence.start_received), stop=moment(stop.received if stop else None)),
        "duration": run.duration_seconds,
        "progress": _progress(run),
        "log_size": (run.file_size or 0) + run.log_size + run.stop_log_size,
    }


def after_out(waited: Iterable[Dependency]) -> list[AfterRun | AfterSweep]:
    """What a run or a sweep waits for."""
    return [
        AfterSweep(sweep=one.on_id, on=one.wants) if one.kind == "sweep" else AfterRun(run=one.on_id, on=one.wants)
        for one in waited
    ]


def _paths(share: str | None, directory: str, shares: Mapping[str, Share]) -> Paths | None:
    """The directory as its users type it; None on a share that the settings do not have, or no more."""
    if share is None or share not in shares:
        return None
    return Paths(**shown_paths(shares[share], directory))  # type: ignore[arg-type]


def _progress(run: Run) -> ProgressOut | None:
    told = progress_of(run)
    return None if told is None else ProgressOut(**vars(told))


def moment(seconds: float | None) -> datetime | None:
    """Unix seconds as a time; None for none, and where the calendar has no such year."""
    return None if seconds is None else instant(seconds)


def project_out(project: Project, shares: Mapping[str, Share]) -> ProjectOut:
    """A project."""
    return ProjectOut(**vars(project), paths=_paths(project.share, project.directory, shares))


def checked_application(application: Application, shares: Mapping[str, Share], shell: str) -> CheckedApplication:
    """An application, with what is likely not meant in it. `shell`: the executor's own."""
    shown = application_out(application, shares)
    return CheckedApplication(**dict(shown), warnings=warnings_in(application, shell))


def warnings_in(application: Application, shell: str) -> list[str]:
    """What is likely not meant in an application's command or environment, a sentence each."""
    names = [each.name for each in application.declared]
    return warnings_of(application.command, application.environment, names, application.shell or shell)


def application_out(application: Application, shares: Mapping[str, Share]) -> ApplicationOut:
    """An application."""
    hidden = ("project_id", "project_directory", "parameters", "memory", "memory_bytes")
    shown = {name: value for name, value in vars(application).items() if name not in hidden}
    parameters = [ParameterOut(**{**vars(each), "choices": list(each.choices)}) for each in application.declared]
    paths = _paths(application.share, join(application.project_directory, application.directory), shares)
    return ApplicationOut(
        **shown,
        full_name=application.full_name,
        parameters=parameters,
        paths=paths,
        memory=application.memory_bytes,
    )


def key_out(key: Key) -> KeyOut:
    """A key, without the key itself."""
    return KeyOut(**vars(key))


def executor_out(executor: ExecutorState) -> ExecutorOut:
    """An executor, and how it is."""
    paused, has = executor.paused, executor.capacity
    held = [one for one in executor.taken if not one.is_idle]
    return ExecutorOut(
        name=executor.name,
        slots=has.slots if has else None,
        taken=len(executor.taken),
        cpus=has.cpus if has else None,
        cpus_taken=sum(one.demand.cpus for one in held),
        memory=has.memory_bytes if has else None,
        memory_taken=sum(one.demand.memory_bytes or 0 for one in executor.taken),
        gpus=list(has.gpus) if has else None,
        gpus_taken=sorted(device for one in executor.taken for device in one.devices),
        waiting=executor.waiting,
        paused=paused is not None,
        paused_by=paused.by if paused else None,
        paused_since=paused.since if paused else None,
        there=executor.served_by is not None,
        trouble=executor.trouble,
        mend=executor.mend,
    )


def share_out(share: Share, health: ShareHealth) -> ShareOut:
    """A share, and how it is."""
    found = troubles(share, health)
    return ShareOut(
        name=share.name,
        path=share.path,
        unc=share.unc,
        drive=share.drive,
        must_be_mounted=share.must_be_mounted,
        there=health.away is None,
        trouble=" ".join(trouble.what for trouble in found) or None,
        mend=" ".join(trouble.mend for trouble in found) or None,
        health=None if health.look is None else _look_out(health.look),
    )


def _look_out(look: Look) -> ShareHealthOut:
    shown = ("mounted", "free_bytes", "total_bytes", "clock_difference_seconds", "latency_seconds")
    return ShareHealthOut(
        **{name: getattr(look, name) for name in shown},
        at=datetime.fromtimestamp(look.at, UTC),
        readable=look.read_error is None,
        writable=look.write_error is None,
    )
