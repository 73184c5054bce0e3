"""How many jobs of a token are queued, for those that have a quota."""

from collections.abc import Sequence
from typing import Any, Final

import sqlalchemy as sa

from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS

_OWNER: Final = sa.bindparam("owner", type_=JOBS.c.created_by.type)
# In the order of the index of the owners' turns, and not `=`: SQLite would look through a whole queue.
_OF_QUEUE: Final[sa.Select[Any]] = (
    sa.select(sa.literal_column("1"))
    .where(
        JOBS.c.state == sa.literal_column(f"'{State.QUEUED}'", sa.String),
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
