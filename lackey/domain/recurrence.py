"""Recurring schedules: when one fires, what is made of the firings that nobody saw, and what of those that overlap.

Times of day are those of a zone. Where its clocks are changed, Debian's cron(8) is followed, as cronsim does: what is
to fire at a certain time fires once, in the hour that comes twice at its first coming, and in the one that is left out
as soon as it is over. What is to fire every so often (a `*` in the minutes or hours) does so by the time that passes.
"""

import difflib
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Literal

from cronsim import CronSim, CronSimError

from lackey.domain.dependencies import Dependency
from lackey.domain.refusals import FieldError, Invalid

Overlap = Literal["skip", "queue", "allow"]
CatchUp = Literal["latest", "none"]

# One that is handled so late at most was not missed: a scheduler was restarted, or a host.
LATE = timedelta(minutes=5)
# Of more that were missed it is only told that they are more: to count them takes longer each time.
COUNTED_AT_MOST = 10_000
_FIELDS = "minute, hour, day of the month, month, day of the week"
_NEVER = "never fires: there is no such day"
_EXAMPLE = "`0 2 * * *` is each night at two"
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
# No zones of places: what the host has there differs, or has leap seconds.
_NO_ZONES = ("localtime", "posixrules", "Factory", "posix/", "right/")
_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}


@dataclass(frozen=True)
class Rule:
    """A cron expression of five fields, and the IANA zone whose time of day it means."""

    cron: str
    timezone: str

    def firings(self, after: datetime) -> Iterator[datetime]:
        """The firings after a moment, in order, in UTC. It ends where none comes within fifty years.

        Raises Invalid for what is no rule, or none on this host.
        """
        zone, last = _zone(self.timezone), after
        try:
            # From a local time alone cronsim can't tell the second coming of an hour from the first one.
            for local in CronSim(self.cron, after.astimezone(zone)):
                firing = local.astimezone(UTC)
                if firing > last:
                    yield firing
                    last = firing
        except CronSimError as error:
            raise Invalid(FieldError("cron", _in_words(self.cron, error))) from error
        except OverflowError:  # the calendar ends
            return

    def by_its_clocks(self, at: datetime) -> datetime:
        """A moment as the clocks of its zone have it. Raises Invalid."""
        return at.astimezone(_zone(self.timezone))

    def in_words(self) -> str:
        """What the expression means, in a sentence of English; empty for one that can't be read."""
        try:
            return str(CronSim(self.cron, datetime(2000, 1, 1, tzinfo=UTC)).explain())
        except CronSimError:
            return ""

    def next(self, after: datetime) -> datetime | None:
        """The first firing after a moment; None if it never fires again. Raises Invalid."""
        return next(self.firings(after), None)

    def count(self, first: datetime, until: datetime, most: int) -> int:
        """How many firings come after `first`, and before `until` or then; counted up to `most`."""
        return sum(1 for _ in takewhile(lambda firing: firing <= until, islice(self.firings(first), most)))

    def latest(self, since: datetime, until: datetime) -> datetime | None:
        """The last firing after `since`, and before `until` or then; None if there is none."""
        found, low, high = self.next(since), since, until
        if found is None or found > until:
            return None
        # The next one is never earlier from a later moment; between the two it passes `until`.
        while high - low > timedelta(seconds=1):
            middle = low + (high - low) / 2
            later = self.next(middle)
            if later is None or later > until:
                high = middle
            else:
                found, low = later, later if later < high else middle
        return found


def check(rule: Rule, now: datetime) -> None:
    """Raises Invalid with what is wrong with the rule, and what to write instead."""
    errors: list[FieldError] = []
    try:
        _zone(rule.timezone)
    except Invalid as refusal:
        errors += refusal.errors
    if (said := _faulty(rule.cron, now)) is not None:
        errors.append(FieldError("cron", said))
    if errors:
        raise Invalid(*errors)


def _faulty(cron: str, now: datetime) -> str | None:
    try:
        if len(cron.split()) != 5:
            raise CronSimError
        never = next(CronSim(cron, now.astimezone(UTC)), None) is None
    except (CronSimError, OverflowError) as error:
        return _in_words(cron, error)
    return _NEVER if never else None


