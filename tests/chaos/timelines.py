"""What a job's timeline must look like: one lease at a time, one end, and every wish of its owner kept.

Every function takes what it judges and returns what is wrong with it. The moves are written down here
a second time on purpose, and not taken from `shared.jobs`.
"""

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.jobs import Job, JobEvent
from tests.chaos.findings import TERMINAL, VERBS, Violation, Wish

MOVES = {
    None: {"queued", "waiting"},
    "queued": {"running", "cancelled", "paused", "waiting"},
    "running": TERMINAL | {"queued", "waiting", "paused"},
    "waiting": {"queued", "cancelled", "paused", "failed"},
    "paused": {"queued", "cancelled", "waiting"},
    "succeeded": set(),
    "failed": {"queued"},
    "cancelled": {"queued"},
}


@dataclass(frozen=True)
class Interval:
    """One worker held a job's lease from `start` to `end`."""

    worker: str | None
    start: datetime
    end: datetime

    def covers(self, at: datetime) -> bool:
        return self.start <= at <= self.end


def of_jobs(session: Session, ids: Sequence[uuid.UUID] | None = None) -> dict[uuid.UUID, list[JobEvent]]:
    """All timelines, or some."""
    query = sa.select(JobEvent).order_by(JobEvent.job_id, JobEvent.id)
    if ids is not None:
        query = query.where(JobEvent.job_id.in_(ids))
    return {key: list(rows) for key, rows in groupby(session.scalars(query), key=lambda one: one.job_id)}


def check_timelines(session: Session, wishes: Sequence[Wish]) -> Iterator[Violation]:
    """Each job's, and that each wish which was granted left its trace, and no other did."""
    events = of_jobs(session)
    asked = Counter((wish.job_id, wish.verb, wish.granted) for wish in wishes)
    for job in session.scalars(sa.select(Job).order_by(Job.id)):
        mine = events.get(job.id, [])
        yield from check_leases(job, mine)
        yield from check_history(job, mine)
        if job.parent_id is None:  # what is asked of a parent reaches its children in other words
            yield from check_wishes(job, mine)
            for verb, message in VERBS.items():
                found = sum(event.message == message for event in mine)
                sure = asked[job.id, verb, True]
                most = sure + asked[job.id, verb, None]
                if found < sure:
                    what = f"of {sure} granted requests to {verb} its timeline knows {found}"
                    yield Violation("lost", named(job), what)
                if found > most:
                    what = f"was asked {most} times to {verb}, its timeline tells of {found}"
                    yield Violation("doubled", named(job), what)


def check_leases(job: Job, events: Sequence[JobEvent]) -> Iterator[Violation]:
    """No two workers held a lease at once, the job did not end twice, and its timeline ends as it did."""
    state: str | None = None
    holder: JobEvent | None = None
    before: datetime | None = None
    for event in events:
        if before is not None and event.at < before:
            yield Violation("doubled", named(job), f"event {event.id} is older than the one before it")
        before = event.at
        if event.state == "running" and state == "running":
            assert holder is not None
            if _is_claim(event) or event.worker != holder.worker or event.attempt != holder.attempt:
                yield Violation(
                    "doubled",
                    named(job),
                    f"runs on {event.worker} (attempt {event.attempt}) while {holder.worker} "
                    f"(attempt {holder.attempt}) holds it",
                )
        elif event.state == state and state in TERMINAL:
            yield Violation("doubled", named(job), f"is {state} twice")
        elif event.state != state and event.state not in MOVES[state]:
            column = "doubled" if state in TERMINAL else "damaged"
            yield Violation(column, named(job), f"goes from {state} to {event.state}")
        if event.state == "running" and (holder is None or state != "running"):
            holder = event
        state = event.state
    if state != job.state:
        yield Violation("damaged", named(job), f"is {job.state}, but its timeline ends with {state}")


def check_history(job: Job, events: Sequence[JobEvent]) -> Iterator[Violation]:
    """The timeline is whole: it begins with the submit, and each claim is one attempt more."""
    # Only a child may begin with waiting for its turn.
    begins = {"queued"} if job.parent_id is None else {"queued", "waiting"}
    first = events[0] if events else None
    if first and (first.message is not None or first.attempt != 0 or first.state not in begins):
        yield Violation("damaged", named(job), "the beginning of its timeline is missing")
    for before, event in pairwise(events):
        claimed = event.state == "running" and before.state != "running"
        if claimed and event.attempt != before.attempt + 1:
            yield Violation(
                "damaged", named(job), f"is claimed as attempt {event.attempt} after attempt {before.attempt}"
            )


def check_wishes(job: Job, events: Sequence[JobEvent]) -> Iterator[Violation]:
    """It pauses, goes on, ends and runs again when its owner wants that, and then it does.

    As each end but the last is left by a retry alone, a job ends once, and once more for each retry.
    """
    state: str | None = None
    to_cancel = to_pause = False
    for event in events:
        match event.message:
            case "cancel requested":
                to_cancel = True
            case "pause requested":
                to_pause = True
            case "resume requested":
                to_pause = False
            case "retry requested":
                to_cancel = to_pause = False
        if event.state != state:
            for unasked, what in (
                (event.state == "paused" and not to_pause, "is paused, but nobody asked for it"),
                (event.state == "cancelled" and not to_cancel, "is cancelled, but nobody asked for it"),
                (
                    state == "paused"
                    and event.state in ("queued", "waiting")
                    and event.message != VERBS["resume"],
                    "leaves its pause, but nobody resumed it",
                ),
                (
                    state in TERMINAL and event.state == "queued" and event.message != VERBS["retry"],
                    "runs again, but nobody retried it",
                ),
                (
                    to_cancel and event.state not in TERMINAL,
                    f"goes on to {event.state}, but was to be cancelled",
                ),
                (
                    to_pause and state == "running" and event.state == "queued",
                    "goes back to its queue, but was to pause",
                ),
            ):
                if unasked:
                    yield Violation("spoiled", named(job), what)
        state = event.state


def intervals(events: Sequence[JobEvent]) -> list[Interval]:
    """When the job's leases were held, from its timeline."""
    found: list[Interval] = []
    start: JobEvent | None = None
    for event in events:
        if event.state == "running":
            start = start or event
        elif start is not None:
            found.append(Interval(start.worker, start.at, event.at))
            start = None
    if start is not None:
        found.append(Interval(start.worker, start.at, datetime.max.replace(tzinfo=start.at.tzinfo)))
    return found


def cancelled_after(events: Sequence[JobEvent], at: float) -> float | None:
    """Seconds from a request at `at` until the running job was cancelled; None if that is not what it was."""
    since = datetime.fromtimestamp(at, events[0].at.tzinfo) if events else None
    asked = False
    for event in events:
        if since is None or event.at < since:
            continue
        if asked and event.state != "running":
            return (event.at - since).total_seconds() if event.state == "cancelled" else None
        asked = asked or (event.state == "running" and event.message == VERBS["cancel"])
        if not asked and event.message in VERBS.values():
            return None
    return None


def phase_at(events: Sequence[JobEvent], at: float) -> str | None:
    """What a running job last said it was doing."""
    since = datetime.fromtimestamp(at, events[0].at.tzinfo) if events else None
    phase = None
    for event in events:
        if since is not None and event.at <= since:
            phase = event.phase if event.state == "running" else None
    return phase


def named(job: Job) -> str:
    return f"job {job.id} ({job.kind})"


def _is_claim(event: JobEvent) -> bool:
    """A claim clears the phase; other notes of a running job have a phase or a message."""
    return event.phase is None and event.message is None
