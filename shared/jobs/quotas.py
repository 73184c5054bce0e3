"""How many jobs of a token may be queued, and how many may run at once, for those that have a quota.

The owner of a job is known by the name of its token. Of all tokens of a name at most one has a quota of
running jobs: the newest one, also after it was revoked, since its jobs are still there.
"""

from collections.abc import Sequence
from typing import Any, Final, cast

import sqlalchemy as sa

from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS
from jobyard.shared.tokens import Token

_TOKENS: Final = cast(sa.Table, Token.__table__)
# Written into the statements, as the conditions of indexes are.
_QUEUED: Final = sa.literal_column(f"'{State.QUEUED}'", sa.String)
_RUNNING: Final = sa.literal_column(f"'{State.RUNNING}'", sa.String)
_HAS_QUOTA: Final = _TOKENS.c.max_running.is_not(None)

_OWNER: Final = sa.bindparam("owner", type_=JOBS.c.created_by.type)
# In the order of the index of the owners' turns, and not `=`: SQLite would look through a whole queue.
_OF_QUEUE: Final[sa.Select[Any]] = (
    sa.select(sa.literal_column("1"))
    .where(
        JOBS.c.state == _QUEUED,
        JOBS.c.queue == sa.bindparam("of_queue", type_=JOBS.c.queue.type),
        JOBS.c.created_by >= _OWNER,
        JOBS.c.created_by <= _OWNER,
    )
    .order_by(JOBS.c.created_by, JOBS.c.priority.desc(), JOBS.c.id)
    .limit(sa.bindparam("most", type_=sa.Integer))
)
_COUNT: Final[Any] = sa.select(sa.func.count()).select_from(_OF_QUEUE.subquery())


def count_queued_of(connection: sa.Connection, owner: str, queues: Sequence[str], most: int) -> int:
    """The queued jobs of a token in these queues, parts of its jobs included, up to `most` in each.

    Its cost grows with `most`, and not with what others have queued.
    """
    given = {"owner": owner, "most": most}
    return sum(connection.scalar(_COUNT, given | {"of_queue": queue}) for queue in queues)


def queues_of(connection: sa.Connection, owner: str, queues: Sequence[str]) -> list[str]:
    """Those of the queues in which jobs of a token are queued."""
    return [queue for queue in queues if count_queued_of(connection, owner, [queue], 1)]


def anybody_has_quota() -> sa.ColumnElement[bool]:
    """Whether there is any quota of running jobs: of no more than a look into an index that is empty then."""
    return sa.exists().where(_HAS_QUOTA)


# Of a job that a statement changes: whether only so many jobs of its owner may run at once. As a text, since
# of columns in RETURNING SQLAlchemy leaves out the table for SQLite, and both have one called `created_by`.
HAS_QUOTA: Final[sa.ColumnElement[bool]] = sa.literal_column(
    "EXISTS (SELECT 1 FROM tokens WHERE tokens.max_running IS NOT NULL AND tokens.name = jobs.created_by)",
    sa.Boolean,
).label("has_quota")
# Of the same.
OWNER: Final[sa.ColumnElement[str]] = sa.literal_column("jobs.created_by", JOBS.c.created_by.type)


def quota_waits(queue: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    """Whether an owner with a quota has jobs in a queue: a look into an index for each that has one."""
    each = JOBS.alias()
    # The smallest, and not EXISTS: see `turns.others_wait`. Not `=`: see above.
    first = sa.select(sa.func.min(each.c.created_by)).where(
        each.c.state == _QUEUED,
        each.c.queue == queue,
        each.c.created_by >= _TOKENS.c.name,
        each.c.created_by <= _TOKENS.c.name,
    )
    return sa.exists().where(_HAS_QUOTA, first.correlate(_TOKENS).scalar_subquery().is_not(None))


def owners_at_quota() -> sa.Select[Any]:
    """The names of those who have as many jobs running, in all queues, as they may. Few jobs run."""
    # Counted for each, so that nothing is counted where nobody has a quota.
    at_quota = _TOKENS.c.max_running <= _running_of(_TOKENS.c.name)
    return sa.select(_TOKENS.c.name).where(_HAS_QUOTA, at_quota).correlate(None)


def room_of(owner: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """How many more jobs of an owner may run; NULL: it has no quota. Below 0 if more run than may."""
    room = sa.select(_TOKENS.c.max_running - _running_of(_TOKENS.c.name))
    return room.where(_HAS_QUOTA, _TOKENS.c.name == owner).correlate_except(_TOKENS).scalar_subquery()


def quota_reached(owner: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    """The quota of running jobs of an owner, if so many run; else NULL."""
    reached = sa.select(_TOKENS.c.max_running).where(
        _HAS_QUOTA, _TOKENS.c.name == owner, _TOKENS.c.max_running <= _running_of(owner)
    )
    return reached.correlate_except(_TOKENS).scalar_subquery()


def _running_of(owner: sa.ColumnElement[str]) -> sa.ScalarSelect[int]:
    at_work = JOBS.alias()
    # Not `=`: with statistics of a time when all jobs waited SQLite would read all of them.
    is_running = at_work.c.state.between(_RUNNING, _RUNNING)
    count = sa.select(sa.func.count()).where(is_running, at_work.c.created_by == owner)
    return count.correlate_except(at_work).scalar_subquery()
