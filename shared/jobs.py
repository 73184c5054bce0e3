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
from dataclasses import dataclass, fields
from typing import Any, Final, NamedTuple, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column
from uuid_utils.compat import uuid7

from jobyard.shared.database import Base, Json, NullableJson, UtcDateTime, to_json, utcnow
from jobyard.shared.errors import Conflict, NotFound


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
    State.WAITING: "A parent whose children are at work, or a child whose turn has not come.",
    State.PAUSED: "Set aside by its owner until it is resumed.",
    State.SUCCEEDED: "Done; the result is there.",
    State.FAILED: "Could not be done; the error says why.",
    State.CANCELLED: "Ended at its owner's request.",
}

TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

MOVES: Final[dict[State, frozenset[State]]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.PAUSED, State.FAILED, State.WAITING}),
    State.RUNNING: TERMINAL | {State.QUEUED, State.WAITING, State.PAUSED},
    State.WAITING: frozenset({State.QUEUED, State.CANCELLED, State.PAUSED, State.FAILED}),
    State.PAUSED: frozenset({State.QUEUED, State.CANCELLED, State.WAITING}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset({State.QUEUED}),  # retry
    State.CANCELLED: frozenset({State.QUEUED}),  # retry
}

# A job whose worker was lost waits 2, 4, 8 … seconds, so that what kills workers doesn't do so at once again.
BACKOFF_SECONDS: Final = 2.0
MAX_BACKOFF_SECONDS: Final = 60.0


def _texts(states: "frozenset[State] | type[State]") -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


def _index_of_the_given(column: str, *more: str) -> sa.Index:
    """Without the rows that have nothing there: most jobs, at most of their moves."""
    return sa.Index(f"ix_jobs_{column}", column, *more, **_where(f"{column} IS NOT NULL"))


def _where(condition: str) -> dict[str, Any]:
    return {f"{dialect}_where": sa.text(condition) for dialect in ("sqlite", "postgresql")}


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
    # Of a parent: how many of its children may be queued or running at once. None: it has no children.
    child_window: Mapped[int | None]
    idempotency_key: Mapped[str | None] = mapped_column(sa.String(255), unique=True)
    request_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    queued_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    available_at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    cancel_requested_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    pause_requested_at: Mapped[datetime.datetime | None] = mapped_column(UtcDateTime)
    # The storage's key of what a later attempt can go on from; of a child, what its parent can.
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
        sa.Index("ix_jobs_line", "state", "queue", sa.desc("priority"), "id"),
        sa.Index("ix_jobs_state_id", "state", "id"),
        _index_of_the_given("lease_expires_at"),
        _index_of_the_given("deadline_at"),
        _index_of_the_given("finished_at"),
        _index_of_the_given("checkpoint_key"),
        sa.Index("ix_jobs_kind_id", "kind", "id"),
        _index_of_the_given("parent_id", "state", "id"),
        sa.Index("ix_jobs_parents", "state", "id", **_where("child_window IS NOT NULL")),
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
    # Of a client that may send it twice, and what tells it from another request.
    idempotency_key: str | None = None
    request_sha256: str | None = None


class Submitted(NamedTuple):
    """The job that a request has made, now or when it came before."""

    id: uuid.UUID
    created_at: datetime.datetime
    is_new: bool


@dataclass(frozen=True)
class Claim:
    """A job under a new lease: what its worker needs of it."""

    id: uuid.UUID
    kind: str
    queue: str
    spec: dict[str, Any]
    attempt: int
    lease: uuid.UUID
    checkpoint_key: str | None
    parent_id: uuid.UUID | None = None
    # Not None: the job was split, its children have ended, and it is to sum up.
    child_window: int | None = None


@dataclass(frozen=True)
class Progress:
    """How far a running job is, as its worker last said."""

    phase: str | None
    done: int | None
    total: int | None
    unit: str | None
    eta_seconds: float | None


# ---- verbs of a job's owner


def submit(session: Session, **request: Any) -> tuple[Job, bool]:
    """→ queued. Returns the job of this `Request` and True, or the job that its key made before and False.

    Raises Conflict if the key was used for another request. Commit, then `broker.wake`.
    """
    [made] = submit_each(session.connection(), [Request(**request)])
    if isinstance(made, Conflict):
        raise made
    job = session.get_one(Job, made.id)
    session.expunge(job)  # as it is now: moves are statements, which don't change it
    return job, made.is_new


