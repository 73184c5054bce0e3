"""The Celery app, its queues, and waking their workers.

SQL is the truth; a message only says "look into this queue". The worker that gets it claims the first job
of the queue, and the next, until none is left: so a few messages do for any number of jobs.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

import amqp
import kombu
import redis
from celery import Celery
from kombu import Exchange, Producer
from kombu.exceptions import ChannelError, KombuError
from kombu.transport.redis import Channel as RedisChannel

from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError
from jobyard.shared.kinds.base import Queue
from jobyard.shared.service_url import CLUSTER, BrokerUrl

log = logging.getLogger(__name__)

# The one Celery task: its argument is the queue to look into.
WAKE_UP: Final = "wake_up"
# So many messages in a queue wake every idle process; more would be handled for nothing.
MAX_MESSAGES: Final = 32

# What is raised where a broker can't be used. kombu makes errors of its own of most of its clients' errors,
# but not of a channel that RabbitMQ closes.
BROKER_ERRORS: Final = (KombuError, redis.RedisError, amqp.AMQPError, OSError)

CLUSTER_ERRORS: Final = (
    redis.exceptions.ClusterCrossSlotError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.AskError,
)

# What a dead or frozen broker may cost who sends, in seconds, twice over: a connection that went
# stale since the last time deserves a second try.
SEND_SECONDS = 0.25
RETRY: Final = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
# So long it is not tried again: the sweeper sends what was not sent.
AWAY_SECONDS = 1.0
# How long a worker waits for an answer. (Its calls for the next message have timeouts of their own.)
LISTEN_SECONDS = 5.0

# Redis gives an unacknowledged message out again after so long. Claims make that harmless, and the
# sweeper finds what was lost much sooner, so it only needs to be rare.
VISIBILITY_SECONDS = 7 * 24 * 3600


def make_celery(settings: Settings, *, sender: bool = False) -> Celery:
    """The app as every process configures it; `workers.runtime.app` adds the tasks and the pool.

    A `sender` gives up soon if the broker is unreachable; a worker tries for ever.
    """
    address = BrokerUrl.parse(settings.broker)
    app = Celery("jobyard", broker=address.url, set_as_current=False)
    app.conf.update(
        broker_use_ssl=address.ssl,
        task_queues=[
            kombu.Queue(queue.value, Exchange(queue.value), routing_key=queue.value) for queue in Queue
        ],
        task_default_queue=Queue.CPU.value,
        task_create_missing_queues=False,
        # Results, states and retries are SQL's.
        task_ignore_result=True,
        result_backend=None,
        task_serializer="json",
        accept_content=["json"],
        # Flower gets events of jobs, from `workers.runtime.events`, and none of messages.
        task_send_sent_event=False,
        worker_send_task_events=False,
        # A message that is lost between its acknowledgment and the claim is sent again by the sweeper.
        task_acks_late=False,
        # Nothing is cancelled by this, for nothing unacknowledged is running; it only ends a warning.
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_enable_prefetch_count_reduction=False,
        # Whatever the broker does, a worker connects again: also to one that answers with errors, as a
        # primary that has become a replica does, or that closes a channel.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,
        broker_connection_timeout=SEND_SECONDS if sender else LISTEN_SECONDS,
        broker_transport_options=_transport(address, sender),
    )
    return app


def _transport(address: BrokerUrl, sender: bool) -> dict[str, object]:
    seconds = SEND_SECONDS if sender else LISTEN_SECONDS
    options: dict[str, object] = {"max_retries": 0} if sender else {}
    if address.url.startswith("amqp"):
        return options | {"confirm_publish": True, "read_timeout": seconds, "write_timeout": seconds}
    if address.sentinel is not None:
        timeouts = {"socket_connect_timeout": seconds, "socket_timeout": seconds}
        options |= {
            "master_name": address.sentinel.primary,
            "sentinel_kwargs": timeouts | address.sentinel.login,
        }
    return options | {
        "visibility_timeout": VISIBILITY_SECONDS,
        "priority_steps": [0],  # the order of jobs is SQL's
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }


def require_at_start(settings: Settings) -> None:
    """Raises ConfigError if the address is a Redis Cluster's. An unreachable broker may come back."""
    try:
        # Of no pool, which the forked children of a worker would share.
        with make_celery(settings, sender=True).connection_for_write() as connection:
            _ask(Producer(connection), _existing)
    except BROKER_ERRORS as error:
        if isinstance(error.__cause__, CLUSTER_ERRORS):
            raise ConfigError(f"JOBYARD_BROKER_URL: {CLUSTER}") from None


