"""A job's timeline as server-sent events."""

import time
import uuid
from collections.abc import Iterator
from typing import Final

from jobyard.shared import jobs
from jobyard.web import schemas
from jobyard.web.auth import is_still_valid
from jobyard.web.backend import Backend

STREAM_SECONDS: Final = 600
EVENTS_AT_ONCE: Final = 100


def stream(backend: Backend, job_id: uuid.UUID, after: int) -> Iterator[str]:
    """Events as they come, until the job, the token or the login ends, or for STREAM_SECONDS: an EventSource
    reconnects.
    """
    if not backend.waiters.acquire(blocking=False):
        yield "retry: 2000\n\n"
        return
    try:
        ends = time.monotonic() + STREAM_SECONDS
        while time.monotonic() < ends and is_still_valid():
            with backend.database.read() as session:
                terminal = jobs.read_version(session.connection(), job_id).terminal
                rows = jobs.events(session, job_id, after, EVENTS_AT_ONCE)
            for row in rows:
                after = row.id
                yield f"id: {row.id}\ndata: {schemas.Event.model_validate(row).model_dump_json()}\n\n"
            if len(rows) == EVENTS_AT_ONCE:
                continue
            if terminal:
                yield "event: end\ndata: {}\n\n"
                return
            if not rows:
                yield ": keep-alive\n\n"
            time.sleep(0.5)
    finally:
        backend.waiters.release()
