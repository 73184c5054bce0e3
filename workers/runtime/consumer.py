"""A Celery consumer that takes a message only while a process is free to handle it, and never gives up."""

import functools
import time
from collections.abc import Callable
from typing import Any

import celery.worker.consumer
import kombu
from celery.worker import state
from kombu.asynchronous import Hub

from jobyard.workers.runtime.consumption import draining

# How long after a lost connection the next one is made: a primary that has become a replica takes
# connections, and refuses all that a worker needs.
PAUSE_SECONDS = 1.0
# While the broker is away it is tried again at least so often.
MAX_PAUSE_SECONDS = 5.0


class Consumer(celery.worker.consumer.Consumer):  # type: ignore[misc]
    """Listens while a process is free and the worker does not drain; the setting `worker_consumer` names it.

    A message is acknowledged when a process begins to handle it: RabbitMQ closes the channel of a worker that
    holds one for longer than its `consumer_timeout`, and a training can take days. Then the broker would
    send the next one, which no idle worker could get any more; so a busy worker listens to no queue.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        # Not one for each process: what is acknowledged no longer counts, so the next message comes at once.
        super().__init__(*args, **options | {"initial_prefetch_count": 1})

    def register_with_event_loop(self, hub: Hub) -> None:
        """Look at each turn of the loop whether a process has become free."""
        super().register_with_event_loop(hub)
        hub.on_tick.add(self._listen_while_free)

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[kombu.Message], None]:
        """What is done with each message."""
        handle = super().create_task_handler(*args, **options)

        def take(message: kombu.Message) -> None:
            if self._is_free():
                handle(message)
                # Before it is acknowledged, after which the broker would send the next one.
                self._listen_while_free()
            else:  # a new connection listens before anything can keep it from that
                self._listen_while_free()
                message.requeue()

        return take

    def _is_free(self) -> bool:
        return not draining.is_set() and len(state.reserved_requests) < int(self.pool.num_processes)

    def _listen_while_free(self) -> None:
        is_listening = any(map(self.task_consumer.consuming_from, self.app.amqp.queues.consume_from))
        if self._is_free() and not is_listening:
            self.task_consumer.consume()
        elif not self._is_free() and is_listening:
            self.task_consumer.cancel()

    def ensure_connected(self, connection: kombu.Connection) -> kombu.Connection:
        """Connect, however long that takes."""
        connection.ensure_connection = functools.partial(
            connection.ensure_connection, interval_max=MAX_PAUSE_SECONDS
        )
        return super().ensure_connected(connection)

    def on_connection_error_before_connected(self, error: Exception) -> None:
        """Log it, and wait."""
        super().on_connection_error_before_connected(error)
        time.sleep(PAUSE_SECONDS)

    def on_connection_error_after_connected(self, error: Exception) -> None:
        """Log it, forget the connection, and wait."""
        super().on_connection_error_after_connected(error)
        time.sleep(PAUSE_SECONDS)
