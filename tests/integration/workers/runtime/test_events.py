"""What Flower is told: jobs as Celery's tasks, through a real Redis and Celery's own receiver."""

import dataclasses
import threading
import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from celery.events.state import State as Seen

from jobyard.shared.broker import SEND_SECONDS, Broker, make_celery
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.jobs import Claim, Job, State
from jobyard.workers.runtime import events as module
from jobyard.workers.runtime.events import Events
from jobyard.workers.runtime.outcome import Outcome
from jobyard.workers.runtime.sweeper import Sweeper
from tests.factories import LONG_AGO, change_job, claimed, get_job, new_job, storage_of
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.conftest import RedisProcess

HOSTNAME = "cpu@here"
# Only to end a hang.
DEADLINE_SECONDS = 60
SUCCEEDED = Outcome(State.SUCCEEDED)


@pytest.fixture
def events(broker: Broker) -> Events:
    return Events(broker.app, HOSTNAME)


class Listener:
    """Flower, as far as it listens: what has come since it was made."""

    def __init__(self, redis_server: "RedisProcess") -> None:
        app = make_celery(Settings(broker_url=redis_server.url))
        self.seen: Seen = app.events.State()
        self._connection = app.connection_for_read()
        self._receiver = app.events.Receiver(self._connection, handlers={"*": self.seen.event})
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()
        with redis_server.client() as client:
            wait_for(client.pubsub_numpat)

    def _listen(self) -> None:
        for _ in self._receiver.consume(limit=None, wakeup=False):
            pass

    def task(self, claim: Claim | Job, state: str) -> Any:
        """The task that is this job, once it is seen in this state."""

        def is_there() -> bool:
            task = self.seen.tasks.get(str(claim.id))
            return task is not None and task.state == state

        wait_for(is_there)
        return self.seen.tasks[str(claim.id)]

    def close(self) -> None:
        self._receiver.should_stop = True
        self._thread.join()
        self._connection.release()


@pytest.fixture
def listener(redis_server: "RedisProcess") -> Iterator[Listener]:
    made = Listener(redis_server)
    yield made
    made.close()


def a_claim(kind: str = "sentiment") -> Claim:
    return Claim(uuid.uuid4(), kind, "cpu", {"texts": ["one"]}, 1, uuid.uuid4(), None)


