"""Processes whose broker fails over, restarts or is gone: they stay, and end when they are told to."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from jobyard.shared.database import Database
from jobyard.shared.jobs import State
from tests.conftest import TOKEN
from tests.factories import get_job, new_job
from tests.ports import free_port
from tests.servers import Server, serving, watched
from tests.waiting import PATIENCE, wait_for

MODULE = ("-m", "jobyard.workers")
GUNICORN = ("-m", "gunicorn", "-c", "python:jobyard.web.gunicorn")


class Process:
    """`python -m jobyard.workers ROLE`, and its log."""

    def __init__(
        self, role: str, folder: Path, *, program: tuple[str, ...] = MODULE, **settings: object
    ) -> None:
        self._log = folder / f"{role}.log"
        given = {"HOME": folder / "home", "FLOWER_PORT": 0, **settings}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *program, role],
                env=os.environ | {f"JOBYARD_{name}": str(value) for name, value in given.items()},
                stdout=log,
                stderr=log,
            )

    def wait_for_log(self, words: str, count: int = 1) -> None:
        self.wait_for(lambda: self.log.count(words) >= count)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until it is so, or this process ends."""

        def reached() -> bool:
            assert self._process.poll() is None, self.log
            return condition()

        wait_for(reached)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        try:
            return self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@contextmanager
def running(role: str, folder: Path, **settings: object) -> Iterator[Process]:
    process = Process(role, folder, **settings)
    try:
        yield process
    finally:
        assert process.stop() == 0, process.log


def run_a_job(database: Database) -> None:
    """Without a message for it, which the sweeper sends."""
    job_id = new_job(database)
    wait_for(lambda: get_job(database, job_id).state == State.SUCCEEDED)


def test_worker_and_sweeper_outlive_a_failover_and_a_restart(
    server: Server, sqlite_url: str, tmp_path: Path
) -> None:
    database = Database(sqlite_url)
    settings = {"BROKER_URL": server.url, "DATABASE_URL": sqlite_url}

    with (
        running("cpu", tmp_path, **settings) as worker,
        running("sweeper", tmp_path, **settings),
        serving() as other,
    ):
        run_a_job(database)
        with server.client() as client:
            client.replicaof("127.0.0.1", other.port)
            waiting = new_job(database)
            worker.wait_for_log("read only replica", 3)
            assert get_job(database, waiting).state == State.QUEUED
            client.replicaof("NO", "ONE")
            wait_for(lambda: get_job(database, waiting).state == State.SUCCEEDED)
            client.client_kill_filter(_type="normal", skipme=True)
        run_a_job(database)
        server.stop()
        worker.wait_for_log("Connection refused", 2)
        server.start()
        run_a_job(database)
        assert "Traceback" not in worker.log
    database.dispose()


def test_a_worker_follows_sentinel_to_the_new_primary(sqlite_url: str, tmp_path: Path) -> None:
    database = Database(sqlite_url)
    with watched("main") as (primary, _, sentinel):
        url = f"sentinel://127.0.0.1:{sentinel.port}/0?master_name=main"
        settings = {"BROKER_URL": url, "DATABASE_URL": sqlite_url}
        with running("cpu", tmp_path, **settings), running("sweeper", tmp_path, **settings):
            run_a_job(database)
            primary.stop()
            run_a_job(database)
    database.dispose()


@pytest.mark.parametrize("has_broker", [True, False])
def test_flower_ends_when_it_is_told_to(server: Server, tmp_path: Path, has_broker: bool) -> None:
    settings = {"BROKER_URL": server.url, "FLOWER_PORT": free_port(), "TOKEN": TOKEN}
    with (
        running("flower", tmp_path, **settings) as flower,
        httpx.Client(
            base_url=f"http://127.0.0.1:{settings['FLOWER_PORT']}", auth=("jobyard", TOKEN)
        ) as client,
    ):
        flower.wait_for(lambda: answers(client))
        client.get("/workers")  # for which it asks them
        if not has_broker:
            server.stop()


def answers(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/healthcheck").is_success
    return False


def test_a_wrong_broker_is_exit_code_2_and_one_line(sqlite_url: str, tmp_path: Path) -> None:
    words = "jobyard: JOBYARD_BROKER_URL: Redis Cluster is not supported"
    with serving("--cluster-enabled", "yes") as node:
        roles = ("cpu", "sweeper", "flower")
        for process in [Process(role, tmp_path, BROKER_URL=node.url) for role in roles]:
            assert process.wait() == 2
            assert process.log.startswith(words)
            assert process.log.count("\n") == 1
        settings = {"BROKER_URL": node.url, "DATABASE_URL": sqlite_url, "PORT": 0}
        web = Process("jobyard.web.app:create_app()", tmp_path, program=GUNICORN, **settings)
        assert web.wait() == 2
        assert web.log.splitlines()[-1].startswith(words)


DEFECT = """
import sys
from jobyard.workers import __main__
from jobyard.workers.runtime.consumer import Consumer

Consumer._is_free = lambda consumer: 1 / 0
sys.exit(__main__.main())
"""


def test_a_worker_that_can_not_continue_says_so_by_its_exit_code(
    server: Server, sqlite_url: str, tmp_path: Path
) -> None:
    settings = {"BROKER_URL": server.url, "DATABASE_URL": sqlite_url}
    process = Process("cpu", tmp_path, program=("-c", DEFECT), **settings)
    assert process.wait() == 1
    assert "Unrecoverable error: ZeroDivisionError" in process.log
