"""Simulations that lackey launches on a deployed site, and that run on whatever happens to it."""

from collections import Counter
from dataclasses import dataclass

from tests.real.site import Site
from tests.stage import until

# Of the site's configuration: all of them run at once.
SLOTS = {"executor.local": "cpus = 8"}


@dataclass(frozen=True)
class Simulations:
    """Launched runs: each leaves a line when it begins, waits until it may end, and ends with its code."""

    site: Site
    codes: dict[int, int]

    @classmethod
    def running(cls, site: Site) -> "Simulations":
        directory = site.host.share / "heat"
        directory.mkdir()
        directory.chmod(0o777)
        site.api("POST", "/api/project", name="heat", directory="heat")
        wait = "echo $LACKEY_RUN_ID >> begun; while [ ! -e go ]; do sleep 0.1; done; exit {code}"
        asked = {"project": "heat", "name": "wait", "command": wait, "parameters": [{"name": "code"}]}
        site.api("POST", "/api/application", **asked)
        codes = {}
        for code in (0, 3, 0, 3):
            run = site.api("POST", "/api/run", application="heat/wait", parameters={"code": code})
            codes[run["id"]] = code
        made = cls(site, codes)
        until(lambda: made.begun() == dict.fromkeys(codes, 1), "all of them", 60)
        # A simulation begins before lackey has noted that it did: whoever ends lackey in between finds them `starting`.
        until(lambda: made.states() == {"running"}, "lackey's knowing of it", 60)
        return made

    def begun(self) -> Counter[int]:
        """How often each has begun."""
        file = self.site.host.share / "heat/begun"
        return Counter(map(int, file.read_text().split())) if file.exists() else Counter()

    def states(self) -> set[str]:
        return {self.site.api("GET", f"/api/run/{run_id}")["state"] for run_id in self.codes}

    def check(self) -> None:
        """They run still; and when they may end, each has its own outcome, and has begun once."""
        assert self.states() == {"running"}
        (self.site.host.share / "heat/go").touch()
        until(lambda: "running" not in self.states(), "the outcomes", 60)
        for run_id, code in self.codes.items():
            run = self.site.api("GET", f"/api/run/{run_id}")
            assert (run["exit_code"], run["state"]) == (code, "failed" if code else "succeeded")
        assert self.begun() == dict.fromkeys(self.codes, 1)
