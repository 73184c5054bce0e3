"""The query by which KEDA scales workers, as the how-to has it."""

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from jobyard.shared import queue_controls
from jobyard.shared.database import Database
from tests.factories import NEVER, change_job, claimed, new_job, new_jobs
from tests.samples import ROOT, samples

PAGE = ROOT / "docs/how-to/watch-with-prometheus.md"


@pytest.fixture
def on_postgresql(postgres_url: str) -> Iterator[Database]:
    opened = Database(postgres_url)
    yield opened
    opened.dispose()


def query() -> str:
    (block,) = [one.code for one in samples(PAGE) if one.language == "yaml" and "ScaledObject" in one.code]
    (trigger,) = yaml.safe_load(block)["spec"]["triggers"]
    assert trigger["type"] == "postgresql"
    found: str = trigger["metadata"]["query"]
    return found


def answer(database: Database) -> Any:
    with database.read() as session:
        return session.scalar(sa.text(query()))


def test_it_counts_what_runs_and_what_could_run(on_postgresql: Database) -> None:
    assert answer(on_postgresql) == 0
    for queue in ("cpu", "gpu"):
        claimed(on_postgresql, new_job(on_postgresql, queue=queue))
        new_jobs(on_postgresql, 3, queue=queue)
    change_job(on_postgresql, new_job(on_postgresql), available_at=NEVER)
    assert answer(on_postgresql) == 4
    with on_postgresql.write() as session:
        queue_controls.pause(session, "cpu")
    assert answer(on_postgresql) == 1


def test_it_counts_a_thousand_of_those_that_wait_at_most(on_postgresql: Database) -> None:
    new_jobs(on_postgresql, 1_200)
    assert answer(on_postgresql) == 1_000
