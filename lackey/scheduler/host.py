"""What a scheduler knows of its host and installation, and the launches that it makes of claims."""

from dataclasses import dataclass

from lackey.domain.paths import Share
from lackey.domain.resources import Capacity
from lackey.domain.run import scheduler_of
from lackey.domain.shell.simple_command import replacing_the_shell
from lackey.executors.protocol import Launch, NotStarted
from lackey.services.dispatch.claiming import Claim, Site


@dataclass(frozen=True)
class Host:
    """What the scheduler knows of its host and installation. `series`: what the tickets that it draws end in."""

    installation: str
    host: str
    series: str
    url: str
    wake_path: str
    shares: dict[str, Share]
    user: str | None
    kill_grace: float
    shell: str

    @property
    def scheduler(self) -> str:
        """See `domain.run.scheduler_of`."""
        return scheduler_of(self.series, self.host)

    def site(self, executor: str, capacity: Capacity) -> Site:
        """For whom runs are claimed."""
        return Site(self.host, self.series, capacity, executor)

    def launch_of(self, claim: Claim, capacity: Capacity) -> Launch:
        """What the executor, which has `capacity`, is to launch. Raises NotStarted: it has no place to run in."""
        run = claim.run
        share = self.shares.get(run.share or "")
        if share is None or run.directory is None or run.command is None:
            raise NotStarted("what is written down of this run makes no sense: its share, directory or command")
        shell = self.shell if run.shell is None else run.shell
        return Launch(
            ticket=claim.ticket,
            installation=self.installation,
            run_id=run.id,
            run_uid=run.uid,
            share_path=share.path,
            must_be_mounted=share.must_be_mounted,
            directory=run.directory,
            command=replacing_the_shell(run.command, shell),
            workdir="run" if run.workdir == "run" else "application",
            parameters=run.parameters,
            environment=run.environment,
            url=self.url,
            token=claim.token,
            user=self.user,
            kill_grace=self.kill_grace,
            wake_path=self.wake_path,
            shell=shell,
            cpus=run.cpus or 1,
            memory_bytes=run.memory_bytes,
            # Where the executor has none of its own to give, whoever uses one does so unasked, as ever.
            gpus=list(claim.gpus) if capacity.gpus else None,
        )
