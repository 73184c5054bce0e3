"""What operators do to queues and workers: once it is committed, workers that may start jobs are woken."""

from jobyard.shared import audit, jobs, queue_controls, registrations
from jobyard.web.auth import actor
from jobyard.web.backend import Backend


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


def _wake(backend: Backend, queue: str) -> None:
    with backend.database.read() as session:
        count = jobs.count_claimable(session, queue, 0.0)
    if count:
        backend.broker.wake(queue, count)
