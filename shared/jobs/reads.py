"""Reading jobs and their timelines."""

import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from jobyard.shared.errors import NotFound
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.tables import Job, JobEvent


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
    return list(session.scalars(sa.select(Job).where(Job.parent_id == parent_id).order_by(Job.id)))


def events(session: Session, job_id: uuid.UUID, after: int = 0) -> list[JobEvent]:
    """The timeline, oldest first; `after` is the id of the last event that the reader has."""
    return list(
        session.scalars(
            sa.select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.id > after).order_by(JobEvent.id)
        )
    )
