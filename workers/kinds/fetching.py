"""Files that a job names by their addresses become uploads, once: what runs later reads the same bytes."""

import logging
import mimetypes
import time
import uuid
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy.orm import Session

from jobyard.shared import jobs, needs, storage
from jobyard.shared.addresses import Address, parse
from jobyard.shared.errors import LeaseLost, TooLarge, WorkError
from jobyard.shared.storage import Stored
from jobyard.workers.fetching import buckets, https
from jobyard.workers.fetching.stream import Incoming, Unreachable
from jobyard.workers.runtime.attempt import Attempt

log = logging.getLogger(__name__)

TRIES: Final = 3
PAUSE_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.1


def fetch(attempt: Attempt) -> None:
    """Fetch what isn't there yet of the files that the job names by their addresses.

    Raises WorkError that names the address without its query, and DiskFull.
    """
    with attempt.context.database.read() as session:
        wanted = needs.addresses_of(session, attempt.job_id)
        waiting = {name: parse(one.address) for name, one in wanted.items() if one.file_id is None}
    for name, address in waiting.items():
        attempt.progress.phase("fetching")
        try:
            stored, incoming = _patiently(attempt, address)
        except WorkError as error:
            raise WorkError(f"{address.shown}: {error.message}") from None
        _keep(attempt, name, address, stored, incoming)


def _patiently(attempt: Attempt, address: Address) -> tuple[Stored, Incoming]:
    """Raises WorkError, also where the host can't be reached again and again."""
    for number in range(1, TRIES + 1):
        try:
            return _fetched(attempt, address)
        except Unreachable as error:
            if number == TRIES:
                raise WorkError(f"{error.message}; tried {TRIES} times") from None
            log.info("job %s: %s: %s; trying again", attempt.job_id, address.shown, error.message)
            _rest(attempt, PAUSE_SECONDS * number)
    raise AssertionError


def _rest(attempt: Attempt, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        attempt.progress.check(waiting=True)
        time.sleep(POLL_SECONDS)


def _fetched(attempt: Attempt, address: Address) -> tuple[Stored, Incoming]:
    context = attempt.context
    limit = context.settings.max_upload_bytes
    too_large = f"should have at most {limit:,} bytes (JOBYARD_MAX_UPLOAD_BYTES)"
    with _opened(attempt, address) as incoming:
        if incoming.size is not None and incoming.size > limit:
            raise WorkError(f"{too_large}, but has {incoming.size:,}")
        context.disk.check(incoming.size or 0)
        try:
            stream: Any = context.disk.watched(incoming)  # type: ignore[arg-type] # read() is all it needs
            stored = context.storage.put("files", stream, limit, lease=attempt.claim.lease)
        except TooLarge:
            raise WorkError(too_large) from None
    attempt.stored.append(stored.key)
    if not stored.bytes:
        raise WorkError("the file is empty")
    return stored, incoming


def _opened(attempt: Attempt, address: Address) -> AbstractContextManager[Incoming]:
    rules = attempt.context.settings.source_rules
    if address.scheme == "s3":
        return buckets.opened(address, rules, attempt.progress)
    return https.opened(address, rules, attempt.progress)


def _keep(attempt: Attempt, name: str, address: Address, stored: Stored, incoming: Incoming) -> None:
    with attempt.context.database.write() as session:
        seconds = attempt.context.settings.lease_seconds
        lease = attempt.claim.lease
        if jobs.heartbeat(session, attempt.job_id, lease, lease_seconds=seconds, progress=None) is None:
            raise LeaseLost
        media_type = mimetypes.guess_type(address.name)[0] or "application/octet-stream"
        file = storage.add_file(session, stored, name=address.name, media_type=media_type)
        needs.keep_fetched(
            session,
            attempt.job_id,
            name,
            file.id,
            address=address.shown,
            etag=incoming.etag,
            last_modified=incoming.last_modified,
        )
    attempt.stored.remove(stored.key)


def provenance(session: Session, job_id: uuid.UUID) -> dict[str, Any]:
    """For the result of a job: {"fetched": where each file was fetched from, and what it was}, or nothing.

    A file is {"field", "address" without its query, "bytes", "sha256", "fetched_at", "etag" and
    "last_modified" as its host says}.
    """
    found = needs.addresses_of(session, job_id)
    if not found:
        return {}
    uploads = storage.get_files(session, [one.file_id for one in found.values() if one.file_id is not None])
    files = {file.id: file for file in uploads}
    return {
        "fetched": [
            {
                "field": name,
                "address": one.address,
                "bytes": files[one.file_id].bytes,
                "sha256": files[one.file_id].sha256,
                "fetched_at": files[one.file_id].created_at.isoformat(),
                "etag": one.etag,
                "last_modified": one.last_modified,
            }
            for name, one in sorted(found.items())
            if one.file_id is not None
        ]
    }
