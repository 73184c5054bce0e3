"""A job as its readers see it: its row, its place in line, and whether anybody listens.

Each look is one statement, built once, in Core: this is what clients ask all the time. What it answers is
as of now, so no transaction is needed around it (`Database.look`).
"""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, cast

import sqlalchemy as sa

from jobyard.shared.database import to_json, utcnow
from jobyard.shared.errors import NotFound
from jobyard.shared.jobs import TERMINAL, Job, Request, State, Submitted
from jobyard.shared.queues import BELIEVED_SECONDS, Worker


class JobView(NamedTuple):
    """What everybody may see of a job."""

    id: uuid.UUID
    kind: str
    queue: str
    state: str
    phase: str | None
    priority: int
    # As the JSON texts that the database keeps: whoever answers with them needs them as such.
    spec: str
    result: str | None
    error_type: str | None
    error_message: str | None
    progress_done: int | None
    progress_total: int | None
    progress_unit: str | None
    eta_seconds: float | None
    attempt: int
    max_attempts: int
    version: int
    parent_id: uuid.UUID | None
    child_window: int | None
    created_at: datetime.datetime
    started_at: datetime.datetime | None
    finished_at: datetime.datetime | None
    cancel_requested: bool
    pause_requested: bool
    # Of a queued job: 1 for the next to run, and whether its queue has a worker.
    position: int | None
    heard: bool | None


class Glance(NamedTuple):
    """What tells one version of a JobView from another."""

    state: str
    version: int
    position: int | None
    heard: bool | None

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL


def see(connection: sa.Connection, job_id: uuid.UUID) -> JobView:
    """The job. Raises NotFound."""
    return JobView._make(_one(connection, _SEE, job_id))


def see_many(connection: sa.Connection, job_ids: Sequence[uuid.UUID]) -> list[JobView]:
    """Those of the jobs that are there, in the order of their ids; `heard` is None.

    Few statements for any number of jobs. A job that came or went between them may be missed in the places.
    """
    rows = connection.execute(_SEE_MANY, {"job_ids": list(job_ids)})
    found = [JobView._make([*row, None, None]) for row in rows]
    places = _places(connection, found)
    return [job._replace(position=places.get(job.id)) for job in found] if places else found


def see_new(connection: sa.Connection, made: Sequence[tuple[Submitted, Request]]) -> dict[uuid.UUID, JobView]:
    """Jobs that this transaction has inserted: one statement for each line (queue and priority)."""
    seen: dict[uuid.UUID, JobView] = {}
    last: dict[tuple[str, int], JobView] = {}
    for job, request in sorted(made, key=lambda one: one[0].id):
        line = request.queue, request.priority
        before = last.get(line)
        last[line] = seen[job.id] = (
            see(connection, job.id)
            if before is None
            else before._replace(  # what all of them have in common stays
                id=job.id,
                kind=request.kind,
                spec=to_json(request.spec),
                max_attempts=request.max_attempts,
                created_at=job.created_at,
                position=(before.position or 0) + 1,
            )
        )
    return seen


def glance(connection: sa.Connection, job_id: uuid.UUID) -> Glance:
    """Has the job changed? Spec and result, which may be long, are not read. Raises NotFound."""
    return Glance._make(_one(connection, _GLANCE, job_id))


def why_waiting(queue: str, heard: bool | None) -> str | None:
    """What keeps a queued job, if it is not only the jobs before it."""
    return f"no worker listens on the queue {queue!r}" if heard is False else None


def _one(connection: sa.Connection, statement: sa.Select[Any], job_id: uuid.UUID) -> "sa.Row[Any]":
    row = connection.execute(statement, {"job_id": job_id}).first()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return row


def _places(connection: sa.Connection, among: Sequence[JobView]) -> dict[uuid.UUID, int]:
    """Of those of the jobs that are queued, in two statements for each queue and priority."""
    lines: dict[tuple[str, int], list[uuid.UUID]] = {}
    for job in among:
        if job.state == State.QUEUED:
            lines.setdefault((job.queue, job.priority), []).append(job.id)
    found: dict[uuid.UUID, int] = {}
    for (queue, priority), line in lines.items():
        place = glance(connection, line[0]).position
        if place is None:
            continue
        given = {"queue": queue, "priority": priority, "first": line[0], "last": line[-1]}
        between = {job_id: number for number, job_id in enumerate(connection.scalars(_BETWEEN, given), place)}
        found |= {job_id: between[job_id] for job_id in line if job_id in between}
    return found


_jobs: Final = cast(sa.Table, Job.__table__)
_workers: Final = cast(sa.Table, Worker.__table__)
# Written into the statements: SQLAlchemy spends more time on a parameter than the database.
_QUEUED: Final = sa.literal_column(f"'{State.QUEUED}'", sa.String)
_BELIEVED_SINCE: Final = utcnow(sa.literal_column(f"{-BELIEVED_SECONDS}", sa.Float))


def _place() -> sa.ColumnElement[int]:
    """One after the jobs before the one of the statement around it: two ranges of one index."""
    other = _jobs.alias()
    waiting = sa.select(sa.func.count()).where(other.c.state == _QUEUED, other.c.queue == _jobs.c.queue)
    higher = waiting.where(other.c.priority > _jobs.c.priority)
    earlier = waiting.where(other.c.priority == _jobs.c.priority, other.c.id < _jobs.c.id)
    return sa.literal_column("1", sa.Integer) + higher.scalar_subquery() + earlier.scalar_subquery()


def _while_queued(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    # Databases look at it only then.
    return sa.case((_jobs.c.state == _QUEUED, value))


_COLUMNS: Final[dict[str, sa.ColumnElement[Any]]] = {
    **{column.name: column for column in _jobs.c},
    "spec": sa.cast(_jobs.c.spec, sa.Text),
    "result": sa.cast(_jobs.c.result, sa.Text),
    "cancel_requested": _jobs.c.cancel_requested_at.is_not(None),
    "pause_requested": _jobs.c.pause_requested_at.is_not(None),
    "position": _while_queued(_place()),
    "heard": _while_queued(
        sa.exists().where(_workers.c.queue == _jobs.c.queue, _workers.c.seen_at > _BELIEVED_SINCE)
    ),
}


def _select(names: Sequence[str]) -> sa.Select[Any]:
    return sa.select(*(_COLUMNS[name].label(name) for name in names))


_IS_THE_ONE: Final = _jobs.c.id == sa.bindparam("job_id", type_=_jobs.c.id.type)
_SEE: Final = _select(JobView._fields).where(_IS_THE_ONE)
_GLANCE: Final = _select(Glance._fields).where(_IS_THE_ONE)
_SEE_MANY: Final = (
    _select([name for name in JobView._fields if name not in ("position", "heard")])
    .where(_jobs.c.id.in_(sa.bindparam("job_ids", type_=_jobs.c.id.type, expanding=True)))
    .order_by(_jobs.c.id)
)
# Those of others between them are in the line too.
_BETWEEN: Final = (
    sa.select(_jobs.c.id)
    .where(
        _jobs.c.state == State.QUEUED,
        _jobs.c.queue == sa.bindparam("queue"),
        _jobs.c.priority == sa.bindparam("priority"),
        _jobs.c.id.between(
            sa.bindparam("first", type_=_jobs.c.id.type), sa.bindparam("last", type_=_jobs.c.id.type)
        ),
    )
    .order_by(_jobs.c.id)
)
