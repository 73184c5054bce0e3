"""What failed alike: the last day's failures by kind, type and message, and attempts that are made again.

Numbers and ids in messages are left out of the comparison. Only the newest failed jobs are looked at, so it
costs the same however many there are. The server's own jobs (`jobs.UNLISTED_KIND`) are left out.
"""

import datetime
import hashlib
import re
import uuid
from dataclasses import dataclass, field
from typing import Final, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.database import utcnow
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.base import Queue

JOBS: Final = cast(sa.Table, Job.__table__)
DAY_SECONDS: Final = 86_400.0
MOST_FAILURES: Final = 1_000
MESSAGE_CHARACTERS: Final = 300
_VARIES: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+(?:[.,]\d+)*")


@dataclass
class Failures:
    """Jobs that failed alike. `message` is that of the newest one; `ids` are the newest first."""

    kind: str
    error_type: str
    message: str
    first_at: datetime.datetime
    last_at: datetime.datetime
    pattern: str
    ids: list[uuid.UUID] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Names the group in an address."""
        text = "\0".join((self.kind, self.error_type, self.pattern))
        return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


@dataclass
class Setbacks:
    """Jobs that are tried again for the same reason. `message` is of the newest, the first of `ids`."""

    queue: str
    kind: str
    message: str
    last_at: datetime.datetime
    ids: list[uuid.UUID] = field(default_factory=list)


_NEWEST: Final = (
    sa.select(JOBS.c.id)
    .where(JOBS.c.state == sa.literal_column(f"'{State.FAILED}'", sa.String), JOBS.c.parent_id.is_(None))
    .order_by(JOBS.c.id.desc())
    .limit(MOST_FAILURES)
    .subquery()
)
_FAILED: Final = (
    sa.select(
        JOBS.c.id,
        JOBS.c.kind,
        sa.func.coalesce(JOBS.c.error_type, "Error").label("error_type"),
        sa.func.substr(JOBS.c.error_message, 1, MESSAGE_CHARACTERS).label("message"),
        JOBS.c.finished_at,
    )
    .join(_NEWEST, _NEWEST.c.id == JOBS.c.id)
    .where(JOBS.c.finished_at > utcnow(-DAY_SECONDS), JOBS.c.kind != jobs.UNLISTED_KIND)
    .order_by(JOBS.c.finished_at.desc())
)


def alike(session: Session) -> list[Failures]:
    """Of the `MOST_FAILURES` newest failed jobs, those that failed within a day: the most frequent first."""
    found: dict[tuple[str, str, str], Failures] = {}
    for job_id, kind, error_type, message, finished_at in session.execute(_FAILED):
        pattern = _pattern(message)
        one = found.setdefault(
            (kind, error_type, pattern),
            Failures(kind, error_type, message, finished_at, finished_at, pattern),
        )
        one.first_at = finished_at  # they come from the last to the first
        one.ids.append(job_id)
    return sorted(found.values(), key=lambda one: len(one.ids), reverse=True)


def tried_again(session: Session) -> list[Setbacks]:
    """Jobs whose last attempt came to nothing, by queue, kind and reason: the most frequent first."""
    found: dict[tuple[str, str, str], Setbacks] = {}
    for job_id, queue, kind, message, at in jobs.setbacks(session, [queue.value for queue in Queue]):
        if kind == jobs.UNLISTED_KIND:
            continue
        message = message[:MESSAGE_CHARACTERS]
        one = found.setdefault((queue, kind, _pattern(message)), Setbacks(queue, kind, message, at))
        one.ids.append(job_id)
    return sorted(found.values(), key=lambda one: len(one.ids), reverse=True)


def _pattern(message: str) -> str:
    """The message without what varies."""
    return _VARIES.sub("#", message)
