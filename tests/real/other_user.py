"""Being another user than the one who runs the tests, whose Python and project that user may have no way to."""

import stat
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

# In a mount namespace of its own (unshare(1)), closed directories are opened: under an overlay, which nobody else sees.
_OPEN = """
set -e
mount -t tmpfs lackey-test /mnt
for closed in $1; do
    upper=$(mktemp -d -p /mnt)
    work=$(mktemp -d -p /mnt)
    mount -t overlay overlay -o "lowerdir=$closed,upperdir=$upper,workdir=$work" "$closed"
    chmod a+rx "$closed"
done
shift
exec "$@"
"""


def seen_by_all() -> list[str]:
    """What to put before a command so that any user finds Python and the project there. For root to call."""
    places = (Path(sys.base_prefix), Path(sys.prefix), ROOT)
    on_the_way = sorted({directory for place in places for directory in (place.resolve(), *place.resolve().parents)})
    closed = [str(directory) for directory in on_the_way if not directory.stat().st_mode & stat.S_IXOTH]
    return ["unshare", "--mount", "sh", "-c", _OPEN, "sh", " ".join(closed)]


def as_user(name: str, group: str) -> list[str]:
    """What to put before a command so that it runs as this user and group alone. For root to call."""
    return [*seen_by_all(), "setpriv", f"--reuid={name}", f"--regid={group}", "--clear-groups"]
