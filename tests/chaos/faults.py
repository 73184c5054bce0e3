"""Seeded random faults, one at a time, and how long the stack takes to recover from each."""

import contextlib
import json
import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import psutil
import redis
import sqlalchemy as sa

from jobyard.shared.config import Settings
from jobyard.shared.migrate import upgrade
from jobyard.shared.storage.identity import NAME as IDENTITY
from jobyard.up.supervisor import WRONG_SETTING
from tests.chaos.findings import Violation
from tests.chaos.keys import DELETED, age
from tests.chaos.record import Record
from tests.chaos.stack import LEASE_SECONDS, TOKEN, Service, Stack

POOLS = ("gpu", "predict", "cpu")
PROCESSES = ("web", *POOLS, "sweeper", "redis")
# What starts children that do the work.
PARENTS = ("web", *POOLS)

# Kinds of faults as (action, target), and how often each is in a deck of cards.
KINDS: dict[tuple[str, str], int] = {
    **{("kill", target): 1 for target in PROCESSES},
    **{("kill", f"{target} child"): 1 for target in PARENTS},
    **{("term", target): 1 for target in PROCESSES},
    **{("term", f"{target} child"): 1 for target in PARENTS},
    **{("term twice", target): 1 for target in POOLS},
    **{("freeze", target): 1 for target in PROCESSES},
    **{("freeze", f"{target} child"): 1 for target in PARENTS},
    ("flushall", "redis"): 2,
    ("restart fast", "postgres"): 2,
    ("restart immediate", "postgres"): 2,
    ("outage", "postgres"): 1,
    ("empty database", "storage"): 1,
    ("old dump", "storage"): 1,
}

PAUSE_SECONDS = (0.2, 2.0)
# Redis and PostgreSQL stay away for so long; what is frozen, for so long past its lease.
AWAY_SECONDS = (0.2, 6.0)
PAST_LEASE_SECONDS = (0.5, 3.0)
OUTAGE_SECONDS = 20.0
ASK_EVERY_SECONDS = 0.25
# A child that has a job at the time is hit with this probability, if there is one.
BUSY_FIRST = 0.8

TERM_SECONDS = 30.0
# How soon a sweeper that starts has raised the epoch.
EPOCH_SECONDS = 60.0
A_MOMENT_IN_DAYS = 1e-5
# What such a sweeper says, in place of deleting anything.
REFUSED = "belongs to another database"
DELETES_NOTHING = "Nothing is deleted from it"
# What the web says without a database.
AWAY = "503 with Retry-After"
PROBE_SECONDS = 90.0
PROBE_EVERY_SECONDS = 0.05


@dataclass(frozen=True)
class Fault:
    """One fault as drawn; `pick` in [0, 1) chooses among what there is to be hit."""

    action: str
    target: str
    pause: float
    hold: float
    pick: float
    busy: bool

    @property
    def kind(self) -> str:
        return f"{self.action} {self.target}"


@dataclass
class Thrown:
    """What came of it: when it was over, and when a text submitted after that was scored."""

    fault: Fault
    at: float
    hit: str = "nothing"
    over: float = 0.0
    recovered: float | None = None
    victims: list[uuid.UUID] = field(default_factory=list)
    # Processes that were asked to end, and shall.
    ending: list[psutil.Process] = field(default_factory=list)
    note: str = ""
    # What the web answered while there was no database: how often which status.
    statuses: Counter[str] = field(default_factory=Counter)


def draw(seed: int, count: int) -> list[Fault]:
    """The same seed gives the same faults. Every kind comes once before any comes again (weights apart)."""
    chance = random.Random(f"faults {seed}")
    deck: list[tuple[str, str]] = []
    drawn = []
    for _ in range(count):
        if not deck:
            deck = [kind for kind, weight in KINDS.items() for _ in range(weight)]
            chance.shuffle(deck)
        action, target = deck.pop()
        past = LEASE_SECONDS + chance.uniform(*PAST_LEASE_SECONDS)
        away = chance.uniform(*AWAY_SECONDS)
        holds = {"freeze": past, "outage": OUTAGE_SECONDS}
        drawn.append(
            Fault(
                action,
                target,
                pause=chance.uniform(*PAUSE_SECONDS),
                hold=holds.get(action, away),
                pick=chance.random(),
                busy=chance.random() < BUSY_FIRST,
            )
        )
    return drawn


