"""Uploads as people see them: how large they are, how many jobs need them, and until when they are kept."""

import datetime
import uuid
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import storage
from jobyard.shared.jobs import TERMINAL, Job
from jobyard.shared.needs import JobInput
from jobyard.shared.storage import File

# Of the jobs that read a file so many are looked at: one that very many read must not hold up a list.
EXACT_READERS: Final = 1_000


class Upload(NamedTuple):
    """An uploaded file.

    `jobs` read it: up to EXACT_READERS, and one more stands for any number beyond. Retention deletes it at
    `kept_until`; where that is None, `kept_because` says why.
    """

    file: File
    jobs: int
    kept_until: datetime.datetime | None
    kept_because: str | None


class _Readers(NamedTuple):
    """The jobs that read a file."""

    jobs: int
    unended: int
    kept: int
    last_ended_at: datetime.datetime | None


def _of_readers(value: sa.SQLColumnExpression[Any], summed_up: Callable[[Any], Any]) -> Any:
    """Of the first few jobs that read a file, one number."""
    first: sa.Select[Any] = sa.select(value.label("value")).join(JobInput, JobInput.job_id == Job.id)
    first = first.where(JobInput.file_id == File.id).limit(EXACT_READERS + 1)
    some = first.correlate(File).subquery()
    return sa.select(summed_up(some.c.value)).scalar_subquery()


# Built once: it is long.
_LISTED: Final = (
    sa.select(
        File,
        _of_readers(Job.id, sa.func.count),
        _of_readers(sa.case((Job.state.in_(TERMINAL), 0), else_=1), sa.func.sum),
        _of_readers(sa.case((Job.keep, 1), else_=0), sa.func.sum),
        _of_readers(Job.finished_at, sa.func.max),
    )
    .where(File.id.in_(sa.bindparam("ids", type_=File.id.type, expanding=True)))
    .order_by(File.id.desc())
)


def page(
    session: Session, retention_days: float, *, before: uuid.UUID | None = None, limit: int = 50
) -> list[Upload]:
    """Uploads, newest first; `before` is the last id of the page above."""
    theirs = storage.uploads_in_order(session).order_by(storage.UPLOAD_ID.desc()).limit(limit)
    ids = session.scalars(theirs if before is None else theirs.where(before > storage.UPLOAD_ID)).all()
    found = session.execute(_LISTED, {"ids": ids}).all()
    return [_described(file, _Readers(*numbers), retention_days) for file, *numbers in found]


def _described(file: File, readers: _Readers, retention_days: float) -> Upload:
    if readers.unended:
        why = "a job that has not ended needs it"
    elif readers.kept:
        why = "a job that is to be kept needs it"
    elif readers.jobs > EXACT_READERS:
        why = f"over {EXACT_READERS:,} jobs need it"
    elif not retention_days:
        why = "retention is off"
    else:
        last = max(file.created_at, readers.last_ended_at or file.created_at)
        return Upload(file, readers.jobs, last + datetime.timedelta(days=retention_days), None)
    return Upload(file, readers.jobs, None, why)
