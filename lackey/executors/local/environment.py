"""What a command finds in its environment: built anew, and nothing of the service's.

TZ is the name of a zone, for `:/etc/localtime`, which the C library understands, puts Java and Node an hour off. Where
the host tells no name (`host_zone`), TZ is left out: then all of them look at /etc/localtime themselves.
"""

import locale
import os
from collections.abc import Mapping

from lackey.accounts import Account
from lackey.domain.shell.text import variable
from lackey.executors.local.directories import on_share
from lackey.executors.protocol import Launch
from lackey.host_zone import time_zone

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_UTF_8 = "C.UTF-8"


def environment(launch: Launch, account: Account, run_directory: str, own: Mapping[str, str]) -> dict[str, str]:
    """All that the command finds in its environment. Of the launcher's `own`, only LANG and TZ count."""
    given = {
        "LACKEY_URL": launch.url,
        "LACKEY_RUN_ID": str(launch.run_id),
        "LACKEY_TOKEN": launch.token,
        "LACKEY_CPUS": str(launch.cpus),
        "LACKEY_RUN_DIR": _absolute(launch, run_directory),
        "LACKEY_APPLICATION_DIR": _absolute(launch, on_share(launch.directory)),
    }
    if launch.memory_bytes is not None:
        given["LACKEY_MEMORY_BYTES"] = str(launch.memory_bytes)
    if launch.gpus is not None:
        # Empty for none: else it would use all there are.
        given["CUDA_VISIBLE_DEVICES"] = ",".join(launch.gpus)
    zone = time_zone(own)
    return {
        "PATH": PATH,
        "HOME": account.home,
        "USER": account.name,
        "LANG": language(own),
        **({} if zone is None else {"TZ": zone}),
        # Or Python would keep what it prints to itself until it has 8 KiB, and nobody could follow the run.
        "PYTHONUNBUFFERED": "1",
        # Or each of several runs would take as many threads as the host has cpus.
        "OMP_NUM_THREADS": str(launch.cpus),
        **launch.environment,
        **given,
        **{variable(name): value for name, value in launch.parameters.items()},
    }


def _absolute(launch: Launch, relative: str) -> str:
    return os.path.join(launch.share_path, relative).rstrip("/") or "/"


def language(own: Mapping[str, str]) -> str:
    """The host's LANG, if it is one of UTF-8 that is installed: parameters are handed over in UTF-8."""
    name = own.get("LANG") or _UTF_8
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, name)
        return name if locale.nl_langinfo(locale.CODESET) == "UTF-8" else _UTF_8
    except (locale.Error, ValueError):
        return _UTF_8
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
