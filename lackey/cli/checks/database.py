"""The database, and what is heard of through it: the scheduler, and what somebody has paused."""

from datetime import UTC, datetime
from pathlib import Path

from lackey.cli.checks.finding import Finding, Level
from lackey.cli.checks.host import misplaced
from lackey.domain.refusals import Refusal
from lackey.domain.share_health import CLOCK_SECONDS
from lackey.services import Database
from lackey.services.admin import executors, health
from lackey.services.dispatch import claiming
from lackey.settings import Settings
from lackey.store import schema
from lackey.store.service import Heartbeat


def database(settings: Settings) -> list[Finding]:
    """Whether the database is there, at this version's schema, where it should be, and of one time with this host."""
    opened = Database(settings.database_url)
    try:
        if unopened := _unopened(opened, settings):
            return [unopened]
        at, needed = schema.current(opened), schema.expected()
        if at != needed:
            what = f"{_named(opened)} has its schema at {at or 'nothing'}, and this version needs {needed}"
            return [_finding("trouble", what, "Bring it there: lackey db upgrade.")]
        return [_finding("ok", f"{_named(opened)} has the schema that this version needs"), *_clock(opened)]
    except Refusal as error:
        mend = "See whether it runs, and whether [database] url says where, and with which user and password."
        if opened.is_sqlite:
            mend = "See whether this user may read and write the file, and whether its disk is full."
        return [_finding("trouble", f"{_named(opened)}: {_reason(error)}", mend)]
    finally:
        opened.close()


def _unopened(opened: Database, settings: Settings) -> Finding | None:
    """What keeps an SQLite file from being opened at all: that would make one, or wait for a network."""
    if not opened.is_sqlite:
        return None
    file = Path(opened.url.database or "")
    if where := misplaced(file, settings):
        mend = "Put it on a local disk, outside of all shares, or use PostgreSQL: SQLite needs locks that work."
        return _finding("trouble", f"{file} lies {where}", mend)
    if not file.exists():
        return _finding("warning", f"{file} is not there yet", "Make it: lackey db upgrade; lackey serve does so too.")
    return None


def _named(opened: Database) -> str:
    """The database in words, without what may be secret in its URL."""
    url = opened.url
    if opened.is_sqlite:
        return str(url.database)
    return f"the PostgreSQL database {url.database} at {url.host or url.query.get('host') or 'this host'}"


def _reason(error: Refusal) -> str:
    """The database's own word for it, where there is one."""
    said = str(getattr(error.__cause__, "orig", None) or "").strip()
    return said.splitlines()[0] if said else str(error)


def _clock(opened: Database) -> list[Finding]:
    before = datetime.now(UTC)
    theirs = health.server_time(opened)
    if theirs is None:
        return []
    # As far as the time that the question took does not explain it.
    seconds = (theirs - min(max(theirs, before), datetime.now(UTC))).total_seconds()
    if abs(seconds) <= CLOCK_SECONDS:
        return [_finding("ok", "its server's clock and this host's agree")]
    what = f"its server's clock is {abs(seconds):.1f} s {'ahead of' if seconds > 0 else 'behind'} this host's"
    return [_finding("warning", what, "Have both keep time by NTP: chrony or systemd-timesyncd.")]


def scheduler(settings: Settings) -> list[Finding]:
    """Whether a scheduler claims runs, and which others stand by; nothing where the database can't tell."""
    opened = Database(settings.database_url)
    try:
        if _unopened(opened, settings):
            return []
        beats = health.schedulers(opened, datetime.now(UTC))
    except Refusal:
        return []
    finally:
        opened.close()
    found = [Finding("scheduler", "ok", _doing(one, seconds)) for one, seconds in beats]
    if any(one.leads for one, _ in beats):
        return found
    mend = "Start it: systemctl start lackey-scheduler, or lackey scheduler; lackey serve has one beside it."
    return [*found, Finding("scheduler", "trouble", "no scheduler that claims runs has been heard from lately", mend)]


def paused(settings: Settings) -> list[Finding]:
    """Which executors somebody has paused; nothing where the database can't tell."""
    opened = Database(settings.database_url)
    try:
        if _unopened(opened, settings) or schema.current(opened) != schema.expected():
            return []
        found = executors.paused(opened)
    except Refusal:
        return []
    finally:
        opened.close()
    mend = "Let it go on: Resume on the page /service, or PUT paused=false to /api/executor/{}."
    return [
        Finding("executors", "warning", f"{one.why}: nothing new is launched", mend.format(one.executor))
        for one in found
    ]


def unconfigured(settings: Settings) -> list[Finding]:
    """The shares that runs wait for and the configuration doesn't have; nothing where the database can't tell."""
    opened = Database(settings.database_url)
    try:
        if _unopened(opened, settings) or schema.current(opened) != schema.expected():
            return []
        waiting = claiming.waiting_by_share(opened)
    except Refusal:
        return []
    finally:
        opened.close()
    mend = "Put its [[share]] back, and start the scheduler again; or cancel them."
    return [
        Finding(f"share {name}", "warning", f"it is not in the configuration, and {number} runs wait for it", mend)
        for name, number in sorted(waiting.items())
        if name not in settings.shares
    ]


def _doing(one: Heartbeat, seconds: float) -> str:
    return f"{one.name} {'claims runs' if one.leads else 'stands by'}, and was heard from {seconds:.0f} s ago"


def _finding(level: Level, what: str, mend: str | None = None) -> Finding:
    return Finding("database", level, what, mend)
