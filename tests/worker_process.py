"""A real worker with a kind whose work hangs, and the database and broker that it uses."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

import psutil

from jobyard.shared.broker import Broker
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.jobs import State
from tests.conftest import RedisProcess
from tests.factories import get_job, new_job
from tests.hanging import write_package
from tests.waiting import wait_for

# It is what a worker gives its work to stop.
LEASE_SECONDS = 3
COMMAND = [sys.executable, "-m", "jobyard.workers", "cpu"]


class WorkerProcess:
    """For the queue `cpu`, with one child."""

    def __init__(self, folder: Path, database: Database, redis: RedisProcess) -> None:
        self.database = database
        self.log = folder / "worker.log"
        self._given = {
            "HOME": str(folder / "home"),
            "DATABASE_URL": database.engine.url.render_as_string(hide_password=False),
            "BROKER_URL": redis.url,
            "LEASE_SECONDS": str(LEASE_SECONDS),
            "HEARTBEAT_SECONDS": "0.2",
        }
        self._path = write_package(folder / "package")
        self._broker = Broker(Settings(home=folder, broker_url=redis.url))
        self._process: subprocess.Popen[bytes] | None = None
        self._environment: dict[str, str] = {}

    def start(self, **settings: str) -> None:
        given = {f"JOBYARD_{name}": value for name, value in (self._given | settings).items()}
        path = os.pathsep.join([str(self._path), *filter(None, [os.environ.get("PYTHONPATH")])])
        self._environment = os.environ | given | {"PYTHONPATH": path}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                COMMAND,
                env=self._environment,
                stdout=log,
                stderr=log,
                preexec_fn=_on_one_core,
                start_new_session=True,
            )

    def start_another(self) -> "subprocess.CompletedProcess[str]":
        """Run a second one of the same name until it ends."""
        return subprocess.run(COMMAND, env=self._environment, capture_output=True, text=True, timeout=60)

    def wake(self) -> None:
        """One message."""
        self._broker.wake("cpu")

    def stop(self) -> None:
        if self._process is None:
            return
        family = [
            psutil.Process(self._process.pid),
            *psutil.Process(self._process.pid).children(recursive=True),
        ]
        for process in family:
            process.kill()
        self._process.wait()
        self._process = None

    def submit(self, how: str, **spec: object) -> uuid.UUID:
        job_id = new_job(self.database, kind="hang", spec={"how": how, **spec})
        self._broker.wake("cpu")
        return job_id

    def does_another(self) -> bool:
        """A job that does not hang succeeds."""
        job_id = new_job(self.database, kind="hang", spec={"how": "not"})

        def is_done() -> bool:
            self._broker.wake("cpu")
            return get_job(self.database, job_id).state == State.SUCCEEDED

        wait_for(is_done)
        return True


def _on_one_core() -> None:
    os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])
