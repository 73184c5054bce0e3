"""Claiming a job: its worker gets a lease."""

import time
import uuid
from dataclasses import dataclass, fields
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs.fronts import PRIORITIES, Front, parameter
from jobyard.shared.jobs.progress import NO_PROGRESS
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.jobs.transitions import PreparedTransition, Transition, connection_of


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
_VALUES: Final[dict[str, Any]] = {
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
}


def _first(*where: sa.ColumnElement[bool]) -> sa.ScalarSelect[uuid.UUID]:
    """The id of the first ready job by priority, then age."""
    ready = sa.select(JOBS.c.id).where(
        _TO_RUNNING.guard,
        JOBS.c.queue == sa.bindparam("from_queue"),
        JOBS.c.available_at <= utcnow(),
        *where,
    )
    in_order = ready.order_by(JOBS.c.priority.desc(), JOBS.c.id)
    return in_order.limit(1).with_for_update(skip_locked=True).scalar_subquery()


def _first_after(priority: int) -> sa.ScalarSelect[uuid.UUID]:
    """Of one priority: then the id is part of what PostgreSQL looks up in the index."""
    # As a literal, since each priority has its part of the statement.
    of_it = JOBS.c.priority == sa.literal_column(str(priority))
    return _first(of_it, JOBS.c.id > sa.bindparam(parameter(priority), type_=JOBS.c.id.type))


def _claim_of(job_id: sa.ColumnElement[uuid.UUID], *also: sa.ColumnElement[Any]) -> PreparedTransition:
    names = [*(field.name for field in fields(Claim)), "priority"]
    return PreparedTransition(
        _TO_RUNNING, JOBS.c.id == job_id, values=_VALUES, returning=[*(JOBS.c[name] for name in names), *also]
    )


_ALL: Final = JOBS.alias()
_NEWEST: Final = sa.select(_ALL.c.id).order_by(_ALL.c.id.desc()).limit(1).scalar_subquery().label("newest")
_OUTDATED: Final = sa.func.pg_stat_get_dead_tuples(
    sa.literal_column(f"'{JOBS.name}'::regclass"), type_=sa.BigInteger
).label("outdated")
_CLAIM_ON_SQLITE: Final = _claim_of(_first())
_CLAIM: Final = _claim_of(_first(), _OUTDATED)
# COALESCE looks at a priority only where those above it have no job.
_CLAIM_AFTER: Final = _claim_of(sa.func.coalesce(*map(_first_after, PRIORITIES)), _NEWEST)


def claim(
    session: Session | sa.Connection,
    queue: str,
    *,
    worker: str,
    lease_seconds: float,
    front: Front | None = None,
    whole: bool = True,
) -> Claim | None:
    """queued → running under a new lease: the first job by priority, then age. None if there is none.

    Several workers may do this at once: on PostgreSQL each passes over the row that another is taking,
    on SQLite they come one after another. Not `whole`: look only after what `front` remembers, if anything.
    """
    given = {
        "from_queue": queue,
        "by_worker": worker,
        "new_lease": uuid.uuid4(),
        "lease_seconds": lease_seconds,
    }
    began = time.monotonic()
    connection = connection_of(session)
    if connection.dialect.name != "postgresql":
        row = _CLAIM_ON_SQLITE(connection, given)
    elif front is None or whole or not front.is_slow:
        row = _CLAIM(connection, given)
        if front is not None:
            front.looked_at_all(time.monotonic() - began, row)
    else:
        row = _CLAIM_AFTER(connection, given | front.after)
        front.looked_after(time.monotonic() - began, row)
    return None if row is None else Claim(**{field.name: row._mapping[field.name] for field in fields(Claim)})
