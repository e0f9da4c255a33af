"""How a guard hands in its receipt: into the mark; where the disk won't take it, to the service, by HTTP.

A copy goes into the run's directory.

All that this needs is imported with it, before the launcher forks: when a command ends, the library may be gone, say
because an upgrade rebuilds the environment. `encodings.idna` is what the name of a host is encoded with.
"""

import encodings.idna  # noqa: F401
import http.client
from contextlib import suppress
from urllib.parse import urlencode, urlsplit

from lackey.accounts import Account
from lackey.domain.receipt import Receipt
from lackey.executors.local.directories import RECEIPT, RunDirectories, add_file
from lackey.executors.local.own_log import OwnLog
from lackey.executors.local.tickets import Mark
from lackey.executors.protocol import Launch

_HTTP_SECONDS = 5.0
# What a service says that does not know receipts, being of the version before.
_UNKNOWN = {400, 404, 405}


def hand_in(launch: Launch, receipt: Receipt) -> bool:
    """Hand the receipt in at the service; True if the service has it now, or had a better word.

    A service of the version before gets what the simulation itself could have reported.
    """
    if receipt.result != "ended":
        return False
    status = _put(launch, "receipt", "application/json", receipt.to_json())
    if status not in _UNKNOWN:
        return status == 200
    code = receipt.exit_code if receipt.signal is None else 128 + receipt.signal
    form = urlencode({"ts": receipt.ended_at, "exit": code})
    return _put(launch, "stop", "application/x-www-form-urlencoded", form) in (200, 409)


def _put(launch: Launch, verb: str, content_type: str, body: str) -> int | None:
    """The status of the service's answer; None: there was none."""
    headers = {"Accept": "application/json", "Content-Type": content_type, "Authorization": f"Bearer {launch.token}"}
    try:
        url = urlsplit(launch.url)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection = kind(url.hostname or "", url.port, timeout=_HTTP_SECONDS)
        try:
            connection.request("PUT", f"{url.path.rstrip('/')}/api/run/{verb}/{launch.run_id}", body.encode(), headers)
            return connection.getresponse().status
        finally:
            connection.close()
    except (OSError, ValueError, http.client.HTTPException):
        return None


def leave_with_run(launch: Launch, mark: Mark, receipt: Receipt, directories: RunDirectories, account: Account) -> None:
    """Leave a copy of the receipt with the run, and its log, if it removed that itself.

    That comes last of all, and nobody waits for it: its share may be away by now, or hang.
    """
    log = OwnLog(launch, directories)
    with suppress(OSError):
        _keep_log(log, mark, account)
    with suppress(OSError), account.acting():
        add_file(log.directories.run, RECEIPT, receipt.to_json() + "\n")


def _keep_log(log: OwnLog, mark: Mark, account: Account) -> None:
    with account.acting():
        if log.is_there():
            return
        kept = log.keep()
    # On record before it can be found in its place: whoever finds it there asks why.
    mark.add_kept_log(kept)
    with account.acting():
        log.put_back(kept)
