"""Wake-up calls through a real Redis, which may be full, frozen or dead."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from kombu.exceptions import OperationalError

from jobyard.shared.broker import AWAY_SECONDS, MAX_MESSAGES, SEND_SECONDS, Broker, make_celery
from jobyard.shared.config import Settings
from tests.waiting import wait_for

if TYPE_CHECKING:
    from tests.conftest import RedisProcess

# Only to end a hang: what a wake-up call may cost is well under a second, and is printed by the benchmark.
DEADLINE_SECONDS = 60


def received(redis_server: "RedisProcess", count: int, queue: str = "cpu") -> list[dict[str, Any]]:
    """What a worker of the queue is given, one by one."""
    app = make_celery(Settings(broker_url=redis_server.url))
    found: list[dict[str, Any]] = []

    def take(body: object, message: Any) -> None:
        found.append({"body": body, **message.headers})
        message.ack()

    with app.connection_for_read() as connection, connection.channel() as channel:
        channel.basic_qos(0, 1, False)
        with app.amqp.TaskConsumer(channel, queues=[app.amqp.queues[queue]], callbacks=[take]):
            for _ in range(count):
                connection.drain_events(timeout=DEADLINE_SECONDS)
    return found


def waiting(redis_server: "RedisProcess", queue: str = "cpu") -> int:
    return len(redis_server.messages(queue))


def reads(redis_server: "RedisProcess") -> int:
    """How often Redis has read from its clients."""
    with redis_server.client() as client:
        return int(client.info("stats")["total_reads_processed"])


# ---- messages


@pytest.mark.parametrize("queue", ["cpu", "gpu", "predict"])
def test_a_message_says_only_which_queue_to_look_into(
    broker: Broker, redis_server: "RedisProcess", queue: str
) -> None:
    """Also where no worker has ever listened: nobody has declared the queue before."""
    assert broker.wake(queue) is True
    assert broker.depths() == {"gpu": 0, "predict": 0, "cpu": 0, queue: 1}
    (message,) = received(redis_server, 1, queue)
    assert message["task"] == "wake_up"
    args, kwargs, _ = message["body"]
    assert (args, kwargs) == ([queue], {})
    assert waiting(redis_server, queue) == 0


def test_a_queue_is_one_list_of_redis(broker: Broker, redis_server: "RedisProcess") -> None:
    for count in range(1, 4):
        broker.wake("cpu", count)
    with redis_server.client() as client:
        lists = [key for key in client.keys("*") if client.type(key) == b"list"]
    assert lists == [b"cpu"]


@pytest.mark.parametrize(("jobs", "messages"), [(1, 1), (3, 3), (32, 32), (33, 32), (10_000, 32)])
def test_so_many_are_woken_as_there_are_jobs_and_never_more_than_enough(
    broker: Broker, redis_server: "RedisProcess", jobs: int, messages: int
) -> None:
    assert MAX_MESSAGES == 32
    assert broker.wake("cpu", jobs) is True
    assert waiting(redis_server) == messages
    assert len(received(redis_server, messages)) == messages


def test_nothing_is_sent_where_enough_messages_wait_and_again_once_they_are_taken(
    broker: Broker, redis_server: "RedisProcess"
) -> None:
    broker.wake("cpu", MAX_MESSAGES - 2)
    assert broker.wake("cpu", 10) is True
    assert waiting(redis_server) == MAX_MESSAGES
    for _ in range(5):
        assert broker.wake("cpu") is True
    assert waiting(redis_server) == MAX_MESSAGES
    assert broker.wake("gpu", 3) is True
    assert waiting(redis_server, "gpu") == 3, "each queue has its own"
    received(redis_server, 2)
    broker.wake("cpu", 10)
    assert waiting(redis_server) == MAX_MESSAGES


def test_a_queue_with_more_than_enough_messages_is_left_alone(
    broker: Broker, redis_server: "RedisProcess"
) -> None:
    """Several may ask how many wait before the first of them sends."""
    broker.wake("cpu", MAX_MESSAGES)
    with redis_server.client() as client:
        client.rpush("cpu", *client.lrange("cpu", 0, 9))
    assert broker.wake("cpu", 5) is True
    assert waiting(redis_server) == MAX_MESSAGES + 10


def test_many_messages_are_sent_in_one_round_trip(broker: Broker, redis_server: "RedisProcess") -> None:
    broker.wake("cpu")  # connects and declares

    def cost(jobs: int) -> int:
        before = reads(redis_server)
        broker.wake("cpu", jobs)
        return reads(redis_server) - before

    few, many = cost(2), cost(MAX_MESSAGES)
    # A pipeline of some kilobytes may be read in pieces.
    assert many <= few + 6
    assert waiting(redis_server) == MAX_MESSAGES


def test_depths_count_the_messages_of_each_queue(broker: Broker) -> None:
    assert broker.depths() == {"gpu": 0, "predict": 0, "cpu": 0}
    broker.wake("cpu", 10)
    broker.wake("gpu")
    assert broker.depths() == {"gpu": 1, "predict": 0, "cpu": 10}


# ---- a broker that is away


class Clock:
    """Instead of `time`, for the broker alone: it stands still until it is set."""

    seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("jobyard.shared.broker.time", made)
    return made


def assert_is_away(broker: Broker, clock: Clock) -> None:
    """The first who asks waits for a bounded time, those after it ask nobody; then it may be asked again."""
    start = time.monotonic()
    assert not broker.wake("cpu")
    assert time.monotonic() - start < DEADLINE_SECONDS
    clock.seconds += 0.99 * AWAY_SECONDS
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker, "app", None)  # whoever asked would need it
        assert not broker.wake("cpu")
        assert not broker.wake("gpu")
    clock.seconds += 0.02 * AWAY_SECONDS


@pytest.mark.parametrize("before", ["connected", "never connected"])
def test_a_dead_broker_costs_a_bounded_time_and_is_used_again_when_it_is_back(
    broker: Broker, redis_server: "RedisProcess", clock: Clock, before: str
) -> None:
    if before == "connected":
        assert broker.wake("cpu")
    redis_server.kill()
    for _ in range(2):
        assert_is_away(broker, clock)
    with pytest.raises(OperationalError):
        broker.depths()
    redis_server.restart()
    assert broker.wake("cpu", 2)
    assert broker.depths()["cpu"] == 2


@pytest.mark.parametrize("before", ["connected", "never connected"])
def test_a_frozen_broker_costs_a_bounded_time_and_is_used_again_when_it_thaws(
    redis_server: "RedisProcess",
    clock: Clock,
    before: str,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    # As in service, before the app is made: the fixture `redis_server` has made senders patient.
    monkeypatch.setattr("jobyard.shared.broker.SEND_SECONDS", SEND_SECONDS)
    broker: Broker = request.getfixturevalue("broker")

    def woken() -> bool:
        clock.seconds += AWAY_SECONDS
        return broker.wake("cpu", 3)

    if before == "connected":
        wait_for(woken)
    redis_server.freeze()
    for _ in range(2):
        assert_is_away(broker, clock)
    start = time.monotonic()
    with pytest.raises(OperationalError):
        broker.depths()
    assert time.monotonic() - start < DEADLINE_SECONDS
    redis_server.thaw()
    wait_for(woken)
    assert waiting(redis_server) >= 3


def test_nobody_asks_a_broker_that_was_away_a_moment_ago(
    broker: Broker, redis_server: "RedisProcess", clock: Clock
) -> None:
    redis_server.kill()
    assert broker.wake("cpu") is False
    redis_server.restart()
    assert broker.wake("cpu") is False
    assert waiting(redis_server) == 0
    clock.seconds += AWAY_SECONDS
    assert broker.wake("cpu") is True
    assert waiting(redis_server) == 1


def test_a_full_broker_refuses_and_is_used_again_when_it_has_room(
    broker: Broker, redis_server: "RedisProcess", clock: Clock
) -> None:
    with redis_server.client() as client:
        client.config_set("maxmemory", "1")
        assert broker.wake("cpu") is False
        clock.seconds += AWAY_SECONDS
        assert broker.wake("cpu", 3) is False
        client.config_set("maxmemory", "0")
    clock.seconds += AWAY_SECONDS
    assert broker.wake("cpu", 3) is True
    assert waiting(redis_server) == 3


@pytest.mark.parametrize("jobs", [1, 5])
def test_a_connection_that_the_broker_closed_costs_no_message(
    broker: Broker, redis_server: "RedisProcess", jobs: int
) -> None:
    assert broker.wake("cpu")
    with redis_server.client() as client:
        client.client_kill_filter(_type="normal", skipme=True)
    assert broker.wake("cpu", jobs) is True
    assert broker.depths()["cpu"] == 1 + jobs


def test_connections_that_break_while_many_threads_use_them_are_a_broker_that_is_away(
    redis_server: "RedisProcess", broker: Broker
) -> None:
    """kombu used channels that it had closed: AttributeError, and accepted jobs were answered with 500."""
    ended = threading.Event()

    def wake() -> list[bool]:
        woken = []
        while not ended.is_set():
            broker._away_until = 0.0
            woken.append(broker.wake("cpu"))
        return woken

    with redis_server.client() as client, ThreadPoolExecutor(8) as pool:
        threads = [pool.submit(wake) for _ in range(8)]
        for _ in range(100):
            client.delete("cpu")  # or there would be enough messages
            client.client_kill_filter(_type="normal", skipme=True)
            time.sleep(0.01)
        ended.set()
    assert {woken for thread in threads for woken in thread.result()} == {True, False}
    broker._away_until = 0.0
    assert broker.wake("cpu")
