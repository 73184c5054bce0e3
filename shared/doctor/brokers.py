"""The broker: reached, and able to take a message and to give it back."""

import uuid
from collections.abc import Iterator
from typing import Any

import kombu

from jobyard.shared.broker import BROKER_ERRORS, make_celery
from jobyard.shared.config import Settings
from jobyard.shared.doctor.findings import Finding, well, wrong

TOPIC = "broker"


def check(settings: Settings) -> Iterator[Finding]:
    """With a queue of its own, which is deleted."""
    app = make_celery(settings, sender=True)
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            yield well(TOPIC, f"reached{_version(connection)}")
            if _round_trip(connection):
                yield well(TOPIC, "takes a message and gives it back")
            else:
                yield wrong(TOPIC, "lost a message", "look into its log; jobs wait for the sweeper meanwhile")
    except (*BROKER_ERRORS, AttributeError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        remedy = "check that it runs, and address and password in JOBYARD_BROKER_URL"
        if settings.embedded_redis:
            remedy = "start `jobyard up`, which brings it, or set JOBYARD_BROKER_URL as the server has it"
        yield wrong(TOPIC, f"can't be used: {reason}; jobs are accepted, and wait", remedy)


def _round_trip(connection: kombu.Connection) -> bool:
    name = f"jobyard-doctor-{uuid.uuid4()}"
    channel = connection.default_channel
    # The default exchange, which leaves nothing behind.
    queue = kombu.Queue(name, kombu.Exchange(""), routing_key=name, durable=False, auto_delete=True)(channel)
    queue.queue_declare()
    try:
        with kombu.Producer(channel) as producer:
            producer.publish({}, exchange="", routing_key=name, serializer="json", delivery_mode="transient")
            return queue.get(no_ack=True) is not None
    finally:
        queue.delete()


def _version(connection: kombu.Connection) -> str:
    """Redis' and Valkey's HELLO needs no rights; RabbitMQ says it as one connects."""
    properties: dict[str, Any] | None = getattr(connection.connection, "server_properties", None)
    if properties:
        return f": {properties.get('product', 'AMQP')} {properties.get('version', '')}"
    client = getattr(connection.default_channel, "client", None)
    if client is None:
        return ""
    found = client.execute_command("HELLO")
    if not isinstance(found, dict):
        found = dict(zip(found[::2], found[1::2], strict=False))
    said = {_text(name): _text(value) for name, value in found.items()}
    return f": {said.get('server', 'Redis')} {said.get('version', '')}"


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
