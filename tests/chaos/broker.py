"""The broker of the stack: two real Redis servers behind one address, one the replica of the other."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import redis

from jobyard.shared.kinds.base import Queue
from jobyard.up.redis import find_binary
from tests.chaos.relay import Relay

# Where kombu keeps what it gave out.
UNACKED = "unacked"
# A server that starts has so long to answer.
PATIENCE = 30.0


class Pair:
    """Which of the two is the primary, and how to make it the other."""

    def __init__(self, ports: tuple[int, int]) -> None:
        self.ports = ports
        self._primary = 0
        self.relay = Relay(ports[0])

    @property
    def primary(self) -> str:
        """The service's name."""
        return f"redis{self._primary + 1}"

    def commands(self, folder: Path) -> Iterator[tuple[str, list[str]]]:
        """Each server's name and command line; without a word about a primary, each starts as one."""
        for number, port in enumerate(self.ports, 1):
            data = folder / f"redis{number}"
            data.mkdir()
            yield (
                data.name,
                [
                    *(find_binary(), "--bind", "127.0.0.1", "--port", str(port)),
                    *("--dir", str(data), "--appendonly", "yes", "--save", ""),
                    *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
                ],
            )

    @contextmanager
    def client(self) -> "Iterator[redis.Redis]":
        """Of the primary, past the address."""
        with closing(self._client(self._primary)) as client:
            yield client

    def replicate(self) -> None:
        """The other follows the primary, once it answers."""
        other = 1 - self._primary
        deadline = time.monotonic() + PATIENCE
        with closing(self._client(other)) as client:
            while True:
                try:
                    client.replicaof("127.0.0.1", str(self.ports[self._primary]))
                except redis.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.05)
                else:
                    return

    def part(self) -> None:
        """The replica becomes a primary: what is sent to the other one after this is lost with it."""
        with closing(self._client(1 - self._primary)) as client:
            client.replicaof("NO", "ONE")

    def demote(self) -> None:
        """The primary follows its former replica: whoever is connected can only read."""
        with self.client() as client:
            client.replicaof("127.0.0.1", str(self.ports[1 - self._primary]))

    def switch(self) -> None:
        """The address is the other's, and connections to the former are closed."""
        self._primary = 1 - self._primary
        self.relay.point_to(self.ports[self._primary])

    def messages(self) -> dict[str, int]:
        """What waits, by queue; those of UNACKED are given out and not confirmed."""
        with self.client() as client:
            counts = {UNACKED: int(client.hlen(UNACKED))}
            for queue in Queue:
                keys = [key for key in client.keys(f"{queue.value}*") if client.type(key) == b"list"]
                counts[queue.value] = sum(int(client.llen(key)) for key in keys)
        return counts

    def _client(self, number: int) -> "redis.Redis":
        return redis.Redis(port=self.ports[number], socket_timeout=5.0)
