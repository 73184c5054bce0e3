"""Claiming a job: its worker gets a lease."""

import time
import uuid
from dataclasses import dataclass, fields
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.orm import Session

from jobyard.shared.database import utcnow
from jobyard.shared.engines import AUTOCOMMIT
from jobyard.shared.jobs.fronts import PRIORITIES, Front, parameter
from jobyard.shared.jobs.progress import NO_PROGRESS
from jobyard.shared.jobs.quotas import HAS_QUOTA, anybody_has_quota, owners_at_quota, quota_waits
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.jobs.transitions import NO_SECONDS, ONE, PreparedTransition, Transition, connection_of
from jobyard.shared.jobs.turns import LAST_OWNER, in_turn, others_wait
from jobyard.shared.queue_controls import QUEUES
from jobyard.shared.registrations import Worker


@dataclass(frozen=True)
class Claim:
    """A job under a new lease: what its worker needs of it."""

    id: uuid.UUID
    kind: str
    queue: str
    spec: dict[str, Any]
    attempt: int
    lease: uuid.UUID
    checkpoint_key: str | None
    parent_id: uuid.UUID | None = None
    # What it is called, as far as that is stored.
    name: str | None = None
    does: str | None = None
    # Not None: the job was split, its children have ended, and it is to sum up.
    child_window: int | None = None
    # What earlier attempts used.
    usage: dict[str, Any] | None = None
    # Its owner, if only so many jobs of that owner may run at once.
    limited_owner: str | None = None


_READ: Final = tuple(field.name for field in fields(Claim) if field.name in JOBS.c)
_workers: Final = cast(sa.Table, Worker.__table__)
_TO_RUNNING: Final = Transition("claim", State.RUNNING)
_VALUES: Final[dict[str, Any]] = {
    "attempt": JOBS.c.attempt + ONE,
    "started_at": sa.func.coalesce(JOBS.c.started_at, utcnow(NO_SECONDS)),
    "worker": sa.bindparam("by_worker"),
    "lease": sa.bindparam("new_lease"),
    "lease_expires_at": utcnow(sa.bindparam("lease_seconds", type_=sa.Float)),
    "deadline_at": sa.case(
        (
            JOBS.c.deadline_seconds.is_not(None),
            sa.func.coalesce(JOBS.c.deadline_at, utcnow(JOBS.c.deadline_seconds)),
        )
    ),
    **dict.fromkeys(NO_PROGRESS, sa.null()),
}


