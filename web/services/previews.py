"""What a file of texts would be read as, before it is uploaded: a short job that looks at its head, and is
deleted with what was sent for it once its result is known.
"""

import json
import uuid
from contextlib import suppress
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs, retention
from jobyard.shared.errors import Busy, Conflict
from jobyard.shared.jobs import Job, State
from jobyard.shared.kinds.preview import Preview, PreviewSpec, Reading
from jobyard.shared.kinds.submission import Submission
from jobyard.shared.needs import JobInput
from jobyard.shared.storage import Reason
from jobyard.shared.tokens import Identity
from jobyard.web.backend import Backend
from jobyard.web.services.long_polling import until_it_ends
from jobyard.web.services.submission import submit

WAIT_SECONDS: Final = 20.0
# Of a preview that was begun.
DEADLINE_SECONDS: Final = 60.0
PRIORITY: Final = 9

# From which jobs it is known how fast files are scored: the newest, those of them that read a file, and of so
# many rows that their start does not count.
LATELY, RATED, MANY_ROWS = 500, 20, 1_000


def ask(
    backend: Backend,
    file_id: uuid.UUID,
    size: int,
    head_bytes: int | None,
    reading: Reading,
    *,
    submitter: Identity,
) -> uuid.UUID:
    """Submit the preview of an upload, of a file of `size` bytes: `answer_of` waits for it and deletes it.

    `head_bytes`: the upload was made for the preview alone, and goes with it. Raises what `submit` raises.
    """
    spec = PreviewSpec(
        file=file_id,
        bytes=size,
        head_bytes=head_bytes,
        reading=reading,
        deadline_seconds=DEADLINE_SECONDS,
    )
    asked = Submission(kind=Preview.name, spec=spec, priority=PRIORITY)
    return submit(backend, asked, None, submitter=submitter)[0].id


def answer_of(backend: Backend, job_id: uuid.UUID, size: int) -> dict[str, Any]:
    """`workers.sentiment.preview.preview`, with "bytes", "row_estimate" and "seconds_estimate".

    Raises Busy where no worker has had time for it, and where too many requests wait for one.
    """
    try:
        ended = until_it_ends(backend, job_id, WAIT_SECONDS, or_busy=True)
    finally:
        was_running = _forget(backend, job_id)
    if ended is None and was_running:
        raise Busy(
            f"a worker has begun to look at the file and has not ended within {WAIT_SECONDS:g} seconds"
        )
    if ended is None or ended.state == State.CANCELLED:
        raise Busy("no worker of the queue cpu has time to look at the file, or none is running")
    found = _failed(ended.error_message) if ended.result is None else json.loads(ended.result)
    rows = _row_estimate(found, size)
    with backend.database.read() as session:
        rate = _rows_per_second(session) if rows is not None else None
    seconds = None if rows is None or rate is None else rows / rate
    return {**found, "bytes": size, "row_estimate": rows, "seconds_estimate": seconds}


def _forget(backend: Backend, job_id: uuid.UUID) -> bool:
    """Whether it was running: one that does so for longer than it was waited for is left to the sweeper."""
    with backend.database.write() as session:
        version = jobs.read_version(session.connection(), job_id)
        if not version.terminal:
            with suppress(Conflict):  # it has ended at this moment
                jobs.cancel(session, job_id)
        keys = retention.delete_previews(session, [job_id])
    backend.storage.remove(keys, Reason.UNUSED)
    return version.state == State.RUNNING


def _failed(why: str | None) -> dict[str, Any]:
    """Of a job that failed: nothing is known of the file, and nothing against it."""
    return {"warnings": [why or "the file can't be looked at"]}


def _row_estimate(found: dict[str, Any], size: int) -> int | None:
    """How many rows the whole file has. None where that can't be told from its head."""
    rows, read = found.get("row_count"), found.get("read_bytes")
    if rows is None or found.get("is_whole"):
        return rows
    is_plain = not {"compression", "archive", "encoding", "sheet"} & found.get("read_as", {}).keys()
    return round(rows * size / read) if read and is_plain else None


def _rows_per_second(session: Session) -> float | None:
    """How fast files were scored lately, from start to end: the median. None if none was."""
    newest = (
        sa.select(Job.id)
        .where(Job.kind == "sentiment")
        .order_by(Job.id.desc())
        .limit(LATELY)
        .scalar_subquery()
    )
    is_of_a_file = sa.exists().where(JobInput.job_id == Job.id)
    rows = Job.result["rows"].as_integer()
    query = (
        sa.select(rows, Job.started_at, Job.finished_at)
        .where(Job.id.in_(newest), Job.state == State.SUCCEEDED, Job.parent_id.is_(None), is_of_a_file)
        .order_by(Job.id.desc())
        .limit(RATED)
    )
    rates = sorted(
        count / max((finished - started).total_seconds(), 0.001)
        for count, started, finished in session.execute(query)
        if count is not None and count >= MANY_ROWS and started is not None and finished is not None
    )
    return rates[len(rates) // 2] if rates else None
