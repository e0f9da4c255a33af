"""What `lackey doctor` looks at. Each check is a function that returns what it found; printing is the command's.

Any of them may meet something that hangs, in the kernel even, so each is carried out in a process of its own, with a
deadline. None touches a share: that is for the shares' readers.
"""

from lackey.cli.checks.apart import Apart
from lackey.cli.checks.database import database, paused, scheduler, unconfigured
from lackey.cli.checks.executors import executors
from lackey.cli.checks.exposure import rights
from lackey.cli.checks.finding import Check, Finding
from lackey.cli.checks.host import clock, data_dir, kernel
from lackey.cli.checks.service import service
from lackey.cli.checks.shares import shares

__all__ = ["CHECKS", "Apart", "Check", "Finding"]

CHECKS = (
    Check("data_dir", data_dir, "Its file system does not answer: put data_dir on a local disk."),
    Check("database", database, "See whether the database's server, or the disk that it lies on, is well."),
    Check("scheduler", scheduler, "It is heard of through the database; see there."),
    Check("service", service, "See what the service's log says, and start it again."),
    Check("shares", shares, "See what the scheduler's log says, and start it again."),
    Check("rights", rights, "The file system of data_dir does not answer: put it on a local disk."),
    Check("shares", unconfigured, "They are heard of through the database; see there."),
    Check("executors", executors, "Looking up a user takes too long: see /etc/nsswitch.conf."),
    Check("executors", paused, "They are heard of through the database; see there."),
    Check("kernel", kernel, "Ask again."),
    Check("clock", clock, "Ask again."),
)
