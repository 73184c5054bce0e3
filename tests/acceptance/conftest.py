"""The whole of Jobyard as its users start it: `jobyard up`, in a folder of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from jobyard import Client

# Only to end a hang.
PATIENCE = 300

# A training where it makes no difference what is trained: of the network that is quickest to build.
QUICK = {"network": "classic", "image_size": 32, "batch_size": 8}
# One that does not end by itself; an epoch takes some tenths of a second.
LONG = QUICK | {"epochs": 2_000, "steps_per_epoch": 40}

# A short lease, so that a lost worker is found soon.
LEASE_SECONDS = 6


def environment(home: Path, **settings: object) -> dict[str, str]:
    """The environment of a process of Jobyard, without the developer's own settings."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    given = {
        "HOME": home,
        "PORT": 0,
        "FLOWER_PORT": 0,
        "LEASE_SECONDS": LEASE_SECONDS,
        "IMPORT_ROOTS": tempfile.gettempdir(),
        **settings,
    }
    return (
        clean
        | {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONUNBUFFERED": "1"}
        | {f"JOBYARD_{name}": str(value) for name, value in given.items()}
    )


@dataclass
class Stack:
    """A running `jobyard up`."""

    home: Path
    settings: dict[str, object] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        """`jobyard up` with these arguments, until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jobyard.cli", "up", *arguments],
                env=environment(self.home, **self.settings),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until(self._is_ready, "jobyard up", show=self.log)

    def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return (
                "Jobyard is up" in self.log.read_text()
                and httpx.get(f"{self.url}/readyz", trust_env=False).is_success
            )
        except (OSError, httpx.HTTPError):
            return False

    def stop(self) -> list[psutil.Process]:
        """SIGTERM, and wait. Returns the processes that it left behind."""
        assert self.process is not None
        family = self.family()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        return [process for process in family if process.is_running() and process.status() != "zombie"]

    def family(self) -> list[psutil.Process]:
        assert self.process is not None
        return psutil.Process(self.process.pid).children(recursive=True)

    def processes(self, name: str) -> list[psutil.Process]:
        """The living processes of a queue's worker, or of `flower`: its parent first."""
        found = []
        for one in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):  # or a zombie, which is one of those
                if one.cmdline()[-2:] == ["jobyard.workers", name]:
                    found.append(one)
        return sorted(found, key=lambda one: one.create_time())

    def worker(self, queue: str) -> psutil.Process:
        """The parent process of a queue's worker."""
        return self.processes(queue)[0]

    @property
    def log(self) -> Path:
        return self.home / "up.log"

    @property
    def url(self) -> str:
        return (self.home / "url").read_text().strip()

    @property
    def token(self) -> str:
        return (self.home / "token").read_text().strip()

    def client(self) -> Client:
        return Client(self.url, self.token)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The command line, as a user of this machine calls it."""
        return subprocess.run(
            [sys.executable, "-m", "jobyard.cli", *arguments],
            env=environment(self.home),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


def until(reached: Callable[[], object], what: str, show: Path | None = None) -> None:
    """Look every 0.1 s until it is so."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if reached():
            return
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {PATIENCE} s\n{show.read_text() if show else ''}")


@pytest.fixture
def own_stack() -> Iterator[Stack]:
    """A stack of this test's own, not started yet, to be stopped and killed."""
    with tempfile.TemporaryDirectory(prefix="jy-") as folder:
        stack = Stack(Path(folder))
        yield stack
        if stack.process is not None and stack.process.poll() is None:
            stack.stop()


@pytest.fixture
def client(stack: Stack) -> Iterator[Client]:
    with stack.client() as opened:
        yield opened
