"""What its owner may change of a job without moving it: name, labels, note, whether it is kept, priority."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.orm import Session

from jobyard.shared.errors import BadInput, Conflict
from jobyard.shared.jobs.reads import get
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import Job
from jobyard.shared.jobs.terms import renew_terms
from jobyard.shared.jobs.transitions import change, note

MAX_LABELS: Final = 32
# In these a job keeps its place in the queue to come; later its priority would mean nothing.
_HAS_PRIORITY: Final = (State.QUEUED, State.PAUSED)
# Of a name or a label in the timeline.
_SHOWN_CHARACTERS: Final = 80


@dataclass(frozen=True)
class Edit:
    """What is to change. `values` has columns by name: name, note, keep, priority.

    `labels` are set, those that are None removed; with `forget_labels` all others are removed before that.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)
    forget_labels: bool = False


def edit(session: Session, job_id: uuid.UUID, asked: Edit) -> Job:
    """Change what the owner of a job may change, with a row in the timeline; its state stays.

    What is as it should be already is left alone, and then there is no row. Raises NotFound; Conflict if the
    job is a child, or if the priority of one should change that is neither queued nor paused; BadInput if it
    would have more than MAX_LABELS labels.
    """
    # Two edits at once, each of one label, keep both.
    job = session.get(Job, job_id, with_for_update=True, populate_existing=True)
    if job is None:
        job = get(session, job_id)
    if job.parent_id is not None:
        raise Conflict(f"job {job_id} is a part of job {job.parent_id}; change that job instead")
    labels = {} if asked.forget_labels else dict(job.labels or {})
    labels = {key: value for key, value in (labels | dict(asked.labels)).items() if value is not None}
    if len(labels) > MAX_LABELS:
        raise BadInput("labels", f"should be at most {MAX_LABELS}, but would be {len(labels)}")
    wanted = {**asked.values, "labels": labels or None}
    values = {name: value for name, value in wanted.items() if value != getattr(job, name)}
    if not values:
        return job
    where = [Job.id == job_id]
    if "priority" in values:
        where.append(Job.state.in_(_HAS_PRIORITY))
    words = [_told(name, job, values[name]) for name in values]
    changed = change(session, *where, **values)
    if changed is None:
        state = get(session, job_id).state
        raise Conflict(f"job {job_id} is {state}; only a queued or paused job has a priority to change")
    if not values.keys().isdisjoint(("name", "labels", "note")):
        renew_terms(session, changed)
    note(session, changed, message="; ".join(words))
    return changed


def _told(name: str, job: Job, value: Any) -> str:
    """One change, for the timeline."""
    match name:
        case "name":
            return "name removed" if value is None else f"named {_short(value)!r}"
        case "note":
            return "note removed" if value is None else "note changed"
        case "keep":
            return "to be kept" if value else "no longer to be kept"
        case "labels":
            return _told_of_labels(job.labels or {}, value or {})
        case _:
            return f"{name} changed from {getattr(job, name)} to {value}"


def _told_of_labels(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    set_ = [f"{key}={_short(value)}" for key, value in now.items() if before.get(key) != value]
    removed = [key for key in before if key not in now]
    told = [f"{what}: {', '.join(which)}" for what, which in (("set", set_), ("removed", removed)) if which]
    return f"labels {'; '.join(told)}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 1]}…"
