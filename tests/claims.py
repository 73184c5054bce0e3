"""Claims of the very job that a test means, by the verb that takes the first in line."""

import datetime
import uuid

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.jobs import Claim, Job, State

NEVER = datetime.datetime(2999, 1, 1, tzinfo=datetime.UTC)


def claim(
    session: Session, job_id: uuid.UUID, *, worker: str = "w", lease_seconds: float = 30.0
) -> Claim | None:
    """Claim this job if anybody could; the others of its queue stand back for the moment."""
    table = Job.__table__
    queue = session.scalar(sa.select(table.c.queue).where(table.c.id == job_id))
    if queue is None:
        return None
    others = session.execute(
        sa.select(table.c.id, table.c.available_at).where(
            table.c.queue == queue, table.c.state == State.QUEUED, table.c.id != job_id
        )
    ).all()
    for other in others:
        session.execute(sa.update(table).where(table.c.id == other.id).values(available_at=NEVER))
    claimed = jobs.claim(session, queue, worker=worker, lease_seconds=lease_seconds)
    for other in others:
        session.execute(
            sa.update(table).where(table.c.id == other.id).values(available_at=other.available_at)
        )
    assert claimed is None or claimed.id == job_id
    return claimed
