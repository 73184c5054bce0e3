"""The rows of jobs and of their timelines."""

import datetime
import uuid
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from jobyard.shared.database import Base, Json, NullableJson, UtcDateTime
from jobyard.shared.jobs.fields import Shown, field, fields_of
from jobyard.shared.jobs.states import GLOSS, TERMINAL, State
from jobyard.shared.texts import OutsideText

AS_IT_IS, AS_A_FLAG, WITHIN_OTHERS = Shown.AS_IT_IS, Shown.AS_A_FLAG, Shown.WITHIN_OTHERS
_STATES: Final = " ".join(f"{state}: {gloss}" for state, gloss in GLOSS.items())


def _texts(states: "frozenset[State] | type[State]") -> str:
    return ", ".join(f"'{state}'" for state in sorted(states))


def _index_of_the_given(column: str, *more: str) -> sa.Index:
    """Without the rows that have nothing there: most jobs, at most of their moves."""
    return sa.Index(f"ix_jobs_{column}", column, *more, **_where(f"{column} IS NOT NULL"))


def _where(condition: str) -> dict[str, Any]:
    return {f"{dialect}_where": sa.text(condition) for dialect in ("sqlite", "postgresql")}


WAITING: Final = "state = 'queued' AND finished_at IS NULL"


# Whose a job is that no named token submitted.
ADMIN: Final = "admin"


