"""Twenty runs at once, each of which leaves a line when it begins and waits until it may end."""

from collections import Counter
from dataclasses import dataclass

from lackey.domain.run import RunState
from tests.stage import Stage, until

SIZE = 20
_COMMAND = 'echo $LACKEY_RUN_ID >> begun; while [ ! -e "go-{code}" ]; do sleep 0.2; done; exit {code}'.replace(
    '"go-{code}"', "go-$LACKEY_PARAM_CODE"
)


@dataclass
class Crowd:
    """Runs that end with 0 and with 3, in turn."""

    stage: Stage
    runs: dict[int, str]

    @classmethod
    def scheduled(cls, stage: Stage) -> "Crowd":
        application = stage.add("crowd", _COMMAND, parameters=[{"name": "code"}])
        codes = [("0", "3")[n % 2] for n in range(SIZE)]
        return cls(stage, {stage.schedule(application, parameters={"code": code}): code for code in codes})

    def begun(self) -> Counter[str]:
        """How often each has begun, as the commands themselves say."""
        file = self.stage.place / "lab/crowd/begun"
        return Counter(file.read_text().split() if file.exists() else [])

    def until_running(self) -> None:
        """Wait until all of them run, and the database says so."""
        for run_id in self.runs:
            self.stage.until_running(run_id)
        until(lambda: len(self.begun()) == SIZE, "all of them")

    def release(self, code: str) -> None:
        """Let those end that end with this code."""
        (self.stage.place / f"lab/crowd/go-{code}").touch()

    def check(self) -> None:
        """Each has its own outcome, and each has run once."""
        for run_id, code in self.runs.items():
            run = self.stage.until_ended(run_id)
            assert (run.state, run.exit_code) == (_STATES[code], int(code)), self.stage.history(run_id)
        assert self.begun() == {str(run_id): 1 for run_id in self.runs}


_STATES = {"0": RunState.SUCCEEDED, "3": RunState.FAILED}
