"""A job as its readers see it: its row, its position in the queue, and whether the queue has workers.

Each read is one statement, built once, in Core: this is what clients ask all the time. It answers as of
now, so no transaction is needed around it (`Database.autocommit`).
"""

import uuid
from collections import Counter, namedtuple
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from jobyard.shared.errors import NotFound
from jobyard.shared.jobs import briefs
from jobyard.shared.jobs.fields import Field, Shown
from jobyard.shared.jobs.insertion import NEW, Request
from jobyard.shared.jobs.positions import FAR_POSITION, HOLDS, QUEUED, jobs_before
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.submission import Submitted
from jobyard.shared.jobs.tables import FIELDS, JOBS
from jobyard.shared.texts import to_json

_SHOWN: Final = tuple(field for field in FIELDS if field.shown)

_PLACE: Final = ("position", *HOLDS)
_NAMES: Final = [*(field.shown_name for field in _SHOWN), *_PLACE]
_TUPLE: Any = namedtuple


class JobSnapshot(_TUPLE("JobSnapshot", [*_NAMES, "truncated", "cuts"], defaults=[(), ()])):  # type: ignore[misc]  # derived
    """What every reader may see of a job: the fields that are `shown`, and its place in the queue."""

    __slots__ = ()

    # Those that code reads by their names, for the type checker.
    id: uuid.UUID
    kind: str
    queue: str
    state: str
    priority: int
    name: str | None
    # As the database keeps it: a JSON text; None for none.
    labels: str | None
    note: str | None
    keep: bool
    does: str | None
    # As the JSON texts that the database keeps: they are answered as such.
    spec: str
    result: str | None
    error_type: str | None
    error_message: str | None
    progress_done: int | None
    progress_total: int | None
    progress_unit: str | None
    eta_seconds: float | None
    version: int
    created_by: str
    parent_id: uuid.UUID | None
    child_window: int | None
    # Of a queued job: 1 for the next to run, at most `FAR_POSITION`, and whether its queue has a worker.
    position: int | None
    has_workers: bool | None
    # Of a queued job whose queue is paused: the reason, "" without one.
    queue_pause: str | None
    # Of a queued job: the limit of running jobs of its queue, and that of its owner, if so many run.
    queue_limit: int | None
    owner_quota: int | None
    # In a list: the dotted paths of what is there only in part, as `briefs` has it.
    truncated: Sequence[str]
    # What of its spec is cut, as `restore` takes it.
    cuts: Sequence[Any]


class JobVersion(NamedTuple):
    """What differs between two versions of a JobSnapshot."""

    state: str
    version: int
    position: int | None
    has_workers: bool | None
    queue_pause: str | None
    queue_limit: int | None
    owner_quota: int | None

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL


def read_snapshot(connection: sa.Connection, job_id: uuid.UUID) -> JobSnapshot:
    """The job. Raises NotFound."""
    return JobSnapshot(*_one(connection, _SNAPSHOT, job_id))


def read_if_ended(connection: sa.Connection, job_id: uuid.UUID) -> JobSnapshot | None:
    """The job if it has ended. Before that its spec, which may be long, is not read."""
    row = connection.execute(_ENDED, {"job_id": job_id}).first()
    return None if row is None else JobSnapshot(*row)


def read_snapshots(connection: sa.Connection, job_ids: Sequence[uuid.UUID]) -> list[JobSnapshot]:
    """Those of the jobs that are there, in the order of their ids, for a list: long specs and results are
    cut, as `briefs` has it, and what keeps the job (`HOLDS`) is None.

    Few statements for any number of jobs. A job that comes or goes between them may be
    missing from the positions.
    """
    rows = connection.execute(_SNAPSHOTS, {"job_ids": list(job_ids)})
    found = [_listed(*row) for row in rows]
    positions = _positions(connection, found)
    return [job._replace(position=positions.get(job.id)) for job in found] if positions else found


def snapshots_of_new(made: Iterable[tuple[Submitted, Request]]) -> dict[uuid.UUID, JobSnapshot]:
    """Jobs that one transaction has inserted with a look at their queues: nothing more is read for it."""
    snapshots: dict[uuid.UUID, JobSnapshot] = {}
    new_before: Counter[str] = Counter()
    for job, request in sorted(made, key=lambda one: (-one[1].priority, one[0].id)):
        place = job.jobs_before + new_before[request.queue] + 1
        new_before[request.queue] += 1
        snapshots[job.id] = _NEW._replace(
            id=job.id,
            created_at=job.created_at,
            position=min(place, FAR_POSITION),
            **job.holds,
            **{one.shown_name: _as_shown(one, request, job.texts) for one in _SHOWN_AND_GIVEN},
        )
    return snapshots


def _listed(*row: Any) -> JobSnapshot:
    *values, spec_cuts, result_cuts = row
    job = JobSnapshot(*values, *[None] * len(_PLACE))
    if truncated := briefs.truncated(job.spec, job.result, spec_cuts, result_cuts):
        job = job._replace(truncated=truncated, cuts=spec_cuts or ())
    return _with_a_short_note(job)


def _with_a_short_note(job: JobSnapshot) -> JobSnapshot:
    if job.note is None or len(job.note) <= briefs.VALUE_BYTES:
        return job
    shown: JobSnapshot = job._replace(note=job.note[: briefs.VALUE_BYTES], truncated=[*job.truncated, "note"])
    return shown


def in_a_list(job: JobSnapshot, spec: dict[str, Any]) -> JobSnapshot:
    """The snapshot of a new job as lists show it; `spec` is the one that it has as text."""
    job = _with_a_short_note(job)
    if len(job.spec) <= briefs.WHOLE_BYTES:
        return job
    value, cuts = briefs.brief_of(spec)
    text = to_json(value)
    truncated = [*briefs.truncated(text, job.result, cuts, None), *job.truncated]
    shown: JobSnapshot = job._replace(spec=text, truncated=truncated, cuts=cuts)
    return shown


