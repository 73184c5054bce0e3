"""The quota of queued jobs: they are counted in the transaction that adds to them, so that requests that come
at once are together not over it.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.errors import QuotaReached
from jobyard.shared.kinds.base import Queue
from jobyard.shared.tokens import Identity, Token

QUEUES: Final = tuple(queue.value for queue in Queue)
# By which jobs are counted that a request for many has left as they are.
REASON: Final = "over the quota"


def room(connection: sa.Connection, submitter: Identity, *, lock: bool = True) -> int | None:
    """How many more jobs a token may have queued; None: any number. Below 0 if it has more than that.

    With `lock` no other request of the token adds to them until the commit.
    """
    most = submitter.max_queued
    if most is None:
        return None
    if lock:  # SQLite has one writer at a time anyway
        row = sa.select(Token.id).where(Token.digest == submitter.digest)
        connection.execute(row.with_for_update(key_share=True))
    return most - jobs.count_queued_of(connection, submitter.name, QUEUES, most + 1)


def refusal(submitter: Identity, count: int, left: int) -> QuotaReached:
    """For a request for so many jobs where so many fewer are `left`."""
    most = submitter.max_queued or 0
    return QuotaReached(
        f"the token {submitter.name!r} may have {most:,} queued jobs, and has {min(most - left, most):,}: "
        f"submit {'this one' if count == 1 else f'these {count:,}'} again when fewer wait"
    )


def require(session: Session, submitter: Identity | None, job: jobs.Job) -> None:
    """After a job was queued again: it may be one too many of the token's own. Raises QuotaReached."""
    if submitter is None or submitter.max_queued is None or job.created_by != submitter.name:
        return
    if job.state == jobs.State.QUEUED and (room(session.connection(), submitter) or 0) < 0:
        raise QuotaReached(f"{_has_all(submitter)} again when fewer wait")


def sort_out(session: Session, submitter: Identity | None, found: jobs.Sorted, *, lock: bool) -> jobs.Sorted:
    """Those that may be queued again: of the token's own as many as there is room for, the first ones."""
    left = None if submitter is None else room(session.connection(), submitter, lock=lock)
    if submitter is None or left is None or not found.ids:
        return found
    theirs = sa.select(jobs.Job.id).where(jobs.Job.id.in_(found.ids), jobs.Job.created_by == submitter.name)
    own = set(session.scalars(theirs))
    refused = jobs.Refusal(REASON, f"{_has_all(submitter)} others when fewer wait")
    over = dict.fromkeys([job_id for job_id in found.ids if job_id in own][max(left, 0) :], refused)
    return jobs.Sorted([job_id for job_id in found.ids if job_id not in over], found.refused | over)


def _has_all(submitter: Identity) -> str:
    return f"the token {submitter.name!r} has as many queued jobs as it may, {submitter.max_queued:,}: try"
