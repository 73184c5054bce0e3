"""Jobs: their states, and every change of a state, as one verb each.

A move is a guarded update, `UPDATE … WHERE id = … AND state IN (…) [AND lease = …]`. No row matched
is an answer (None or False), not an accident: somebody else was first. Every move leaves a row in
the job's timeline. Verbs take a session of `Database.write()` and leave the commit to the caller.
"""

import datetime
import enum
import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, aliased, load_only, mapped_column
from uuid_utils.compat import uuid7

from shared.database import Base, Json, NullableJson, UtcDateTime, utcnow
from shared.errors import Conflict, NotFound


class State(enum.StrEnum):
    """Where a job is in its life; `GLOSS` says each in a line, `MOVES` where each leads."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


GLOSS: Final = {
    State.QUEUED: "Accepted; runs when a worker of its queue is free and `available_at` has come.",
    State.RUNNING: "One worker holds its lease and renews it.",
    State.WAITING: "A parent whose children are at work.",
    State.PAUSED: "Set aside by its owner until it is resumed.",
    State.SUCCEEDED: "Done; the result is there.",
    State.FAILED: "Could not be done; the error says why.",
    State.CANCELLED: "Ended at its owner's request.",
}

TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

MOVES: Final[dict[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.PAUSED, State.FAILED}),
    State.RUNNING: TERMINAL | {State.QUEUED, State.WAITING, State.PAUSED},
    State.WAITING: frozenset({State.QUEUED, State.CANCELLED}),
    State.PAUSED: frozenset({State.QUEUED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.QUEUED}),  # retry
    State.CANCELLED: frozenset({State.QUEUED}),  # retry
}

# A job whose worker was lost waits 2, 4, 8 … seconds, so that what kills workers doesn't do so at once again.
BACKOFF_SECONDS: Final = 2.0
MAX_BACKOFF_SECONDS: Final = 60.0

# How far back the sweeper looks for jobs that were started before earlier ones.
OVERTAKING_SECONDS: Final = 30.0


def _texts(states: "frozenset[State] | type[State]") -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


class Job(Base):
    """One job: what it is to do, where it is, and what came of it."""

    __tablename__ = "jobs"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(32))
    queue: Mapped[str] = mapped_column(sa.String(32))
    state: Mapped[str] = mapped_column(sa.String(16))
    phase: Mapped[str | None] = mapped_column(sa.String(200))
    priority: Mapped[int]
    spec: Mapped[dict[str, Any]] = mapped_column(Json)
    result: Mapped[dict[str, Any] | None] = mapped_column(NullableJson)
    error_type: Mapped[str | None] = mapped_column(sa.String(200))
    error_message: Mapped[str | None] = mapped_column(sa.Text)
    progress_done: Mapped[int | None] = mapped_column(sa.BigInteger)
    progress_total: Mapped[int | None] = mapped_column(sa.BigInteger)
    progress_unit: Mapped[str | None] = mapped_column(sa.String(32))
    eta_seconds: Mapped[float | None]
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int]
    # Grows with every change that a reader can see: the ETag.
    version: Mapped[int] = mapped_column(default=1)
    parent_id: Mapped[uuid.UUID | None] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"))
    idempotency_key: Mapped[str | None] = mapped_column(sa.String(255), unique=True)
    request_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    queued_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    available_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    cancel_requested_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    pause_requested_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    # The storage's key of what a later attempt can go on from.
    checkpoint_key: Mapped[str | None] = mapped_column(sa.String(500))
    worker: Mapped[str | None] = mapped_column(sa.String(255))
    lease: Mapped[uuid.UUID | None]
    lease_expires_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    # How long it may take from its first start, and when that is over; None: as long as it takes.
    deadline_seconds: Mapped[float | None]
    deadline_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        sa.CheckConstraint(f"state IN ({_texts(State)})", name="state"),
        sa.CheckConstraint(
            f"(state IN ({_texts(TERMINAL)})) = (finished_at IS NOT NULL)", name="terminal_is_finished"
        ),
        sa.CheckConstraint("(state = 'running') = (lease IS NOT NULL)", name="running_has_lease"),
        sa.CheckConstraint("(lease IS NULL) = (lease_expires_at IS NULL)", name="lease_expires"),
        sa.CheckConstraint("(state = 'failed') = (error_message IS NOT NULL)", name="failed_says_why"),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
        sa.CheckConstraint("attempt >= 0 AND max_attempts >= 1", name="attempts"),
        sa.Index("ix_jobs_state_queue_priority_id", "state", "queue", "priority", "id"),
        sa.Index("ix_jobs_state_id", "state", "id"),
        sa.Index("ix_jobs_lease_expires_at", "lease_expires_at"),
        sa.Index("ix_jobs_deadline_at", "deadline_at"),
        sa.Index("ix_jobs_finished_at", "finished_at"),
        sa.Index("ix_jobs_checkpoint_key", "checkpoint_key"),
        sa.Index("ix_jobs_kind_id", "kind", "id"),
        sa.Index("ix_jobs_parent_id", "parent_id"),
    )

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL


class JobEvent(Base):
    """One row of a job's timeline: a move, a phase, or a request."""

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(sa.String(16))
    attempt: Mapped[int]
    phase: Mapped[str | None] = mapped_column(sa.String(200))
    message: Mapped[str | None] = mapped_column(sa.Text)
    worker: Mapped[str | None] = mapped_column(sa.String(255))
    traceback: Mapped[str | None] = mapped_column(sa.Text)

    __table_args__ = (sa.Index("ix_job_events_job_id_id", "job_id", "id"),)


