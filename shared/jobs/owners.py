"""Whose jobs wait in a queue: the owners who have most there, and how many of theirs run.

Up to `EXACT_COUNTS` queued jobs of a queue are counted by the reader; of more the sweeper keeps the numbers.
"""

from collections import Counter
from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, as_text, insert_into
from jobyard.shared.jobs.counts import EXACT_COUNTS
from jobyard.shared.jobs.states import State
from jobyard.shared.jobs.tables import JOBS

# Of each queue so many owners are kept and shown.
MOST_OWNERS: Final = 5


class OwnerCount(Base):
    """The number of queued jobs of an owner in a queue that has over `EXACT_COUNTS` of them."""

    __tablename__ = "owner_counts"

    queue: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    jobs: Mapped[int] = mapped_column(sa.BigInteger)


class Owned(NamedTuple):
    """So many jobs of a queue are an owner's."""

    queue: str
    owner: str
    jobs: int


def read_owners(session: Session, queues: list[str]) -> dict[str, list[Owned]]:
    """Of each queue the owners with most queued jobs, at most `MOST_OWNERS`, the first has most.

    Those of a queue with over `EXACT_COUNTS` are as the sweeper counted them last; none, if it has not yet.
    """
    statement = as_text(_limited(tuple(queues)), session.get_bind().dialect)
    found = _by_queue([Owned._make(row) for row in session.connection().execute(statement)])
    deep = [queue for queue, some in found.items() if sum(one.jobs for one in some) > EXACT_COUNTS]
    if deep:
        kept = sa.select(OwnerCount.queue, OwnerCount.owner, OwnerCount.jobs)
        found |= {queue: [] for queue in deep}
        for one in map(Owned._make, session.execute(kept.where(OwnerCount.queue.in_(deep)))):
            found[one.queue].append(one)
    return {queue: _most(some) for queue, some in found.items()}


def count_running_of_owners(session: Session) -> Counter[tuple[str, str]]:
    """How many jobs run, by queue and owner."""
    return Counter({(queue, owner): number for queue, owner, number in session.execute(_RUNNING)})


def count_owners(session: Session, queues: list[str]) -> list[Owned]:
    """Count what is too much to be counted by readers. Reads only; `keep_owners` writes it."""
    statement = as_text(_limited(tuple(queues)), session.get_bind().dialect)
    numbers = Counter[str]()
    for queue, _, number in session.connection().execute(statement):
        numbers[queue] += number
    deep = [queue for queue, number in numbers.items() if number > EXACT_COUNTS]
    return [one for queue in deep for one in _most(list(map(Owned._make, session.execute(_all_of(queue)))))]


def keep_owners(session: Session, found: list[Owned]) -> None:
    """Write what `count_owners` has returned."""
    for queue, some in sorted(_by_queue(found).items()):
        for one in sorted(some):
            new = insert_into(session.get_bind(), OwnerCount).values(**one._asdict())
            session.execute(
                new.on_conflict_do_update(index_elements=["queue", "owner"], set_={"jobs": new.excluded.jobs})
            )
        gone = OwnerCount.owner.not_in([one.owner for one in some])
        session.execute(sa.delete(OwnerCount).where(OwnerCount.queue == queue, gone))


def _most(some: list[Owned]) -> list[Owned]:
    return sorted(some, key=lambda one: (-one.jobs, one.owner))[:MOST_OWNERS]


def _by_queue(found: list[Owned]) -> dict[str, list[Owned]]:
    queues: dict[str, list[Owned]] = {}
    for one in found:
        queues.setdefault(one.queue, []).append(one)
    return queues


def _is(state: State) -> sa.ColumnElement[str]:
    # A parameter would not fit the condition of an index.
    return sa.literal_column(f"'{state}'", sa.String)


def _queued(queue: str) -> sa.Select[Any]:
    return sa.select(JOBS.c.queue, JOBS.c.created_by).where(
        JOBS.c.state == _is(State.QUEUED), JOBS.c.queue == queue
    )


@cache
def _limited(queues: tuple[str, ...]) -> sa.Select[Any]:
    # In the order of the index of the owners' turns, which has all that is read.
    order = (JOBS.c.created_by, JOBS.c.priority.desc(), JOBS.c.id)
    return _grouped([_queued(queue).order_by(*order).limit(EXACT_COUNTS + 1) for queue in queues])


def _all_of(queue: str) -> sa.Select[Any]:
    return _grouped([_queued(queue)])


def _grouped(parts: list[sa.Select[Any]]) -> sa.Select[Any]:
    all_of_them = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    columns = (all_of_them.c.queue, all_of_them.c.created_by)
    return sa.select(*columns, sa.func.count()).group_by(*columns)


_RUNNING: Final = (
    sa.select(JOBS.c.queue, JOBS.c.created_by, sa.func.count())
    .where(JOBS.c.state == _is(State.RUNNING))
    .group_by(JOBS.c.queue, JOBS.c.created_by)
)
