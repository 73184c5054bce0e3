"""What operators do to queues and workers: once it is committed, workers that may start jobs are woken."""

from typing import NamedTuple

from jobyard.shared import audit, failures, jobs, queue_controls, registrations
from jobyard.shared.errors import BadInput, Conflict, NotFound, QuotaReached
from jobyard.web.auth import actor, current_identity
from jobyard.web.backend import Backend
from jobyard.web.services.retries import retry


def pause_queue(backend: Backend, name: str, reason: str | None) -> None:
    """Raises NotFound."""
    with backend.database.write() as session:
        queue_controls.pause(session, name, by=actor(), reason=reason)
        audit.note(session, actor(), "queue.pause", name, {"reason": reason})


def resume_queue(backend: Backend, name: str) -> None:
    """Raises NotFound."""
    with backend.database.write() as session:
        queue_controls.resume(session, name)
        audit.note(session, actor(), "queue.resume", name)
    _wake(backend, name)


def limit_queue(backend: Backend, name: str, limit: int | None) -> None:
    """Raises NotFound."""
    with backend.database.write() as session:
        queue_controls.set_limit(session, name, limit)
        audit.note(session, actor(), "queue.limit", name, {"limit": limit})
    _wake(backend, name)


def drain_worker(backend: Backend, name: str) -> None:
    """Raises NotFound."""
    with backend.database.write() as session:
        registrations.drain(session, name, actor())
        audit.note(session, actor(), "worker.drain", name)


def undrain_worker(backend: Backend, name: str) -> None:
    """Raises NotFound."""
    with backend.database.write() as session:
        queue = registrations.undrain(session, name).queue
        audit.note(session, actor(), "worker.undrain", name)
    _wake(backend, queue)


class Retried(NamedTuple):
    """How many jobs were retried, and how many not: what they name was deleted, or a quota reached."""

    retried: int
    refused: int


def retry_alike(backend: Backend, key: str) -> Retried:
    """Retry the jobs that failed alike, each in its own transaction. Raises NotFound if there are none."""
    with backend.database.read() as session:
        ids = next((one.ids for one in failures.alike(session) if one.key == key), [])
    if not ids:
        raise NotFound(f"no job has failed within a day in the way {key[:50]!r}")
    retried = refused = 0
    for job_id in reversed(ids):
        try:
            retry(backend, job_id, current_identity())
        except (Conflict, NotFound):
            continue  # somebody else has moved or deleted it
        except (BadInput, QuotaReached):
            refused += 1
        else:
            retried += 1
    return Retried(retried, refused)


def _wake(backend: Backend, queue: str) -> None:
    with backend.database.read() as session:
        count = jobs.count_claimable(session, queue, 0.0)
    if count:
        backend.broker.wake(queue, count)
