"""Jobs as JSON, just as `schemas.Job` says, but written without making one.

This is what clients ask for all the time. Spec and result, which may be long, go from the database to the
client as the JSON that they are.
"""

import datetime
from collections.abc import Iterable

from pydantic_core import to_json

from jobyard.shared import kinds
from jobyard.shared.jobs import TERMINAL, JobSnapshot, JobVersion, State, why_waiting
from jobyard.web import schemas


def of_job(job: JobSnapshot) -> bytes:
    """A `schemas.Job`."""
    rest = to_json(
        {
            "id": str(job.id),
            "kind": job.kind,
            "state": job.state,
            "phase": job.phase,
            "queue": job.queue,
            "priority": job.priority,
            "error": _error(job),
            "progress": _progress(job),
            "attempt": job.attempt,
            "max_attempts": job.max_attempts,
            "position": job.position,
            "waiting_for": why_waiting(job.queue, job.has_workers),
            "parent_id": job.parent_id,
            "created_at": _moment(job.created_at),
            "started_at": _moment(job.started_at),
            "finished_at": _moment(job.finished_at),
            "cancel_requested": job.cancel_requested,
            "pause_requested": job.pause_requested,
            "links": _links(job),
        }
    )
    return b'%b,"spec":%b,"result":%b}' % (rest[:-1], job.spec.encode(), (job.result or "null").encode())


def etag_of(seen: JobVersion | JobSnapshot) -> str:
    """Changes with everything that a reader can see."""
    return f'"{seen.version}.{seen.position or 0}{".w" if seen.has_workers is False else ""}"'


def of_page(jobs: Iterable[JobSnapshot], more: str | None = None) -> bytes:
    """A `schemas.Page[schemas.Job]`."""
    return b'{"items":[%b],"next":%b}' % (b",".join(map(of_job, jobs)), to_json(more))


def _error(job: JobSnapshot) -> dict[str, str] | None:
    if job.error_message is None:
        return None
    return {"type": job.error_type or "Error", "message": job.error_message}


def _progress(job: JobSnapshot) -> dict[str, object] | None:
    if job.progress_done is None:
        return None
    return {
        "done": job.progress_done,
        "total": job.progress_total,
        "unit": job.progress_unit,
        "eta_seconds": job.eta_seconds,
        "per_second": _per_second(job),
    }


def _per_second(job: JobSnapshot) -> float | None:
    """As the time left was reckoned."""
    if not job.eta_seconds or job.progress_total is None or job.progress_done is None:
        return None
    return round((job.progress_total - job.progress_done) / job.eta_seconds, 1)


def _moment(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else schemas.rfc3339(moment)


def _links(job: JobSnapshot) -> dict[str, str]:
    own = f"{schemas.API}/jobs/{job.id}"
    links = {"self": own, "events": f"{own}/events", "files": f"{own}/files", "page": f"/jobs/{job.id}"}
    if (kind := kinds.by_name().get(job.kind)) is not None:
        links |= {name.removesuffix(".png"): f"{own}/{name}" for name in kind.links(job.spec)}
    if job.child_window is not None:
        links["children"] = f"{schemas.API}/jobs?parent={job.id}"
    if job.parent_id is not None:  # what its owner may do is done to the whole
        return links | {"parent": f"{schemas.API}/jobs/{job.parent_id}"}
    if job.state in (State.QUEUED, State.RUNNING, State.WAITING):
        links["pause"] = f"{own}/pause"
    if job.state == State.PAUSED:
        links["resume"] = f"{own}/resume"
    if job.state not in TERMINAL:
        links["cancel"] = f"{own}/cancel"
    elif job.state != State.SUCCEEDED:
        links["retry"] = f"{own}/retry"
    return links
