"""The Celery app, its queues, and sending a job's wake-up call.

SQL is the truth; a message only says "look at this job". Its name is the kind, its id the job's.
"""

import logging
from collections.abc import Sequence
from contextlib import nullcontext

from celery import Celery
from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import BatchPublishError, ChannelError, OperationalError

from shared import specs
from shared.config import Settings
from shared.jobs import Job

log = logging.getLogger(__name__)

PRIORITIES = 10

# What a dead or frozen broker may cost who sends, in seconds, twice over: a connection that went
# stale since the last time deserves a second try.
SEND_SECONDS = 0.3
# How long a worker waits for an answer. (Its calls for the next message have timeouts of their own.)
LISTEN_SECONDS = 5.0

# Redis gives an unacknowledged message out again after so long. Claims make that harmless, and the
# sweeper finds what was lost much sooner, so it only needs to be rare.
VISIBILITY_SECONDS = 7 * 24 * 3600


def make_celery(settings: Settings, *, sender: bool = False) -> Celery:
    """The app as every process configures it; `workers.app` adds the tasks and the pool.

    A `sender` gives up soon when the broker is away; a worker tries to reach it for ever.
    """
    app = Celery("jobyard", broker=settings.broker, set_as_current=False)
    app.conf.update(
        task_queues=[
            Queue(
                queue.value,
                Exchange(queue.value),
                routing_key=queue.value,
                queue_arguments={"x-max-priority": PRIORITIES - 1},
            )
            for queue in specs.Queue
        ],
        task_default_queue=specs.Queue.CPU.value,
        task_create_missing_queues=False,
        # Results, states and retries are SQL's.
        task_ignore_result=True,
        result_backend=None,
        task_serializer="json",
        accept_content=["json"],
        # For Flower.
        task_send_sent_event=True,
        worker_send_task_events=True,
        # A worker takes a message only when it can run it: what it reserved, no idle worker could have.
        task_acks_late=True,
        worker_prefetch_multiplier=1,
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=SEND_SECONDS if sender else LISTEN_SECONDS,
        broker_transport_options=_transport(settings, sender),
    )
    return app


def _transport(settings: Settings, sender: bool) -> dict[str, object]:
    seconds = SEND_SECONDS if sender else LISTEN_SECONDS
    options: dict[str, object] = {"max_retries": 0} if sender else {}
    if settings.broker.startswith("amqp"):
        return options | {"confirm_publish": True, "read_timeout": seconds, "write_timeout": seconds}
    return options | {
        "visibility_timeout": VISIBILITY_SECONDS,
        "priority_steps": list(range(PRIORITIES)),
        "queue_order_strategy": "priority",
        "socket_connect_timeout": seconds,
        "socket_timeout": seconds,
        "socket_keepalive": True,
        "health_check_interval": 10,
    }


class Broker:
    """Sends wake-up calls and counts them."""

    def __init__(self, settings: Settings) -> None:
        self.app = make_celery(settings, sender=True)
        self._lower_is_first = settings.broker.startswith("redis")

    def send(self, job: Job) -> bool:
        """Wake a worker for a queued job, after its row is committed.

        False if the broker is away: the job is accepted all the same, and the sweeper sends it later.
        """
        try:
            self._send(job)
        except (OperationalError, OSError) as error:
            log.warning("job %s will be sent later, the broker is away: %s", job.id, error)
            return False
        return True

    def send_many(self, jobs: Sequence[Job]) -> bool:
        """Wake workers for many jobs in one round trip, where the broker can do that (Redis)."""
        try:
            with self.app.producer_pool.acquire(block=True) as producer:
                batch = producer.batch() if producer.supports_batch_publish else nullcontext()
                with batch:
                    for job in jobs:
                        self._send(job, producer)
        except (OperationalError, BatchPublishError, OSError) as error:
            log.warning("%d jobs will be sent later, the broker is away: %s", len(jobs), error)
            return False
        return True

    def _send(self, job: Job, producer: Producer | None = None) -> None:
        self.app.send_task(
            job.kind,
            args=(str(job.id),),
            task_id=str(job.id),
            queue=job.queue,
            priority=PRIORITIES - 1 - job.priority if self._lower_is_first else job.priority,
            producer=producer,
            retry=True,
            retry_policy={"max_retries": 1, "interval_start": 0, "interval_step": 0},
        )

    def depths(self) -> dict[str, int]:
        """Messages ready in each queue. Raises kombu's OperationalError if the broker is away."""
        with self.app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=0, timeout=SEND_SECONDS)
            return {queue.value: _depth(connection, queue.value) for queue in specs.Queue}


def _depth(connection: Connection, queue: str) -> int:
    with connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue=queue, passive=True).message_count)
        except (ChannelError, *connection.channel_errors):
            return 0  # nobody has declared it yet
