"""Throws faults at the stack, one at a time, and finds out how long it takes to recover from each."""

import contextlib
import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import redis
import sqlalchemy as sa

from jobyard.shared.config import Settings
from jobyard.shared.migrate import upgrade
from jobyard.shared.storage.identity import NAME as IDENTITY
from jobyard.up.supervisor import WRONG_SETTING
from tests.chaos.asks import Asker
from tests.chaos.faults import POOLS, Fault, Thrown
from tests.chaos.findings import Violation
from tests.chaos.keys import DELETED
from tests.chaos.load import Material
from tests.chaos.record import Record
from tests.chaos.stack import TOKEN, Service, Stack, StackError

TERM_SECONDS = 30.0
# Who shall have a job when it is hit is waited for so long.
BUSY_SECONDS = 5.0
# What is sent to a primary whose replica has left it, for so long, is lost.
LOST_SECONDS = 0.5
# How soon a sweeper that starts has raised the epoch.
EPOCH_SECONDS = 60.0
A_MOMENT_IN_DAYS = 1e-5
# What such a sweeper says, in place of deleting anything.
REFUSED = "belongs to another database"
DELETES_NOTHING = "Nothing is deleted from it"
PROBE_SECONDS = 90.0
PROBE_EVERY_SECONDS = 0.05
WARM_UP_SECONDS = 600.0