def read_version(connection: sa.Connection, job_id: uuid.UUID) -> JobVersion:
    """Has the job changed? Spec and result, which may be long, are not read. Raises NotFound."""
    return JobVersion._make(_one(connection, _VERSION, job_id))


# What all new jobs show; what they bring, and their place, is left out.
_NEW: Final = JobSnapshot(
    **{
        field.shown_name: False if field.shown == Shown.AS_A_FLAG else NEW.get(field.name) for field in _SHOWN
    },
    **dict.fromkeys(_PLACE),
)
_SHOWN_AND_GIVEN: Final = tuple(field for field in _SHOWN if field.given)


def _as_shown(field: Field, request: Request, texts: Mapping[str, str]) -> Any:
    if field.is_json:
        return texts.get(field.name)
    value = getattr(request, field.name)
    return value is not None if field.shown == Shown.AS_A_FLAG else value


def why_waiting(queue: str, owner: str, seen: JobSnapshot | JobVersion) -> str | None:
    """What keeps a queued job, if it is not only the jobs before it."""
    if seen.queue_pause is not None:
        return f"the queue {queue!r} is paused" + (f": {seen.queue_pause}" if seen.queue_pause else "")
    if seen.has_workers is False:
        return f"the queue {queue!r} has no running worker"
    if seen.queue_limit is not None:
        return f"the queue {queue!r} runs {_jobs_at_once(seen.queue_limit)}, which is its limit"
    if seen.owner_quota is not None:
        return f"the token {owner!r} has {_jobs_at_once(seen.owner_quota)} running, which is its quota"
    return None


def _jobs_at_once(count: int) -> str:
    return f"{count:,} job{'' if count == 1 else 's'}"


def _one(connection: sa.Connection, statement: sa.Select[Any], job_id: uuid.UUID) -> "sa.Row[Any]":
    row = connection.execute(statement, {"job_id": job_id}).first()
    if row is None:
        raise NotFound(f"there is no job {job_id}")
    return row


def _positions(connection: sa.Connection, among: Sequence[JobSnapshot]) -> dict[uuid.UUID, int]:
    """Of those of the jobs that are queued, in two statements for each queue and priority."""
    ranks: dict[tuple[str, int], list[uuid.UUID]] = {}
    for job in among:
        if job.state == State.QUEUED:
            ranks.setdefault((job.queue, job.priority), []).append(job.id)
    found: dict[uuid.UUID, int] = {}
    for (queue, priority), ids in ranks.items():
        first = read_version(connection, ids[0]).position
        if first is None:
            continue
        given = {"queue": queue, "priority": priority, "first": ids[0], "last": ids[-1]}
        counted = list(connection.scalars(_BETWEEN, given | {"counted": FAR_POSITION - first}))
        exact = {job_id: number for number, job_id in enumerate(counted, first)}
        # One that is not among those that were counted has left the queue, or is further back.
        if len(counted) == FAR_POSITION - first:
            far_from = counted[-1] if counted else ids[0]
            exact |= {job_id: FAR_POSITION for job_id in ids if job_id >= far_from and job_id not in exact}
        found |= {job_id: exact[job_id] for job_id in ids if job_id in exact}
    return found


def _while_queued(value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    # Databases look at it only then.
    return sa.case((JOBS.c.state == QUEUED, value))


def _read(field: Field) -> sa.ColumnElement[Any]:
    if field.shown == Shown.AS_A_FLAG:
        return field.column.is_not(None)
    return sa.cast(field.column, sa.Text) if field.is_json else field.column


_COLUMNS: Final[dict[str, sa.ColumnElement[Any]]] = {
    **{field.shown_name: _read(field) for field in _SHOWN},
    "position": _while_queued(jobs_before(JOBS, by_id=True) + sa.literal_column("1", sa.Integer)),
    **{name: _while_queued(of(JOBS)) for name, of in HOLDS.items()},
}


def _select(names: Sequence[str]) -> sa.Select[Any]:
    return sa.select(*(_COLUMNS[name].label(name) for name in names))


_IS_THE_ONE: Final = JOBS.c.id == sa.bindparam("job_id", type_=JOBS.c.id.type)
_SNAPSHOT: Final = _select(_NAMES).where(_IS_THE_ONE)
_ENDED: Final = _SNAPSHOT.where(JOBS.c.finished_at.is_not(None))
_VERSION: Final = _select(JobVersion._fields).where(_IS_THE_ONE)
_LISTED: Final = _COLUMNS | briefs.COLUMNS
_SNAPSHOTS: Final = (
    sa.select(*(_LISTED[name].label(name) for name in [*_NAMES[: -len(_PLACE)], "spec_cuts", "result_cuts"]))
    .select_from(JOBS.outerjoin(*briefs.SPECS).outerjoin(*briefs.RESULTS))
    .where(JOBS.c.id.in_(sa.bindparam("job_ids", type_=JOBS.c.id.type, expanding=True)))
    .order_by(JOBS.c.id)
)
# Those of others between them are in the queue too; so many as have exact positions.
_BETWEEN: Final = (
    sa.select(JOBS.c.id)
    .where(
        JOBS.c.state == State.QUEUED,
        JOBS.c.queue == sa.bindparam("queue"),
        JOBS.c.priority == sa.bindparam("priority"),
        JOBS.c.id.between(
            sa.bindparam("first", type_=JOBS.c.id.type), sa.bindparam("last", type_=JOBS.c.id.type)
        ),
    )
    .order_by(JOBS.c.id)
    .limit(sa.bindparam("counted", type_=sa.Integer))
)
