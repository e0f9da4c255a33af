"""Imported by each of uWSGI's workers before the application, which takes a moment to load (`import` in the vassal).

uWSGI gives a worker its signal handlers when the application is there. Until then a reload or a stop would go unheard:
the master would wait for this worker for a minute, and then kill it with what it was doing. A worker that is loading
has nothing to finish, so it goes at once: by the system's own doing, since a handler of Python's would run some time
after the signal, which may be when a request has begun.

A worker has its modules from the master (`lackey_preload`), and they may be out of date: a chain reload replaces the
workers alone. If lackey's own have changed, this worker loads them anew. If packages of others have, that can't be done
within a process (some are native code), so the master is asked to begin anew as well; new requests wait for that, as
with any reload of all workers.
"""

import os
import signal
import sys

import uwsgi  # uWSGI's own, found nowhere else

from scripts import lackey_preload

for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)

if lackey_preload.installed() != lackey_preload.INSTALLED:
    print("lackey: other packages are installed now; all of uWSGI is reloaded", file=sys.stderr, flush=True)
    uwsgi.reload()
    # It ends by itself. The master may not have noted its pid yet: then it would not end it with the others, and wait
    # for it without end, with nobody left who answers.
    os._exit(0)
if lackey_preload.code() != lackey_preload.CODE:
    for name in list(sys.modules):
        if name.partition(".")[0] == "lackey" or name == lackey_preload.WORKER:
            del sys.modules[name]