def _in_words(cron: str, error: Exception) -> str:
    fields = cron.split()
    if len(fields) == 1 and fields[0].lower() in _NICKNAMES:
        return f"is written `{_NICKNAMES[fields[0].lower()]}` here"
    if len(fields) != 5:
        return f"should have five fields ({_FIELDS}), and has {len(fields)}: {_EXAMPLE}"
    # cronsim says the same of a day that it can't read, and of one that these months don't have.
    if "day-of-month" in str(error) and _is_good(f"* * {fields[2]} * *"):
        return _NEVER
    at = str(error).removeprefix("Bad ").replace("-", " ")
    return f"has a {at} that can't be read; the fields are {_FIELDS}: {_EXAMPLE}"


def _is_good(cron: str) -> bool:
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError:
        return False
    return True


def _zone(name: str) -> zoneinfo.ZoneInfo:
    try:
        if _ZONE.fullmatch(name) and not name.startswith(_NO_ZONES):
            return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise Invalid(FieldError("timezone", f"there is no zone {name[:64]!r}; {_alike(name[:64])}"))


def _alike(name: str) -> str:
    known = {zone.lower(): zone for zone in zoneinfo.available_timezones() if not zone.startswith(_NO_ZONES)}
    found = difflib.get_close_matches(name.lower().replace(" ", "_"), known, 1)
    names = f"{known[found[0]]} is one" if found else "Europe/Zurich or UTC is one"
    return f"names of the IANA database are taken, and {names}"


@dataclass(frozen=True)
class Reckoning:
    """What is to be done about firings that have come due.

    `fires`: the one of which a run is made, if any; `is_late` if it was missed and is caught up. `missed`: how many
    others are let go, counted up to one more than `COUNTED_AT_MOST`, the first and the last of them. `next_at`: when
    the schedule fires next.
    """

    fires: datetime | None
    is_late: bool
    missed: int
    first_missed: datetime | None
    last_missed: datetime | None
    next_at: datetime | None

    @property
    def passed_at(self) -> datetime | None:
        """The last of the firings that have been dealt with."""
        return max((at for at in (self.fires, self.last_missed) if at is not None), default=None)


def reckon(rule: Rule, due: datetime, now: datetime, catch_up: CatchUp) -> Reckoning:
    """What is to be done at `now` about a schedule that was to fire at `due`, and perhaps again since.

    The latest one alone makes a run, unless it is too late (`LATE`) and the schedule catches nothing up. A clock that
    is put forward is the same as a downtime: nobody was there when those firings were due. Raises Invalid.
    """
    latest = rule.latest(due, now) or due
    is_late = now - latest > LATE
    fires = None if is_late and catch_up == "none" else latest
    next_at = rule.next(latest)
    if latest == due and fires is not None:
        return Reckoning(fires, is_late, 0, None, None, next_at)
    last = latest if fires is None else rule.latest(due, latest - timedelta(seconds=1)) or due
    missed = 1 + rule.count(due, last, COUNTED_AT_MOST)
    return Reckoning(fires, is_late and fires is not None, missed, due, last, next_at)


@dataclass(frozen=True)
class Before:
    """How the runs stand that a schedule has made before.

    `run_id`: the last one, None if there is none any more. `is_open`: it, one of its retries, or an older one may yet
    run, or may be at work though nobody hears from it. `sweep_id`: the last sweep that it has made, if that is open.
    `waits`: one of the runs, or that sweep, waits for others.
    """

    run_id: int | None = None
    is_open: bool = False
    waits: bool = False
    sweep_id: int | None = None


@dataclass(frozen=True)
class Overlapping:
    """What is to be done with a firing: `skipped`, and why, or else after what it comes, if after anything."""

    skipped: str | None = None
    after: Dependency | None = None


def overlapping(overlap: Overlap, before: Before) -> Overlapping:
    """What a firing comes to while runs of the same schedule may not have ended. One at most waits for another one."""
    if before.sweep_id is not None:
        last = Dependency(before.sweep_id, "ended", "sweep")
    elif before.is_open and before.run_id is not None:
        last = Dependency(before.run_id, "ended")
    else:
        return Overlapping()
    if overlap == "allow":
        return Overlapping()
    if overlap == "skip":
        return Overlapping(skipped=f"{last.kind} {last.on_id}, the one before, has not ended")
    if before.waits:
        return Overlapping(skipped=f"{last.kind} {last.on_id} waits already for the one before")
    return Overlapping(after=last)
