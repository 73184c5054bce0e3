"""A worker takes a message only while a process is free, and none while it drains."""

from types import SimpleNamespace

import pytest
from celery.worker import state

from jobyard.workers.runtime.consumer import Consumer
from jobyard.workers.runtime.consumption import draining


class Listening:
    """What a consumer listens with."""

    def __init__(self) -> None:
        self.is_listening = False

    def consuming_from(self, _queue: str) -> bool:
        return self.is_listening

    def consume(self) -> None:
        self.is_listening = True

    def cancel(self) -> None:
        self.is_listening = False


def test_it_listens_while_a_process_is_free_and_it_does_not_drain(monkeypatch: pytest.MonkeyPatch) -> None:
    consumer = Consumer.__new__(Consumer)
    consumer.pool = SimpleNamespace(num_processes=1)
    consumer.app = SimpleNamespace(amqp=SimpleNamespace(queues=SimpleNamespace(consume_from=["cpu"])))
    consumer.task_consumer = listening = Listening()
    reserved: set[str] = set()
    monkeypatch.setattr(state, "reserved_requests", reserved)

    def listens() -> bool:
        consumer._listen_while_free()
        return listening.is_listening

    try:
        assert listens()
        draining.set()
        assert not listens()
        draining.clear()
        assert listens()
        reserved.add("a message")
        assert not listens()
    finally:
        draining.clear()
