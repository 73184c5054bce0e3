"""Parents and their children.

A transaction that ends a child locks the parent's row first, and only then the child's: two last children
can't miss each other, and one that cancels the parent (and then its children) can't deadlock with them.
"""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased
from uuid_utils.compat import uuid7

from jobyard.shared.database import utcnow
from jobyard.shared.jobs import briefs
from jobyard.shared.jobs.progress import Progress
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import Job, JobEvent
from jobyard.shared.jobs.transitions import (
    OWNER_ASKED,
    Transition,
    change,
    held,
    move,
    move_many,
    note,
    off_its_worker,
)
from jobyard.shared.storage import Reason, complete, plan_deletion
from jobyard.shared.texts import to_json

_AT_WORK: Final = (State.QUEUED, State.RUNNING)

_SPLIT: Final = Transition("split", State.WAITING, unless=OWNER_ASKED)
_SUM_UP: Final = Transition("sum_up", State.QUEUED)
_BEGIN_CHILD: Final = Transition("begin_child", State.QUEUED)
_HOLD_CHILD_BACK: Final = Transition("hold_child_back", State.WAITING)
_STOP_CHILD: Final = Transition("stop_child", State.CANCELLED)


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
    queued again, to sum up. `progress` is the parent's, which the children's results advance.
    `checkpoint_key` is kept for children and parent. None if the lease is lost. A job that its owner asked
    to cancel or pause meanwhile is cancelled or paused, and gets no children.

    Commit, then `broker.wake` for the window if it is waiting.
    """
    unwanted = sa.or_(Job.cancel_requested_at.is_not(None), Job.pause_requested_at.is_not(None))
    changes = off_its_worker() | {
        "phase": progress.phase,
        "progress_done": progress.done,
        "progress_total": progress.total,
        "progress_unit": progress.unit,
        "child_window": sa.case((unwanted, sa.null()), else_=window),
        "checkpoint_key": sa.case((unwanted, Job.checkpoint_key), else_=checkpoint_key),
    }
    before = session.scalar(sa.select(Job.checkpoint_key).where(*held(job_id, lease)))
    job = move(
        session,
        _SPLIT,
        *held(job_id, lease),
        Job.parent_id.is_(None),
        attempt=Job.attempt - 1,
        **changes,
    )
    if job is None or job.state != State.WAITING:
        if job is not None:
            note(session, job, message="stopped by its worker")
        return job
    note(session, job, message=f"split into {len(specs)} parts")
    complete(session, [] if checkpoint_key is None else [checkpoint_key])
    plan_deletion(session, [] if before in (None, checkpoint_key) else [before], Reason.REPLACED)
    now = session.scalar(sa.select(utcnow()))
    rows: list[dict[str, Any]] = [
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
            "created_by": job.created_by,
            "queued_at": now,
            "available_at": now,
        }
        for number, spec in enumerate(specs)
    ]
    session.execute(sa.insert(Job), rows)
    texts = [(row["id"], row["spec"], to_json(row["spec"])) for row in rows]
    briefs.keep(session.connection(), "spec", texts)
    session.execute(
        sa.insert(JobEvent),
        [{"job_id": row["id"], "at": now, "state": row["state"], "attempt": 0} for row in rows],
    )
    return job


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
    return [continue_parent(session, parent) for parent in session.scalars(stuck).all()]


def lock(session: Session, query: "sa.Select[Any]") -> list[Job]:
    """Jobs as they are now, by id, locked until this transaction ends."""
    locked = query.order_by(Job.id).with_for_update(key_share=True)
    return list(session.scalars(locked, execution_options={"populate_existing": True}))


def lock_parent(session: Session, job_id: uuid.UUID) -> Job | None:
    """None: the job is no child."""
    child = aliased(Job)
    parent_id = sa.select(child.parent_id).where(child.id == job_id).scalar_subquery()
    return next(iter(lock(session, sa.select(Job).where(Job.id == parent_id))), None)


def end(
    session: Session,
    transition: Transition,
    job_id: uuid.UUID,
    *where: sa.ColumnElement[bool],
    **values: Any,
) -> Job | None:
    """`move` for what may end a job: if that is a child, its parent continues."""
    job = move(session, transition, *where, Job.parent_id.is_(None), **values)
    if job is not None or (parent := lock_parent(session, job_id)) is None:
        return job
    child = move(session, transition, *where, **values)
    if child is not None and child.terminal:
        continue_parent(session, parent)
    return child


def continue_parent(session: Session, parent: Job, changes: dict[str, Any] | None = None) -> Job:
    """What comes next for a waiting parent, whose row is locked: more children, or to sum up.

    A paused one only gets the `changes`; one that has ended, nothing.
    """
    changes = dict(changes or {})
    is_due = False
    if parent.state == State.WAITING and parent.child_window is not None:
        theirs = Job.parent_id == parent.id
        broken = sa.exists().where(theirs, Job.state.in_([State.FAILED, State.CANCELLED]))
        if session.scalar(sa.select(broken)):
            stop_children(session, parent, "another part of its parent job failed")
        count = sa.select(sa.func.count()).select_from(Job).where(theirs, Job.state.in_(_AT_WORK))
        at_work = session.scalar(count) or 0
        is_due = not at_work + _queue_children(session, parent, parent.child_window - at_work)
    if is_due:
        changes |= {"queued_at": utcnow(), "available_at": utcnow(), "eta_seconds": None}
        settled = move(session, _SUM_UP, Job.id == parent.id, **changes) or parent
        note(session, settled, message="all its parts have ended")
        return settled
    if not changes or parent.terminal:
        return parent
    return change(session, Job.id == parent.id, **changes) or parent


def progress_after(parent: Job, done: int, since_split: datetime.timedelta) -> dict[str, Any]:
    """The parent's progress after so much more, at the pace that it had since it was split."""
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
    return move_many(session, _BEGIN_CHILD, Job.id.in_(following), queued_at=utcnow(), available_at=utcnow())


def hold_children_back(session: Session, parent: Job) -> None:
    """queued → waiting."""
    if parent.child_window is not None:
        theirs = Job.parent_id == parent.id
        move_many(session, _HOLD_CHILD_BACK, theirs, message="its parent job was paused")


def stop_children(session: Session, parent: Job, why: str) -> None:
    """queued | waiting → cancelled; running ones are asked."""
    if parent.child_window is None:
        return
    move_many(
        session,
        _STOP_CHILD,
        Job.parent_id == parent.id,
        Job.cancel_requested_at.is_(None),
        message=why,
        finished_at=sa.case((_STOP_CHILD.stays, sa.null()), else_=utcnow()),
        cancel_requested_at=utcnow(),
    )
