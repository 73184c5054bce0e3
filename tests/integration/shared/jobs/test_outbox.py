"""What webhooks are told of jobs is written if and only if the move is, and costs nothing where none is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from jobyard.shared import jobs, webhooks
from jobyard.shared.database import Database, utcnow
from jobyard.shared.jobs import Progress, State
from jobyard.shared.webhooks import Delivery
from tests.factories import LONG_AGO, change_job, claimed, new_job, new_jobs
from tests.webhooks import deliveries, new_webhook

ENDS = ["succeeded", "failed", "cancelled"]
Ending = Callable[[Database, Any], None]


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


def succeed(database: Database, job_id: Any) -> None:
    lease = claimed(database, job_id).lease
    with database.begin(single=True) as connection:
        assert jobs.succeed_alone(connection, job_id, lease, {"scores": []})


def fail(database: Database, job_id: Any) -> None:
    lease = claimed(database, job_id).lease
    with database.write() as session:
        assert jobs.fail(session, job_id, lease, error_type="Wrong", message="it is wrong: “é”\0")


def cancel(database: Database, job_id: Any) -> None:
    with database.write() as session:
        jobs.cancel(session, job_id)


def cancel_running(database: Database, job_id: Any) -> None:
    lease = claimed(database, job_id).lease
    cancel(database, job_id)
    assert not deliveries(database)
    with database.write() as session:
        assert jobs.finish_cancel(session, job_id, lease)


def release_cancelled(database: Database, job_id: Any) -> None:
    lease = claimed(database, job_id).lease
    cancel(database, job_id)
    with database.write() as session:
        assert jobs.release(session, job_id, lease)


def expire(database: Database, job_id: Any) -> None:
    change_job(database, job_id, deadline_at=LONG_AGO)
    with database.write() as session:
        assert jobs.expire(session)


def lose(database: Database, job_id: Any) -> None:
    claimed(database, job_id)
    change_job(database, job_id, lease_expires_at=LONG_AGO, max_attempts=1)
    with database.write() as session:
        assert jobs.rescue(session)


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (succeed, State.SUCCEEDED),
        (fail, State.FAILED),
        (expire, State.FAILED),
        (lose, State.FAILED),
        (cancel, State.CANCELLED),
        (cancel_running, State.CANCELLED),
        (release_cancelled, State.CANCELLED),
    ],
)
def test_each_way_to_end_is_told_once_and_whole(database: Database, end: Ending, state: State) -> None:
    webhook, other = new_webhook(database, events=ENDS), new_webhook(database, events=[state])
    new_webhook(database, events=[one for one in ENDS if one != state])
    new_webhook(database, events=ENDS, enabled=False)
    new_webhook(database, events=ENDS, kinds=["train", "predict"])
    of_its_kind = new_webhook(database, events=ENDS, kinds=["train", "sentiment"])
    labelled = new_webhook(database, events=ENDS, labels={"team": 'é\'s "x"'})
    new_webhook(database, events=ENDS, labels={"team": 'é\'s "x"', "stage": "trial"})
    new_webhook(database, events=ENDS, labels={"team": "birds"})
    job_id = new_job(database, name="Ann's", labels={"team": 'é\'s "x"', "a/b.c": ""})
    end(database, job_id)
    found = deliveries(database)
    assert {one.webhook_id for one in found} == {webhook, other, of_its_kind, labelled}
    assert len(found) == 4
    assert len({one.message_id for one in found}) == 1
    with database.read() as session:
        job = jobs.get(session, job_id)
    payload = found[0].payload
    assert payload["id"] == str(job_id)
    assert (payload["state"], payload["kind"], payload["queue"]) == (state, "sentiment", "cpu")
    assert payload["attempt"] == job.attempt
    assert (payload["name"], payload["labels"]) == (job.name, job.labels)
    assert job.finished_at is not None
    assert payload["finished_at"] == job.finished_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    error = {"type": job.error_type, "message": job.error_message} if job.error_message else None
    assert payload["error"] == error
    assert (found[0].job_id, found[0].event, found[0].status) == (job_id, state, "pending")


@pytest.mark.parametrize("end", [succeed, fail, cancel])
def test_a_job_that_ends_again_is_another_event(database: Database, end: Ending) -> None:
    new_webhook(database, events=ENDS)
    job_id = new_job(database)
    fail(database, job_id)
    with database.write() as session:
        jobs.retry(session, job_id, 1)
    end(database, job_id)
    first, second = deliveries(database)
    assert first.message_id != second.message_id
    assert (first.payload["name"], first.payload["labels"]) == (None, {})


@pytest.mark.parametrize("end", [fail, cancel])
def test_what_is_rolled_back_is_told_to_nobody(database: Database, end: Ending) -> None:
    new_webhook(database, events=ENDS)
    job_id = new_job(database)
    with database.write() as session:
        jobs.cancel(session, job_id)
        assert session.scalar(sa.select(sa.func.count()).select_from(Delivery)) == 1
        session.connection().get_transaction().rollback()  # type: ignore[union-attr]
    assert not deliveries(database)
    end(database, job_id)
    assert len(deliveries(database)) == 1


def test_a_lost_lease_tells_nobody(database: Database) -> None:
    new_webhook(database, events=ENDS)
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    change_job(database, job_id, lease_expires_at=LONG_AGO)
    with database.write() as session:
        jobs.rescue(session)
    with database.begin(single=True) as connection:
        assert not jobs.succeed_alone(connection, job_id, lease, {})
    assert not deliveries(database)


def test_of_a_family_the_parent_is_told_of_and_its_parts_are_not(database: Database) -> None:
    new_webhook(database, events=ENDS)
    job_id = new_job(database)
    lease = claimed(database, job_id).lease
    with database.write() as session:
        jobs.split(
            session, job_id, lease, [{}, {}], window=2, progress=Progress("scoring", 0, 2, "rows", None)
        )
    with database.write() as session:
        part = jobs.claim(session, "cpu", worker="w", lease_seconds=30)
        assert part is not None
        assert jobs.succeed(session, part.id, part.lease, {"done": 1})
    cancel(database, job_id)
    (told,) = deliveries(database)
    assert (told.job_id, told.event) == (job_id, "cancelled")


@pytest.mark.parametrize("end", [succeed, fail, cancel])
def test_without_a_webhook_no_statement_is_added(database: Database, end: Ending) -> None:
    job_id, other = new_jobs(database, 2)
    end(database, job_id)  # makes what is made once
    with statements(database) as seen:
        end(database, other)
    if database.is_postgresql:  # in the statement that writes the timeline, which it is no more of
        seen = [one for one in seen if not one.startswith("WITH moved")]
    assert not [one for one in seen if "INSERT INTO webhook_deliveries" in one]


def test_a_webhook_made_by_another_process_is_known_at_once(database: Database) -> None:
    succeed(database, new_job(database))
    another = Database(database.engine.url.render_as_string(hide_password=False))
    new_webhook(another, events=ENDS)
    another.dispose()
    succeed(database, new_job(database))
    assert len(deliveries(database)) == 1


# ---- long waits


def wait_long(database: Database, seconds: float = 60.0) -> bool:
    with database.write() as session:
        return jobs.tell_of_long_waits(session, ["cpu", "gpu", "predict"], seconds)


def test_a_job_that_waits_for_long_is_told_of_once(database: Database) -> None:
    webhook = new_webhook(database, events=["waiting_long"], created_at=LONG_AGO)
    new_webhook(database, events=ENDS, created_at=LONG_AGO)
    old, new, running = new_jobs(database, 3)
    train = new_job(database, kind="train")
    for one in (old, train):
        change_job(database, one, available_at=LONG_AGO)
    claimed(database, running)
    assert not wait_long(database)
    assert not wait_long(database)
    assert {(one.webhook_id, one.job_id) for one in deliveries(database)} == {
        (webhook, old),
        (webhook, train),
    }
    change_job(database, old, available_at=utcnow())  # it was queued again
    wait_long(database, 0)
    told = deliveries(database)
    assert [one.job_id for one in told][2:] == [new]
    assert told[2].payload["state"] == "queued"
    assert len({one.message_id for one in told}) == 3


def test_many_that_wait_are_told_of_batch_by_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobyard.shared.jobs import outbox

    monkeypatch.setattr(outbox, "WAITS_AT_ONCE", 2)
    new_webhook(database, events=["waiting_long"], created_at=LONG_AGO)
    ids = new_jobs(database, 7)
    for number, one in enumerate(ids):
        # The first three became available together.
        change_job(database, one, available_at=LONG_AGO.replace(month=2 + max(number - 2, 0)))
    assert wait_long(database)
    assert len(deliveries(database)) == 3
    while wait_long(database):
        pass
    assert sorted(one.job_id for one in deliveries(database)) == sorted(ids)  # type: ignore[type-var]


def test_a_webhook_is_not_told_of_waits_before_its_time(database: Database) -> None:
    old = new_job(database)
    change_job(database, old, available_at=LONG_AGO)
    new_webhook(database, events=["waiting_long"])
    wait_long(database)
    assert not deliveries(database)


def test_on_postgresql_no_memory_of_webhooks_loses_a_message(postgres_url: str) -> None:
    database = Database(postgres_url)
    first, *others = new_jobs(database, 4)
    succeed(database, first)
    webhook = new_webhook(database, events=ENDS)
    for job_id in others[:2]:  # the second as by one who knows
        succeed(database, job_id)
    assert [one.job_id for one in deliveries(database)] == others[:2]
    with database.write() as session:
        webhooks.delete(session, webhook)
    succeed(database, others[2])
    assert not deliveries(database)
    database.dispose()
