"""Jobs that are tried again, and why: their worker was lost, a disk was full, the storage was away.

They have not failed, so that nothing else names the reason. Of each queue a bounded number of jobs is looked
at that wait for their next try, and those that run once more.
"""

import datetime
import uuid
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.jobs.reads import MOST_RUNNING
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import EVENTS, JOBS, WAITING

# Of each queue.
MOST_PUT_BACK: Final = 200


class Setback(NamedTuple):
    """A job whose last attempt came to nothing, since when, and for what reason."""

    id: uuid.UUID
    queue: str
    kind: str
    message: str
    at: datetime.datetime


def setbacks(session: Session, queues: list[str]) -> list[Setback]:
    """The newest first."""
    return [Setback._make(row) for row in session.execute(_put_back(tuple(queues)))]


@cache
def _put_back(queues: tuple[str, ...]) -> sa.Select[Any]:
    columns = (JOBS.c.id, JOBS.c.queue, JOBS.c.kind)
    # They wait for a moment to come; who only waits for a worker could run already.
    waiting = [
        sa.select(*columns)
        .where(sa.text(WAITING), JOBS.c.queue == queue, JOBS.c.available_at > utcnow())
        .order_by(JOBS.c.available_at)
        .limit(MOST_PUT_BACK)
        for queue in queues
    ]
    again = sa.select(*columns).where(JOBS.c.state == State.RUNNING, JOBS.c.attempt > 1).limit(MOST_RUNNING)
    some = sa.union_all(*(sa.select(part.subquery()) for part in [*waiting, again])).subquery()
    last, why = EVENTS.alias(), EVENTS.alias()
    newest = (
        sa.select(sa.func.max(last.c.id))
        .where(last.c.job_id == some.c.id, last.c.state == State.QUEUED, last.c.message.is_not(None))
        .scalar_subquery()
    )
    reasons = sa.select(some.c.id, some.c.queue, some.c.kind, why.c.message, why.c.at)
    return reasons.join_from(some, why, why.c.id == newest).order_by(why.c.id.desc())
