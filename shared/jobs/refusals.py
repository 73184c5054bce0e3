"""Which of many jobs a verb of their owner can move, and why the others stay as they are."""

import uuid
from collections.abc import Sequence
from typing import Any, Final, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs.states import TERMINAL, VERBS, State
from jobyard.shared.jobs.tables import Job

# The verbs that people use on many jobs.
Verb = Literal["cancel", "pause", "resume", "retry", "delete"]
# The reason where there is no such job.
NOT_FOUND: Final = "not found"

_ONLY: Final[dict[Verb, str]] = {
    "cancel": "only a job that has not ended can be cancelled",
    "pause": "only a queued, running or waiting job can be paused",
    "resume": "only a paused job can be resumed",
    "retry": "only a failed or cancelled job can be retried",
    "delete": "only a job that has ended can be deleted: cancel it first",
}
_STATES: Final = {move.verb: move.sources | move.stays for move in VERBS} | {"delete": TERMINAL}
_UNENDED: Final = [state for state in State if state not in TERMINAL]


class Refusal(NamedTuple):
    """Why a job was left as it is: in a word or two, by which many are counted, and in a sentence."""

    reason: str
    message: str


class Sorted(NamedTuple):
    """Which of some jobs a verb moves, in their order, and why not the others."""

    ids: list[uuid.UUID]
    refused: dict[uuid.UUID, Refusal]


def sort_out(
    session: Session,
    verb: Verb,
    job_ids: Sequence[uuid.UUID],
    *where: sa.ColumnElement[bool],
    lock: bool = True,
) -> Sorted:
    """Those of the jobs that the verb moves. With `lock`, all stay as they are until the commit.

    `where` is why they were chosen: a job for which that does not hold any more is left alone.
    """
    columns = (
        Job.id,
        Job.state,
        Job.parent_id,
        Job.child_window,
        Job.cancel_requested_at,
        Job.pause_requested_at,
        Job.keep,
    )
    query = sa.select(*columns).where(Job.id.in_(job_ids), *where)
    # In one order, and parents before their children.
    locked = query.order_by(Job.id).with_for_update(key_share=verb != "delete") if lock else query
    found = {row.id: row for row in session.execute(locked)}
    refused: dict[uuid.UUID, Refusal] = {}
    for job_id in job_ids:
        refusal = _refusal(verb, job_id, found.get(job_id), is_chosen=bool(where))
        if refusal is not None:
            refused[job_id] = refusal
    if verb == "delete":
        parents = [row.id for row in found.values() if row.child_window is not None and row.id not in refused]
        refused |= _with_parts_at_work(session, parents)
    return Sorted([job_id for job_id in dict.fromkeys(job_ids) if job_id not in refused], refused)


def _refusal(verb: Verb, job_id: uuid.UUID, job: Any, *, is_chosen: bool) -> Refusal | None:
    if job is None and is_chosen:
        return Refusal("changed", f"job {job_id} was changed or deleted meanwhile, and matches no more")
    if job is None:
        return Refusal(NOT_FOUND, f"there is no job {job_id}")
    if job.parent_id is not None:
        return Refusal("a part", f"job {job_id} is a part of job {job.parent_id}; {verb} that job instead")
    if job.state not in _STATES[verb]:
        return Refusal(job.state, f"job {job_id} is {job.state}; {_ONLY[verb]}")
    if verb == "delete" and job.keep:
        return Refusal("kept", f"job {job_id} is to be kept; set its `keep` to false first")
    if job.state != State.RUNNING:
        return None
    # What was requested already is not requested again, and what was not requested is not taken back.
    if verb == "resume" and job.pause_requested_at is None:
        return Refusal(job.state, f"job {job_id} is {job.state}; {_ONLY[verb]}")
    if verb == "cancel" and job.cancel_requested_at is not None:
        return Refusal("being cancelled", f"job {job_id} is being cancelled already")
    if verb == "pause" and job.pause_requested_at is not None:
        return Refusal("being paused", f"job {job_id} is being paused already")
    return None


def _with_parts_at_work(session: Session, parents: Sequence[uuid.UUID]) -> dict[uuid.UUID, Refusal]:
    """A parent is cancelled at once, and its running parts at their next step."""
    if not parents:
        return {}
    parts = sa.select(Job.parent_id, Job.id).where(Job.parent_id.in_(parents), Job.state.in_(_UNENDED))
    return {
        parent_id: Refusal(
            "a part is running",
            f"a part of job {parent_id} has not ended yet (job {part_id}); it stops at its next step",
        )
        for parent_id, part_id in session.execute(parts)
        if parent_id is not None
    }