@dataclass(frozen=True)
class Request:
    """What a new job is made from."""

    kind: str
    queue: str
    spec: dict[str, Any]
    priority: int
    max_attempts: int
    deadline_seconds: float | None = None


@dataclass(frozen=True)
class Progress:
    """How far a running job is, as its worker last said."""

    phase: str | None
    done: int | None
    total: int | None
    unit: str | None
    eta_seconds: float | None


# ---- verbs of a job's owner


def submit(
    session: Session,
    *,
    kind: str,
    queue: str,
    spec: dict[str, Any],
    priority: int,
    max_attempts: int,
    deadline_seconds: float | None = None,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> tuple[Job, bool]:
    """→ queued. Returns the job and True, or the job that this key made before and False.

    Raises Conflict if the key was used for another request. Commit, then `broker.send`.
    """
    job = Job(
        id=uuid7(),
        kind=kind,
        queue=queue,
        state=State.QUEUED,
        spec=spec,
        priority=priority,
        max_attempts=max_attempts,
        deadline_seconds=deadline_seconds,
        idempotency_key=idempotency_key,
        request_sha256=request_sha256,
        created_at=utcnow(),
        queued_at=utcnow(),
        available_at=utcnow(),
    )
    try:
        with session.begin_nested():
            session.add(job)
    except sa.exc.IntegrityError:
        first = repeat_of(session, idempotency_key, request_sha256) if idempotency_key else None
        if first is None:
            raise
        return first, False
    session.refresh(job)
    _note(session, job)
    return job, True


def submit_many(
    session: Session,
    requests: Sequence[Request],
    *,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> tuple[list[Job], bool]:
    """→ queued, all of them or none. As `submit`, in three statements for any number of jobs.

    Each job's own key is made from the one for all. Commit, then `broker.send_many`.
    """
    now = session.scalar(sa.select(utcnow()))
    keys = _batch_keys(idempotency_key, len(requests)) if idempotency_key else [None] * len(requests)
    rows = [
        {
            "id": uuid7(),
            "state": State.QUEUED,
            "idempotency_key": key,
            "request_sha256": request_sha256,
            "attempt": 0,
            "version": 1,
            "created_at": now,
            "queued_at": now,
            "available_at": now,
            **vars(request),
        }
        for key, request in zip(keys, requests, strict=True)
    ]
    try:
        with session.begin_nested():
            session.execute(sa.insert(Job), rows)
    except sa.exc.IntegrityError:
        first = repeats_of(session, idempotency_key, request_sha256, len(rows)) if idempotency_key else []
        if not first:
            raise
        return first, False
    session.execute(
        sa.insert(JobEvent),
        [{"job_id": row["id"], "at": now, "state": State.QUEUED, "attempt": 0} for row in rows],
    )
    return _in_order(session, Job.id.in_([row["id"] for row in rows])), True


def repeats_of(session: Session, idempotency_key: str, request_sha256: str | None, count: int) -> list[Job]:
    """Those jobs that this key made before in one request and that are still there.

    Raises Conflict if that was another request.
    """
    first = _in_order(session, Job.idempotency_key.in_(_batch_keys(idempotency_key, count)))
    for job in first:
        _refuse_another(job, idempotency_key, request_sha256)
    return first


def _batch_keys(key: str, count: int) -> list[str]:
    """Never too long for their column, and never a client's own: a header has no line feed."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return [f"{digest}\n{index}" for index in range(count)]


def repeat_of(session: Session, idempotency_key: str, request_sha256: str | None) -> Job | None:
    """The job that this key made before. Raises Conflict if that was for another request."""
    first = session.scalar(sa.select(Job).where(Job.idempotency_key == idempotency_key))
    if first is not None:
        _refuse_another(first, idempotency_key, request_sha256)
    return first


def _refuse_another(first: Job, idempotency_key: str, request_sha256: str | None) -> None:
    if first.request_sha256 != request_sha256:
        raise Conflict(
            f"Idempotency-Key: {idempotency_key!r} was used for another request (job {first.id}); "
            "use a new key for a new request"
        )


def cancel(session: Session, job_id: uuid.UUID) -> Job:
    """queued | paused | waiting → cancelled; a running job is asked, and its worker cancels it.

    Raises NotFound, or Conflict if the job has ended.
    """
    running = Job.state == State.RUNNING
    job = _update(
        session,
        [Job.id == job_id, Job.state.not_in(TERMINAL)],
        state=sa.case((running, Job.state), else_=State.CANCELLED),
        finished_at=sa.case((running, sa.null()), else_=utcnow()),
        cancel_requested_at=sa.func.coalesce(Job.cancel_requested_at, utcnow()),
    )
    if job is None:
        raise Conflict(f"job {job_id} has already {_ended(session, job_id)}; nothing is left to cancel")
    _note(session, job, message="cancel requested")
    return job


def retry(session: Session, job_id: uuid.UUID, max_attempts: int) -> Job:
    """failed | cancelled → queued, as a new attempt with a fresh budget of `max_attempts`.

    Raises NotFound, or Conflict in any other state. Commit, then `broker.send`.
    """
    job = _update(
        session,
        [Job.id == job_id, Job.state.in_([State.FAILED, State.CANCELLED])],
        state=State.QUEUED,
        queued_at=utcnow(),
        available_at=utcnow(),
        max_attempts=Job.attempt + max_attempts,
        finished_at=None,
        error_type=None,
        error_message=None,
        cancel_requested_at=None,
        pause_requested_at=None,
        checkpoint_key=None,
        deadline_at=None,
        **_NO_PROGRESS,
    )
    if job is None:
        state = get(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a failed or cancelled job can be retried")
    _note(session, job, message="retried by its owner")
    return job


def pause(session: Session, job_id: uuid.UUID) -> Job:
    """queued → paused; a running job is asked, and its worker pauses it at its next step.

    Raises NotFound, or Conflict in any other state.
    """
    running = Job.state == State.RUNNING
    job = _update(
        session,
        [Job.id == job_id, Job.state.in_([State.QUEUED, State.RUNNING])],
        state=sa.case((running, Job.state), else_=State.PAUSED),
        pause_requested_at=sa.func.coalesce(Job.pause_requested_at, utcnow()),
    )
    if job is None:
        state = get(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a queued or running job can be paused")
    _note(session, job, message="pause requested")
    return job


def resume(session: Session, job_id: uuid.UUID) -> Job:
    """paused → queued; a running job that was asked to pause goes on.

    Raises NotFound, or Conflict in any other state. Commit, then `broker.send` if it is queued.
    """
    paused = Job.state == State.PAUSED
    asked = sa.and_(Job.state == State.RUNNING, Job.pause_requested_at.is_not(None))
    job = _update(
        session,
        [Job.id == job_id, sa.or_(paused, asked)],
        state=sa.case((paused, State.QUEUED), else_=Job.state),
        queued_at=sa.case((paused, utcnow()), else_=Job.queued_at),
        available_at=sa.case((paused, utcnow()), else_=Job.available_at),
        pause_requested_at=None,
    )
    if job is None:
        raise Conflict(f"job {job_id} is {get(session, job_id).state}; only a paused job can be resumed")
    _note(session, job, message="resumed by its owner")
    return job


# ---- verbs of a worker


def claim(session: Session, job_id: uuid.UUID, *, worker: str, lease_seconds: float) -> Job | None:
    """queued → running under a new lease. None if there is nothing to claim (a second delivery, say)."""
    job = _update(
        session,
        [Job.id == job_id, Job.state == State.QUEUED, Job.available_at <= utcnow()],
        state=State.RUNNING,
        attempt=Job.attempt + 1,
        started_at=sa.func.coalesce(Job.started_at, utcnow()),
        worker=worker,
        lease=uuid.uuid4(),
        lease_expires_at=utcnow(lease_seconds),
        deadline_at=sa.case(
            (
                Job.deadline_seconds.is_not(None),
                sa.func.coalesce(Job.deadline_at, utcnow(Job.deadline_seconds)),
            )
        ),
        **_NO_PROGRESS,
    )
    if job is not None:
        _note(session, job)
    return job


def heartbeat(
    session: Session, job_id: uuid.UUID, lease: uuid.UUID, *, lease_seconds: float, progress: Progress | None
) -> Job | None:
    """Renew the lease and note progress (None: unchanged). None if the lease is lost.

    The returned job's `cancel_requested_at` says whether its owner wants it cancelled.
    """
    changes: dict[str, Any] = {}
    if progress is not None:
        changes = {
            "phase": progress.phase,
            "progress_done": progress.done,
            "progress_total": progress.total,
            "progress_unit": progress.unit,
            "eta_seconds": progress.eta_seconds,
        }
    return _update(
        session,
        _held(job_id, lease),
        lease_expires_at=utcnow(lease_seconds),
        visible=bool(changes),
        **changes,
    )


def note_phase(session: Session, job: Job) -> None:
    """Leave the phase of a running job in its timeline."""
    _note(session, job)


def succeed(session: Session, job_id: uuid.UUID, lease: uuid.UUID, result: dict[str, Any]) -> Job | None:
    """running → succeeded. None if the lease is lost: roll back whatever else is in the transaction."""
    job = _update(
        session,
        _held(job_id, lease),
        state=State.SUCCEEDED,
        finished_at=utcnow(),
        result=result,
        progress_done=sa.func.coalesce(Job.progress_total, Job.progress_done),
        phase=None,
        eta_seconds=None,
        **_NO_LEASE,
    )
    if job is not None:
        _note(session, job)
    return job


def fail(
    session: Session,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    *,
    error_type: str,
    message: str,
    traceback: str | None = None,
) -> Job | None:
    """running → failed, with a line for people. None if the lease is lost.

    The traceback goes to the timeline.
    """
    job = _update(
        session,
        _held(job_id, lease),
        state=State.FAILED,
        finished_at=utcnow(),
        error_type=error_type,
        error_message=message,
        eta_seconds=None,
        **_NO_LEASE,
    )
    if job is not None:
        _note(session, job, message=message, traceback=traceback)
    return job


def finish_cancel(session: Session, job_id: uuid.UUID, lease: uuid.UUID) -> Job | None:
    """running → cancelled, by the worker that was asked to. None if the lease is lost."""
    job = _update(
        session,
        _held(job_id, lease),
        state=State.CANCELLED,
        finished_at=utcnow(),
        eta_seconds=None,
        **_NO_LEASE,
    )
    if job is not None:
        _note(session, job, message="stopped by its worker")
    return job


def keep_checkpoint(session: Session, job_id: uuid.UUID, lease: uuid.UUID, key: str) -> Job | None:
    """Remember the newest checkpoint of a running job. None if the lease is lost: it is not the newest."""
    return _update(session, _held(job_id, lease), visible=False, checkpoint_key=key)


def release(session: Session, job_id: uuid.UUID, lease: uuid.UUID) -> Job | None:
    """running → queued without costing an attempt: its worker is being stopped. None if the lease is lost.

    A job that its owner asked to pause is paused instead, and one to cancel is cancelled.
    Commit, then `broker.send` if it is queued.
    """
    job = _update(
        session, _held(job_id, lease), attempt=Job.attempt - 1, available_at=utcnow(), **_back_to_queue()
    )
    if job is not None:
        stopped = job.state == State.QUEUED
        _note(session, job, message="its worker is being stopped" if stopped else "stopped by its worker")
    return job


# ---- verbs of the sweeper


def rescue(session: Session, limit: int = 100) -> list[Job]:
    """Expired leases: running → queued with a backoff, or → failed after `max_attempts` lost workers.

    Returns the jobs moved. Several sweepers may do this at once: the lease guards each row.
    """
    expired = session.execute(
        sa.select(Job.id, Job.lease, Job.worker, Job.attempt, Job.max_attempts, Job.cancel_requested_at)
        .where(Job.state == State.RUNNING, Job.lease_expires_at < utcnow())
        .order_by(Job.lease_expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    moved = []
    for job_id, lease, worker, attempt, max_attempts, cancel_requested_at in expired:
        guard = [*_held(job_id, lease), Job.lease_expires_at < utcnow()]
        lost = f"worker {worker} was lost (attempt {attempt} of {max_attempts})"
        if attempt >= max_attempts and cancel_requested_at is None:
            job = _update(
                session,
                guard,
                state=State.FAILED,
                finished_at=utcnow(),
                error_type="WorkerLost",
                error_message=f"{lost}; the job may need more memory than its worker has",
                eta_seconds=None,
                **_NO_LEASE,
            )
        else:
            backoff = min(BACKOFF_SECONDS * 2 ** (attempt - 1), MAX_BACKOFF_SECONDS)
            job = _update(session, guard, available_at=utcnow(backoff), **_back_to_queue())
        if job is not None:
            _note(session, job, message=lost, worker=worker)
            moved.append(job)
    return moved


def expire(session: Session, limit: int = 100) -> list[Job]:
    """queued | running → failed, for jobs past their deadline. A worker hears of it at its next heartbeat."""
    late = session.execute(
        sa.select(Job.id, Job.deadline_seconds)
        .where(Job.deadline_at < utcnow(), Job.state.in_(_MAY_EXPIRE))
        .order_by(Job.deadline_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    moved = []
    for job_id, seconds in late:
        job = _update(
            session,
            [Job.id == job_id, Job.state.in_(_MAY_EXPIRE), Job.deadline_at < utcnow()],
            state=State.FAILED,
            finished_at=utcnow(),
            error_type="DeadlineExceeded",
            error_message=f"not done within its deadline of {seconds or 0:g} seconds from its first start",
            eta_seconds=None,
            **_NO_LEASE,
        )
        if job is not None:
            _note(session, job, message=job.error_message)
            moved.append(job)
    return moved


def count_ready(session: Session, queue: str, older_than_seconds: float) -> int:
    """Queued jobs of a queue that could have been claimed for so long already."""
    ready = sa.select(sa.func.count()).where(*_ready(queue, older_than_seconds))
    return session.scalar(ready) or 0


def ready(session: Session, queue: str, older_than_seconds: float, limit: int) -> list[Job]:
    """Those jobs, first in line first, with only what a message needs."""
    return list(
        session.scalars(
            sa.select(Job)
            .where(*_ready(queue, older_than_seconds))
            .order_by(sa.desc(Job.priority), Job.id)
            .options(load_only(Job.id, Job.kind, Job.queue, Job.priority))
            .limit(limit)
        )
    )


def overtaken(session: Session, queue: str, older_than_seconds: float, among: int = 100) -> list[Job]:
    """Of the first in line: queued jobs that a later one of no higher priority was started before.

    Their messages are lost, however many others there are.
    """
    later = aliased(Job)
    started = (
        sa.select(later.id)
        .where(
            later.queue == queue,
            later.id > Job.id,
            later.priority <= Job.priority,
            sa.or_(later.state == State.RUNNING, later.finished_at > utcnow(-OVERTAKING_SECONDS)),
            later.started_at > Job.available_at,
        )
        .exists()
    )
    line = ready(session, queue, older_than_seconds, among)
    found = sa.select(Job.id).where(Job.id.in_([job.id for job in line]), started)
    lost = set(session.scalars(found))
    return [job for job in line if job.id in lost]


def _ready(queue: str, older_than_seconds: float) -> list[sa.ColumnElement[bool]]:
    return [
        Job.state == State.QUEUED,
        Job.queue == queue,
        Job.available_at <= utcnow(-older_than_seconds),
    ]


# ---- reading


def _in_order(session: Session, *where: sa.ColumnElement[bool]) -> list[Job]:
    return list(session.scalars(sa.select(Job).where(*where).order_by(Job.id)))


def get(session: Session, job_id: uuid.UUID) -> Job:
    """The job. Raises NotFound."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    return job


def page(
    session: Session,
    *,
    kind: str | None = None,
    state: str | None = None,
    before: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Job]:
    """Jobs, newest first (ids are UUIDv7: they sort by time); `before` is the last id of the page above."""
    query = sa.select(Job).where(Job.parent_id.is_(None)).order_by(Job.id.desc()).limit(limit)
    if kind is not None:
        query = query.where(Job.kind == kind)
    if state is not None:
        query = query.where(Job.state == state)
    if before is not None:
        query = query.where(Job.id < before)
    return list(session.scalars(query))


def counts(session: Session) -> dict[State, int]:
    """How many jobs are in each state; children of other jobs are left out."""
    query = sa.select(Job.state, sa.func.count()).where(Job.parent_id.is_(None)).group_by(Job.state)
    found = dict(session.execute(query).all())
    return {state: found.get(state, 0) for state in State}


def events(session: Session, job_id: uuid.UUID, after: int = 0) -> list[JobEvent]:
    """The timeline, oldest first; `after` is the id of the last event that the reader has."""
    return list(
        session.scalars(
            sa.select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.id > after).order_by(JobEvent.id)
        )
    )


# ---- the one way in which rows change

_MAY_EXPIRE: Final = (State.QUEUED, State.RUNNING)
_NO_LEASE: Final[dict[str, Any]] = {"lease": None, "lease_expires_at": None}
_NO_PROGRESS: Final[dict[str, Any]] = {
    "phase": None,
    "progress_done": None,
    "progress_total": None,
    "progress_unit": None,
    "eta_seconds": None,
}


def _held(job_id: uuid.UUID, lease: uuid.UUID | None) -> list[sa.ColumnElement[bool]]:
    return [Job.id == job_id, Job.state == State.RUNNING, Job.lease == lease]


def _back_to_queue() -> dict[str, Any]:
    """→ queued, unless its owner asked for its end or a pause meanwhile."""
    unwanted = Job.cancel_requested_at.is_not(None)
    return {
        "state": sa.case(
            (unwanted, State.CANCELLED),
            (Job.pause_requested_at.is_not(None), State.PAUSED),
            else_=State.QUEUED,
        ),
        "finished_at": sa.case((unwanted, utcnow()), else_=sa.null()),
        "queued_at": utcnow(),
        "worker": None,
        **_NO_LEASE,
        **_NO_PROGRESS,
    }


def _update(
    session: Session, guard: list[sa.ColumnElement[bool]], *, visible: bool = True, **values: Any
) -> Job | None:
    """The guarded update: the job as it is now, or None if the guard let nothing through."""
    if visible:
        values["version"] = Job.version + 1
    statement = sa.update(Job).where(*guard).values(**values).returning(Job)
    options = {"synchronize_session": False, "populate_existing": True}
    return session.scalars(statement, execution_options=options).one_or_none()


def _note(
    session: Session,
    job: Job,
    *,
    message: str | None = None,
    worker: str | None = None,
    traceback: str | None = None,
) -> None:
    session.add(
        JobEvent(
            job_id=job.id,
            at=utcnow(),
            state=job.state,
            attempt=job.attempt,
            phase=job.phase,
            message=message,
            worker=worker or job.worker,
            traceback=traceback,
        )
    )


def _ended(session: Session, job_id: uuid.UUID) -> str:
    state = get(session, job_id).state
    return "been cancelled" if state == State.CANCELLED else state
