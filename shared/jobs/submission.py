"""Submitting jobs, also a second time under the same key."""

import datetime
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from jobyard.shared.errors import Conflict
from jobyard.shared.jobs.insertion import Inserted, Request, insert_jobs, row_of
from jobyard.shared.jobs.tables import JOBS, Job


class Submitted(NamedTuple):
    """The job that a request has made, now or when it came before."""

    id: uuid.UUID
    created_at: datetime.datetime
    is_new: bool
    # Of a new one, as `Inserted` has it.
    jobs_before: int = 0
    holds: Mapping[str, Any] = MappingProxyType({})
    texts: Mapping[str, str] = MappingProxyType({})


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


def submit_each(
    connection: sa.Connection, requests: Sequence[Request], *, look: bool = False
) -> "list[Submitted | Conflict]":
    """→ queued, each for itself; a Conflict for one whose key was used for another request.

    With a `look` at their queues, for `snapshots_of_new`. Commit, then `broker.wake`.
    """
    rows = [row_of(uuid7(), request) for request in requests]
    new = insert_jobs(connection, rows, look=look)
    made: list[Submitted | Conflict] = []
    for row, request in zip(rows, requests, strict=True):
        if row["id"] in new:
            made.append(_submitted(row["id"], new[row["id"]]))
            continue
        try:
            first = repeat_of(connection, request.idempotency_key or "", request.request_sha256)
        except Conflict as conflict:
            made.append(conflict)
            continue
        # Or it was forgotten just now.
        made += submit_each(connection, [request], look=look) if first is None else [first]
    return made


def submit_many(
    connection: sa.Connection,
    requests: Sequence[Request],
    *,
    idempotency_key: str | None = None,
    request_sha256: str | None = None,
) -> list[Submitted]:
    """→ queued, all of them or none, with a look at their queues; as few statements for any number of jobs.

    Each job's own key is made from the one for all. Commit, then `broker.wake`.
    """
    keys = _batch_keys(idempotency_key, len(requests)) if idempotency_key else [None] * len(requests)
    rows = [
        row_of(uuid7(), request) | {"idempotency_key": key, "request_sha256": request_sha256}
        for key, request in zip(keys, requests, strict=True)
    ]
    savepoint = connection.begin_nested()
    new = insert_jobs(connection, rows, look=True)
    if len(new) == len(rows):
        savepoint.commit()
        return [_submitted(row["id"], new[row["id"]]) for row in rows]
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


def _submitted(job_id: uuid.UUID, new: Inserted) -> Submitted:
    return Submitted(job_id, new.created_at, True, new.jobs_before, new.holds, new.texts)


def _made_by(
    connection: sa.Connection, keys: Sequence[str], shown: str, request_sha256: str | None
) -> list[Submitted]:
    found = sa.select(JOBS.c.id, JOBS.c.created_at, JOBS.c.request_sha256)
    found = found.where(JOBS.c.idempotency_key.in_(keys)).order_by(JOBS.c.id)
    rows = connection.execute(found).all()
    for job_id, _, made_for in rows:
        if made_for != request_sha256:
            raise Conflict(
                f"Idempotency-Key: {_given(shown)!r} was already used for a different request "
                f"(job {job_id}); use a new key for a new request"
            )
    return [Submitted(job_id, created_at, is_new=False) for job_id, created_at, _ in rows]


def _given(key: str) -> str:
    """As it came: it is kept behind the name of its token."""
    return key.rpartition("\n")[2]


def _batch_keys(key: str, count: int) -> list[str]:
    """Never too long for their column, and never a client's own: a header has no line feed."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    return [f"{digest}\n{index}" for index in range(count)]
