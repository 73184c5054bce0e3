"""Jobs as JSON, just as `schemas.Job` says, but written without making one.

This is what clients ask for all the time. Spec and result, which may be long, go from the database to the
client as the JSON that they are.
"""

import zlib
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Final

from pydantic_core import to_json

from jobyard.shared import kinds
from jobyard.shared.jobs import FIELDS, TERMINAL, JobSnapshot, JobVersion, State, why_waiting
from jobyard.shared.kinds.titles import called
from jobyard.web import schemas
from jobyard.web.services import budgets


def of_job(job: JobSnapshot) -> bytes:
    """A `schemas.Job`."""
    members = dict(zip(_NAMES, _values(job)))  # noqa: B905 - they are of one length, and this is hot
    for name in _MOMENTS:
        if (moment := members[name]) is not None:
            members[name] = schemas.rfc3339(moment)
    for name, compute in COMPUTED.items():
        members[name] = compute(job)
    texts = zip(_texts(job), _EMPTY)  # noqa: B905 - as above
    return _OBJECT % (to_json(members)[:-1], *[(text or empty).encode() for text, empty in texts])


def etag_of(seen: JobVersion | JobSnapshot) -> str:
    """Changes with everything that a reader can see."""
    waits = ".w" if seen.has_workers is False else ""
    if seen.queue_pause is not None:
        waits += f".p{zlib.crc32(seen.queue_pause.encode()):x}"
    if seen.queue_limit is not None:
        waits += f".l{seen.queue_limit}"
    if seen.owner_quota is not None:
        waits += f".q{seen.owner_quota}"
    return f'"{seen.version}.{seen.position or 0}{waits}"'


def of_page(jobs: Iterable[JobSnapshot], more: str | None = None) -> bytes:
    """A `schemas.Page[schemas.Job]`."""
    return b'{"items":[%b],"next":%b}' % (b",".join(map(of_job, jobs)), to_json(more))


def of_some(
    jobs: Sequence[JobSnapshot],
    more: str | None,
    cursor_of: Callable[[JobSnapshot], str] = lambda job: str(job.id),
) -> bytes:
    """The same of as many as fit into a page; `more` is its cursor if all of them do."""
    shown, has_more = budgets.take(map(of_job, jobs), len)
    following = cursor_of(jobs[len(shown) - 1]) if has_more else more
    return b'{"items":[%b],"next":%b}' % (b",".join(shown), to_json(following))


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
    """Units per second, from which the time left was computed."""
    if not job.eta_seconds or job.progress_total is None or job.progress_done is None:
        return None
    return round((job.progress_total - job.progress_done) / job.eta_seconds, 1)


def _title(job: JobSnapshot) -> str:
    is_part = job.parent_id is not None
    return called(job.kind, job.spec, name=job.name, does=job.does, is_part=is_part, cuts=job.cuts)


def _links(job: JobSnapshot) -> dict[str, str]:
    page = f"/jobs/{job.id}"
    own = f"{schemas.API}{page}"
    links = {"self": own, "events": f"{own}/events", "files": f"{own}/files", "page": page}
    links |= {name.removesuffix(".png"): f"{own}/{name}" for name in kinds.links(job.kind, job.spec)}
    if job.child_window is not None:
        links["children"] = f"{schemas.API}/jobs?parent={job.id}"
    if job.parent_id is not None:  # its owner may change the parent only
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


# The members of `schemas.COMPUTED` that a snapshot does not have.
COMPUTED: Final[dict[str, Callable[[JobSnapshot], object]]] = {
    "title": _title,
    "error": _error,
    "progress": _progress,
    "waiting_for": lambda job: why_waiting(job.queue, job.created_by, job),
    "truncated": lambda job: list(job.truncated or ()),
    "links": _links,
}

# What is JSON in the database goes last, as the text that it is. All the rest, in the schema's order, is
# taken from a snapshot at once; what is computed is put in its place then.
_FIELDS: Final = {field.shown_name: field for field in FIELDS}
_JSON: Final = [name for name in schemas.Job.model_fields if name in _FIELDS and _FIELDS[name].is_json]
_EMPTY: Final = [_FIELDS[name].empty or "null" for name in _JSON]
_OBJECT: Final = b"%%b%b}" % b"".join(b',"%b":%%b' % name.encode() for name in _JSON)
_texts: Final = itemgetter(*map(JobSnapshot._fields.index, _JSON))
_NAMES: Final = [name for name in schemas.Job.model_fields if name not in _JSON]
_values: Final = itemgetter(*(0 if name in COMPUTED else JobSnapshot._fields.index(name) for name in _NAMES))
_MOMENTS: Final = [name for name in _NAMES if name in _FIELDS and _FIELDS[name].shows_moment]