class Thrower:
    """Throws faults at a stack and probes it."""

    def __init__(self, stack: Stack, record: Record) -> None:
        self._stack = stack
        self._record = record
        self._probes = 0
        self._actions: dict[str, Callable[[Fault, Thrown], None]] = {
            "kill": self._kill,
            "term": self._terminate,
            "term twice": self._terminate,
            "freeze": self._freeze,
            "flushall": self._flush,
            "restart fast": self._restart,
            "restart immediate": self._restart,
            "outage": self._outage,
            "empty database": self._empty_database,
            "old dump": self._old_dump,
        }

    def throw(self, fault: Fault) -> Thrown:
        """Do it, and wait until the stack works again."""
        time.sleep(fault.pause)
        thrown = Thrown(fault, time.time())
        self._actions[fault.action](fault, thrown)
        thrown.over = thrown.over or time.time()
        self._probe(thrown)
        # As systemd would: who does not end in time is killed.
        _, alive = psutil.wait_procs(thrown.ending, timeout=TERM_SECONDS)
        if alive:
            thrown.note = f"did not end within {TERM_SECONDS:g} s of SIGTERM"
            _signal(alive, signal.SIGKILL)
        return thrown

    # ---- the faults

    def _kill(self, fault: Fault, thrown: Thrown) -> None:
        service, processes = self._choose(fault, thrown)
        service.held = service.role == "redis"
        thrown.at = time.time()
        _signal(processes[:1], signal.SIGKILL)
        if service.held:
            time.sleep(fault.hold)
            service.held = False

    def _terminate(self, fault: Fault, thrown: Thrown) -> None:
        _, processes = self._choose(fault, thrown)
        thrown.at = time.time()
        _signal(processes[:1], signal.SIGTERM)
        if fault.action == "term twice":
            time.sleep(min(fault.hold, 1.0))
            _signal(processes[:1], signal.SIGTERM)
        if not fault.target.endswith(" child"):
            thrown.ending = processes[:1]

    def _freeze(self, fault: Fault, thrown: Thrown) -> None:
        _, processes = self._choose(fault, thrown)
        thrown.at = time.time()
        _signal(processes, signal.SIGSTOP)
        time.sleep(fault.hold)
        _signal(processes, signal.SIGCONT)

    def _flush(self, fault: Fault, thrown: Thrown) -> None:
        thrown.hit = "redis"
        try:
            with self._stack.redis() as client:
                client.flushall()
        except redis.RedisError as error:
            thrown.note = f"could not: {error}"

    def _restart(self, fault: Fault, thrown: Thrown) -> None:
        service, processes = self._choose(fault, thrown)
        service.held = True
        thrown.at = time.time()
        _signal(processes[:1], signal.SIGINT if fault.action == "restart fast" else signal.SIGQUIT)
        psutil.wait_procs(processes[:1], timeout=TERM_SECONDS)
        time.sleep(fault.hold)
        service.held = False

    def _outage(self, fault: Fault, thrown: Thrown) -> None:
        """The web must say 503 and when to come back, whatever it is asked."""
        service, processes = self._choose(fault, thrown)
        service.held = True
        thrown.at = time.time()
        _signal(processes[:1], signal.SIGINT)
        psutil.wait_procs(processes[:1], timeout=TERM_SECONDS)
        back = time.monotonic() + fault.hold
        body = {"kind": "sentiment", "spec": {"texts": ["nobody can take this"]}}
        with self._stack.http() as http:
            while time.monotonic() < back:
                for ask in (lambda: http.get("/jobs"), lambda: http.post("/jobs", json=body)):
                    try:
                        response = ask()
                    except httpx.TransportError as error:
                        thrown.statuses[type(error).__name__] += 1
                    else:
                        after = " with Retry-After" if response.headers.get("Retry-After") else ""
                        thrown.statuses[f"{response.status_code}{after}"] += 1
                time.sleep(ASK_EVERY_SECONDS)
        thrown.note = ", ".join(f"{count} × {status}" for status, count in thrown.statuses.items())
        service.held = False

    def _empty_database(self, fault: Fault, thrown: Thrown) -> None:
        """A mistyped name, or staging: its sweeper is pointed at this storage, where all looks old."""
        postgres, name = self._stack.postgres, "stranger"
        thrown.hit = "the storage"
        postgres.create(name)
        try:
            settings = Settings(database_url=postgres.url(name), home=self._stack.home)
            upgrade(settings)
            age(self._stack.storage)
            status, log = self._stack.run_beside(settings.database_url, REFUSED)
        finally:
            postgres.drop(name)
        is_refused = status == WRONG_SETTING and REFUSED in log
        thrown.note = REFUSED if is_refused else f"status {status}, said {log[-300:]!r}"

    def _old_dump(self, fault: Fault, thrown: Thrown) -> None:
        """A dump is started beside the later database, and to it the time of everything is over."""
        postgres, name = self._stack.postgres, "restored"
        thrown.hit = "the storage"
        dump = self._stack.folder / "old.dump"
        postgres.dump("jobyard", dump)
        before = self._epoch()
        # The one that is started in its place raises the epoch.
        _signal(self._stack.services["sweeper1"].family()[:1], signal.SIGTERM)
        deadline = time.monotonic() + EPOCH_SECONDS
        while self._epoch() <= before and time.monotonic() < deadline:
            time.sleep(PROBE_EVERY_SECONDS)
        try:
            postgres.restore(dump, name)
            age(self._stack.storage)
            url = postgres.url(name)
            _, log = self._stack.run_beside(url, DELETES_NOTHING, RETENTION_DAYS=A_MOMENT_IN_DAYS)
        finally:
            postgres.drop(name)
            dump.unlink()
        is_harmless = DELETES_NOTHING in log and not DELETED.search(log)
        thrown.note = DELETES_NOTHING if is_harmless else f"said {log[-300:]!r}"

    def _epoch(self) -> int:
        found: int = json.loads((self._stack.storage / IDENTITY).read_text())["epoch"]
        return found

    def _choose(self, fault: Fault, thrown: Thrown) -> tuple[Service, list[psutil.Process]]:
        """The service that is hit and its processes: all of it, or one child; busy ones first."""
        role = fault.target.removesuffix(" child")
        services = self._stack.of_role(role)
        jobs: dict[int, uuid.UUID] = {}
        if role in POOLS:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                jobs = self._stack.running_jobs()
        if fault.target.endswith(" child"):
            targets = [(service, [child]) for service in services for child in service.children()]
        else:
            targets = [(service, family) for service in services if (family := service.family())]
        busy = [one for one in targets if any(process.pid in jobs for process in one[1])]
        if fault.busy and busy:
            targets = busy
        if not targets:
            thrown.note = "nobody was there"
            return services[0], []
        service, processes = targets[int(fault.pick * len(targets))]
        thrown.hit = f"{service.name} {processes[0].pid}"
        if fault.action != "kill" or fault.target.endswith(" child"):
            thrown.victims = [jobs[one.pid] for one in processes if one.pid in jobs]
        return service, processes

    # ---- the recovery

    def _probe(self, thrown: Thrown) -> None:
        """Submit a text and wait for its score, without the client's growing pauses."""
        self._probes += 1
        key = f"probe-{self._probes}"
        body = {"kind": "sentiment", "spec": {"texts": [f"I love probe {self._probes}"]}, "priority": 9}
        self._record.ask(key, "sentiment")
        deadline = time.monotonic() + PROBE_SECONDS
        begun = time.monotonic()
        job: str | None = None
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": key}
        with httpx.Client(base_url=f"{self._stack.url}/api/v1", headers=headers, timeout=5.0) as http:
            while time.monotonic() < deadline:
                try:
                    if job is None:
                        response = http.post("/jobs", json=body)
                        if response.is_success:
                            job = str(response.json()["id"])
                            self._record.answer(key, job, body, time.monotonic() - begun)
                    elif http.get(f"/jobs/{job}").raise_for_status().json()["state"] == "succeeded":
                        thrown.recovered = time.time()
                        return
                except (httpx.HTTPError, ValueError):
                    pass
                time.sleep(PROBE_EVERY_SECONDS)


def check_outage(number: int, thrown: Thrown) -> Iterator[Violation]:
    """Without a database every answer is AWAY, and there are answers."""
    if thrown.fault.action == "outage":
        subject = f"fault {number} ({thrown.fault.kind})"
        for status, count in thrown.statuses.items():
            if status != AWAY:
                yield Violation("spoiled", subject, f"{count} requests were answered with {status}")
        if not thrown.statuses[AWAY]:
            yield Violation("spoiled", subject, "no request was answered")


def check_beside(number: int, thrown: Thrown) -> Iterator[Violation]:
    """A sweeper of another database, or of an older state, says so and deletes nothing."""
    expected = {"empty database": REFUSED, "old dump": DELETES_NOTHING}.get(thrown.fault.action)
    if expected is not None and thrown.note != expected:
        yield Violation("vanished", f"fault {number} ({thrown.fault.kind})", thrown.note)


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if process.is_running():
                os.kill(process.pid, number)
