"""Queues, workers and failures, as the API answers them."""

import uuid
from typing import Any, Self

from pydantic import Field

from jobyard.shared import jobs, running_workers
from jobyard.web.schemas.base import Moment, Out
from jobyard.web.schemas.jobs import Progress


class Outcomes(Out):
    """How many jobs ended in each state; children of other jobs are left out."""

    succeeded: int
    failed: int
    cancelled: int
    failure_rate: float | None = Field(description="Of those that succeeded or failed, the share that failed")


class QueueOwner(Out):
    """A token's jobs in a queue."""

    name: str
    queued: int
    running: int


class Queue(Out):
    """A queue and its workers."""

    name: str
    depth: int = Field(description="Number of queued jobs")
    depth_is_exact: bool = Field(
        description=f"Up to {jobs.EXACT_COUNTS:,} it is; beyond, the jobs are counted once a minute"
    )
    running: int
    stalled: int = Field(description="Of the running jobs, those that have made no progress for too long")
    oldest_waiting_seconds: float | None = Field(description="Age of the oldest job that could run")
    workers: list[str] = Field(description="Names of the running workers that take jobs")
    draining: int = Field(description="Running workers beside these, which take no more jobs")
    blocked_by: str | None = Field(
        description="What keeps its queued jobs from starting, and what to do; null: nothing"
    )
    owners: list[QueueOwner] = Field(
        description=f"Whose most of its queued jobs are, at most {jobs.MOST_OWNERS}, the first has most. "
        f"Over {jobs.EXACT_COUNTS:,} jobs are as the sweeper last counted them"
    )
    paused_at: Moment | None = Field(description="Since when no job of it is started; null: it is not paused")
    paused_by: str | None
    pause_reason: str | None
    limit: int | None = Field(description="At most so many of its jobs run at once; null: no limit")
    last_hour: Outcomes = Field(description="To within five minutes")
    last_day: Outcomes = Field(description="To within five minutes")


class Failures(Out):
    """Jobs that failed alike."""

    key: str
    kind: str
    error_type: str
    message: str = Field(description="Of the newest of them")
    jobs: int
    first_at: Moment
    last_at: Moment
    newest: uuid.UUID

    @classmethod
    def of(cls, found: Any) -> Self:
        """Of a `shared.failures.Failures`."""
        same = ("key", "kind", "error_type", "message", "first_at", "last_at")
        return cls(
            **{name: getattr(found, name) for name in same},
            jobs=len(found.ids),
            newest=found.ids[0],
        )


class Setbacks(Out):
    """Jobs whose last attempt came to nothing for the same reason, and that are tried again."""

    queue: str
    kind: str
    message: str = Field(description="Of the newest of them")
    jobs: int
    last_at: Moment
    newest: uuid.UUID

    @classmethod
    def of(cls, found: Any) -> Self:
        """Of a `shared.failures.Setbacks`."""
        return cls(
            **{name: getattr(found, name) for name in ("queue", "kind", "message", "last_at")},
            jobs=len(found.ids),
            newest=found.ids[0],
        )


class Retried(Out):
    """How many jobs start over, and how many do not: what they name was deleted, or a quota is reached."""

    retried: int
    refused: int


class WorkersJob(Out):
    """A job that a worker runs."""

    id: uuid.UUID
    kind: str
    phase: str | None
    progress: Progress | None
    started_at: Moment | None
    stalled_since: Moment | None

    @classmethod
    def of(cls, job: jobs.RunningJob) -> Self:
        progress = None
        if job.progress_done is not None:
            done, total, eta = job.progress_done, job.progress_total, job.eta_seconds
            pace = round((total - done) / eta, 1) if eta and total is not None else None
            progress = Progress(
                done=done, total=total, unit=job.progress_unit, eta_seconds=eta, per_second=pace
            )
        return cls(
            id=job.id,
            kind=job.kind,
            phase=job.phase,
            progress=progress,
            started_at=job.started_at,
            stalled_since=job.stalled_since,
        )


class Worker(Out):
    """A worker of a queue."""

    name: str
    host: str
    queue: str
    version: str | None = Field(description="Of Jobyard")
    is_of_another_version: bool = Field(description="It is running, and not of the server's version")
    free_bytes: int | None = Field(description="Free disk where it writes")
    min_free_bytes: int | None = Field(description="With less, its jobs that write files are put off")
    started_at: Moment
    seen_at: Moment
    is_running: bool = Field(description="Whether it has renewed its registration within fifteen seconds")
    draining_since: Moment | None = Field(
        description="Since when it claims no more jobs; null: it is not draining"
    )
    drained_by: str | None
    jobs: list[WorkersJob]

    @classmethod
    def of(cls, found: running_workers.WorkerView) -> Self:
        return cls(
            **{name: getattr(found, name) for name in cls.model_fields if name != "jobs"},
            jobs=[WorkersJob.of(job) for job in found.jobs],
        )
