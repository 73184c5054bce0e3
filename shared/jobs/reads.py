"""Reading jobs and their timelines."""

import datetime
import json
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased, attributes, defer

from jobyard.shared.errors import NotFound
from jobyard.shared.jobs import briefs
from jobyard.shared.jobs.filters import ALL, UNLISTED_KIND, JobFilter
from jobyard.shared.jobs.ordered import Listed, find_in_order
from jobyard.shared.jobs.orders import Order, OrderKey
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.tables import JOBS, Job, JobEvent

# So many running jobs are listed at most: their workers are as many.
MOST_RUNNING: Final = 1_000
# So many searches fill a page at most: the server's own jobs, which are left out, are few, one for each
# request that waits for its preview.
SEARCHES: Final = 4


class RunningJob(NamedTuple):
    """What is shown of a running job beside its worker."""

    id: uuid.UUID
    kind: str
    queue: str
    worker: str | None
    phase: str | None
    progress_done: int | None
    progress_total: int | None
    progress_unit: str | None
    eta_seconds: float | None
    started_at: datetime.datetime | None
    stalled_since: datetime.datetime | None

    @property
    def state(self) -> str:
        return State.RUNNING


_RUNNING: Final = (
    sa.select(*(JOBS.c[name] for name in RunningJob._fields))
    # In no order: for one SQLite would read all jobs there are.
    .where(JOBS.c.state == State.RUNNING)
    .limit(MOST_RUNNING)
)


def running(session: Session) -> list[RunningJob]:
    """The running jobs, the oldest first, at most `MOST_RUNNING`."""
    return sorted(map(RunningJob._make, session.execute(_RUNNING)), key=lambda job: job.id)


def get(session: Session, job_id: uuid.UUID) -> Job:
    """The job. Raises NotFound."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"there is no job {job_id}")
    return job


def page(
    session: Session,
    asked: JobFilter = ALL,
    order: Order = Order.NEWEST,
    *,
    parent: uuid.UUID | None = None,
    after: OrderKey | None = None,
    limit: int = 50,
    backwards: bool = False,
) -> tuple[list[Job], OrderKey | None]:
    """The jobs that `find_in_order` finds, with long specs and results cut (`briefs`), and what is next.

    Without those of `UNLISTED_KIND`, as `fill` has it.
    """
    find = partial(find_in_order, session, asked, order, parent=parent, backwards=backwards)
    return fill(find, partial(listed, session), after=after, limit=limit)


class _Found(Protocol):
    """A job, or a snapshot of one."""

    @property
    def id(self) -> Any: ...
    @property
    def kind(self) -> Any: ...


class _Find(Protocol):
    """`find_in_order`, of which the rest is given."""

    def __call__(self, *, after: OrderKey | None, limit: int) -> Listed: ...


_FoundT = TypeVar("_FoundT", bound=_Found)


def fill(
    find: _Find,
    read: Callable[[Sequence[uuid.UUID]], Sequence[_FoundT]],
    *,
    after: OrderKey | None,
    limit: int,
) -> tuple[list[_FoundT], OrderKey | None]:
    """A page of the jobs that are found, as they are read; and what is next.

    Those of `UNLISTED_KIND` are left out once they are read: a condition would need an index. Where that made
    the page short, it searches on, SEARCHES times in all at most.
    """
    shown: list[_FoundT] = []
    for _ in range(SEARCHES):
        found = find(after=after, limit=limit - len(shown))
        by_id = {job.id: job for job in read(found.ids)}
        some = [by_id[job_id] for job_id in found.ids if job_id in by_id]
        shown += (job for job in some if job.kind != UNLISTED_KIND)
        after = found.next
        if after is None or all(job.kind != UNLISTED_KIND for job in some):
            break
    return shown, after


def listed_ids(session: Session, job_ids: Sequence[uuid.UUID]) -> list[uuid.UUID]:
    """The same ids in their order, without those of jobs of `UNLISTED_KIND`."""
    # By their ids alone, for which there is one index.
    kinds = sa.select(Job.id, Job.kind).where(Job.id.in_(job_ids))
    unlisted = {job_id for job_id, kind in session.execute(kinds) if kind == UNLISTED_KIND}
    return [job_id for job_id in job_ids if job_id not in unlisted]


# Built once: it is longer than the others.
_LISTED: Final = (
    sa.select(Job, *(column.label(name) for name, column in briefs.COLUMNS.items() if name != "note"))
    .select_from(Job)
    .outerjoin(*briefs.SPECS)
    .outerjoin(*briefs.RESULTS)
    .where(Job.id.in_(sa.bindparam("job_ids", type_=JOBS.c.id.type, expanding=True)))
    .order_by(Job.id)
    .options(defer(Job.spec), defer(Job.result), defer(Job.note))
)


def listed(session: Session, job_ids: Sequence[uuid.UUID]) -> list[Job]:
    """Those of the jobs that are there, by id, as lists show them: of a long spec or result, the brief.

    A cut array is `[]`, but as long as it was.
    """
    found = []
    for job, spec, result, spec_cuts, result_cuts in session.execute(_LISTED, {"job_ids": list(job_ids)}):
        _take(job, "spec", spec, spec_cuts)
        _take(job, "result", result, result_cuts)
        found.append(job)
    return found


def _take(job: Job, name: str, text: str | None, cuts: Sequence[Any] | None) -> None:
    value = None if text is None else briefs.restore(json.loads(text), cuts)
    attributes.set_committed_value(job, name, value)


def digests(session: Session, job_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, dict[str, str]]:
    """What distinguishes the values that are cut in lists: of each job, SHA-256 by dotted path."""
    found: dict[uuid.UUID, dict[str, str]] = {job_id: {} for job_id in job_ids}
    for brief in session.scalars(sa.select(briefs.JobBrief).where(briefs.JobBrief.job_id.in_(job_ids))):
        found[brief.job_id] |= {".".join([brief.field, *cut["path"]]): cut["sha256"] for cut in brief.cuts}
    return found


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


def events(session: Session, job_id: uuid.UUID, after: int = 0, limit: int | None = None) -> list[JobEvent]:
    """The timeline, oldest first; `after` is the id of the last event that the reader has."""
    theirs = sa.select(JobEvent).where(JobEvent.job_id == job_id, JobEvent.id > after)
    return list(session.scalars(theirs.order_by(JobEvent.id).limit(limit)))


def last_events(session: Session, job_id: uuid.UUID, limit: int) -> tuple[list[JobEvent], int]:
    """The end of the timeline, and how many events there are before it."""
    theirs = sa.select(JobEvent).where(JobEvent.job_id == job_id)
    newest_first = session.scalars(theirs.order_by(JobEvent.id.desc()).limit(limit)).all()
    count = session.scalar(sa.select(sa.func.count()).select_from(theirs.subquery())) or 0
    return list(newest_first[::-1]), count - len(newest_first)