class Job(Base):
    """One job: its spec, its state, and its result or error."""

    __tablename__ = "jobs"

    # In the order of the API's JSON. `given`: a request brings it; `shown`: readers see it.
    id: Mapped[uuid.UUID] = field(primary_key=True, shown=AS_IT_IS)
    kind: Mapped[str] = field(sa.String(32), given=True, shown=AS_IT_IS)
    state: Mapped[str] = field(sa.String(16), shown=AS_IT_IS, description=_STATES)
    phase: Mapped[str | None] = field(OutsideText(200), shown=AS_IT_IS)
    queue: Mapped[str] = field(sa.String(32), given=True, shown=AS_IT_IS)
    priority: Mapped[int] = field(given=True, shown=AS_IT_IS)
    # What people call it, sort it by, and remember of it.
    name: Mapped[str | None] = field(OutsideText(200), given=True, shown=AS_IT_IS)
    labels: Mapped[dict[str, str] | None] = field(
        NullableJson, given=True, shown=AS_IT_IS, empty="{}", description="Its labels: key → value"
    )
    note: Mapped[str | None] = field(OutsideText, given=True, shown=AS_IT_IS)
    keep: Mapped[bool] = field(
        given=True,
        shown=AS_IT_IS,
        default=False,
        server_default=sa.false(),
        description="Retention leaves it, and all that is its own",
    )
    # What it does, where a short spec alone doesn't say that: readers would need the names of its files, or
    # a long spec. Of all others it is computed when it is read.
    does: Mapped[str | None] = field(OutsideText(200), given=True, shown=WITHIN_OTHERS)
    spec: Mapped[dict[str, Any]] = field(Json, given=True, shown=AS_IT_IS)
    result: Mapped[dict[str, Any] | None] = field(NullableJson, shown=AS_IT_IS)
    error_type: Mapped[str | None] = field(OutsideText(200), shown=WITHIN_OTHERS)
    error_message: Mapped[str | None] = field(OutsideText, shown=WITHIN_OTHERS)
    progress_done: Mapped[int | None] = field(sa.BigInteger, shown=WITHIN_OTHERS)
    progress_total: Mapped[int | None] = field(sa.BigInteger, shown=WITHIN_OTHERS)
    progress_unit: Mapped[str | None] = field(OutsideText(32), shown=WITHIN_OTHERS)
    eta_seconds: Mapped[float | None] = field(shown=WITHIN_OTHERS)
    attempt: Mapped[int] = field(default=0, shown=AS_IT_IS)
    max_attempts: Mapped[int] = field(given=True, shown=AS_IT_IS)
    # Grows with every change that a reader can see: the ETag.
    version: Mapped[int] = field(default=1, shown=WITHIN_OTHERS)
    parent_id: Mapped[uuid.UUID | None] = field(sa.ForeignKey("jobs.id", ondelete="CASCADE"), shown=AS_IT_IS)
    # Of a parent: how many of its children may be queued or running at once. None: it has no children.
    child_window: Mapped[int | None] = field(shown=WITHIN_OTHERS)
    created_at: Mapped[datetime.datetime] = field(UtcDateTime, shown=AS_IT_IS)
    created_by: Mapped[str] = field(
        sa.String(64),
        given=True,
        shown=AS_IT_IS,
        default=ADMIN,
        server_default=ADMIN,
        description="Its owner: name of the token that submitted it, or its parent",
    )
    started_at: Mapped[datetime.datetime | None] = field(UtcDateTime, shown=AS_IT_IS)
    finished_at: Mapped[datetime.datetime | None] = field(UtcDateTime, shown=AS_IT_IS)
    cancel_requested_at: Mapped[datetime.datetime | None] = field(UtcDateTime, shown=AS_A_FLAG)
    pause_requested_at: Mapped[datetime.datetime | None] = field(UtcDateTime, shown=AS_A_FLAG)
    # Written by its worker when that begins and ends: each heartbeat would make a version of the row.
    stalled_since: Mapped[datetime.datetime | None] = field(
        UtcDateTime,
        shown=AS_IT_IS,
        description="Of a running job: since when it has made no progress, if that is longer than its kind "
        "may take between two steps",
    )
    # Written with the heartbeats of a job that runs for a while; NULL of a quick one.
    usage: Mapped[dict[str, Any] | None] = field(
        NullableJson, shown=AS_IT_IS, description="Null of a job that was over within seconds"
    )
    queued_at: Mapped[datetime.datetime] = field(UtcDateTime)
    available_at: Mapped[datetime.datetime] = field(UtcDateTime)
    # How long it may take from its first start, and when that is over; None: as long as it takes.
    deadline_seconds: Mapped[float | None] = field(given=True)
    deadline_at: Mapped[datetime.datetime | None] = field(UtcDateTime)
    # Of a client that may send a request twice, and the hash that identifies the request.
    idempotency_key: Mapped[str | None] = field(sa.String(255), unique=True, given=True)
    request_sha256: Mapped[str | None] = field(sa.String(64), given=True)
    # The storage's key of what a later attempt can continue from; of a child, what its parent can.
    checkpoint_key: Mapped[str | None] = field(sa.String(500))
    worker: Mapped[str | None] = field(sa.String(255))
    lease: Mapped[uuid.UUID | None] = field()
    lease_expires_at: Mapped[datetime.datetime | None] = field(UtcDateTime)

    __table_args__ = (
        sa.CheckConstraint(f"state IN ({_texts(State)})", name="state"),
        sa.CheckConstraint(
            f"(state IN ({_texts(TERMINAL)})) = (finished_at IS NOT NULL)", name="terminal_is_finished"
        ),
        sa.CheckConstraint("(state = 'running') = (lease IS NOT NULL)", name="running_has_lease"),
        sa.CheckConstraint("(lease IS NULL) = (lease_expires_at IS NULL)", name="lease_expires"),
        sa.CheckConstraint("(state = 'failed') = (error_message IS NOT NULL)", name="failed_says_why"),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
        sa.CheckConstraint("attempt >= 0 AND max_attempts >= 1", name="attempts"),
        sa.Index("ix_jobs_line", "state", "queue", sa.desc("priority"), "id"),
        # For the owners' turns.
        sa.Index(
            "ix_jobs_turns", "queue", "created_by", sa.desc("priority"), "id", **_where("state = 'queued'")
        ),
        # For lists, which leave out children.
        sa.Index("ix_jobs_listed", "state", "id", **_where("parent_id IS NULL")),
        # For the longest wait. The claim has no condition on `finished_at`: otherwise SQLite would prefer
        # this index to the line's, and sort all queued jobs. `lease_expires_at` has no index, because each
        # heartbeat would then write to every index of its row; only few jobs are running.
        sa.Index("ix_jobs_waiting", "queue", "available_at", **_where(WAITING)),
        _index_of_the_given("deadline_at"),
        _index_of_the_given("finished_at"),
        _index_of_the_given("checkpoint_key"),
        sa.Index("ix_jobs_kind_id", "kind", "id"),
        _index_of_the_given("parent_id", "state", "id"),
        sa.Index("ix_jobs_parents", "state", "id", **_where("child_window IS NOT NULL")),
    )

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL


class JobEvent(Base):
    """One row of a job's timeline: a move, a phase, or a request."""

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    job_id: Mapped[uuid.UUID] = mapped_column(sa.ForeignKey("jobs.id", ondelete="CASCADE"))
    at: Mapped[datetime.datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(sa.String(16))
    attempt: Mapped[int]
    phase: Mapped[str | None] = mapped_column(OutsideText(200))
    message: Mapped[str | None] = mapped_column(OutsideText)
    worker: Mapped[str | None] = mapped_column(sa.String(255))
    traceback: Mapped[str | None] = mapped_column(OutsideText)
    # The name of the token whose request it was. None: a worker or the sweeper.
    actor: Mapped[str | None] = mapped_column(sa.String(64))

    __table_args__ = (sa.Index("ix_job_events_job_id_id", "job_id", "id"),)


JOBS: Final = cast(sa.Table, Job.__table__)

EVENTS: Final = cast(sa.Table, JobEvent.__table__)

# Of a job.
FIELDS: Final = fields_of(Job)
