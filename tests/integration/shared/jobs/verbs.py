"""The verbs of jobs as functions of a job and a lease, and what they lead to."""

import uuid
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import Claim, Job, JobEvent, Progress, State
from tests import factories
from tests.factories import LONG_AGO, change_job, claimed, new_job

THREADS = 16


LEASE_SECONDS = 30.0


Verb = Callable[[Session, uuid.UUID, uuid.UUID], object]


# Each verb of shared/jobs, and where it leads from each state that allows it; in all others it
# changes nothing. (`submit` makes the row.)
VERBS: dict[str, Verb] = {
    "cancel": lambda session, job_id, _: jobs.cancel(session, job_id),
    "pause": lambda session, job_id, _: jobs.pause(session, job_id),
    "resume": lambda session, job_id, _: jobs.resume(session, job_id),
    "retry": lambda session, job_id, _: jobs.retry(session, job_id, 3),
    "claim": lambda session, job_id, _: factories.claim(session, job_id),
    "heartbeat": lambda session, job_id, lease: jobs.heartbeat(
        session, job_id, lease, lease_seconds=LEASE_SECONDS, progress=Progress("p", 1, 2, "rows", None)
    ),
    "succeed": lambda session, job_id, lease: jobs.succeed(session, job_id, lease, {"count": 1}),
    "fail": lambda session, job_id, lease: jobs.fail(session, job_id, lease, error_type="E", message="why"),
    "finish_cancel": lambda session, job_id, lease: jobs.finish_cancel(session, job_id, lease),
    "release": lambda session, job_id, lease: jobs.release(session, job_id, lease),
    "postpone": lambda session, job_id, lease: jobs.postpone(session, job_id, lease, "the disk is full"),
    "rescue": lambda session, _, __: jobs.rescue(session),
    "expire": lambda session, _, __: jobs.expire(session),
}


LEADS: dict[str, dict[State, State]] = {
    "cancel": {
        State.QUEUED: State.CANCELLED,
        State.WAITING: State.CANCELLED,
        State.PAUSED: State.CANCELLED,
        State.RUNNING: State.RUNNING,
    },
    "pause": {State.QUEUED: State.PAUSED, State.WAITING: State.PAUSED, State.RUNNING: State.RUNNING},
    "resume": {State.PAUSED: State.QUEUED},
    "retry": {State.FAILED: State.QUEUED, State.CANCELLED: State.QUEUED},
    "claim": {State.QUEUED: State.RUNNING},
    "heartbeat": {State.RUNNING: State.RUNNING},
    "succeed": {State.RUNNING: State.SUCCEEDED},
    "fail": {State.RUNNING: State.FAILED},
    "finish_cancel": {State.RUNNING: State.CANCELLED},
    "release": {State.RUNNING: State.QUEUED},
    "postpone": {State.RUNNING: State.QUEUED},
    "rescue": {State.RUNNING: State.QUEUED},
    "expire": {State.QUEUED: State.FAILED, State.RUNNING: State.FAILED, State.WAITING: State.FAILED},
}


OWNERS = ("cancel", "pause", "resume", "retry")


# The moves of parents and children: test_families.py has them.
FAMILY = {
    (State.RUNNING, State.WAITING),
    (State.WAITING, State.QUEUED),
    (State.QUEUED, State.WAITING),
    (State.PAUSED, State.WAITING),
}


def next_claim(session: Session, queue: str = "cpu", worker: str = "w", **look: Any) -> Claim | None:
    """What a worker of the queue gets."""
    return jobs.claim(session, queue, worker=worker, lease_seconds=LEASE_SECONDS, **look)


def in_state(database: Database, state: State) -> tuple[uuid.UUID, uuid.UUID]:
    """A job in that state, and the lease that it has or last had."""
    job_id = new_job(database)
    lease = uuid.uuid4()
    if state in (State.QUEUED, State.WAITING, State.PAUSED):
        if state != State.QUEUED:
            change_job(database, job_id, state=state)
        return job_id, lease
    lease = claimed(database, job_id).lease
    ending = {State.SUCCEEDED: "succeed", State.FAILED: "fail", State.CANCELLED: "finish_cancel"}
    if state in ending:
        with database.write() as session:
            VERBS[ending[state]](session, job_id, lease)
    return job_id, lease


def expire(database: Database, job_id: uuid.UUID) -> None:
    change_job(database, job_id, lease_expires_at=LONG_AGO)


def lose(database: Database, job_id: uuid.UUID) -> None:
    """Run the job once more, and lose its worker."""
    change_job(database, job_id, available_at=LONG_AGO)
    claimed(database, job_id, "lost")
    expire(database, job_id)
    with database.write() as session:
        assert [job.id for job in jobs.rescue(session)] == [job_id]


def row(database: Database, job_id: uuid.UUID) -> dict[str, Any]:
    with database.read() as session:
        return dict(session.execute(sa.select(Job.__table__).where(Job.id == job_id)).mappings().one())


def timeline(database: Database, job_id: uuid.UUID) -> list[JobEvent]:
    with database.read() as session:
        return jobs.events(session, job_id)
