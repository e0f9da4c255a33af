"""What people and scripts do meanwhile: make runs, cancel some, and report others, as good clients do.

What is not answered is asked again, with the same idempotency key; a report is sent until it is taken.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.faults.campaign.ledger import Ledger
from tests.faults.campaign.setups import Known

_PAUSE_SECONDS = 0.5
_PATIENCE_SECONDS = 30.0
PIECE = b"a line of the log\n"
STEPS = 4
TIME_LIMIT_SECONDS = 4.0
# Reports come much more often, as long as the service is there.
SILENCE_SECONDS = 20.0


def up() -> float:
    """Seconds since the boot, by a clock that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Refused(Exception):
    """An answer that says that the request is wrong; asking again would not help."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text[:300]}")
        self.status = status


@dataclass
class Asked:
    """A run that was asked for, and the answer. `after`: the run that has to succeed first.

    `forgotten`: a database was put back that does not have it, or not its token.
    """

    key: str
    launched: bool
    share: str = "lab"
    seconds: float = 0.1
    how: str = "0"
    reports: str = "no"
    time_limit: float | None = None
    retries: int = 0
    after: "Asked | None" = None
    in_seconds: float = 0.0
    run_id: int = 0
    token: str = ""
    answered_up: float = 0.0
    forgotten: bool = False

    def body(self) -> dict[str, Any]:
        """As it is asked for. Its name is its key, so that it is known again whatever id it has."""
        if not self.launched:
            return {"launch": False, "name": self.key, "silence": SILENCE_SECONDS}
        simulation = {"key": self.key, "seconds": self.seconds, "how": self.how, "reports": self.reports}
        wanted: dict[str, Any] = {"application": f"{self.share}/simulation", "name": self.key, "parameters": simulation}
        wanted |= {"time_limit": self.time_limit} if self.time_limit else {}
        wanted |= {"retries": self.retries} if self.retries else {}
        wanted |= {"after": [self.after.run_id]} if self.after else {}
        return wanted | ({"at": time.time() + self.in_seconds} if self.in_seconds else {})


class Service:
    """The service as a client sees it that asks again. `answers` counts the answers by status, 0 for none."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url, key
        self.answers: Counter[int] = Counter()
        self.given_up = threading.Event()

    def insist(self, method: str, path: str, **details: Any) -> Any:
        """The answer's JSON. Raises Refused; TimeoutError when the campaign has given up."""
        while not self.given_up.is_set():
            try:
                answer = requests.request(method, self.url + path, timeout=_PATIENCE_SECONDS, **details)
            except requests.RequestException:
                self.answers[0] += 1
            else:
                if "Content-Type" not in answer.headers:  # who answered was killed in the midst of its headers
                    answer.status_code = 0
                self.answers[answer.status_code] += 1
                if answer.status_code in (200, 201):
                    return answer.json() if "json" in answer.headers["Content-Type"] else answer.content
                if 400 <= answer.status_code < 500 and answer.status_code != 429:
                    raise Refused(answer.status_code, answer.text)
            time.sleep(_PAUSE_SECONDS)
        raise TimeoutError(f"{method} {path} was not answered well before the campaign's end")

    def ask(self, method: str, path: str, **details: Any) -> Any:
        """With the key."""
        headers = {"Authorization": f"Bearer {self.key}", **details.pop("headers", {})}
        return self.insist(method, path, headers=headers, **details)

    def all_runs(self) -> list[dict[str, Any]]:
        """All runs that lackey knows."""
        page = self.ask("GET", "/api/run?limit=1000")
        runs: list[dict[str, Any]] = list(page["items"])
        while page["next"]:
            page = self.ask("GET", "/api/run", params={"limit": 1000, "cursor": page["next"]})
            runs += page["items"]
        return runs


@dataclass
class Told:
    """A report that was taken: of which run, what, and when."""

    asked: Asked
    verb: str
    fields: dict[str, Any]
    up: float


