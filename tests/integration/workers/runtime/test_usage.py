"""What a job used is written with its heartbeats, and costs a quick job nothing."""

from typing import Any

import pytest

from jobyard.shared import jobs, metrics
from jobyard.shared.errors import WorkError
from jobyard.workers.runtime.attempt import Attempt, Finish
from jobyard.workers.runtime.context import Context
from jobyard.workers.runtime.usage import meter
from tests.factories import get_job, new_job, steps_of
from tests.waiting import PATIENCE, wait_for
from tests.workers import attempt


@pytest.fixture
def quick_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "SAMPLE_SECONDS", 0.1)


def names_of(context: Context, job_id: Any) -> list[str]:
    with context.database.read() as session:
        return metrics.names_of(session, [job_id], system=True)


@pytest.mark.usefixtures("quick_samples")
def test_usage_is_there_while_the_job_runs_and_adds_up_over_its_attempts(context: Context) -> None:
    job_id = new_job(context.database)
    usages: list[dict[str, Any]] = []

    def work(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.metric("loss", 1, 0.5)
        wait_for(lambda: get_job(context.database, job_id).usage)
        assert steps_of(context.database, job_id) == [1]
        now = get_job(context.database, job_id).usage
        assert now is not None
        usages.append(now)
        if len(usages) == 1:
            raise WorkError("no")
        return lambda _: {}

    failed = attempt(context, job_id, work)
    assert failed is not None
    assert failed.usage is not None
    assert failed.usage["cpu_seconds"] >= usages[0]["cpu_seconds"] > 0
    assert failed.usage["peak_memory_bytes"] > 10_000_000
    assert names_of(context, job_id) == ["system/cpu_cores", "system/memory_bytes"]
    with context.database.write() as session:
        jobs.retry(session, job_id, 3)
    assert get_job(context.database, job_id).usage is None
    ended = attempt(context, job_id, work)
    assert ended is not None
    assert ended.usage is not None
    assert ended.usage["attempt"] == 2


def test_a_quick_job_leaves_none(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meter, "SAMPLE_SECONDS", 10 * PATIENCE)  # quick, however slow the machine is
    job_id = new_job(context.database)

    def work(attempt: Attempt, spec: Any) -> Finish:
        attempt.progress.phase("looking")
        wait_for(lambda: get_job(context.database, job_id).phase == "looking")
        return lambda _: {}

    ended = attempt(context, job_id, work)
    assert ended is not None
    assert (ended.state, ended.usage, names_of(context, job_id)) == ("succeeded", None, [])