class Thrower:
    """Throws faults at a stack and probes it."""

    def __init__(self, stack: Stack, record: Record, material: Material) -> None:
        self._stack = stack
        self._record = record
        self._table = material.tables[0]
        self._asker = Asker(stack, record, material.download)
        self._probes = 0
        self._actions: dict[str, Callable[[Fault, Thrown], None]] = {
            "kill": self._kill,
            "term": self._terminate,
            "term twice": self._terminate,
            "freeze": self._freeze,
            "flushall": self._flush,
            "failover": self._fail_over,
            "replace": self._replace,
            "promote": self._promote,
            "restart fast": self._restart,
            "restart immediate": self._restart,
            "outage": self._outage,
            "read-only": self._read_only,
            "no connections": self._no_connections,
            "cut": self._cut,
            "closed": self._tell_store("close", "open"),
            "refusing": self._tell_store("refuse", "answer"),
            "frozen": self._freeze_store,
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
        service.held = fault.target == "redis"
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
            with self._stack.broker.client() as client:
                client.flushall()
        except redis.RedisError as error:
            thrown.note = f"could not: {error}"

    def _fail_over(self, fault: Fault, thrown: Thrown) -> None:
        """The primary is demoted. Who is connected can only read, until the address is the other's."""
        broker = self._stack.broker
        thrown.hit = broker.primary
        broker.part()
        time.sleep(LOST_SECONDS)
        thrown.at = time.time()
        broker.demote()
        self._asker.ask(thrown, fault.hold)
        broker.switch()

    def _replace(self, fault: Fault, thrown: Thrown) -> None:
        """The primary is killed, and the replica that has not all its messages takes its place."""
        broker = self._stack.broker
        service, processes = self._choose(fault, thrown)
        broker.part()
        time.sleep(LOST_SECONDS)
        service.held = True
        thrown.at = time.time()
        _signal(processes[:1], signal.SIGKILL)
        self._asker.ask(thrown, fault.hold)
        broker.switch()
        service.held = False
        thrown.over = time.time()
        broker.replicate()

    def _restart(self, fault: Fault, thrown: Thrown) -> None:
        service, processes = self._choose(fault, thrown)
        service.held = True
        thrown.at = time.time()
        _signal(processes[:1], signal.SIGINT if fault.action == "restart fast" else signal.SIGQUIT)
        psutil.wait_procs(processes[:1], timeout=TERM_SECONDS)
        time.sleep(fault.hold)
        service.held = False

    def _outage(self, fault: Fault, thrown: Thrown) -> None:
        service, processes = self._choose(fault, thrown)
        service.held = True
        thrown.at = time.time()
        _signal(processes[:1], signal.SIGINT)
        psutil.wait_procs(processes[:1], timeout=TERM_SECONDS)
        self._asker.ask(thrown, fault.hold)
        service.held = False

    def _promote(self, fault: Fault, thrown: Thrown) -> None:
        """The server dies, and its standby has the address: at first for reading alone."""
        postgres = self._stack.postgres
        service, processes = self._choose(fault, thrown)
        standby = self._stack.start_standby()
        service.held = True
        thrown.at = time.time()
        _signal(processes[:1], signal.SIGQUIT)
        psutil.wait_procs(processes[:1], timeout=TERM_SECONDS)
        postgres.switch(standby.folder)
        self._asker.ask(thrown, fault.hold)
        postgres.promote()
        self._stack.services["postgres"] = standby
        thrown.over = time.time()
        shutil.rmtree(service.folder)

    def _read_only(self, fault: Fault, thrown: Thrown) -> None:
        """As on a server that was demoted: some end the connections to it, some keep them."""
        postgres = self._stack.postgres
        thrown.hit = "postgres"
        thrown.at = time.time()
        postgres.turn_read_only()
        if fault.busy:
            postgres.end_connections("jobyard")
        # Until each of its processes has read its configuration again.
        time.sleep(fault.pause)
        self._asker.ask(thrown, fault.hold)
        postgres.turn_writable()

    def _no_connections(self, fault: Fault, thrown: Thrown) -> None:
        """Others have all connections that the server allows."""
        thrown.hit = "postgres"
        thrown.at = time.time()
        with self._stack.postgres.all_connections("jobyard"):
            self._asker.ask(thrown, fault.hold)

    def _cut(self, fault: Fault, thrown: Thrown) -> None:
        """Connections are ended by the administrator, again and again."""
        thrown.hit = "postgres"
        thrown.at = time.time()
        over = time.monotonic() + fault.hold
        while time.monotonic() < over:
            self._stack.postgres.end_connections("jobyard")
            time.sleep(fault.pause / 4)

    def _tell_store(self, before: str, after: str) -> Callable[[Fault, Thrown], None]:
        def throw(fault: Fault, thrown: Thrown) -> None:
            thrown.hit = "store"
            thrown.at = time.time()
            self._stack.tell("store", before)
            time.sleep(fault.pause)
            self._asker.ask(thrown, fault.hold)
            self._stack.tell("store", after)

        return throw

    def _freeze_store(self, fault: Fault, thrown: Thrown) -> None:
        """It takes connections and says nothing."""
        _, processes = self._choose(fault, thrown)
        thrown.at = time.time()
        _signal(processes, signal.SIGSTOP)
        self._asker.ask(thrown, fault.hold)
        _signal(processes, signal.SIGCONT)

    def _empty_database(self, fault: Fault, thrown: Thrown) -> None:
        """A mistyped name, or staging: its sweeper is pointed at this storage, where all looks old."""
        postgres, name = self._stack.postgres, "stranger"
        thrown.hit = "the storage"
        postgres.create(name)
        try:
            settings = Settings(database_url=postgres.url(name), home=self._stack.home)
            upgrade(settings)
            self._stack.age()
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
            self._stack.age()
            url = postgres.url(name)
            _, log = self._stack.run_beside(url, DELETES_NOTHING, RETENTION_DAYS=A_MOMENT_IN_DAYS)
        finally:
            postgres.drop(name)
            dump.unlink()
        is_harmless = DELETES_NOTHING in log and not DELETED.search(log)
        thrown.note = DELETES_NOTHING if is_harmless else f"said {log[-300:]!r}"

    def _epoch(self) -> int:
        found: int = json.loads(self._stack.store.note(IDENTITY))["epoch"]
        return found

    def _choose(self, fault: Fault, thrown: Thrown) -> tuple[Service, list[psutil.Process]]:
        """The service that is hit and its processes: all of it, or one child; busy ones first."""
        role = fault.target.removesuffix(" child")
        give_up = time.monotonic() + BUSY_SECONDS
        while True:
            services = self._stack.of_role(role)
            if fault.target.endswith(" child"):
                targets = [(service, [child]) for service in services for child in service.children()]
            else:
                targets = [(service, family) for service in services if (family := service.family())]
            jobs: dict[int, uuid.UUID] = {}
            if role in POOLS:
                with contextlib.suppress(sa.exc.SQLAlchemyError):
                    jobs = self._stack.running_jobs()
            busy = [one for one in targets if any(process.pid in jobs for process in one[1])]
            if busy or not fault.busy or role not in POOLS or time.monotonic() > give_up:
                break
            time.sleep(PROBE_EVERY_SECONDS)
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

    def warm_up(self) -> None:
        """Wait until a table is scored: on a new machine the workers first compile what does it, which no
        fault should be blamed for.
        """
        if self._scored({"file": self._table, "format": "csv"}, WARM_UP_SECONDS) is None:
            raise StackError(f"no table was scored within {WARM_UP_SECONDS:g} s")

    def _probe(self, thrown: Thrown) -> None:
        """Submit a text and wait for its score, without the client's growing pauses.

        Where the store was away, it is a table, which is read from there and written there.
        """
        text = {"texts": [f"I love probe {self._probes + 1}"]}
        table = {"file": self._table, "format": "csv"}
        thrown.recovered = self._scored(table if thrown.fault.target == "store" else text, PROBE_SECONDS)

    def _scored(self, spec: dict[str, Any], seconds: float) -> float | None:
        """When a job of this spec, submitted now, had succeeded; None if it did not in so many seconds."""
        self._probes += 1
        key = f"probe-{self._probes}"
        body = {"kind": "sentiment", "spec": spec, "priority": 9}
        self._record.ask(key, "sentiment")
        begun = time.monotonic()
        job: str | None = None
        headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": key}
        with httpx.Client(base_url=f"{self._stack.url}/api/v1", headers=headers, timeout=5.0) as http:
            while time.monotonic() - begun < seconds:
                try:
                    if job is None:
                        response = http.post("/jobs", json=body)
                        if response.is_success:
                            job = str(response.json()["id"])
                            self._record.answer(key, job, body, time.monotonic() - begun)
                    elif http.get(f"/jobs/{job}").raise_for_status().json()["state"] == "succeeded":
                        return time.time()
                except (httpx.HTTPError, ValueError):
                    pass
                time.sleep(PROBE_EVERY_SECONDS)
        return None


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
