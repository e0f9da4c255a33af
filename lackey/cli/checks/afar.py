"""A service that runs elsewhere, as far as it tells how it is."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from lackey.cli.checks.finding import Finding, Level
from lackey.client import ClientError

if TYPE_CHECKING:
    from lackey.client.http import Client

# The header has whole seconds, and the answer takes its time.
_CLOCK_SECONDS = 3.0
_UNSEEN = "its configuration, database, data_dir, rights and kernel can't be seen from here"


def from_afar(client: "Client") -> list[Finding]:
    """What a client sees of the service, and what it can't see."""
    try:
        before = time.time()
        date = client.date("/healthz")
    except ClientError as trouble:
        mend = "Start it, or correct LACKEY_URL."
        return [_finding("service", "trouble", trouble.message.partition("; ")[0], mend)]
    found = [_finding("service", "ok", f"it answers at {client.shown_url}"), *_clock(date, before)]
    found += _asked("readiness", lambda: _ready(client.get("/readyz")), "See there: lackey doctor.")
    mend = "Put a key that is in force into LACKEY_KEY."
    found += _asked("shares", lambda: _each("share", client.items("/api/share")), mend)
    if not any(finding.mend == mend for finding in found):
        found += _asked("executors", lambda: _each("executor", [client.get("/api/executor/local")]), mend)
    return [*found, _finding("service", "warning", _UNSEEN, "Call lackey doctor on its host, too.")]


def _asked(about: str, ask: Any, mend: str) -> list[Finding]:
    try:
        found: list[Finding] = ask()
    except ClientError as trouble:
        return [_finding(about, "trouble", trouble.message, mend)]
    return found


def _ready(answer: Any) -> list[Finding]:
    return [_finding("readiness", "ok", "it is ready: database, schema and scheduler are well")]


def _each(kind: str, items: list[dict[str, Any]]) -> list[Finding]:
    found = []
    for item in items:
        about = f"{kind} {item['name']}"
        if item["trouble"]:
            found.append(_finding(about, "trouble" if not item["there"] else "warning", item["trouble"], item["mend"]))
        elif item.get("paused"):
            found.append(_finding(about, "warning", "it is paused: nothing new is launched", None))
        else:
            found.append(_finding(about, "ok", "it is well"))
    return found


def _clock(date: str | None, before: float) -> list[Finding]:
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return []
    ours = datetime.fromtimestamp((before + time.time()) / 2, UTC)
    seconds = (theirs.astimezone(UTC) - ours).total_seconds()
    if abs(seconds) <= _CLOCK_SECONDS + time.time() - before:
        return [_finding("clock", "ok", "its clock and this host's agree")]
    what = f"its clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} this host's"
    return [_finding("clock", "warning", what, "Have both keep time by NTP: chrony or systemd-timesyncd.")]


def _finding(about: str, level: Level, what: str, mend: str | None = None) -> Finding:
    return Finding(about, level, what, mend)
