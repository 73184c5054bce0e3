"""The real stack on one machine: PostgreSQL, a pair of Redis, web, two workers per queue, two sweepers.

Every process is started by its own command line in a session of its own and carries MARK in its
environment, so that whatever it leaves behind is found and ended by its id.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import psutil
import sqlalchemy as sa

from jobyard import Client
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.base import Queue
from jobyard.shared.migrate import upgrade
from jobyard.workers.runtime.sweeper import SWEEP_SECONDS
from tests.chaos.broker import Pair
from tests.chaos.postgres import Postgres
from tests.chaos.stores import Bucket, Folder
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
MARK = "JY_CHAOS"
TOKEN = "token-of-the-fault-test-0123456789"

LEASE_SECONDS = 4.0
HEARTBEAT_SECONDS = 0.5
MAX_ATTEMPTS = 5

# As systemd or compose would: look often, start again after a moment.
WATCH_SECONDS = 0.1
RESTART_SECONDS = 0.5
STOP_SECONDS = 30.0
START_SECONDS = 120.0
BESIDE_SECONDS = 60.0

# Several TensorFlows share the machine's cores with everything else.
MODEST = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

FOUNDATIONS = ("postgres", "redis1", "redis2", "store")
ALWAYS = {*FOUNDATIONS, "web"}

# Beside the pool's children there may be a helper of Python's multiprocessing.
NO_POOL_CHILD = ("semaphore_tracker", "resource_tracker")


class StackError(Exception):
    """The stack did not come up."""


@dataclass
class Service:
    """One process that is started again whenever it has ended, unless it is held."""

    name: str
    role: str
    command: list[str]
    user: str | None = None
    folder: Path = ROOT
    # Whether it is told what to do through its standard input.
    listens: bool = False
    process: "subprocess.Popen[bytes] | None" = None
    # While a fault holds it, nobody starts it again.
    held: bool = False
    starts: int = 0
    ended: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def pid(self) -> int | None:
        return None if self.process is None or self.process.poll() is not None else self.process.pid

    def family(self) -> list[psutil.Process]:
        """The process and its descendants, itself first; empty if it does not run."""
        if self.pid is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.pid)
            return [parent, *parent.children(recursive=True)]
        return []

    def children(self) -> list[psutil.Process]:
        """Those that do the work: children of a pool, gunicorn's worker."""
        found = []
        for process in self.family()[1:]:
            with contextlib.suppress(psutil.Error):
                line = " ".join(process.cmdline())
                if line and not any(word in line for word in NO_POOL_CHILD):
                    found.append(process)
        return found