@dataclass
class Traffic:
    """Those who ask. What they asked for, what was answered, and what else they were told is kept."""

    service: Service
    ledger: Ledger
    seed: int
    pace_seconds: float = 0.7
    asked: list[Asked] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    unknown: set[str] = field(default_factory=set)
    was_restored: bool = False
    _ending: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin: one who launches, one who cancels, two that report."""
        for number, what in enumerate((self._launch, self._cancel, self._report, self._report)):
            chance = random.Random(self.seed * 10 + number)
            thread = threading.Thread(target=self._until_the_end, args=(what, chance), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Make nothing new; what was begun goes on to its end."""
        self._ending.set()

    def is_busy(self) -> bool:
        """Whether somebody has not come to an end."""
        return any(thread.is_alive() for thread in self._threads)

    def join(self, seconds: float) -> None:
        """Wait for those who have begun something."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.1, deadline - time.monotonic()))

    def _until_the_end(self, what: Callable[[random.Random], None], chance: random.Random) -> None:
        while not self._ending.wait(self.pace_seconds * chance.uniform(0.5, 1.5)):
            try:
                what(chance)
            except TimeoutError as error:
                self.troubles.append(str(error))
            except Exception as error:
                self.troubles.append(f"{type(error).__name__}: {error}")

    def make(self, asked: Asked) -> bool:
        """Have the run made; whether it was. Only a run that it has to wait for may be unknown, after a restore."""
        with self._lock:
            self.asked.append(asked)
        return self._ask_for(asked)

    def _ask_for(self, asked: Asked) -> bool:
        body = asked.body()
        try:
            made = self.service.ask("POST", "/api/run", json=body, headers={"Idempotency-Key": asked.key})
        except Refused as refused:
            with self._lock:
                self.asked.remove(asked)
            if not asked.after:
                self.troubles.append(f"run {asked.key} was refused: {refused}")
            return False
        asked.run_id, asked.token, asked.answered_up = made["id"], made["token"], up()
        return True

    def forget(self, known: Known) -> None:
        """A database was put back that knows these runs alone."""
        self.was_restored = True
        with self._lock:
            for asked in self.asked:
                asked.forgotten = asked.forgotten or (asked.key, asked.run_id) not in known

    def _launch(self, chance: random.Random) -> None:
        self.make(launched(chance, self._recent(20)))

    def _recent(self, count: int) -> list[Asked]:
        return [one for one in self.asked[-count:] if one.launched and one.run_id and not one.forgotten]

    def _cancel(self, chance: random.Random) -> None:
        if chance.random() > 0.15:
            return
        if recent := self._recent(10):
            asked = chance.choice(recent)
            # Before it is asked: an answer that does not come says nothing. Without the key: after a restore it may be
            # another run that has this id.
            self.ledger.note("cancel", asked.run_id)
            try:
                self.service.ask("POST", f"/api/run/cancel/{asked.run_id}")
            except Refused as refused:
                if refused.status not in (404, 409):
                    self.troubles.append(f"cancelling run {asked.run_id}: {refused}")

    def _report(self, chance: random.Random) -> None:
        asked = Asked(f"{chance.getrandbits(64):016x}", launched=False, how=chance.choice(["0", "0", "0", "3"]))
        if not self.make(asked):
            return
        self.tell(asked, "start", ts=1000)
        for step in range(STEPS):
            self.tell(asked, "metric", name="residual", step=step, value=step / 2, ts=1000 + step)
            self.tell(asked, "progress", done=step + 1, total=STEPS, ts=1000 + step)
            self.tell(asked, "log", text=PIECE, offset=step * len(PIECE))
            time.sleep(chance.uniform(0.0, 0.5))
        self.tell(asked, "stop", ts=2000, exit=asked.how, log="the end\n")

    def tell(self, asked: Asked, verb: str, **fields: Any) -> None:
        """One report, until it is taken; of a run that lackey does not know any more, none.

        Where a restored database has the run and not its token, the run is asked for again, and has a new one.
        """
        for again in (False, True):
            if asked.key in self.unknown:
                return
            try:
                self.service.insist("PUT", f"/api/run/{verb}/{asked.run_id}", data={"token": asked.token, **fields})
            except Refused as refused:
                if refused.status != 401:
                    raise
                if again or asked.forgotten or not self._has_a_new_token(asked):
                    self.unknown.add(asked.key)
            else:
                with self._lock:
                    self.told.append(Told(asked, verb, fields, up()))
                return

    def _has_a_new_token(self, asked: Asked) -> bool:
        run_id = asked.run_id
        return self.was_restored and self._ask_for(asked) and asked.run_id == run_id

    def tell_again(self, since: float, until: float) -> None:
        """Send once more what was taken in that time: the database that took it is gone."""
        with self._lock:
            again = [one for one in self.told if since <= one.up <= until]
            self.told = [one for one in self.told if one not in again]
        for one in again:
            self.tell(one.asked, one.verb, **one.fields)


def launched(chance: random.Random, before: list[Asked]) -> Asked:
    """A launched run, drawn by chance: short or of a few seconds; one that fails, that ends by a signal, and more."""
    asked = Asked(f"{chance.getrandbits(64):016x}", launched=True, share=chance.choice(["lab", "attic"]))
    asked.seconds = chance.choice([0.05, 0.05, 0.3, 1.0, 3.0, 6.0])
    asked.how = chance.choice(["0", "0", "0", "0", "3", "7", "KILL", "SEGV"])
    asked.reports = chance.choice(["no", "no", "no", "yes", "progress"])
    kind = chance.choice(["plain"] * 5 + ["limited", "retried", "after", "after", "at"])
    if kind == "limited":
        asked.time_limit, asked.seconds = TIME_LIMIT_SECONDS, chance.choice([0.3, 1.0, 30.0])
    elif kind == "retried":
        asked.retries = 1
    elif kind == "after" and before:
        asked.after = chance.choice(before)
    elif kind == "at":
        asked.in_seconds = chance.uniform(0.5, 8.0)
    return asked
