"""What simulations are launched by, and as whom."""

import pwd

from lackey.cli.checks.finding import Finding, Level
from lackey.settings import Settings

_OWN_USER = (
    "Set [executor.local] user, and start the scheduler by its unit: then simulations can't read the database, or end "
    "the service's processes."
)


def executors(settings: Settings) -> list[Finding]:
    """How many runs go on at once here, and whether simulations have a user of their own."""
    local = settings.executor.local
    slots = f"{local.slots} at once on this host"
    if local.user is None:
        what = f"simulations run as the user that the scheduler runs as (root, if root started it), {slots}"
        return [_finding("warning", what, _OWN_USER)]
    try:
        uid = pwd.getpwnam(local.user).pw_uid
    except KeyError:
        mend = f"Make the user: adduser --system --group {local.user}."
        return [_finding("trouble", f"simulations should run as {local.user}, and there is no such user here", mend)]
    if uid == 0:
        return [_finding("trouble", "simulations run as root", "Name another user in [executor.local] user.")]
    return [_finding("ok", f"simulations run as {local.user}, {slots}")]


def _finding(level: Level, what: str, mend: str | None = None) -> Finding:
    return Finding("executors", level, what, mend)