class Broker:
    """Wakes workers, and counts the messages that do it."""

    def __init__(self, settings: Settings) -> None:
        self.app = make_celery(settings, sender=True)
        self._away_until = 0.0
        # By queue: how many messages may still be sent before anyone is asked how many wait.
        self._room: dict[str, int] = {}

    def wake(self, queue: str, jobs: int = 1) -> bool:
        """Wake workers for so many queued jobs, after their rows are committed.

        Nothing is sent if enough messages wait already: each will be handled after this commit. How many wait
        is asked once for as many as there is room for, so each process may send so many more than enough.
        False if the broker is unreachable: the jobs are accepted all the same, and the sweeper sends later.
        """
        if time.monotonic() < self._away_until:
            return False
        try:
            with self._producer() as producer:
                if self._room.get(queue, 0) < jobs:
                    self._room[queue] = MAX_MESSAGES - _depth(producer, queue)
                messages = min(jobs, self._room[queue])
                self._room[queue] -= max(messages, 0)
                self._send(producer, queue, messages)
        except BROKER_ERRORS as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            log.warning(
                "queue %s: its workers will be woken later, the broker can't be reached: %s", queue, error
            )
            return False
        return True

    @contextmanager
    def _producer(self) -> Iterator[Producer]:
        """Raises one of BROKER_ERRORS if the broker can't be used."""
        with self.app.producer_pool.acquire(block=True) as producer:
            try:
                yield producer
            except AttributeError as error:
                # kombu may use a channel once more that it closed when its connection broke (5.7).
                raise ChannelError(f"a channel was closed: {error}") from error

    def _send(self, producer: Producer, queue: str, messages: int) -> None:
        """In one round trip, where the broker can do that (Redis)."""
        batches = messages > 1 and producer.supports_batch_publish
        with producer.batch() if batches else nullcontext():
            for _ in range(messages):
                self.app.send_task(
                    WAKE_UP, args=(queue,), queue=queue, producer=producer, retry=True, retry_policy=RETRY
                )

    def depths(self) -> dict[str, int]:
        """Messages ready in each queue. Raises one of BROKER_ERRORS if the broker can't be used."""
        with self._producer() as producer:
            return {queue.value: _depth(producer, queue.value) for queue in Queue}


def _depth(producer: Producer, queue: str) -> int:
    def ask(channel: kombu.transport.virtual.Channel) -> int:
        if isinstance(channel, RedisChannel):  # for each question that kombu asks it makes a client
            return int(channel.client.llen(queue))
        # To declare it as the app does is the one question about its length that never fails for want of it.
        return int(channel.queue_declare(queue=queue, durable=True, auto_delete=False).message_count)

    return _ask(producer, ask)


def _existing(channel: kombu.transport.virtual.Channel) -> int:
    """How many queues exist. Even a cluster of one node refuses a question about several keys."""
    return int(channel.client.exists(*Queue)) if isinstance(channel, RedisChannel) else 0


def _ask(producer: Producer, question: Callable[[kombu.transport.virtual.Channel], int]) -> int:
    """Ask, on a new connection if need be; besides, this makes kombu's errors of the client's."""
    return int(producer.connection.ensure(producer, lambda: question(producer.channel), **RETRY)())
