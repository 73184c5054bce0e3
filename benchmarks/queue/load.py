"""A lean HTTP client: many connections in one thread, so that little of the machine goes into asking."""

import re
import selectors
import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

CONNECTIONS = 8
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class _Exchange:
    """One connection: what was asked on it when, and what came back so far."""

    socket: socket.socket
    asked: float = 0.0
    received: bytes = b""

    def ask(self, request: bytes) -> None:
        self.asked, self.received = time.perf_counter(), b""
        self.socket.sendall(request)

    def is_whole(self) -> bool:
        """Take in what has come; True when the answer is complete."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.received += data
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        length = LENGTH.search(head)
        return len(body) >= (int(length[1]) if length else 0)


@dataclass(frozen=True)
class Load:
    """What a server did under load."""

    per_second: float
    median_ms: float


def run(port: int, request: Callable[[int], bytes], count: int, expected: int) -> Load:
    """Ask `count` times, CONNECTIONS at once. Raises RuntimeError at an answer that was not expected."""
    wanted = f" {expected} ".encode()
    times: list[float] = []
    sent = 0
    with selectors.DefaultSelector() as selector:
        exchanges = [_Exchange(_connect(port)) for _ in range(CONNECTIONS)]
        began = time.perf_counter()
        for exchange in exchanges:
            selector.register(exchange.socket, selectors.EVENT_READ, exchange)
            exchange.ask(request(sent))
            sent += 1
        while len(times) < count:
            ready = selector.select(timeout=30)
            if not ready:
                raise TimeoutError("the server does not answer")
            for key, _ in ready:
                exchange = key.data
                if not exchange.is_whole():
                    continue
                if wanted not in exchange.received[:20]:
                    raise RuntimeError(exchange.received[:1_000].decode(errors="replace"))
                times.append(time.perf_counter() - exchange.asked)
                if sent < count:
                    exchange.ask(request(sent))
                    sent += 1
        took = time.perf_counter() - began
        for exchange in exchanges:
            exchange.socket.close()
    return Load(count / took, statistics.median(times) * 1000)


class Conversation:
    """One connection, one question at a time."""

    def __init__(self, port: int) -> None:
        self._exchange = _Exchange(_connect(port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exchange.socket.close()

    def ask(self, request: bytes, expected: int) -> bytes:
        """The answer, head and body. Raises RuntimeError if it is another than expected."""
        self._exchange.ask(request)
        while not self._exchange.is_whole():
            pass
        if f" {expected} ".encode() not in self._exchange.received[:20]:
            raise RuntimeError(self._exchange.received[:1_000].decode(errors="replace"))
        return self._exchange.received


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection
