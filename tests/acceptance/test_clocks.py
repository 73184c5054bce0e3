"""Workers and sweepers whose clocks are an hour off: leases and schedules go by the database's clock."""

import datetime
import gzip
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard import Client, Job
from jobyard.shared import jobs
from jobyard.shared.metrics import Metric
from tests.acceptance.conftest import LONG, PATIENCE, until
from tests.chaos import checker
from tests.chaos.stack import Stack
from tests.factories import draw_dataset

HOUR = 3_600.0
LEASE_SECONDS = 6.0


@pytest.fixture(params=[HOUR, -HOUR], ids=["ahead", "behind"])
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    """All workers and the sweeper are off in the same way, so that no right clock hides a wrong one."""
    if shutil.which("cc") is None:
        message = "there is no compiler here: apt-get install gcc libc6-dev"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with tempfile.TemporaryDirectory(prefix="jy-") as folder:
        running = Stack(
            Path(folder),
            names={"gpu1", "cpu1", "sweeper1"},
            clock_off=request.param,
            lease_seconds=LEASE_SECONDS,
        )
        # The folder of PostgreSQL is its own user's.
        Path(folder).chmod(0o755)
        with running:
            yield running
            assert running.stop() == []


def test_a_clock_that_is_an_hour_off_does_no_harm(stack: Stack, tmp_path: Path) -> None:
    began = _now(stack)
    with stack.client(timeout=180) as client:
        made = client.import_pictures("shapes", draw_dataset(tmp_path / "shapes")).wait(PATIENCE)
        training = client.submit(
            "train", {"dataset": made.result["dataset"], "deadline_seconds": 1_800, **LONG}
        )
        texts = [client.score(["good"]) for _ in range(10)]
        short = client.submit("sentiment", {"texts": ["good"]})
        assert all(job.wait(PATIENCE).succeeded for job in [*texts, short])
        until(lambda: training.metrics("loss"), "the first epoch", show=stack.logs / "gpu1.log")
        _is_really_off(stack)
        # A TensorFlow that starts on a busy machine may hold everything up for longer than this lease.
        since, first = _now(stack), training.refresh().attempt

        # A deadline that is over ends a job.
        late = client.submit("sentiment", {"file": _long_table(client, tmp_path), "deadline_seconds": 3})
        assert late.wait(PATIENCE, check=False).state == "failed"
        assert late.error is not None
        assert late.error["type"] == "DeadlineExceeded", late.error
        row = _row(stack, late)
        assert row.finished_at is not None
        assert row.started_at is not None
        assert 2.9 < (row.finished_at - row.started_at).total_seconds() < 30

        # Longer than a lease: nobody takes the job from its living worker, or thinks it late.
        until(lambda: _seconds_since(stack, since) > 2.5 * LEASE_SECONDS, "two leases and a half")
        _all_times_are_of_this_hour(stack, began)
        assert training.refresh().state == "running"
        assert training.attempt == first, [(event["message"], event["phase"]) for event in training.events()]
        left = _row(stack, training).lease_expires_at - _now(stack)
        assert 0 < left.total_seconds() <= LEASE_SECONDS, "the lease is of the database's time"

        # A lost worker is found as soon as ever, and the pause before the next attempt is kept.
        (child,) = [one for one in stack.services["gpu1"].children() if one.pid in stack.running_jobs()]
        killed = _now(stack)
        child.send_signal(signal.SIGKILL)
        until(lambda: training.refresh().attempt > first and training.state == "running", "a second attempt")
        events = [event for event in _events(stack, training) if event.at > killed]
        lost = next(event for event in events if "was lost" in (event.message or ""))
        again = next(event for event in events if event.state == "running" and event.attempt == first + 1)
        assert LEASE_SECONDS - 2 < (lost.at - killed).total_seconds() < LEASE_SECONDS + 20
        assert again.at - lost.at >= datetime.timedelta(seconds=jobs.BACKOFF_SECONDS)

        training.cancel()
        assert training.wait(PATIENCE, check=False).state == "cancelled"
    _all_times_are_of_this_hour(stack, began)


def _long_table(client: Client, folder: Path) -> str:
    """More than can be scored in some seconds."""
    path = folder / "long.csv.gz"
    path.write_bytes(gzip.compress(b"text\n" + b"I love it and not a bit\n" * 20_000_000, 1))
    return str(client.upload(path)["id"])


def _is_really_off(stack: Stack) -> None:
    """The workers run with another clock indeed, or this test tests nothing."""
    for name in ("gpu1", "cpu1", "sweeper1"):
        for process in stack.services[name].family():
            assert "wrong_clock" in "".join(mapped.path for mapped in process.memory_maps())


def _all_times_are_of_this_hour(stack: Stack, began: datetime.datetime) -> None:
    with stack.database() as database, database.read() as session:
        columns = [
            *(jobs.Job.created_at, jobs.Job.queued_at, jobs.Job.started_at, jobs.Job.finished_at),
            *(jobs.JobEvent.at, Metric.at),
        ]
        spans = [session.execute(sa.select(sa.func.min(of), sa.func.max(of))).one() for of in columns]
        ended = session.scalar(sa.select(sa.func.clock_timestamp()))
        assert ended is not None
        for column, (first, last) in zip(columns, spans, strict=True):
            if first is not None:  # an attempt that begins anew forgets its metrics
                assert began <= first <= last <= ended, str(column)
        ids = session.scalars(sa.select(jobs.Job.id)).all()
        # No lease overlaps another, nothing was written without one.
        found = [*checker.check_metrics(session)]
        for job_id in ids:
            job = session.get_one(jobs.Job, job_id)
            found += checker.timelines.check_leases(job, jobs.events(session, job_id))
        assert found == []


def _now(stack: Stack) -> datetime.datetime:
    with stack.database() as database, database.read() as session:
        now: Any = session.scalar(sa.select(sa.func.clock_timestamp()))
        return now


def _row(stack: Stack, job: Job) -> jobs.Job:
    with stack.database() as database, database.read() as session:
        return session.get_one(jobs.Job, uuid.UUID(job.id))


def _events(stack: Stack, job: Job) -> list[jobs.JobEvent]:
    with stack.database() as database, database.read() as session:
        return jobs.events(session, uuid.UUID(job.id))


def _seconds_since(stack: Stack, since: datetime.datetime) -> float:
    return (_now(stack) - since).total_seconds()
