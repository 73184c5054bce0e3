"""With equal priority the owners of a queue take turns: who has fewest jobs running is the next."""

import uuid
from collections import Counter
from collections.abc import Sequence
from itertools import count

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs
from jobyard.shared.database import Database
from jobyard.shared.jobs import Claim, Front
from tests.factories import change_job, get_job, new_job, new_jobs
from tests.integration.shared.jobs.verbs import THREADS, next_claim
from tests.waiting import at_once

MANY = 10_000
WORKERS = count()


def claim(database: Database, front: Front | None = None, queue: str = "cpu") -> Claim:
    with database.write() as session:
        found = next_claim(session, queue, worker=f"w{next(WORKERS)}", front=front)
    assert found is not None
    return found


def finish(database: Database, claim: Claim) -> None:
    with database.write() as session:
        assert jobs.succeed(session, claim.id, claim.lease, {})


def owner(database: Database, claim: Claim) -> str | None:
    return get_job(database, claim.id).created_by


def owners(database: Database, claims: Sequence[Claim]) -> str:
    return " ".join(str(owner(database, claim)) for claim in claims)


@pytest.mark.parametrize("knows_the_last", [True, False])
def test_the_first_job_of_another_owner_is_next_however_many_wait(
    database: Database, knows_the_last: bool
) -> None:
    front = Front() if knows_the_last else None
    new_jobs(database, MANY, created_by="ann")
    assert owner(database, claim(database, front)) == "ann"
    late = new_job(database, created_by="bob")
    assert claim(database, front).id == late


def test_one_worker_serves_owners_one_after_the_other(database: Database) -> None:
    front = Front()
    for name, some in (("ann", 6), ("bob", 3), ("cid", 1)):
        new_jobs(database, some, created_by=name)
    served = []
    for _ in range(10):
        served.append(claim(database, front))
        finish(database, served[-1])
    assert owners(database, served) == "ann bob cid ann bob ann bob ann ann ann"


def test_who_has_fewest_running_is_next(database: Database) -> None:
    front = Front()
    new_jobs(database, 8, created_by="ann")
    first = [claim(database, front) for _ in range(3)]
    new_jobs(database, 8, created_by="bob")
    assert owners(database, [claim(database, front) for _ in range(4)]) == "bob bob bob ann"
    for one in first:
        finish(database, one)
    assert owners(database, [claim(database, front) for _ in range(2)]) == "ann ann"


def test_what_runs_in_another_queue_does_not_count(database: Database) -> None:
    new_jobs(database, 3, created_by="ann", queue="gpu")
    new_jobs(database, 2, created_by="ann")
    new_jobs(database, 2, created_by="bob")
    for _ in range(3):
        claim(database, queue="gpu")
    assert owner(database, claim(database)) == "ann"


def test_the_priority_comes_before_the_turn(database: Database) -> None:
    front = Front()
    new_jobs(database, 3, created_by="ann", priority=7)
    new_jobs(database, 2, created_by="bob", priority=5)
    assert owners(database, [claim(database, front) for _ in range(5)]) == "ann ann ann bob bob"


def test_an_owner_whose_jobs_are_not_ready_misses_the_turn(database: Database) -> None:
    later = new_job(database, created_by="bob")
    change_job(database, later, available_at=get_job(database, later).available_at.replace(year=2100))
    new_jobs(database, 2, created_by="ann")
    assert owners(database, [claim(database), claim(database)]) == "ann ann"


def test_jobs_of_one_owner_are_in_the_order_of_their_priorities_and_ages(database: Database) -> None:
    made = [(priority, new_job(database, created_by="ann", priority=priority)) for priority in (5, 7, 5, 7)]
    new_jobs(database, 4, created_by="bob", priority=7)
    front = Front()
    served = [claim(database, front) for _ in range(8)]
    mine = [one.id for one in served if owner(database, one) == "ann"]
    assert mine == [job_id for _, job_id in sorted(made, key=lambda one: (-one[0], one[1]))]


def test_sixteen_workers_claim_the_jobs_of_three_owners_each_once(database: Database) -> None:
    made = {job_id for name in "abc" for job_id in new_jobs(database, 40, created_by=name)}
    fronts = [Front() for _ in range(THREADS)]

    def all_of(number: int) -> list[uuid.UUID]:
        found = []
        while True:
            with database.write() as session:
                one = next_claim(session, worker=f"w{number}", front=fronts[number])
            if one is None:
                return found
            found.append(one.id)

    found = Counter(job_id for some in at_once(THREADS, all_of) for job_id in some)
    assert set(found) == made
    assert set(found.values()) == {1}


def test_with_statistics_of_a_time_when_all_waited_sqlite_reads_no_whole_table(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    for name in ("ann", "bob"):
        new_jobs(database, 1_000, created_by=name)
    with database.autocommit() as connection:
        connection.execute(sa.text("ANALYZE"))
    database.dispose()
    sent: list[tuple[str, object]] = []

    def note(_conn: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
        sent.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        claim(database, Front())
        claimed = [(statement, given) for statement, given in sent if "UPDATE jobs" in statement]
        with database.engine.connect() as connection:
            steps = [
                row[3]
                for statement, given in claimed
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", given)
            ]
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
        database.dispose()
    # The first statement finds that others wait, and the second whose turn it is.
    assert len(claimed) == 2
    assert any("ix_jobs_turns" in step for step in steps)
    assert [step for step in steps if step.startswith("SCAN jobs")] == []
