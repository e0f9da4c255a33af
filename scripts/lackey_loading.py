"""Imported by each of uWSGI's workers before the application, which takes a moment to load (`import` in the vassal).

uWSGI gives a worker its signal handlers when the application is there. Until then a reload or a stop would go unheard:
the master would wait for this worker for a minute, and then kill it with what it was doing. A worker that is loading
has nothing to finish, so it goes at once: by the system's own doing, since a handler of Python's would run some time
after the signal, which may be when a request has begun.
"""

import signal

for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_DFL)
