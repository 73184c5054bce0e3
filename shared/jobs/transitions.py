"""The one way in which the row of a job changes: a guarded update, and its note in the timeline.

`UPDATE … WHERE id = … AND state IN (…) [AND lease = …]`. No row matched is an answer (None or False),
not an accident: another process was first. The guard and the new state come from the table of moves.
"""

import datetime
import time
import uuid
from collections.abc import Iterable, Sequence, Set
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import ACTOR, utcnow
from jobyard.shared.jobs import outbox, payloads
from jobyard.shared.jobs.progress import NO_PROGRESS
from jobyard.shared.jobs.states import VERBS, State
from jobyard.shared.jobs.tables import EVENTS, JOBS, Job, JobEvent

# What a timeline keeps of a text, so that it can be read as a whole: of a traceback the end.
MESSAGE_CHARACTERS: Final = 2_000
TRACEBACK_CHARACTERS: Final = 20_000

# Of a job that does not run.
NO_LEASE: Final[dict[str, Any]] = {"lease": None, "lease_expires_at": None, "stalled_since": None}

# Written into the statements: SQLAlchemy spends more time on a parameter than the database.
ONE: Final = sa.literal_column("1", sa.Integer)
NO_SECONDS: Final = sa.literal_column("0", sa.Integer)

# For so long a process expects webhooks after it has met one; each statement finds out whether there are any.
TELLS_SECONDS: Final = 10.0
_AS_IT_IS_NOW: Final = {"synchronize_session": False, "populate_existing": True}
_NOTE: Final = sa.insert(EVENTS).values(at=utcnow()).inline()


class Transition:
    """A move of the table as SQL: its guard, and what becomes of the state.

    The job's state becomes `target`, or that of the first condition of `unless` that holds. Raises ValueError
    if the table has no such move.
    """

    def __init__(
        self, verb: str, target: State, *, unless: Sequence[tuple[sa.ColumnElement[bool], State]] = ()
    ) -> None:
        move = next((move for move in VERBS if move.verb == verb), None)
        targets = {target, *(state for _, state in unless)}
        if move is None or targets != move.targets:
            leads = "no such verb" if move is None else f"it leads to {_names(move.targets)}"
            raise ValueError(f"{verb} should not lead to {_names(targets)}: in the table of moves {leads}")
        self.guard = _state_in(move.sources | move.stays)
        # Where the verb only records a request.
        self.stays = _state_in(move.stays) if move.stays else sa.false()
        cases: list[Any] = [(self.stays, JOBS.c.state)] if move.stays else []
        cases += [(condition, _literal(state)) for condition, state in unless]
        self.state = sa.case(*cases, else_=_literal(target)) if cases else _literal(target)
        self.may_end = outbox.may_tell(targets)


class PreparedTransition:
    """A transition that every job makes, and its row in the timeline, as statements that are built once.

    To build a statement of the ORM and to load its row costs several times what the database takes for it.
    """

    def __init__(
        self,
        transition: Transition,
        *where: sa.ColumnElement[bool],
        values: dict[str, Any],
        returning: Sequence[sa.ColumnElement[Any]] = (),
        otherwise: sa.Select[Any] | None = None,
    ) -> None:
        """`otherwise` selects a row where no job can match: then PostgreSQL answers one of NULLs."""
        statement = sa.update(JOBS).where(*where, transition.guard)
        statement = statement.values(state=transition.state, version=JOBS.c.version + ONE, **values)
        noted = (JOBS.c[name] for name in ("id", "state", "attempt", "worker"))
        shown = [*dict.fromkeys([*returning, *noted])]
        self._is_told = transition.may_end
        self._move = statement.returning(*shown, *([outbox.IS_TOLD] if self._is_told else []))
        self._move_and_note = _with_its_note(statement, shown, otherwise, is_told=self._is_told)
        # Without webhooks, so that the server need not prepare to write what it has to tell.
        somebody: sa.Select[Any] = sa.select(sa.literal_column("1")).where(outbox.ANYBODY)
        self._move_untold = _with_its_note(statement.where(~outbox.ANYBODY), shown, somebody, is_told=False)
        self._tells_until = 0.0

    def __call__(self, session: Session | sa.Connection, given: dict[str, Any]) -> sa.Row[Any] | None:
        """The row as it is now, or None if no row matched the guard: see `otherwise`, too."""
        connection = connection_of(session)
        if connection.dialect.name == "postgresql":
            if self._is_told and time.monotonic() > self._tells_until:
                row = connection.execute(self._move_untold, given).one_or_none()
                if row is None or row.id is not None:
                    return row
                # There are webhooks, and for a moment there will be.
                self._tells_until = time.monotonic() + TELLS_SECONDS
            return connection.execute(self._move_and_note, given).one_or_none()
        row = connection.execute(self._move, given).one_or_none()
        if row is not None:
            event = {"job_id": row.id, "state": row.state, "attempt": row.attempt, "worker": row.worker}
            connection.execute(_NOTE, event)
            if self._is_told and row.is_told:
                outbox.tell(connection, [row.id])
        return row


