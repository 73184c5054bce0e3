"""Ids that are not written whole: a prefix, or a suffix of one of the newest jobs.

An id begins with the moment of its submit (UUIDv7) and ends at random: the end is what people can tell apart.
No index knows ends, and one would be written by each submit. So ends are looked for among the newest jobs,
which costs the same in front of ten thousand jobs as of a million.
"""

import re
import uuid
from typing import Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs.filters import UNLISTED_KIND
from jobyard.shared.jobs.tables import JOBS

LEAST_CHARACTERS: Final = 4
# Among so many of the newest jobs a suffix is looked for, and the last one of a token.
NEWEST_JOBS: Final = 10_000

_HEX: Final = re.compile(r"[0-9a-f]{4,32}")
_DIGITS: Final = 32


def part_of_id(text: str) -> str | None:
    """The hexadecimal digits of a part of an id, or None where it can't be one: `018F-3a`, `…9c0d1`."""
    digits = text.strip("….").replace("-", "").lower()
    return digits if _HEX.fullmatch(digits) else None


def matching_ids(session: Session, digits: str, limit: int) -> list[uuid.UUID]:
    """The ids that begin with these digits, or, of the newest jobs, end with them; newest first."""
    column = JOBS.c.id
    newest_first = sa.select(column).order_by(column.desc())
    first, last = (uuid.UUID(digits.ljust(_DIGITS, filler)) for filler in "0f")
    begin = session.scalars(newest_first.where(column.between(first, last)).limit(limit))
    written = sa.func.replace(sa.cast(column, sa.Text), "-", "")  # SQLite keeps ids without dashes
    end = session.scalars(
        newest_first.where(column >= _oldest(session), written.like(f"%{digits}")).limit(limit)
    )
    return sorted({*begin, *end}, reverse=True)[:limit]


def newest_id(session: Session, *, created_by: str) -> uuid.UUID | None:
    """The id of the job, and no part of one, that this token submitted last: of the newest jobs, or None."""
    theirs = (
        JOBS.c.id >= _oldest(session),
        JOBS.c.parent_id.is_(None),
        JOBS.c.created_by == created_by,
        JOBS.c.kind != UNLISTED_KIND,
    )
    return session.scalar(sa.select(JOBS.c.id).where(*theirs).order_by(JOBS.c.id.desc()).limit(1))


def _oldest(session: Session) -> uuid.UUID:
    """Of the newest jobs."""
    oldest = sa.select(JOBS.c.id).order_by(JOBS.c.id.desc()).offset(NEWEST_JOBS - 1).limit(1)
    return session.scalar(oldest) or uuid.UUID(int=0)
