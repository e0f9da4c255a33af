"""Each share's reader process, which alone touches the share, and `Readers`, which keeps the readers alive.

A share that hangs (a dead SMB mount) blocks a process in the kernel, where no signal ends it. So each share has a
process of its own, and each request in it a thread of its own: a hang takes nothing with it but the requests for that
share, and what waits goes on when the share is back. A monitor in the process notices the hang, so that what comes
later is told at once and need not wait. `lackey.files` is the client.

Where simulations have a user of their own, readers open files as that user: what they find of a share is what
simulations find. For all else they stay who they are, so that no simulation can signal, trace or slow them down. One
that is stopped or that does not answer all the same is replaced. There is one for each share, so each is kept small: it
loads nothing of what keeps the readers (`readers`), nor anything from outside the standard library.

The protocol, on a Unix stream socket: the client sends one line of JSON, and gets a line of JSON and then as many bytes
as its `length` says, if it has one; then the connection ends.

    {"op": "probe"}                                         {"ok": true}
    {"op": "probe", "there": true, "seconds": 3}            the same, once the share is not there, or after 3 s
    {"op": "health", "anew": true}                          {"ok": true, "health": {…}}; a full look follows at once
    {"op": "read", "path": "…", "offset": 0, "length": 9}   {"ok": true, "size": 99, "mtime": 1.5, "length": 9}
    {"op": "list", "path": "…"}                             {"ok": true, "entries": […], "complete": true}
    anything that can't be done                             {"ok": false, "error": "missing", "why": "…"}

`error` is `missing`, `refused` (a link, outside the share, no regular file, no permission, a request that makes no
sense), `away` (the share) or `failed` (anything else).
"""