def _with_its_note(
    statement: sa.Update,
    shown: Sequence[sa.ColumnElement[Any]],
    otherwise: sa.Select[Any] | None,
    *,
    is_told: bool,
) -> Any:
    """The move, its row in the timeline and what webhooks are told of it, as one statement of PostgreSQL."""
    told_of = [JOBS.c[name] for name in payloads.READ] if is_told else []
    moved = statement.returning(*dict.fromkeys([*shown, *told_of])).cte("moved")
    event = sa.select(moved.c.id, utcnow(NO_SECONDS), moved.c.state, moved.c.attempt, moved.c.worker)
    note = sa.insert(EVENTS).from_select(["job_id", "at", "state", "attempt", "worker"], event)
    columns = moved.c[: len(shown)]
    answer: Any = sa.select(*columns)
    if otherwise is not None:
        nothing = (sa.cast(sa.null(), column.type).label(column.name) for column in columns)
        answer = answer.union_all(otherwise.with_only_columns(*nothing))
    answer = answer.add_cte(note.cte("noted"))
    return answer.add_cte(outbox.of_moved(moved).cte("told")) if is_told else answer


def connection_of(session: Session | sa.Connection) -> sa.Connection:
    """For statements in Core: to make a session for one takes as long as the statement does."""
    return session if isinstance(session, sa.Connection) else session.connection()


# What a job's owner may have asked for while it ran.
OWNER_ASKED: Final = (
    (JOBS.c.cancel_requested_at.is_not(None), State.CANCELLED),
    (JOBS.c.pause_requested_at.is_not(None), State.PAUSED),
)


def off_its_worker() -> dict[str, Any]:
    """The other values of a job that runs no more, but has not ended unless its owner asked for that."""
    cancelled, paused = Job.cancel_requested_at.is_not(None), Job.pause_requested_at.is_not(None)
    return {
        "finished_at": sa.case((cancelled, utcnow()), else_=sa.null()),
        "queued_at": utcnow(),
        "worker": None,
        **NO_LEASE,
        **NO_PROGRESS,
        # While it is paused, its owner sees how far it came.
        **{name: sa.case((paused, getattr(Job, name))) for name in NO_PROGRESS if name != "eta_seconds"},
    }


def held(job_id: uuid.UUID, lease: uuid.UUID | None) -> tuple[sa.ColumnElement[bool], ...]:
    """The condition that a job is still under this lease, which only running jobs have."""
    return Job.id == job_id, Job.lease == lease


def move(
    session: Session, transition: Transition, *where: sa.ColumnElement[bool], **values: Any
) -> Job | None:
    """Change the job's state: the job as it is now, or None if no row matched the guard."""
    guard = transition.guard, *where
    if not transition.may_end:
        return _update(session, *guard, state=transition.state, version=Job.version + 1, **values)
    statement = sa.update(Job).where(*guard)
    statement = statement.values(state=transition.state, version=Job.version + 1, **values)
    row = session.execute(
        statement.returning(Job, outbox.IS_TOLD), execution_options=_AS_IT_IS_NOW
    ).one_or_none()
    if row is None:
        return None
    job, is_told = row
    if is_told:
        outbox.tell(session.connection(), [job.id])
    return job


