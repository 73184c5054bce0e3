"""How many jobs have not ended, by state, queue and kind: what a monitoring system reads.

Up to `EXACT_COUNTS` of a state and a queue are counted by the reader; of more the sweeper keeps the numbers,
the fewer the more often.
"""

from functools import cache
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from jobyard.shared.database import Base, as_text, insert_into
from jobyard.shared.jobs.counts import EXACT_COUNTS
from jobyard.shared.jobs.states import TERMINAL, State
from jobyard.shared.jobs.tables import JOBS

UNENDED: Final = tuple(state for state in State if state not in TERMINAL)


class JobTally(Base):
    """The number of jobs of a state, queue and kind, where that state and queue have over `EXACT_COUNTS`."""

    __tablename__ = "job_tallies"

    state: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    queue: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    jobs: Mapped[int] = mapped_column(sa.BigInteger)


class Tally(NamedTuple):
    """So many jobs of a queue and a kind are in a state."""

    state: str
    queue: str
    kind: str
    jobs: int


class _Place(NamedTuple):
    """Where jobs stand in the index of the queue order."""

    state: str
    queue: str


def read_tallies(session: Session, queues: list[str]) -> list[Tally]:
    """The jobs that have not ended. More than `EXACT_COUNTS` of a state and queue are as the sweeper counted
    them last, or at least that many.
    """
    found = _by_place(_exact(session, queues))
    deep = [place for place, some in found.items() if sum(one.jobs for one in some) > EXACT_COUNTS]
    if deep:
        kept = sa.select(JobTally.state, JobTally.queue, JobTally.kind, JobTally.jobs)
        for place, some in _by_place(map(Tally._make, session.execute(kept))).items():
            # They may be of an earlier time, when there were fewer.
            if place in deep and sum(one.jobs for one in some) > EXACT_COUNTS:
                found[place] = some
    return sorted(one for some in found.values() for one in some)


def count_tallies(session: Session, queues: list[str]) -> list[Tally]:
    """Count what is too much to be counted by readers. Reads only; `keep_tallies` writes it."""
    found = _by_place(_exact(session, queues))
    deep = [place for place, some in found.items() if sum(one.jobs for one in some) > EXACT_COUNTS]
    return [Tally._make(row) for place in deep for row in session.execute(_grouped([_of(place)]))]


def keep_tallies(session: Session, found: list[Tally]) -> None:
    """Write what `count_tallies` has returned."""
    for place, some in sorted(_by_place(found).items()):
        for one in sorted(some):
            new = insert_into(session.get_bind(), JobTally).values(**one._asdict())
            session.execute(
                new.on_conflict_do_update(
                    index_elements=["state", "queue", "kind"], set_={"jobs": new.excluded.jobs}
                )
            )
        theirs = (JobTally.state == place.state, JobTally.queue == place.queue)
        gone = JobTally.kind.not_in([one.kind for one in some])
        session.execute(sa.delete(JobTally).where(*theirs, gone))


def _exact(session: Session, queues: list[str]) -> list[Tally]:
    """Up to one more than `EXACT_COUNTS` of each state and queue, in one statement."""
    statement = as_text(_limited(tuple(queues)), session.get_bind().dialect)
    return [Tally._make(row) for row in session.connection().execute(statement)]


@cache
def _limited(queues: tuple[str, ...]) -> sa.Select[Any]:
    places = [_Place(state, queue) for state in UNENDED for queue in queues]
    return _grouped([_of(place).limit(EXACT_COUNTS + 1) for place in places])


def _of(place: _Place) -> sa.Select[Any]:
    columns = (JOBS.c.state, JOBS.c.queue, JOBS.c.kind)
    there = sa.select(*columns).where(JOBS.c.state == place.state, JOBS.c.queue == place.queue)
    # In the order of their index: without one, PostgreSQL may begin to read the whole table.
    return there.order_by(JOBS.c.priority.desc(), JOBS.c.id)


def _grouped(parts: list[sa.Select[Any]]) -> sa.Select[Any]:
    all_of_them = sa.union_all(*(sa.select(part.subquery()) for part in parts)).subquery()
    columns = (all_of_them.c.state, all_of_them.c.queue, all_of_them.c.kind)
    return sa.select(*columns, sa.func.count()).group_by(*columns)


def _by_place(found: Any) -> dict[_Place, list[Tally]]:
    places: dict[_Place, list[Tally]] = {}
    for one in found:
        places.setdefault(_Place(one.state, one.queue), []).append(one)
    return places
