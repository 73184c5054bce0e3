"""Wake-up calls through a real Redis, which may be full, frozen or dead."""

import time
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from kombu.exceptions import OperationalError

from shared.broker import Broker, make_celery
from shared.config import Settings
from shared.jobs import Job

if TYPE_CHECKING:
    from conftest import RedisProcess

# Only to end a hang: what a send may cost is well under a second, and is printed by the benchmark.
DEADLINE_SECONDS = 5


@pytest.fixture
def broker(redis_server: "RedisProcess") -> Iterator[Broker]:
    made = Broker(Settings(broker_url=redis_server.url))
    yield made
    made.app.pool.force_close_all()


def job(priority: int = 5, queue: str = "cpu", kind: str = "sentiment") -> Job:
    return Job(id=uuid.uuid4(), kind=kind, queue=queue, priority=priority)


def received(broker: Broker, redis_server: "RedisProcess", count: int) -> list[dict[str, Any]]:
    """What a worker of the cpu queue is given, in order, one by one."""
    app = make_celery(Settings(broker_url=redis_server.url))
    found: list[dict[str, Any]] = []

    def take(body: object, message: Any) -> None:
        found.append({"body": body, **message.headers})
        message.ack()

    with app.connection_for_read() as connection, connection.channel() as channel:
        channel.basic_qos(0, 1, False)
        with app.amqp.TaskConsumer(channel, queues=[app.amqp.queues["cpu"]], callbacks=[take]):
            for _ in range(count):
                connection.drain_events(timeout=DEADLINE_SECONDS)
    return found


def test_a_message_has_the_kind_as_name_and_the_jobs_id_as_id_and_only_argument(
    broker: Broker, redis_server: "RedisProcess"
) -> None:
    sent = job()
    assert broker.send(sent) is True
    (message,) = received(broker, redis_server, 1)
    assert (message["task"], message["id"]) == ("sentiment", str(sent.id))
    args, kwargs, _ = message["body"]
    assert (args, kwargs) == ([str(sent.id)], {})


def test_a_worker_is_given_the_highest_priority_first_and_equal_ones_in_order(
    broker: Broker, redis_server: "RedisProcess"
) -> None:
    sent = [job(priority) for priority in (0, 5, 9, 5, 1, 9)]
    for each in sent:
        broker.send(each)
    order = sorted(sent, key=lambda each: -each.priority)  # stable: equal ones as they were sent
    assert [message["id"] for message in received(broker, redis_server, 6)] == [
        str(each.id) for each in order
    ]


def test_depths_count_each_queue_over_all_priorities(broker: Broker) -> None:
    assert broker.depths() == {"gpu": 0, "predict": 0, "cpu": 0}
    for priority in range(10):
        broker.send(job(priority))
    broker.send(job(9, "gpu", "train"))
    assert broker.depths() == {"gpu": 1, "predict": 0, "cpu": 10}


def timed_send(broker: Broker) -> tuple[bool, float]:
    start = time.monotonic()
    sent = broker.send(job())
    return sent, time.monotonic() - start


@pytest.mark.parametrize("before", ["connected", "never connected"])
def test_a_dead_broker_costs_a_bounded_time_and_is_used_again_when_it_is_back(
    broker: Broker, redis_server: "RedisProcess", before: str
) -> None:
    if before == "connected":
        assert broker.send(job())
    redis_server.kill()
    for _ in range(2):
        sent, seconds = timed_send(broker)
        assert not sent
        assert seconds < DEADLINE_SECONDS
    with pytest.raises(OperationalError):
        broker.depths()
    redis_server.restart()
    assert broker.send(job())
    assert broker.depths()["cpu"] == 1


@pytest.mark.parametrize("before", ["connected", "never connected"])
def test_a_frozen_broker_costs_a_bounded_time_and_is_used_again_when_it_thaws(
    broker: Broker, redis_server: "RedisProcess", before: str
) -> None:
    if before == "connected":
        assert broker.send(job())
    redis_server.freeze()
    for _ in range(2):
        sent, seconds = timed_send(broker)
        assert not sent
        assert seconds < DEADLINE_SECONDS
    start = time.monotonic()
    with pytest.raises(OperationalError):
        broker.depths()
    assert time.monotonic() - start < DEADLINE_SECONDS
    redis_server.thaw()
    last = job()
    assert broker.send(last)
    assert str(last.id) in {message["id"] for message in redis_server.messages("cpu")}


def test_a_full_broker_refuses_and_is_used_again_when_it_has_room(
    broker: Broker, redis_server: "RedisProcess"
) -> None:
    with redis_server.client() as client:
        client.config_set("maxmemory", "1")
        assert broker.send(job()) is False
        client.config_set("maxmemory", "0")
    assert broker.send(job()) is True


def test_a_connection_that_the_broker_closed_costs_no_message(
    broker: Broker, redis_server: "RedisProcess"
) -> None:
    assert broker.send(job())
    with redis_server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert broker.send(job()) is True
    assert broker.depths()["cpu"] == 2


def test_two_messages_for_one_job_are_no_error(broker: Broker) -> None:
    same = job()
    assert broker.send(same)
    assert broker.send(same)
    assert broker.depths()["cpu"] == 2