def _ready(*where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(JOBS.c.id).where(
        _TO_RUNNING.guard,
        JOBS.c.queue == sa.bindparam("from_queue"),
        JOBS.c.available_at <= utcnow(NO_SECONDS),
        *where,
    )


def _first_of(ready: sa.Select[Any]) -> sa.ScalarSelect[uuid.UUID]:
    return ready.limit(ONE).with_for_update(skip_locked=True).scalar_subquery()


def _first(*where: sa.ColumnElement[bool]) -> sa.ScalarSelect[uuid.UUID]:
    """The id of the first ready job by priority, then age."""
    return _first_of(_ready(*where).order_by(JOBS.c.priority.desc(), JOBS.c.id))


def _first_after(priority: int) -> sa.ScalarSelect[uuid.UUID]:
    """Of one priority: then the id is part of what PostgreSQL looks up in the index."""
    # As a literal, since each priority has its part of the statement.
    of_it = JOBS.c.priority == sa.literal_column(str(priority))
    return _first(of_it, JOBS.c.id > sa.bindparam(parameter(priority), type_=JOBS.c.id.type))


def _held_back(by_limit: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether the queue is paused or held back by its limit, or the worker is draining."""
    of_queue = sa.exists().where(
        QUEUES.c.name == sa.bindparam("from_queue"), sa.or_(QUEUES.c.paused_at.is_not(None), by_limit)
    )
    drains = sa.exists().where(
        _workers.c.name == sa.bindparam("by_name"), _workers.c.draining_since.is_not(None)
    )
    return sa.or_(of_queue, drains)


def _claim_of(
    job_id: sa.ColumnElement[uuid.UUID],
    *returning: sa.ColumnElement[Any],
    held_back: sa.ColumnElement[bool],
    otherwise: sa.Select[Any] | None = None,
) -> PreparedTransition:
    names = [*_READ, "priority", "created_by"]
    return PreparedTransition(
        _TO_RUNNING,
        # CASE looks for a job only where it may be claimed: a paused queue costs nothing, however long it is.
        JOBS.c.id == sa.case((held_back, sa.null()), else_=job_id),
        values=_VALUES,
        returning=[*(JOBS.c[name] for name in names), *returning],
        otherwise=otherwise,
    )


_ALL: Final = JOBS.alias()
_NEWEST: Final = sa.select(_ALL.c.id).order_by(_ALL.c.id.desc()).limit(1).scalar_subquery().label("newest")
_OUTDATED: Final = sa.func.pg_stat_get_dead_tuples(
    sa.literal_column(f"'{JOBS.name}'::regclass"), type_=sa.BigInteger
).label("outdated")

# Jobs of a queue that has a limit are counted under a lock, which takes another statement on PostgreSQL.
_HAS_LIMIT: Final = QUEUES.c.running_limit.is_not(None)
_LIMIT: Final = sa.select(QUEUES.c.running_limit).where(QUEUES.c.name == sa.bindparam("from_queue"))
# On SQLite, which has one writer at a time, all is one statement.
_QUOTA_WAITS: Final = quota_waits(sa.bindparam("from_queue", type_=JOBS.c.queue.type))
# PostgreSQL plans each claim, and only this costs it next to nothing.
_HAS_QUOTAS: Final = anybody_has_quota()
_IS_LIMITED: Final = sa.or_(_LIMIT.where(_HAS_LIMIT).exists(), _HAS_QUOTAS)
# Jobs of an owner may be in several queues, so claims of all queues take this lock, if there is any quota.
_QUOTAS_LOCK: Final = 7_204_311_905_218_447_133
# Others wait for these locks: a worker that hangs before it commits loses its connection after so long.
HANGING_CLAIM: Final = "10s"
_LOCK: Final[Any] = sa.select(
    _LIMIT.with_for_update().scalar_subquery().label("running_limit"),
    sa.case((_HAS_QUOTAS, sa.func.pg_advisory_xact_lock(sa.literal_column(str(_QUOTAS_LOCK))).is_(None))),
    _HAS_QUOTAS.label("has_quotas"),
    sa.func.set_config("idle_in_transaction_session_timeout", HANGING_CLAIM, sa.true()),
)
_AT_WORK: Final = JOBS.alias()
_RUNNING: Final = sa.select(sa.func.count()).where(
    _AT_WORK.c.state == sa.literal_column(f"'{State.RUNNING}'", sa.String),
    _AT_WORK.c.queue == sa.bindparam("from_queue"),
)
_WITHIN_LIMIT: Final = _held_back(QUEUES.c.running_limit <= _RUNNING.scalar_subquery())
_WITHOUT_LIMIT: Final = sa.or_(_held_back(_HAS_LIMIT), _HAS_QUOTAS)

# While only one owner waits, which is nearly always, nobody's turn has to be found out.
_OTHERS_WAIT: Final = others_wait()
# Another transaction may be taking the only job of the owner whose turn it is.
_IN_TURN: Final = sa.func.coalesce(_first_of(in_turn(_ready())), _first())
_IN_TURN_WITHIN_QUOTAS: Final = sa.func.coalesce(
    _first_of(in_turn(_ready(), within_quotas=True)), sa.case((~owners_at_quota().exists(), _first()))
)
_STILL_SHARED: Final = _OTHERS_WAIT.label("others_wait")

_CLAIM_ON_SQLITE: Final = _claim_of(_first(), held_back=sa.or_(_WITHIN_LIMIT, _OTHERS_WAIT, _QUOTA_WAITS))
_CLAIM_IN_TURN_ON_SQLITE: Final = _claim_of(
    _IN_TURN_WITHIN_QUOTAS, _STILL_SHARED, HAS_QUOTA, held_back=_WITHIN_LIMIT
)
_CLAIM_WITHIN_LIMIT: Final = _claim_of(_IN_TURN_WITHIN_QUOTAS, _OUTDATED, HAS_QUOTA, held_back=_WITHIN_LIMIT)
_CLAIM: Final = _claim_of(
    _first(),
    _OUTDATED,
    held_back=sa.or_(_WITHOUT_LIMIT, _OTHERS_WAIT),
    otherwise=sa.select(ONE).where(sa.or_(_IS_LIMITED, _OTHERS_WAIT)),
)
_CLAIM_IN_TURN: Final = _claim_of(
    _IN_TURN,
    _OUTDATED,
    _STILL_SHARED,
    held_back=_WITHOUT_LIMIT,
    otherwise=sa.select(ONE).where(_IS_LIMITED),
)
_CLAIM_AFTER: Final = _claim_of(
    # COALESCE looks at a priority only where those above it have no job.
    sa.func.coalesce(*map(_first_after, PRIORITIES)),
    _NEWEST,
    held_back=_WITHOUT_LIMIT,
    otherwise=sa.select(ONE).where(_IS_LIMITED),
)


def claim(
    session: Session | sa.Connection,
    queue: str,
    *,
    worker: str,
    lease_seconds: float,
    front: Front | None = None,
    whole: bool = True,
) -> Claim | None:
    """queued → running under a new lease: the first job by priority, then by its owner's turn, then by age.
    None if there is none.

    None, too, if the queue is paused or its limit is reached, or the worker is draining: `worker` is the name
    of one, or that and a slash and more. Owners who have as many jobs running as they may are passed over.

    Several workers may do this at once: on PostgreSQL each passes over the row that another is taking,
    on SQLite they come one after another. Not `whole`: look only after what `front` remembers, if anything.

    Of a queue with a limit, or while anybody has a quota, PostgreSQL needs a transaction. Without one nothing
    is claimed, and `front` says that it is limited.
    """
    front = Front() if front is None else front
    given = {
        "from_queue": queue,
        "by_worker": worker,
        "by_name": worker.rpartition("/")[0] or worker,
        "new_lease": uuid.uuid4(),
        "lease_seconds": lease_seconds,
        LAST_OWNER: front.owner,
    }
    connection = connection_of(session)
    if connection.dialect.name != "postgresql":
        return _claimed(_claim_on_sqlite(connection, given, front), front)
    if not front.is_limited:
        row = _claim_without_limit(connection, given, front, whole=whole)
        if row is None or row.id is not None:
            return _claimed(row, front)
        front.is_limited = True
    return _claimed(_claim_within_limit(connection, given, front), front)


def _claim_on_sqlite(connection: sa.Connection, given: dict[str, Any], front: Front) -> sa.Row[Any] | None:
    if not front.is_shared and (row := _CLAIM_ON_SQLITE(connection, given)) is not None:
        return row
    row = _CLAIM_IN_TURN_ON_SQLITE(connection, given)
    front.is_shared = row is not None and (row.others_wait or row.has_quota)
    return row


def _claim_without_limit(
    connection: sa.Connection, given: dict[str, Any], front: Front, *, whole: bool
) -> sa.Row[Any] | None:
    """The job; a row without an id if the queue has a limit, or anybody a quota."""
    began = time.monotonic()
    if front.is_slow and not whole:
        row = _CLAIM_AFTER(connection, given | front.after)
        front.looked_after(time.monotonic() - began, _if_found(row))
        return row
    row = None if front.is_shared else _CLAIM(connection, given)
    if front.is_shared or (row is not None and row.id is None):
        row = _CLAIM_IN_TURN(connection, given)
        front.is_shared = bool(row is not None and row.others_wait)
    front.looked_at_all(time.monotonic() - began, _if_found(row))
    return row


def _claim_within_limit(connection: sa.Connection, given: dict[str, Any], front: Front) -> sa.Row[Any] | None:
    """Claims of the queue, or of all, come one after another: what one has claimed, the next counts."""
    if connection.get_execution_options().get(AUTOCOMMIT):
        return None
    # Not in the claim's own statement, which sees what was committed before it waited.
    found = connection.execute(_LOCK, {"from_queue": given["from_queue"]}).one()
    front.is_limited = found.running_limit is not None or found.has_quotas
    return _CLAIM_WITHIN_LIMIT(connection, given)


def _if_found(row: sa.Row[Any] | None) -> sa.Row[Any] | None:
    return None if row is None or row.id is None else row


def _claimed(row: sa.Row[Any] | None, front: Front) -> Claim | None:
    if (found := _if_found(row)) is None:
        return None
    front.owner = found.created_by
    read = found._mapping
    limited_owner = found.created_by if read.get("has_quota") else None
    return Claim(**{name: read[name] for name in _READ}, limited_owner=limited_owner)