def published(redis_server: "RedisProcess") -> int:
    """Messages to whoever listens to events."""
    with redis_server.client() as client:
        return int(client.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"])


@pytest.mark.parametrize("kind", ["sentiment", "train"])
def test_a_job_is_a_task_with_its_kind_as_name_and_its_id(
    events: Events, listener: Listener, kind: str
) -> None:
    claim = dataclasses.replace(a_claim(kind), name="Cats at night")
    events.started(claim)
    task = listener.task(claim, "STARTED")
    assert (task.name, task.uuid, task.worker.hostname) == (kind, str(claim.id), HOSTNAME)
    assert (task.args, task.kwargs) == (str(claim.id), "Cats at night")
    events.ended(claim, SUCCEEDED)
    task = listener.task(claim, "SUCCESS")
    assert (task.name, task.result, task.worker.hostname) == (kind, "succeeded", HOSTNAME)
    assert 0 <= task.runtime < DEADLINE_SECONDS
    assert task.received <= task.started <= task.succeeded


def test_a_failed_job_says_why(events: Events, listener: Listener) -> None:
    claim = a_claim()
    events.started(claim)
    events.ended(claim, Outcome(State.FAILED, "no column 'text'", "Traceback (most recent call last): …"))
    task = listener.task(claim, "FAILURE")
    assert (task.name, task.exception, task.worker.hostname) == ("sentiment", "no column 'text'", HOSTNAME)
    assert task.traceback.startswith("Traceback")


def test_a_cancelled_job_is_revoked(events: Events, listener: Listener) -> None:
    claim = a_claim()
    events.started(claim)
    events.ended(claim, Outcome(State.CANCELLED))
    listener.task(claim, "REVOKED")


@pytest.mark.parametrize("state", [State.QUEUED, State.PAUSED, State.WAITING])
def test_a_job_that_is_to_run_again_is_retried_and_its_next_attempt_is_seen(
    events: Events, listener: Listener, state: State
) -> None:
    claim = a_claim()
    events.started(claim)
    events.ended(claim, Outcome(state))
    assert listener.task(claim, "RETRY").exception == state.value
    events.started(claim)
    listener.task(claim, "STARTED")
    events.ended(claim, SUCCEEDED)
    assert listener.task(claim, "SUCCESS").exception is None


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_a_job_that_had_ended_and_was_retried_by_its_owner_runs_again(
    events: Events, listener: Listener, state: State
) -> None:
    claim = a_claim()
    events.started(claim)
    events.ended(claim, Outcome(state, "why", "Traceback …"))
    listener.task(claim, "FAILURE" if state is State.FAILED else "REVOKED")
    again = dataclasses.replace(claim, attempt=2)
    events.started(again)
    assert listener.task(again, "STARTED").retries == 1
    events.ended(again, SUCCEEDED)
    task = listener.task(again, "SUCCESS")
    assert (task.exception, task.traceback) == (None, None)


def test_a_worker_that_has_lost_its_job_says_nothing_of_its_end(events: Events, listener: Listener) -> None:
    claim, other = a_claim(), a_claim()
    events.started(claim)
    events.ended(claim, None)
    events.started(other)
    listener.task(other, "STARTED")
    listener.task(claim, "STARTED")


def test_what_the_sweeper_does_with_jobs_of_lost_workers_is_seen_at_their_workers(
    database: Database, broker: Broker, listener: Listener
) -> None:
    again, given_up, late = (new_job(database, max_attempts=number) for number in (2, 1, 2))
    for job_id in (again, given_up, late):
        claimed(database, job_id, worker="cpu@there/123")
    for job_id in (again, given_up):
        change_job(database, job_id, lease_expires_at=LONG_AGO)
    change_job(database, late, deadline_at=LONG_AGO, deadline_seconds=1)
    # It has never run: no worker is shown with it.
    change_job(database, new_job(database), deadline_at=LONG_AGO, deadline_seconds=1)
    Sweeper(database, broker, storage_of(database), lease_seconds=0, retention_days=0).sweep()
    for job_id, state, why in (
        (again, "RETRY", "worker cpu@there/123 was lost (attempt 1 of 2)"),
        (given_up, "FAILURE", "worker cpu@there/123 was lost (attempt 1 of 1)"),
        (late, "FAILURE", "not finished within 1 seconds of its first start, its deadline"),
    ):
        task = listener.task(get_job(database, job_id), state)
        assert (task.name, task.exception, task.worker.hostname) == ("sentiment", why, "cpu@there")
    assert len(listener.seen.tasks) == 3


def test_many_events_are_one_message(
    redis_server: "RedisProcess", events: Events, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", DEADLINE_SECONDS)  # the thread leaves it to this test
    claims = [a_claim() for _ in range(100)]
    for claim in claims:
        events.started(claim)
        events.ended(claim, SUCCEEDED)
    events.send()
    assert published(redis_server) == 1
    for claim in claims:
        assert listener.task(claim, "SUCCESS").name == "sentiment"


def test_to_send_nothing_is_no_message(redis_server: "RedisProcess", events: Events) -> None:
    events.send()
    assert published(redis_server) == 0


def test_nobody_has_to_listen(redis_server: "RedisProcess", events: Events) -> None:
    events.started(a_claim())
    events.send()
    with redis_server.client() as client:
        assert [key for key in client.keys("*") if client.type(key) == b"list"] == []


@pytest.mark.parametrize("how", ["kill", "freeze"])
@pytest.mark.parametrize("before", ["connected", "never connected"])
def test_a_broker_that_is_away_costs_the_work_nothing_and_later_events_are_seen(
    redis_server: "RedisProcess",
    how: str,
    before: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    # As in service, before the app is made: the fixture `redis_server` has made senders patient.
    monkeypatch.setattr("jobyard.shared.broker.SEND_SECONDS", SEND_SECONDS)
    events: Events = request.getfixturevalue("events")
    publish, asked = events._publish, list[threading.Thread]()

    def publishing(sent: list[dict[str, Any]]) -> None:
        try:
            publish(sent)
        finally:
            if sent:
                asked.append(threading.current_thread())

    monkeypatch.setattr(events, "_publish", publishing)
    if before == "connected":
        events.started(a_claim())
        events.send()
        asked.clear()
    {"kill": redis_server.kill, "freeze": redis_server.freeze}[how]()
    for _ in range(100):
        claim = a_claim()
        events.started(claim)
        events.ended(claim, SUCCEEDED)
    assert threading.current_thread() not in asked, "nobody waits for the broker"
    start = time.monotonic()
    events.send()  # what a process does before it ends
    assert time.monotonic() - start < DEADLINE_SECONDS
    asked.clear()
    events.started(a_claim())
    wait_for(lambda: asked)  # the thread has tried, too
    {"kill": redis_server.restart, "freeze": redis_server.thaw}[how]()
    listener = Listener(redis_server)
    try:
        claim = a_claim()
        events.started(claim)
        assert listener.task(claim, "STARTED").name == "sentiment"
    finally:
        listener.close()


def test_a_broker_that_closed_its_connections_costs_no_event(
    redis_server: "RedisProcess", events: Events, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", DEADLINE_SECONDS)
    first = a_claim()
    events.started(first)
    events.send()
    listener.task(first, "STARTED")
    with redis_server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)  # who listens is of another type
    claim = a_claim()
    events.started(claim)
    events.send()
    assert listener.task(claim, "STARTED").name == "sentiment"


def test_what_waits_for_a_broker_is_bounded_and_the_oldest_goes(
    events: Events, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", DEADLINE_SECONDS)
    claims = [a_claim() for _ in range(module.MAX_WAITING)]
    for claim in claims:
        events.started(claim)  # two events each
    events.send()
    listener.task(claims[-1], "STARTED")
    assert str(claims[0].id) not in listener.seen.tasks
    assert len(listener.seen.tasks) == module.MAX_WAITING / 2


def test_its_thread_does_not_keep_a_process_from_ending(events: Events) -> None:
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "events")
    assert any(thread.name == "events" for thread in threading.enumerate())
