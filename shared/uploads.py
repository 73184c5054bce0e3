"""Uploads as people see them: how large they are, how many jobs need them, and until when they are kept."""

import datetime
import uuid
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import TERMINAL, Job
from jobyard.shared.needs import JobInput
from jobyard.shared.storage import File

# Of the jobs that read a file so many are looked at: one that very many read must not hold up a list.
EXACT_READERS: Final = 1_000
# SQLite takes 500 parts of a UNION.
FILES_AT_ONCE: Final = 100


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


def page(
    session: Session, retention_days: float, *, before: uuid.UUID | None = None, limit: int = 50
) -> list[Upload]:
    """Uploads, newest first; `before` is the last id of the page above."""
    query = sa.select(File).where(File.job_id.is_(None)).order_by(File.id.desc()).limit(limit)
    found = list(session.scalars(query if before is None else query.where(File.id < before)))
    readers = _readers(session, [file.id for file in found])
    return [_described(file, readers[file.id], retention_days) for file in found]


def _readers(session: Session, file_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, _Readers]:
    found: dict[uuid.UUID, _Readers] = {}
    for start in range(0, len(file_ids), FILES_AT_ONCE):
        some = file_ids[start : start + FILES_AT_ONCE]
        for file_id, *numbers in session.execute(sa.union_all(*map(_readers_of, some))):
            found[file_id] = _Readers(*numbers)
    return found


def _readers_of(file_id: uuid.UUID) -> sa.Select[Any]:
    """The first few of them, counted."""
    first = (
        sa.select(
            Job.finished_at,
            sa.case((Job.state.in_(TERMINAL), 0), else_=1).label("is_unended"),
            sa.case((Job.keep, 1), else_=0).label("is_kept"),
        )
        .join(JobInput, JobInput.job_id == Job.id)
        .where(JobInput.file_id == file_id)
        .limit(EXACT_READERS + 1)
        .subquery()
    )
    return sa.select(
        sa.literal(file_id, File.id.type),
        sa.func.count(),
        sa.func.coalesce(sa.func.sum(first.c.is_unended), 0),
        sa.func.coalesce(sa.func.sum(first.c.is_kept), 0),
        sa.func.max(first.c.finished_at),
    ).select_from(first)


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
