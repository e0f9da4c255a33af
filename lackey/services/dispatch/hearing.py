"""Gaps in which lackey could not hear: silence in them does not count.

It could not while no scheduler looked (it was stopped, suspended, not running), while the database could not be
written, while no web service ran that could have taken a report, and where the clock has stepped. The scheduler that
leads sees the most of it by one thing: that since it last looked more time has passed than should have, by the clock
that all go by. That moment is kept with its heartbeat, so it holds over restarts. Such gaps are noted, and taken off
whatever silence they lie in; nothing is counted anew, so what is truly silent comes to be lost all the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from lackey.store import gaps
from lackey.store.database import Database

# A scheduler looks once a second.
_LOOK_IS_LATE = timedelta(seconds=5)
LISTEN_EVERY = timedelta(seconds=10)
_LISTENER_IS_LATE = timedelta(seconds=15)
# Clocks of hosts that go by one database differ by less.
SET_BACK = timedelta(seconds=5)


@dataclass(frozen=True)
class Gaps:
    """Times in which lackey could not hear, from when to when (unix seconds), sorted by when they begin."""

    spans: tuple[tuple[float, float], ...] = ()

    def heard(self, since: float, until: float) -> float:
        """For how many seconds between the two lackey could hear."""
        heard, reached = until - since, since
        for begin, end in self.spans:
            begin, end = max(begin, reached), min(end, until)
            if end > begin:
                heard -= end - begin
                reached = end
        return heard


ALWAYS = Gaps()


def note_look(database: Database, last: datetime | None, now: datetime) -> None:
    """The scheduler that leads looks; `last`: when it did so before, None if it has just begun to lead."""
    if last is None:
        with database.read() as connection:
            last = gaps.led(connection)
    if last is None:
        return
    since = last
    if now - since > _LOOK_IS_LATE:
        database.write(lambda connection: gaps.add(connection, since, now))
    elif since - now > SET_BACK:
        database.write(lambda connection: gaps.forget_the_future(connection, now))


def note_listening(database: Database, now: datetime) -> None:
    """A web service takes reports; if none has done so for a while, that was a gap."""

    def work(connection: Connection) -> None:
        last = gaps.listened(connection)
        if last is not None and now - last > _LISTENER_IS_LATE:
            gaps.add(connection, last, now)
        gaps.listen(connection, now)

    database.write(work)


def known(connection: Connection, since: datetime) -> Gaps:
    """The gaps after `since`."""
    return Gaps(tuple((begin.timestamp(), end.timestamp()) for begin, end in gaps.after(connection, since)))


def known_to_reports(connection: Connection, since: datetime, now: datetime) -> Gaps:
    """The same and, as long as no web service has said again that it listens, the time from when one last did."""
    listened = gaps.listened(connection)
    spans = known(connection, since).spans
    if listened is not None and listened < now:
        spans = tuple(sorted([*spans, (listened.timestamp(), now.timestamp())]))
    return Gaps(spans)