def move_many(
    session: Session,
    transition: Transition,
    *where: sa.ColumnElement[bool],
    message: str | None = None,
    **values: Any,
) -> int:
    """`move` for any number of jobs, each with its row in its timeline. Returns how many there were."""
    statement = sa.update(Job).where(transition.guard, *where)
    statement = statement.values(state=transition.state, version=Job.version + 1, **values)
    is_told = outbox.IS_TOLD if transition.may_end else sa.false().label("is_told")
    moved = session.execute(
        statement.returning(Job.id, Job.state, Job.attempt, Job.worker, is_told),
        execution_options={"synchronize_session": False},
    ).all()
    if moved:
        session.execute(
            sa.insert(JobEvent).values(at=utcnow()),
            [
                {
                    "job_id": row.id,
                    "state": row.state,
                    "attempt": row.attempt,
                    "worker": row.worker,
                    "message": message,
                    "actor": session.info.get(ACTOR),
                }
                for row in moved
            ],
        )
        outbox.tell(session.connection(), [row.id for row in moved if row.is_told])
    return len(moved)


def change(
    session: Session, *where: sa.ColumnElement[bool], visible: bool = True, **values: Any
) -> Job | None:
    """Change anything but the job's state; `visible` if readers see it. As `move` otherwise."""
    if "state" in values:
        raise ValueError("state: only a transition changes it")
    if visible:
        values["version"] = Job.version + 1
    return _update(session, *where, **values)


class HeldJob(NamedTuple):
    """What a worker reads of the job that it runs, at each heartbeat: a row may have a spec of megabytes."""

    id: uuid.UUID
    state: str
    attempt: int
    phase: str | None
    worker: str | None
    cancel_requested_at: datetime.datetime | None
    pause_requested_at: datetime.datetime | None


def change_held(
    session: Session, job_id: uuid.UUID, lease: uuid.UUID, *, visible: bool, **values: Any
) -> HeldJob | None:
    """`change` of a job under its lease. None if the lease is lost."""
    if visible:
        values["version"] = JOBS.c.version + 1
    statement = sa.update(JOBS).where(JOBS.c.id == job_id, JOBS.c.lease == lease).values(**values)
    statement = statement.returning(*(JOBS.c[name] for name in HeldJob._fields))
    row = session.connection().execute(statement).one_or_none()
    return None if row is None else HeldJob._make(row)


def _update(session: Session, *where: sa.ColumnElement[bool], **values: Any) -> Job | None:
    statement = sa.update(Job).where(*where).values(**values).returning(Job)
    return session.scalars(statement, execution_options=_AS_IT_IS_NOW).one_or_none()


def note(
    session: Session,
    job: Job | HeldJob,
    *,
    message: str | None = None,
    worker: str | None = None,
    traceback: str | None = None,
) -> None:
    """Leave a row in the job's timeline."""
    # At once and not when the session is flushed: the moves after it in this transaction come after it.
    session.connection().execute(
        _NOTE,
        {
            "job_id": job.id,
            "state": job.state,
            "attempt": job.attempt,
            "phase": job.phase,
            "message": None if message is None else shorten(message),
            "worker": worker or job.worker,
            "traceback": traceback if traceback is None else traceback[-TRACEBACK_CHARACTERS:],
            "actor": session.info.get(ACTOR),
        },
    )


def shorten(message: str) -> str:
    """A message of at most MESSAGE_CHARACTERS."""
    return message if len(message) <= MESSAGE_CHARACTERS else f"{message[: MESSAGE_CHARACTERS - 1]}…"


def _state_in(states: Set[State]) -> sa.ColumnElement[bool]:
    state, *more = map(_literal, sorted(states))
    return JOBS.c.state.in_([state, *more]) if more else JOBS.c.state == state


def _literal(state: State) -> sa.ColumnElement[str]:
    """Written into the statement: with a parameter that a partial index's condition may depend on, SQLite
    prepares the statement again each time.
    """
    return sa.literal_column(f"'{state}'", JOBS.c.state.type)


def _names(states: Iterable[State]) -> str:
    return " or ".join(sorted(states))
