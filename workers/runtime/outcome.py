"""How an attempt left its job, and what is written of it."""

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared import jobs
from jobyard.shared.errors import LeaseLost
from jobyard.shared.jobs import State
from jobyard.workers.runtime.attempt import Attempt, Made, Split
from jobyard.workers.runtime.heartbeat import Heartbeat


@dataclass(frozen=True)
class Outcome:
    """How an attempt left its job."""

    state: State
    error: str | None = None
    traceback: str | None = None


Alone = Callable[[sa.Connection], Outcome]


def finish(session: Session, attempt: Attempt, made: Made, heartbeat: Heartbeat) -> Outcome | None:
    """What the work has made, and that the job succeeded or was split. Raises LeaseLost."""
    claim = attempt.claim
    if isinstance(made, Split):
        return outcome_of(jobs.split(session, claim.id, claim.lease, **vars(made)))
    result = made(session) if callable(made) else dict(made or {})
    attempt.add_artifacts(session)
    heartbeat.write_rest(session)
    if not jobs.succeed(session, claim.id, claim.lease, result):
        raise LeaseLost  # which rolls back all of this
    return Outcome(State.SUCCEEDED)


def outcome_of(job: jobs.Job | None, trace: str | None = None) -> Outcome | None:
    """As the job has it now; None: another worker has the job."""
    return None if job is None else Outcome(State(job.state), job.error_message, trace)


def alone_of(attempt: Attempt, made: Made, heartbeat: Heartbeat) -> Alone | None:
    """`finish` where it writes nothing but the job and its timeline."""
    claim = attempt.claim
    if callable(made) or isinstance(made, Split) or claim.parent_id is not None:
        return None
    result = dict(made or {})
    if attempt.has_artifacts or heartbeat.has_rest or not jobs.is_listed_whole(result):
        return None

    def succeed(connection: sa.Connection) -> Outcome:
        if not jobs.succeed_alone(connection, claim.id, claim.lease, result):
            raise LeaseLost
        return Outcome(State.SUCCEEDED)

    return succeed
