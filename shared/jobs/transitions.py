"""The one way in which the row of a job changes: a guarded update, and its note in the timeline.

`UPDATE … WHERE id = … AND state IN (…) [AND lease = …]`. No row matched is an answer (None or False),
not an accident: somebody else was first.
"""

import uuid
from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs.progress import NO_PROGRESS
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import EVENTS, JOBS, Job

NO_LEASE: Final[dict[str, Any]] = {"lease": None, "lease_expires_at": None}

_NOTE: Final = sa.insert(EVENTS).values(at=utcnow()).inline()


class PreparedTransition:
    """A move that every job makes, and its row in the timeline, as statements that are built once.

    To build a statement of the ORM and to load its row costs several times what the database takes for it.
    """

    def __init__(self, statement: sa.Insert | sa.Update, *, returning: Sequence[str]) -> None:
        names = dict.fromkeys([*returning, "id", "state", "attempt", "worker"])
        self._move = statement.returning(*(JOBS.c[name] for name in names))
        moved = self._move.cte("moved")
        told = sa.select(moved.c.id, utcnow(), moved.c.state, moved.c.attempt, moved.c.worker)
        note = sa.insert(EVENTS).from_select(["job_id", "at", "state", "attempt", "worker"], told)
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


def held(job_id: uuid.UUID, lease: uuid.UUID | None) -> list[sa.ColumnElement[bool]]:
    return [Job.id == job_id, Job.state == State.RUNNING, Job.lease == lease]


def back_to_queue(state: State = State.QUEUED) -> dict[str, Any]:
    """→ queued (or `state`), unless its owner asked for its end or a pause meanwhile."""
    unwanted = Job.cancel_requested_at.is_not(None)
    paused = Job.pause_requested_at.is_not(None)
    return {
        "state": sa.case((unwanted, State.CANCELLED), (paused, State.PAUSED), else_=state),
        "finished_at": sa.case((unwanted, utcnow()), else_=sa.null()),
        "queued_at": utcnow(),
        "worker": None,
        **NO_LEASE,
        **NO_PROGRESS,
        # While it is paused, its owner sees how far it came.
        **{name: sa.case((paused, getattr(Job, name))) for name in NO_PROGRESS if name != "eta_seconds"},
    }


def update(
    session: Session, guard: list[sa.ColumnElement[bool]], *, visible: bool = True, **values: Any
) -> Job | None:
    """The guarded update: the job as it is now, or None if the guard let nothing through."""
    if visible:
        values["version"] = Job.version + 1
    statement = sa.update(Job).where(*guard).values(**values).returning(Job)
    options = {"synchronize_session": False, "populate_existing": True}
    return session.scalars(statement, execution_options=options).one_or_none()


def note(
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
