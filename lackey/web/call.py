"""What a handler works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from lackey.domain.application import Asker
from lackey.domain.paths import Share
from lackey.domain.resources import Capacity
from lackey.domain.run import Run
from lackey.domain.shell.program import DEFAULT_SHELL
from lackey.files import ShareFiles
from lackey.services import Database
from lackey.services.idempotency import Once
from lackey.services.runs.waiting import WaitReasons
from lackey.web.link import Link
from lackey.web.shares_seen import SharesSeen


@dataclass(frozen=True)
class Service:
    """What the API stands on. `log_limit` in bytes; `wake` tells the scheduler that there is something to do.

    `remote_user_scope`: what a user may do whom the web server vouches for; None: nobody is believed to be one.
    `link`: with whose code somebody signs in, once. `shares_seen`: how the shares were, a moment ago.
    `url`: how simulations reach the service; None: as visitors do. `shell`: the executor's own.
    `capacity`: what the executor has by this service's settings, until its scheduler tells. `timezone`: the name of the
    server's own, if it has one.
    """

    database: Database
    files: ShareFiles
    shares: Mapping[str, Share]
    log_limit: int
    clock: Callable[[], datetime]
    wake: Callable[[], None]
    remote_user_scope: str | None = None
    link: Link = field(default_factory=Link)
    shares_seen: SharesSeen = field(default_factory=SharesSeen)
    url: str | None = None
    shell: str = DEFAULT_SHELL
    capacity: Capacity | None = None
    timezone: str | None = None


@dataclass(frozen=True)
class Call:
    """A request that has been let in: when it was received, who asks, whether it may come again.

    `range` is what its header of this name says. `decoded`: text of the report was not UTF-8. `reporter`: the run that
    reports, as it was when its token was looked up.
    """

    service: Service
    now: datetime
    asker: Asker | None = None
    once: Once | None = None
    range: str | None = None
    decoded: bool = False
    reporter: Run | None = None

    @cached_property
    def turns(self) -> WaitReasons:
        """Whose turn it is, of the runs that wait for it."""
        return WaitReasons(self.service.database, self.now)

    @property
    def database(self) -> Database:
        """The service's database."""
        return self.service.database

    @property
    def by(self) -> str:
        """The name of who asks: of the key or the user, or the run itself."""
        return "run" if self.asker is None else self.asker.name
