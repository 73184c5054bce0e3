"""What the tests of workers share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from jobyard.shared.database import Database
from jobyard.workers.runtime.context import Context
from tests.conftest import RedisProcess
from tests.hosts import Host, running
from tests.worker_process import WorkerProcess
from tests.workers import make_context


@pytest.fixture
def context(database: Database, tmp_path: Path) -> Context:
    """A worker process without a broker."""
    return make_context(database, tmp_path / "home")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A host of files on loopback, whose certificate this process trusts."""
    folder = tmp_path / "host"
    folder.mkdir()
    with running(folder) as started:
        monkeypatch.setenv("SSL_CERT_FILE", str(started.authority))
        yield started


@pytest.fixture
def worker(tmp_path: Path, database: Database, redis_server: RedisProcess) -> Iterator[WorkerProcess]:
    """Not started yet."""
    made = WorkerProcess(tmp_path, database, redis_server)
    yield made
    made.stop()
