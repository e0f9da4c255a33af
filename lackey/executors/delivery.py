"""Where the guard's words go.

The receipt goes into the mark; where the disk won't take it, to the service; a copy of it to the run; and for all that
is new, the scheduler gets a nudge.
"""

import os
from pathlib import Path

from lackey.accounts import Account
from lackey.executors.base import Launch, Receipt
from lackey.executors.directories import add_file
from lackey.executors.tickets import Mark
from lackey.wake import send_to

_HTTP_SECONDS = 5.0


def hand_in(launch: Launch, mark: Mark, receipt: Receipt) -> bool:
    """Have the outcome kept: in the mark, or, where the disk won't take it, by the service."""
    try:
        mark.add_receipt(receipt)
    except OSError:
        return receipt.result == "ended" and report(launch, receipt)
    send_to(Path(launch.wake_path))
    return True


def report(launch: Launch, receipt: Receipt) -> bool:
    """Report the end as the simulation itself could have; True if the service has it now, or had a better word."""
    from http.client import HTTPException
    from urllib import error, parse, request

    code = receipt.exit_code if receipt.signal is None else 128 + receipt.signal
    form = parse.urlencode({"token": launch.token, "ts": receipt.ended_at, "exit": code}).encode()
    stop = request.Request(f"{launch.url.rstrip('/')}/api/run/stop/{launch.run_id}", form, method="PUT")
    stop.add_header("Accept", "application/json")
    try:
        with request.urlopen(stop, timeout=_HTTP_SECONDS) as answer:
            return bool(answer.status == 200)
    except error.HTTPError as refused:
        return refused.code == 409
    except (OSError, ValueError, HTTPException):
        return False


def copy_receipt(receipt: Receipt, run: int, account: Account) -> None:
    """Leave a copy with the run. By a process that nobody waits for: its share may be away by now, or hang."""
    if os.fork() == 0:
        try:
            with account.acting():
                add_file(run, "receipt.json", receipt.to_json() + "\n")
        finally:
            os._exit(0)