class Stack:
    """A context manager: everything runs within, nothing afterwards.

    Of the workers and sweepers, only those that `names` has, if it is given, and with their clocks off
    by so many seconds. Database, broker and web always run, and have the machine's clock.
    """

    def __init__(
        self,
        folder: Path,
        names: Collection[str] | None = None,
        clock_off: float = 0.0,
        lease_seconds: float = LEASE_SECONDS,
        *,
        on_s3: bool = False,
    ) -> None:
        self.folder = folder
        self._clock_off = clock_off
        self.home = folder / "home"
        self.port, *ports = (free_port() for _ in range(4))
        self.url = f"http://127.0.0.1:{self.port}"
        self.run_id = uuid.uuid4().hex
        self.postgres = Postgres(folder)
        self.broker = Pair((ports[0], ports[1]))
        self.store = Bucket(ports[2], folder / "copies") if on_s3 else Folder(self.home / "storage")
        self.database_url = self.postgres.url("jobyard")
        self.settings = {
            "HOME": self.home,
            "DATABASE_URL": self.database_url,
            "STORAGE_URL": self.store.url,
            "HOST": "127.0.0.1",
            "PORT": self.port,
            "TOKEN": TOKEN,
            "LEASE_SECONDS": lease_seconds,
            "HEARTBEAT_SECONDS": HEARTBEAT_SECONDS,
            "MAX_ATTEMPTS": MAX_ATTEMPTS,
            "WEBHOOK_PRIVATE_NETWORKS": "127.0.0.1",
        }
        self.services = {
            service.name: service
            for service in self._services()
            if names is None or service.role in ALWAYS or service.name in names
        }
        self.logs = folder / "logs"
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)

    def _services(self) -> Iterator[Service]:
        yield self._postgres_service(self.postgres.data)
        for name, command in self.broker.commands(self.folder):
            yield Service(name, name, command)
        if self.store.command is not None:
            yield Service("store", "store", self.store.command, listens=True)
        gunicorn = str(Path(sys.executable).parent / "gunicorn")
        yield Service(
            "web", "web", [gunicorn, "-c", "python:jobyard.web.gunicorn", "jobyard.web.app:create_app()"]
        )
        for number in ("1", "2"):
            for queue in Queue:
                name = f"{queue.value}{number}"
                line = [sys.executable, "-m", "jobyard.workers", queue.value, "--name", name]
                yield Service(name, queue.value, line)
            yield Service(f"sweeper{number}", "sweeper", [sys.executable, "-m", "jobyard.workers", "sweeper"])

    def _postgres_service(self, data: Path) -> Service:
        return Service("postgres", "postgres", self.postgres.command(data), self.postgres.user, folder=data)

    # ---- up and down

    def __enter__(self) -> Self:
        self.logs.mkdir()
        self.home.mkdir()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _start(self) -> None:
        self.postgres.prepare()
        self.broker.relay.start()
        self.settings["BROKER_URL"] = f"redis://127.0.0.1:{self.broker.relay.port}/0"
        for service in self.foundations():
            self.start(service)
        until(self.postgres.answers, "PostgreSQL", self.logs / "postgres.log")
        self.postgres.create("jobyard")
        upgrade(Settings(database_url=self.database_url, home=self.home))
        self.broker.replicate()
        until(self.store.prepare, "the store", self.logs / "store.log")
        for service in self.services.values():
            if service.process is None:
                self.start(service)
        self._watcher.start()
        until(self.is_ready, "web", self.logs / "web.log")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, service: Service) -> None:
        """Start one process."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("JOBYARD_")}
        given = {f"JOBYARD_{name}": str(value) for name, value in self.settings.items()}
        extra = {MARK: self.run_id, "PYTHONUNBUFFERED": "1", "TF_CPP_MIN_LOG_LEVEL": "2", **MODEST}
        extra |= self.store.environment
        if self._clock_off and service.role not in ALWAYS:
            extra |= {"LD_PRELOAD": str(self._wrong_clock()), "WRONG_CLOCK": f"{self._clock_off:.0f}"}
        with (self.logs / f"{service.name}.log").open("ab") as log:
            service.process = subprocess.Popen(
                service.command,
                env=inherited | given | extra,
                cwd=service.folder,
                stdin=subprocess.PIPE if service.listens else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=service.user,
                start_new_session=True,
            )
        service.starts += 1

    def start_standby(self) -> Service:
        """A synchronous standby of the database, in step with it; nobody watches over it yet."""
        standby = self._postgres_service(self.postgres.copy())
        self.start(standby)
        until(self.postgres.is_followed, "a standby", self.logs / "postgres.log")
        return standby

    def _wrong_clock(self) -> Path:
        """The library to be preloaded, compiled once."""
        library = self.folder / "wrong_clock.so"
        if not library.exists():
            source = Path(__file__).with_name("wrong_clock.c")
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, source], check=True)
        return library

    def _watch(self) -> None:
        while not self._ended.wait(WATCH_SECONDS):
            for service in self.services.values():
                with service.lock:
                    if service.process is None or service.held or service.process.poll() is None:
                        service.ended = 0.0
                    elif service.ended == 0.0:
                        service.ended = time.monotonic()
                    elif time.monotonic() - service.ended > RESTART_SECONDS:
                        service.ended = 0.0
                        self.start(service)

    def run_beside(self, database_url: str, word: str, **settings: object) -> tuple[int, str]:
        """A sweeper of another database on this storage: its exit status and what it logged.

        It has BESIDE_SECONDS to say the word, and time for some sweeps after that.
        """
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("JOBYARD_")}
        theirs = {"DATABASE_URL": database_url}
        given = {f"JOBYARD_{name}": str(value) for name, value in (self.settings | theirs | settings).items()}
        # Not among the logs of this database's processes, which say what that one deleted.
        log = self.folder / "beside.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "jobyard.workers", "sweeper"],
                env=inherited | given | self.store.environment | {MARK: self.run_id, "PYTHONUNBUFFERED": "1"},
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline, has_said = time.monotonic() + BESIDE_SECONDS, False
        while process.poll() is None and time.monotonic() < deadline:
            if not has_said and word in log.read_text(errors="replace"):
                has_said, deadline = True, time.monotonic() + 3 * SWEEP_SECONDS
            time.sleep(0.1)
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return process.returncode, log.read_text(errors="replace")

    def stop_workers(self) -> None:
        """End the workers gently: what they were given and can't do goes back to the broker."""
        workers = [self.services[name] for name in self.services if self.services[name].role in list(Queue)]
        for worker in workers:
            with worker.lock:
                worker.held = True
        self._end(workers)

    def stop(self) -> list[psutil.Process]:
        """End everything, the database last. Returns the processes that were left after that, now ended."""
        self._ended.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for process in self.marked():
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        self._end([one for one in self.services.values() if one.role not in FOUNDATIONS])
        # Who has lost its parent this moment may still be on its way out.
        left = psutil.wait_procs([one for one in self.marked() if not self._is_foundation(one)], timeout=2)[1]
        self._end([one for one in self.foundations() if one.role != "postgres"])
        self._end([self.services["postgres"]], signal.SIGINT)
        self.broker.relay.stop()
        for process in self.marked():
            with contextlib.suppress(psutil.Error):
                process.kill()
        return left

    def _is_foundation(self, process: psutil.Process) -> bool:
        pids = {one.pid for service in self.foundations() for one in service.family()}
        return process.pid in pids

    def _end(self, services: list[Service], number: int = signal.SIGTERM) -> None:
        running = [one.process for one in services if one.process is not None and one.pid is not None]
        for process in running:
            process.send_signal(number)
        deadline = time.monotonic() + STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # ---- looking

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).is_success
        except httpx.HTTPError:
            return False

    def client(self, timeout: float = 10.0, token: str = TOKEN) -> Client:
        return Client(self.url, token, timeout=timeout)

    def http(self, timeout: float = 10.0) -> httpx.Client:
        """The API without the client's patience: each request is sent once."""
        return httpx.Client(
            base_url=f"{self.url}/api/v1", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=timeout
        )

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        opened = Database(self.database_url)
        try:
            yield opened
        finally:
            opened.dispose()

    def running_jobs(self) -> dict[int, uuid.UUID]:
        """Which process runs which job: {process id: job id}, as the database knows it."""
        with self.database() as database, database.read() as session:
            rows = session.execute(sa.select(Job.worker, Job.id).where(Job.state == State.RUNNING)).all()
        return {int(worker.rpartition("/")[2]): job_id for worker, job_id in rows if worker}

    def of_role(self, role: str) -> list[Service]:
        """Those of a role; of Redis, the primary."""
        role = self.broker.primary if role == "redis" else role
        return [service for service in self.services.values() if service.role == role]

    def foundations(self) -> list[Service]:
        """What the product is not, and stands on."""
        return [service for service in self.services.values() if service.role in FOUNDATIONS]

    def tell(self, name: str, word: str) -> None:
        """Say a word to a process that listens."""
        process = self.services[name].process
        assert process is not None
        assert process.stdin is not None
        process.stdin.write(f"{word}\n".encode())
        process.stdin.flush()

    def age(self) -> None:
        """As if all in the store had been written long ago, so that no sweeper spares what is young."""
        if isinstance(self.store, Folder):
            self.store.age()
        else:
            self.tell("store", "age")

    def marked(self) -> list[psutil.Process]:
        """All processes that this stack or any of its processes started and that still run."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.run_id:
                    found.append(process)
        return found

    def strays(self) -> list[psutil.Process]:
        """Processes that no service counts among its family: their parent is gone, and they are not."""
        known = {one.pid for service in self.services.values() for one in service.family()}
        return [process for process in self.marked() if process.pid not in known]


def until(reached: Callable[[], object], what: str, log: Path | None = None) -> None:
    """Look again and again until it is so. Raises StackError after START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if reached():
            return
        time.sleep(0.1)
    shown = log.read_text(errors="replace")[-3_000:] if log is not None and log.is_file() else ""
    raise StackError(f"{what}: not within {START_SECONDS:g} s\n{shown}")