def submit_each(connection: sa.Connection, requests: Sequence[Request]) -> "list[Submitted | Conflict]":
    """→ queued, each for itself; a Conflict for one whose key was used for another request.

    Commit, then `broker.wake`.
    """
    rows = [_row(uuid7(), request) for request in requests]
    new = _INSERT(connection, rows)
    made: list[Submitted | Conflict] = []
    for row, request in zip(rows, requests, strict=True):
        if row["id"] in new:
            made.append(Submitted(row["id"], new[row["id"]], is_new=True))
            continue
        try:
            first = repeat_of(connection, request.idempotency_key or "", request.request_sha256)
        except Conflict as conflict:
            made.append(conflict)
            continue
        # Or it was forgotten just now.
        made += submit_each(connection, [request]) if first is None else [first]
    return made


def submit_many(
    connection: sa.Connection,
    requests: Sequence[Request],
    *,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> list[Submitted]:
    """→ queued, all of them or none. As `submit`, in as many statements for any number of jobs.

    Each job's own key is made from the one for all. Commit, then `broker.wake`.
    """
    keys = _batch_keys(idempotency_key, len(requests)) if idempotency_key else [None] * len(requests)
    rows = [
        _row(uuid7(), request) | {"idempotency_key": key, "request_sha256": request_sha256}
        for key, request in zip(keys, requests, strict=True)
    ]
    savepoint = connection.begin_nested()
    new = _INSERT(connection, rows)
    if len(new) == len(rows):
        savepoint.commit()
        return [Submitted(row["id"], new[row["id"]], is_new=True) for row in rows]
    savepoint.rollback()
    if first := repeats_of(connection, idempotency_key or "", request_sha256, len(rows)):
        return first
    # They were forgotten just now.
    return submit_many(connection, requests, idempotency_key=idempotency_key, request_sha256=request_sha256)


def repeat_of(
    connection: sa.Connection, idempotency_key: str, request_sha256: str | None
) -> Submitted | None:
    """The job that this key made before. Raises Conflict if that was for another request."""
    made = _made_by(connection, [idempotency_key], idempotency_key, request_sha256)
    return made[0] if made else None


def repeats_of(
    connection: sa.Connection, idempotency_key: str, request_sha256: str | None, count: int
) -> list[Submitted]:
    """Those of the jobs that this key made before in one request and that are still there.

    Raises Conflict if that was another request.
    """
    keys = _batch_keys(idempotency_key, count)
    return _made_by(connection, keys, idempotency_key, request_sha256)


def _made_by(
    connection: sa.Connection, keys: Sequence[str], shown: str, request_sha256: str | None
) -> list[Submitted]:
    found = sa.select(_jobs.c.id, _jobs.c.created_at, _jobs.c.request_sha256)
    found = found.where(_jobs.c.idempotency_key.in_(keys)).order_by(_jobs.c.id)
    rows = connection.execute(found).all()
    for job_id, _, made_for in rows:
        if made_for != request_sha256:
            raise Conflict(
                f"Idempotency-Key: {shown!r} was used for another request (job {job_id}); "
                "use a new key for a new request"
            )
    return [Submitted(job_id, created_at, is_new=False) for job_id, created_at, _ in rows]


def _batch_keys(key: str, count: int) -> list[str]:
    """Never too long for their column, and never a client's own: a header has no line feed."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return [f"{digest}\n{index}" for index in range(count)]


def cancel(session: Session, job_id: uuid.UUID) -> Job:
    """queued | paused | waiting → cancelled; a running job is asked, and its worker cancels it.

    So are the children of a waiting job. Raises NotFound, or Conflict if the job has ended or is a child.
    """
    running = Job.state == State.RUNNING
    job = _update(
        session,
        [Job.id == job_id, Job.state.not_in(TERMINAL), Job.parent_id.is_(None)],
        state=sa.case((running, Job.state), else_=State.CANCELLED),
        finished_at=sa.case((running, sa.null()), else_=utcnow()),
        cancel_requested_at=sa.func.coalesce(Job.cancel_requested_at, utcnow()),
    )
    if job is None:
        _refuse_child(session, job_id)
        raise Conflict(f"job {job_id} has already {_ended(session, job_id)}; nothing is left to cancel")
    _note(session, job, message="cancel requested")
    if job.state == State.CANCELLED:
        _stop_children(session, job, "its parent was cancelled")
    return job


def retry(session: Session, job_id: uuid.UUID, max_attempts: int) -> Job:
    """failed | cancelled → queued, as a new attempt with a fresh budget of `max_attempts`.

    It begins anew: the children that it had are deleted. Raises NotFound, or Conflict in any other state
    or if it is a child. Commit, then `broker.wake`.
    """
    job = _update(
        session,
        [Job.id == job_id, Job.state.in_([State.FAILED, State.CANCELLED]), Job.parent_id.is_(None)],
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
        child_window=None,
        **_NO_PROGRESS,
    )
    if job is None:
        state = _refuse_child(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a failed or cancelled job can be retried")
    session.execute(
        sa.delete(Job).where(Job.parent_id == job_id), execution_options={"synchronize_session": False}
    )
    _note(session, job, message="retried by its owner")
    return job


def pause(session: Session, job_id: uuid.UUID) -> Job:
    """queued | waiting → paused; a running job is asked, and its worker pauses it at its next step.

    Children of a waiting job that run already run on, and no more are begun. Raises NotFound, or Conflict
    in any other state or if it is a child.
    """
    running = Job.state == State.RUNNING
    may = Job.state.in_([State.QUEUED, State.RUNNING, State.WAITING])
    job = _update(
        session,
        [Job.id == job_id, may, Job.parent_id.is_(None)],
        state=sa.case((running, Job.state), else_=State.PAUSED),
        pause_requested_at=sa.func.coalesce(Job.pause_requested_at, utcnow()),
    )
    if job is None:
        state = _refuse_child(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a queued, running or waiting job can be paused")
    _note(session, job, message="pause requested")
    if job.state == State.PAUSED:
        _hold_children_back(session, job)
    return job


def resume(session: Session, job_id: uuid.UUID) -> Job:
    """paused → queued, or → waiting if it has children; a running job that was asked to pause goes on.

    Raises NotFound, or Conflict in any other state. Commit, then `broker.wake` if it is queued or waiting.
    """
    paused = Job.state == State.PAUSED
    asked = sa.and_(Job.state == State.RUNNING, Job.pause_requested_at.is_not(None))
    job = _update(
        session,
        [Job.id == job_id, sa.or_(paused, asked), Job.parent_id.is_(None)],
        state=sa.case(
            (sa.and_(paused, Job.child_window.is_(None)), State.QUEUED),
            (paused, State.WAITING),
            else_=Job.state,
        ),
        queued_at=sa.case((paused, utcnow()), else_=Job.queued_at),
        available_at=sa.case((paused, utcnow()), else_=Job.available_at),
        pause_requested_at=None,
    )
    if job is None:
        state = _refuse_child(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a paused job can be resumed")
    _note(session, job, message="resumed by its owner")
    return _settle(session, job)


# ---- verbs of a worker


def claim(session: Session, queue: str, *, worker: str, lease_seconds: float) -> Claim | None:
    """queued → running under a new lease: the first in line, by priority, then by age. None if there is none.

    Several workers may do this at once: on PostgreSQL each passes over the row that another is taking,
    on SQLite they come one after another.
    """
    given = {
        "from_queue": queue,
        "by_worker": worker,
        "new_lease": uuid.uuid4(),
        "lease_seconds": lease_seconds,
    }
    row = _CLAIM(session, given)
    return None if row is None else Claim(**{field.name: row._mapping[field.name] for field in fields(Claim)})


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


def succeed(session: Session, job_id: uuid.UUID, lease: uuid.UUID, result: dict[str, Any]) -> bool:
    """running → succeeded. False if the lease is lost: roll back whatever else is in the transaction.

    A child's `result` says under "done" how much of its parent's progress it was.
    """
    given = {"held_job": job_id, "held_lease": lease, "given_result": result}
    if _SUCCEED(session, given) is not None:
        return True
    if (parent := _lock_parent(session, job_id)) is None:
        return False
    row = _SUCCEED_AS_CHILD(session, given)
    if row is None:
        return False
    _settle(session, parent, _progress(parent, result.get("done", 0), row.finished_at - row.created_at))
    return True


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
    job = _end(
        session,
        job_id,
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
    job = _end(
        session,
        job_id,
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
    Commit, then `broker.wake` if it is queued.
    """
    job = _end(
        session,
        job_id,
        _held(job_id, lease),
        attempt=Job.attempt - 1,
        available_at=utcnow(),
        **_back_to_queue(),
    )
    if job is not None:
        stopped = job.state == State.QUEUED
        _note(session, job, message="its worker is being stopped" if stopped else "stopped by its worker")
    return job


# ---- verbs of parents and children
#
# Whoever ends a child locks its parent's row first, and only then the child's: two last children can't
# miss each other, and who cancels the parent (and then its children) waits for nobody who waits for him.


def split(
    session: Session,
    job_id: uuid.UUID,
    lease: uuid.UUID,
    specs: Sequence[dict[str, Any]],
    *,
    window: int,
    progress: Progress,
    checkpoint_key: str | None = None,
) -> Job | None:
    """running → waiting without costing an attempt: children of the same kind do the work, in this order.

    `window` of them are queued or running at once, a priority lower than their parent, so that other jobs
    come in between. When all have succeeded, or one has failed and the others have stopped, the parent is
    queued again, to sum up. `progress` is the parent's, which the children's results bring on.
    `checkpoint_key` is kept for children and parent. None if the lease is lost. A job that its owner asked
    to cancel or pause meanwhile is cancelled or paused, and gets no children.

    Commit, then `broker.wake` for the window if it is waiting.
    """
    unwanted = sa.or_(Job.cancel_requested_at.is_not(None), Job.pause_requested_at.is_not(None))
    changes = _back_to_queue(State.WAITING) | {
        "phase": progress.phase,
        "progress_done": progress.done,
        "progress_total": progress.total,
        "progress_unit": progress.unit,
        "child_window": sa.case((unwanted, sa.null()), else_=window),
        "checkpoint_key": sa.case((unwanted, Job.checkpoint_key), else_=checkpoint_key),
    }
    job = _update(
        session, [*_held(job_id, lease), Job.parent_id.is_(None)], attempt=Job.attempt - 1, **changes
    )
    if job is None or job.state != State.WAITING:
        if job is not None:
            _note(session, job, message="stopped by its worker")
        return job
    _note(session, job, message=f"split into {len(specs)} parts")
    now = session.scalar(sa.select(utcnow()))
    rows = [
        {
            "id": uuid7(),
            "parent_id": job.id,
            "kind": job.kind,
            "queue": job.queue,
            "state": State.QUEUED if number < window else State.WAITING,
            "spec": spec,
            "priority": max(job.priority - 1, 0),
            "attempt": 0,
            "max_attempts": max(job.max_attempts - job.attempt, 1),
            "version": 1,
            "created_at": now,
            "queued_at": now,
            "available_at": now,
        }
        for number, spec in enumerate(specs)
    ]
    session.execute(sa.insert(Job), rows)
    session.execute(
        sa.insert(JobEvent),
        [{"job_id": row["id"], "at": now, "state": row["state"], "attempt": 0} for row in rows],
    )
    return job


def keep_for_parent(session: Session, job_id: uuid.UUID, lease: uuid.UUID, key: str) -> Job | None:
    """Remember what a child's parent will need, in the transaction of `succeed`. None if the lease is lost.

    The parent's row is locked first.
    """
    _lock_parent(session, job_id)
    return keep_checkpoint(session, job_id, lease, key)


def settle(session: Session, limit: int = 100) -> list[Job]:
    """Waiting parents none of whose children is queued or running, as they are now: a safety net.

    Their next children are queued, or they are, to sum up. Several sweepers may do this at once.
    """
    child = aliased(Job)
    at_work = sa.exists().where(child.parent_id == Job.id, child.state.in_(_AT_WORK))
    stuck = (
        sa.select(Job)
        .where(Job.state == State.WAITING, Job.child_window.is_not(None), ~at_work)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return [_settle(session, parent) for parent in session.scalars(stuck).all()]


def _lock(session: Session, query: "sa.Select[Any]") -> list[Job]:
    """Jobs as they are now, by id, and nobody else changes them before this transaction is over."""
    locked = query.order_by(Job.id).with_for_update(key_share=True)
    return list(session.scalars(locked, execution_options={"populate_existing": True}))


def _lock_parent(session: Session, job_id: uuid.UUID) -> Job | None:
    """None: the job is no child."""
    child = aliased(Job)
    parent_id = sa.select(child.parent_id).where(child.id == job_id).scalar_subquery()
    return next(iter(_lock(session, sa.select(Job).where(Job.id == parent_id))), None)


def _end(
    session: Session, job_id: uuid.UUID, guard: list[sa.ColumnElement[bool]], **values: Any
) -> Job | None:
    """`_update` for what may end a job: if that is a child, its parent goes on."""
    job = _update(session, [*guard, Job.parent_id.is_(None)], **values)
    if job is not None or (parent := _lock_parent(session, job_id)) is None:
        return job
    child = _update(session, guard, **values)
    if child is not None and child.terminal:
        _settle(session, parent)
    return child


def _settle(session: Session, parent: Job, changes: dict[str, Any] | None = None) -> Job:
    """What comes next for a waiting parent, whose row is locked: more children, or to sum up.

    One that is paused only notes the `changes`; one that has ended, nothing.
    """
    changes = dict(changes or {})
    is_due = False
    if parent.state == State.WAITING and parent.child_window is not None:
        theirs = Job.parent_id == parent.id
        broken = sa.exists().where(theirs, Job.state.in_([State.FAILED, State.CANCELLED]))
        if session.scalar(sa.select(broken)):
            _stop_children(session, parent, "another part of its parent failed")
        count = sa.select(sa.func.count()).select_from(Job).where(theirs, Job.state.in_(_AT_WORK))
        at_work = session.scalar(count) or 0
        is_due = not at_work + _queue_children(session, parent, parent.child_window - at_work)
        if is_due:
            changes |= {
                "state": State.QUEUED,
                "queued_at": utcnow(),
                "available_at": utcnow(),
                "eta_seconds": None,
            }
    if not changes or parent.terminal:
        return parent
    settled = _update(session, [Job.id == parent.id], **changes) or parent
    if is_due:
        _note(session, settled, message="its parts have ended")
    return settled


def _progress(parent: Job, done: int, since_split: datetime.timedelta) -> dict[str, Any]:
    """The parent's progress after so much more, if it goes on as it did since it was split."""
    if parent.progress_done is None or parent.progress_total is None or not done:
        return {}
    now = parent.progress_done + done
    left = parent.progress_total - now
    return {
        "progress_done": now,
        "eta_seconds": round(since_split.total_seconds() * left / now, 1),
    }


def _queue_children(session: Session, parent: Job, count: int) -> int:
    """waiting → queued, for the next so many. Returns how many there were."""
    if count <= 0:
        return 0
    child = aliased(Job)
    following = (
        sa.select(child.id)
        .where(child.parent_id == parent.id, child.state == State.WAITING)
        .order_by(child.id)
        .limit(count)
    )
    return _move_children(
        session,
        [Job.id.in_(following), Job.state == State.WAITING],
        state=State.QUEUED,
        queued_at=utcnow(),
        available_at=utcnow(),
    )


def _hold_children_back(session: Session, parent: Job) -> None:
    """queued → waiting."""
    if parent.child_window is not None:
        queued = [Job.parent_id == parent.id, Job.state == State.QUEUED]
        _move_children(session, queued, "its parent was paused", state=State.WAITING)


def _stop_children(session: Session, parent: Job, why: str) -> None:
    """queued | waiting → cancelled; running ones are asked."""
    if parent.child_window is None:
        return
    running = Job.state == State.RUNNING
    _move_children(
        session,
        [
            Job.parent_id == parent.id,
            Job.state.in_([State.QUEUED, State.WAITING, State.RUNNING]),
            Job.cancel_requested_at.is_(None),
        ],
        why,
        state=sa.case((running, Job.state), else_=State.CANCELLED),
        finished_at=sa.case((running, sa.null()), else_=utcnow()),
        cancel_requested_at=utcnow(),
    )


def _move_children(
    session: Session, guard: list[sa.ColumnElement[bool]], message: str | None = None, **values: Any
) -> int:
    """One guarded update of many, each with its row in its timeline. Returns how many there were."""
    statement = sa.update(Job).where(*guard).values(version=Job.version + 1, **values)
    moved = session.execute(
        statement.returning(Job.id.label("job_id"), Job.state, Job.attempt, Job.worker),
        execution_options={"synchronize_session": False},
    ).all()
    if moved:
        session.execute(
            sa.insert(JobEvent).values(at=utcnow()), [{**row._mapping, "message": message} for row in moved]
        )
    return len(moved)


def _refuse_child(session: Session, job_id: uuid.UUID) -> Job:
    """The job. Raises NotFound, or Conflict if it is a child: its parent is what its owner may change."""
    job = get(session, job_id)
    if job.parent_id is not None:
        raise Conflict(f"job {job_id} is a part of job {job.parent_id}; do this to the whole")
    return job


# ---- verbs of the sweeper


def rescue(session: Session, limit: int = 100) -> list[Job]:
    """Expired leases: running → queued with a backoff, or → failed after `max_attempts` lost workers.

    Returns the jobs moved. Several sweepers may do this at once: the lease guards each row.
    """
    expired = (
        sa.select(Job.id, Job.lease, Job.worker, Job.attempt, Job.max_attempts, Job.cancel_requested_at)
        .where(Job.state == State.RUNNING, Job.lease_expires_at < utcnow())
        .order_by(Job.lease_expires_at)
        .limit(limit)
    )
    single = expired.where(Job.parent_id.is_(None)).with_for_update(skip_locked=True)
    found = [*session.execute(single)]
    # No child is locked before its parent, and parents are locked in one order.
    parts = session.execute(expired.where(Job.parent_id.is_not(None)).add_columns(Job.parent_id)).all()
    if parts:
        _lock(session, sa.select(Job).where(Job.id.in_({part.parent_id for part in parts})))
    moved = []
    for job_id, lease, worker, attempt, max_attempts, cancel_requested_at in [
        *found,
        *(part[:-1] for part in parts),
    ]:
        guard = [*_held(job_id, lease), Job.lease_expires_at < utcnow()]
        lost = f"worker {worker} was lost (attempt {attempt} of {max_attempts})"
        if attempt >= max_attempts and cancel_requested_at is None:
            job = _end(
                session,
                job_id,
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
            job = _end(session, job_id, guard, available_at=utcnow(backoff), **_back_to_queue())
        if job is not None:
            _note(session, job, message=lost, worker=worker)
            moved.append(job)
    return moved


def expire(session: Session, limit: int = 100) -> list[Job]:
    """queued | running | waiting → failed, for jobs past their deadline, and so their children end.

    A worker hears of it at its next heartbeat.
    """
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
            _stop_children(session, job, "its parent's deadline is over")
            moved.append(job)
    return moved


def count_ready(session: Session, queue: str, older_than_seconds: float) -> int:
    """Queued jobs of a queue that could have been claimed for so long already."""
    ready = sa.select(sa.func.count()).where(
        Job.state == State.QUEUED, Job.queue == queue, Job.available_at <= utcnow(-older_than_seconds)
    )
    return session.scalar(ready) or 0


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
    parent: uuid.UUID | None = None,
    before: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Job]:
    """Jobs, newest first (ids are UUIDv7: they sort by time); `before` is the last id of the page above.

    The children of `parent`, or jobs that are no children.
    """
    theirs = Job.parent_id.is_(None) if parent is None else Job.parent_id == parent
    query = sa.select(Job).where(theirs).order_by(Job.id.desc()).limit(limit)
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


def needed_by_parent() -> sa.ColumnElement[bool]:
    """Whether a job is the child of one that has not ended: what it kept is still of use."""
    parent = aliased(Job)
    unended = [state for state in State if state not in TERMINAL]
    # The window is asked for the sake of the index of parents.
    return sa.exists().where(
        parent.id == Job.parent_id, parent.state.in_(unended), parent.child_window.is_not(None)
    )


def children(session: Session, parent_id: uuid.UUID) -> list[Job]:
    """In the order of the parent's `split`."""
    return _in_order(session, Job.parent_id == parent_id)


def events(session: Session, job_id: uuid.UUID, after: int = 0) -> list[JobEvent]:
    """The timeline, oldest first; `after` is the id of the last event that the reader has."""
    return list(
        session.scalars(
            sa.select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.id > after).order_by(JobEvent.id)
        )
    )


# ---- the one way in which rows change

_MAY_EXPIRE: Final = (State.QUEUED, State.RUNNING, State.WAITING)
_AT_WORK: Final = (State.QUEUED, State.RUNNING)
_NO_LEASE: Final[dict[str, Any]] = {"lease": None, "lease_expires_at": None}
_NO_PROGRESS: Final[dict[str, Any]] = {
    "phase": None,
    "progress_done": None,
    "progress_total": None,
    "progress_unit": None,
    "eta_seconds": None,
}


_jobs: Final = cast(sa.Table, Job.__table__)
_events: Final = cast(sa.Table, JobEvent.__table__)


class _Move:
    """A move that every job makes, and its row in the timeline, as statements that are built once.

    To build a statement of the ORM and to load its row costs several times what the database takes for it.
    """

    def __init__(self, statement: sa.Insert | sa.Update, *, returning: Sequence[str]) -> None:
        names = dict.fromkeys([*returning, "id", "state", "attempt", "worker"])
        self._move = statement.returning(*(_jobs.c[name] for name in names))
        moved = self._move.cte("moved")
        told = sa.select(moved.c.id, utcnow(), moved.c.state, moved.c.attempt, moved.c.worker)
        note = sa.insert(_events).from_select(["job_id", "at", "state", "attempt", "worker"], told)
        self._move_and_note = sa.select(moved).add_cte(note.cte("noted"))

    def __call__(self, session: Session, given: dict[str, Any]) -> sa.Row[Any] | None:
        """The row as it is now, or None if the guard let nothing through."""
        connection = session.connection()
        if connection.dialect.name == "postgresql":
            return connection.execute(self._move_and_note, given).one_or_none()
        row = connection.execute(self._move, given).one_or_none()
        if row is not None:
            said = {"job_id": row.id, "state": row.state, "attempt": row.attempt, "worker": row.worker}
            connection.execute(_NOTE, said)
        return row


_NOTE: Final = sa.insert(_events).values(at=utcnow()).inline()


# What comes of a new job, with PostgreSQL's types. Its spec is a text in the JSON that brings it, and so is
# kept to the letter.
_GIVEN: Final[dict[str, Any]] = {
    "id": sa.Uuid(),
    "kind": sa.Text(),
    "queue": sa.Text(),
    "state": sa.Text(),
    "spec": sa.Text(),
    "priority": sa.Integer(),
    "attempt": sa.Integer(),
    "max_attempts": sa.Integer(),
    "version": sa.Integer(),
    "deadline_seconds": sa.Float(),
    "idempotency_key": sa.Text(),
    "request_sha256": sa.Text(),
}


class _Insert:
    """New jobs and their first events: one parameter for any number of jobs, of which each would cost
    SQLAlchemy more time than the database takes for a job. A key that is there already lets nothing through.
    """

    def __init__(self) -> None:
        rows = sa.bindparam("rows", type_=sa.Text)
        recordset = sa.func.json_to_recordset(sa.cast(rows, sa.JSON))
        given = recordset.table_valued(*(sa.column(name, type_) for name, type_ in _GIVEN.items()))
        given = given.render_derived(name="given", with_types=True)
        values = {**given.c, "spec": sa.cast(given.c.spec, sa.JSON)}
        new = _inserted(postgresql.insert(_jobs), values, given).cte("new")
        self._insert_and_note = sa.select(new).add_cte(_first_events(new.c.id, new).cte("noted"))

        each = sa.func.json_each(rows).table_valued(sa.column("value", sa.Text), name="given")
        values = {name: sa.literal_column(f"json_extract(given.value, '$.{name}')") for name in _GIVEN}
        self._insert = _inserted(sqlite.insert(_jobs), values, each)
        ids = sa.func.json_each(sa.bindparam("ids", type_=sa.Text)).table_valued(sa.column("value", sa.Text))
        self._note = _first_events(ids.c.value, ids)

    def __call__(
        self, connection: sa.Connection, rows: Sequence[dict[str, Any]]
    ) -> dict[uuid.UUID, datetime.datetime]:
        """The ids of those that are new, and since when they are there."""
        is_postgresql = connection.dialect.name == "postgresql"
        given = [
            # SQLite keeps a UUID without its dashes.
            row | {"id": str(row["id"]) if is_postgresql else row["id"].hex, "spec": to_json(row["spec"])}
            # Two transactions with the same keys wait for each other in one order only.
            for row in sorted(rows, key=lambda row: row["idempotency_key"] or "")
        ]
        if is_postgresql:
            return dict(connection.execute(self._insert_and_note, {"rows": to_json(given)}).all())
        new = dict(connection.execute(self._insert, {"rows": to_json(given)}).all())
        if new:
            connection.execute(self._note, {"ids": to_json([job_id.hex for job_id in new])})
        return new


def _inserted(insert: Any, values: dict[str, Any], source: sa.FromClause) -> Any:
    columns = [*values, "created_at", "queued_at", "available_at"]
    rows = sa.select(*values.values(), utcnow(_NONE), utcnow(_NONE), utcnow(_NONE)).select_from(source)
    # Without a condition SQLite takes ON CONFLICT for that of a join.
    insert = insert.from_select(columns, rows.where(sa.text("true")))
    return insert.on_conflict_do_nothing(index_elements=["idempotency_key"]).returning(
        _jobs.c.id, _jobs.c.created_at
    )


def _first_events(ids: sa.ColumnElement[Any], source: sa.FromClause) -> sa.Insert:
    queued = sa.literal_column(f"'{State.QUEUED}'", sa.String)
    rows = sa.select(ids, utcnow(_NONE), queued, _NONE).select_from(source)
    return sa.insert(_events).from_select(["job_id", "at", "state", "attempt"], rows)


_NONE: Final = sa.literal_column("0", sa.Integer)
_INSERT: Final = _Insert()


def _row(job_id: uuid.UUID, request: Request) -> dict[str, Any]:
    return vars(request) | {"id": job_id, "state": State.QUEUED, "attempt": 0, "version": 1}


_FIRST_IN_LINE: Final = (
    sa.select(_jobs.c.id)
    .where(
        _jobs.c.state == State.QUEUED,
        _jobs.c.queue == sa.bindparam("from_queue"),
        _jobs.c.available_at <= utcnow(),
    )
    .order_by(_jobs.c.priority.desc(), _jobs.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_CLAIM: Final = _Move(
    sa.update(_jobs)
    .where(_jobs.c.id == _FIRST_IN_LINE.scalar_subquery())
    .values(
        state=State.RUNNING,
        version=_jobs.c.version + 1,
        attempt=_jobs.c.attempt + 1,
        started_at=sa.func.coalesce(_jobs.c.started_at, utcnow()),
        worker=sa.bindparam("by_worker"),
        lease=sa.bindparam("new_lease"),
        lease_expires_at=utcnow(sa.bindparam("lease_seconds", type_=sa.Float)),
        deadline_at=sa.case(
            (
                _jobs.c.deadline_seconds.is_not(None),
                sa.func.coalesce(_jobs.c.deadline_at, utcnow(_jobs.c.deadline_seconds)),
            )
        ),
        **_NO_PROGRESS,
    ),
    returning=[field.name for field in fields(Claim)],
)

_TO_SUCCEED: Final = (
    sa.update(_jobs)
    .where(
        _jobs.c.id == sa.bindparam("held_job"),
        _jobs.c.state == State.RUNNING,
        _jobs.c.lease == sa.bindparam("held_lease"),
    )
    .values(
        state=State.SUCCEEDED,
        version=_jobs.c.version + 1,
        finished_at=utcnow(),
        result=sa.bindparam("given_result", type_=_jobs.c.result.type),
        progress_done=sa.func.coalesce(_jobs.c.progress_total, _jobs.c.progress_done),
        phase=None,
        eta_seconds=None,
        **_NO_LEASE,
    )
)
_SUCCEED: Final = _Move(_TO_SUCCEED.where(_jobs.c.parent_id.is_(None)), returning=[])
_SUCCEED_AS_CHILD: Final = _Move(_TO_SUCCEED, returning=["created_at", "finished_at"])


def _held(job_id: uuid.UUID, lease: uuid.UUID | None) -> list[sa.ColumnElement[bool]]:
    return [Job.id == job_id, Job.state == State.RUNNING, Job.lease == lease]


def _back_to_queue(state: State = State.QUEUED) -> dict[str, Any]:
    """→ queued (or `state`), unless its owner asked for its end or a pause meanwhile."""
    unwanted = Job.cancel_requested_at.is_not(None)
    paused = Job.pause_requested_at.is_not(None)
    return {
        "state": sa.case((unwanted, State.CANCELLED), (paused, State.PAUSED), else_=state),
        "finished_at": sa.case((unwanted, utcnow()), else_=sa.null()),
        "queued_at": utcnow(),
        "worker": None,
        **_NO_LEASE,
        **_NO_PROGRESS,
        # While it is paused, its owner sees how far it came.
        **{name: sa.case((paused, getattr(Job, name))) for name in _NO_PROGRESS if name != "eta_seconds"},
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
    # At once and not when the session is flushed: the moves after it in this transaction come after it.
    session.connection().execute(
        _NOTE,
        {
            "job_id": job.id,
            "state": job.state,
            "attempt": job.attempt,
            "phase": job.phase,
            "message": message,
            "worker": worker or job.worker,
            "traceback": traceback,
        },
    )


def _ended(session: Session, job_id: uuid.UUID) -> str:
    state = get(session, job_id).state
    return "been cancelled" if state == State.CANCELLED else state
