"""A real worker: its name is its own, and its child is replaced when it has held too much memory."""

import pytest

from jobyard.shared.database import Database
from jobyard.shared.jobs import State
from jobyard.shared.registrations import Worker
from tests.factories import get_job, new_jobs
from tests.waiting import wait_for
from tests.worker_process import WorkerProcess


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url


def test_a_child_that_has_held_too_much_memory_is_replaced_after_its_job(worker: WorkerProcess) -> None:
    worker.start(MAX_PROCESS_BYTES="1024")
    ids = new_jobs(worker.database, 2, kind="hang", spec={"how": "not"})

    def are_done() -> bool:
        worker.wake()  # as the sweeper does: the child that ends may not reach a busy broker in time
        return all(get_job(worker.database, one).state == State.SUCCEEDED for one in ids)

    wait_for(are_done)
    assert len({get_job(worker.database, one).worker for one in ids}) == 2


def test_a_second_worker_of_one_name_ends_with_a_line_and_one_after_a_kill_begins(
    worker: WorkerProcess,
) -> None:
    worker.start()
    wait_for(lambda: processes(worker.database))
    (first,) = processes(worker.database)
    refused = worker.start_another()
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("jobyard: --name: a worker called cpu@")
    assert "Traceback" not in refused.stderr
    assert processes(worker.database) == [first]
    worker.stop()
    worker.start()
    assert worker.does_another()
    assert processes(worker.database) != [first]


def processes(database: Database) -> list[str | None]:
    with database.read() as session:
        return [found.process for found in session.query(Worker)]
