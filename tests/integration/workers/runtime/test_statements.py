"""How often a text's job asks the database, from its submit to its row in its last state and one look."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from jobyard.shared import registrations
from jobyard.shared.database import Database
from jobyard.shared.engines import AUTOCOMMIT
from jobyard.workers import kinds
from jobyard.workers.runtime.attempt import Attempt
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.heartbeat import Heartbeat
from tests.workers import make_context, run_queue

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

# Submit, claim, outcome, a claim that finds nothing, look. BEGIN and COMMIT would be counted, too.
MOST = 5
JOB = {"kind": "sentiment", "spec": {"texts": ["I love it"]}}


@pytest.fixture
def app(make_app: "Callable[..., Flask]", postgres_url: str) -> "Flask":
    return make_app(database_url=postgres_url)


@pytest.fixture
def worker(postgres_url: str, tmp_path: Path) -> Iterator[Context]:
    """A process of its own connections, whose heartbeats are as seldom as shipped."""
    database = Database(postgres_url)
    yield make_context(database, tmp_path / "home", heartbeat_seconds=5.0)
    database.dispose()


@contextmanager
def statements() -> Iterator[list[str]]:
    """Each round trip to the database, of all engines of this process."""
    seen: list[str] = []

    def execute(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement.partition("\n")[0])

    def noting(name: str) -> Callable[[sa.Connection], None]:
        def note(connection: sa.Connection) -> None:
            # Without a transaction the driver sends nothing.
            if not connection.get_execution_options().get(AUTOCOMMIT):
                seen.append(name)

        return note

    listeners: dict[str, Callable[..., None]] = {
        "before_cursor_execute": execute,
        **{name: noting(name.upper()) for name in ("begin", "commit", "rollback")},
    }
    for event, listener in listeners.items():
        sa.event.listen(sa.Engine, event, listener)
    yield seen
    for event, listener in listeners.items():
        sa.event.remove(sa.Engine, event, listener)


def do_one(api: "FlaskClient", worker: Context, **headers: str) -> None:
    job_id = api.post("/api/v1/jobs", json=JOB, headers=headers).json["id"]
    run_queue(worker, kinds.WORKS["sentiment"])
    seen = api.get(f"/api/v1/jobs/{job_id}").json
    assert seen["state"] == "succeeded"
    assert seen["result"]["scores"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "first"}])
def test_a_texts_job_takes_few_statements(
    api: "FlaskClient", worker: Context, headers: dict[str, str]
) -> None:
    with worker.database.write() as session:
        registrations.register(session, name="w", queue="cpu", process="p")
    do_one(api, worker)  # opens connections
    with statements() as seen:
        do_one(api, worker, **headers)
    assert len(seen) <= MOST, seen


def test_in_a_busy_queue_an_outcome_and_the_next_claim_are_one_transaction(
    api: "FlaskClient", worker: Context
) -> None:
    do_one(api, worker)  # opens connections
    for _ in range(5):
        api.post("/api/v1/jobs", json=JOB)
    with statements() as seen:
        run_queue(worker, kinds.WORKS["sentiment"])
    each = ["BEGIN", "WITH moved AS ", "WITH moved AS ", "COMMIT"]
    assert seen == ["WITH moved AS "] * 3 + each * 4


def test_a_heartbeat_without_metrics_and_a_new_phase_is_one_statement(
    api: "FlaskClient", worker: Context
) -> None:
    seen: list[str] = []

    def work(attempt: Attempt, _spec: object) -> dict[str, int]:
        heartbeat = attempt.progress
        assert isinstance(heartbeat, Heartbeat)
        heartbeat.phase("scoring")
        heartbeat.send()
        with statements() as found:
            heartbeat.send()
            heartbeat.update(1, 2, "texts")
            heartbeat.send()
        seen.extend(statement.partition(" ")[0] for statement in found)
        return {"count": 1}

    api.post("/api/v1/jobs", json=JOB)
    run_queue(worker, work)
    assert seen == ["UPDATE", "UPDATE"]
