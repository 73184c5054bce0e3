"""Claiming a job: its worker gets a lease."""

import uuid
from dataclasses import dataclass, fields
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs.progress import NO_PROGRESS
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.jobs.transitions import PreparedTransition, Transition


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


_TO_RUNNING: Final = Transition("claim", State.RUNNING)
_NEXT: Final = (
    sa.select(JOBS.c.id)
    .where(
        _TO_RUNNING.guard,
        JOBS.c.queue == sa.bindparam("from_queue"),
        JOBS.c.available_at <= utcnow(),
    )
    .order_by(JOBS.c.priority.desc(), JOBS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)

_CLAIM: Final = PreparedTransition(
    _TO_RUNNING,
    JOBS.c.id == _NEXT.scalar_subquery(),
    values={
        "attempt": JOBS.c.attempt + 1,
        "started_at": sa.func.coalesce(JOBS.c.started_at, utcnow()),
        "worker": sa.bindparam("by_worker"),
        "lease": sa.bindparam("new_lease"),
        "lease_expires_at": utcnow(sa.bindparam("lease_seconds", type_=sa.Float)),
        "deadline_at": sa.case(
            (
                JOBS.c.deadline_seconds.is_not(None),
                sa.func.coalesce(JOBS.c.deadline_at, utcnow(JOBS.c.deadline_seconds)),
            )
        ),
        **NO_PROGRESS,
    },
    returning=[field.name for field in fields(Claim)],
)


def claim(session: Session, queue: str, *, worker: str, lease_seconds: float) -> Claim | None:
    """queued → running under a new lease: the first job by priority, then age. None if there is none.

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
