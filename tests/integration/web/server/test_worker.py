"""The worker class over real sockets: no slow client holds a thread, and HTTP is as gunicorn has it."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import SimpleNamespace

import psutil
import pytest

from jobyard.shared.errors import ConfigError
from jobyard.web.server.worker import Worker
from tests.integration.web.server.application import BIG, MEDIUM
from tests.waiting import at_once, wait_for

# Only to end a hang.
PATIENCE = 60.0
THREADS = 2
CONNECTIONS = 30
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@dataclass
class Server:
    """A gunicorn with THREADS threads and room for CONNECTIONS."""

    port: int
    process: "subprocess.Popen[bytes]"
    clients: list[socket.socket] = field(default_factory=list)

    def connect(self, sent: bytes = b"", receive_buffer: int = 0) -> socket.socket:
        client = socket.socket()
        self.clients.append(client)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.settimeout(PATIENCE)
        client.connect(("127.0.0.1", self.port))
        client.sendall(sent)
        return client

    def is_connected_to(self, client: socket.socket) -> bool:
        """Whether the server has not closed its end."""
        master = psutil.Process(self.process.pid)
        ends = [end for one in [master, *master.children()] for end in one.net_connections("tcp")]
        return client.getsockname() in [tuple(end.raddr) for end in ends]

    def hang_up(self) -> None:
        """Close what is still open."""
        while self.clients:
            self.clients.pop().close()

    def ask(self, sent: bytes) -> bytes:
        """All that the server answers until it closes."""
        with self.connect(sent) as client:
            return everything(client)


@contextmanager
def served(**environment: str) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}"]
        command += ["--worker-class", "jobyard.web.server.worker.Worker", "--threads", str(THREADS)]
        command += ["--worker-connections", str(CONNECTIONS), "--keep-alive", "30", "--no-control-socket"]
        command += ["--graceful-timeout", "5", "tests.integration.web.server.application:application"]
        process = subprocess.Popen(command, pass_fds=[listener.fileno()], env=os.environ | environment)
        try:
            yield Server(listener.getsockname()[1], process)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def running() -> Iterator[Server]:
    with served() as found:
        yield found


@pytest.fixture
def server(running: Server) -> Iterator[Server]:
    """The one of the module; what was not closed before is closed after each test."""
    yield running
    running.hang_up()


@pytest.fixture(scope="module")
def _patient() -> Iterator[Server]:
    with served(DEADLINE_OF_SLOW_CLIENTS="3600") as found:
        yield found


@pytest.fixture
def patient(_patient: Server) -> Iterator[Server]:
    """One that waits for slow clients until these tests have ended."""
    yield _patient
    _patient.hang_up()


def everything(client: socket.socket) -> bytes:
    parts = []
    with suppress(ConnectionResetError):
        while data := client.recv(1 << 16):
            parts.append(data)
    return b"".join(parts)


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


# ---- slow clients

POST = b"POST /read HTTP/1.1\r\nHost: x\r\n"
UNREAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
SLOW = {
    "nothing": b"",
    "one byte": b"G",
    "half a head": b"GET / HTTP/1.1\r\nHost: x\r\n",
    "half a body": POST + b"Content-Length: 1000\r\n\r\nhalf",
    "an announced body": POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
    "a large body that nobody reads": UNREAD + b"Content-Length: 9999999\r\n\r\nhalf",
    "chunks that nobody reads": UNREAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhal",
    "a refused head, not closed": b"nonsense\r\n\r\n",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW.keys())
def test_clients_that_are_slow_to_send_hold_no_thread(patient: Server, sent: bytes) -> None:
    """Each that did would hold it until its deadline."""
    for _ in range(10 * THREADS):
        patient.connect(sent)
    assert statuses(patient.ask(LAST)) == [200]


def test_clients_that_are_slow_to_read_hold_no_thread_and_get_all(server: Server) -> None:
    asked = LAST.replace(b"/ ", b"/medium ", 1)
    slow = [server.connect(asked, receive_buffer=4096) for _ in range(4 * THREADS)]
    assert statuses(server.ask(LAST)) == [200]
    assert everything(slow[0]).endswith(b"m" * MEDIUM)


def test_a_client_that_never_reads_a_big_answer_is_dropped(server: Server) -> None:
    """It is beyond what is kept for it, so threads wait, but not without an end."""
    slow = [server.connect(LAST.replace(b"/ ", b"/big ", 1), receive_buffer=4096) for _ in range(THREADS)]
    assert statuses(server.ask(LAST)) == [200]
    # A thread is free as soon as one of them was dropped.
    wait_for(lambda: not any(server.is_connected_to(client) for client in slow))
    for client in slow:
        assert len(everything(client)) < BIG


def test_the_rest_of_a_head_has_a_deadline_however_it_is_dripped(server: Server) -> None:
    with server.connect(b"GET / HTTP/1.1\r\n") as client:
        closed = threading.Event()

        def drip() -> None:
            with suppress(OSError):
                while not closed.wait(0.2):
                    client.sendall(b"X")

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            assert statuses(everything(client)) == [408]
        finally:
            closed.set()
            dripping.join()


@pytest.mark.parametrize("length", [1_000, 1_000_000], ids=["small", "large"])
def test_a_body_that_stops_is_a_timeout(server: Server, length: int) -> None:
    head = f"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()
    assert statuses(server.ask(head + b"half")) == [408]


def test_the_oldest_makes_room_for_a_new_connection(server: Server) -> None:
    slow = [server.connect(b"G") for _ in range(CONNECTIONS + 5)]
    assert statuses(server.ask(LAST)) == [200]
    assert everything(slow[0]) == b""


def test_a_head_without_an_end_is_refused(server: Server) -> None:
    assert statuses(server.ask(b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000)) == [431]


# ---- HTTP


def test_requests_follow_each_other_on_a_connection(server: Server) -> None:
    read = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    answers = server.ask(GET + read + GET + read + LAST)
    assert statuses(answers) == [200] * 5
    assert answers.count(b"\r\n\r\n3") == 2


def test_bytes_may_come_one_by_one(server: Server) -> None:
    with server.connect() as client:
        for sent in (
            b"\r\n"
            + GET
            + LAST.replace(b"GET /", b"POST /read").replace(b"\r\n\r\n", b"\r\nContent-Length: 2\r\n\r\nxy")
        ):
            client.sendall(bytes([sent]))
        answers = everything(client)
    assert statuses(answers) == [200, 200]
    assert answers.endswith(b"\r\n\r\n2")


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_all_sizes_are_read(server: Server, size: int, chunked: bool) -> None:
    framing = b"Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}".encode()
    body = b"x" * size
    if chunked:
        body = f"{size:x};ext=1\r\n".encode() + body + b"\r\n0\r\nX-End: x\r\n\r\n"
    answers = server.ask(b"POST /read HTTP/1.1\r\nHost: x\r\n" + framing + b"\r\n\r\n" + body + LAST)
    assert statuses(answers) == [200, 200]
    assert f"\r\n\r\n{size}HTTP".encode() in answers


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_announced_body_is_asked_for_when_it_is_wanted(server: Server, size: int) -> None:
    head = (
        f"POST /read HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n\r\n".encode()
    )
    with server.connect(head) as client:
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"x" * size + LAST)
        assert statuses(everything(client)) == [200, 200]


def test_an_announced_body_that_nobody_wants_is_not_asked_for(server: Server) -> None:
    answers = server.ask(
        b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999\r\n\r\n"
    )
    assert statuses(answers) == [200]
    assert b"Connection: close" in answers


def test_who_sends_all_before_reading_gets_the_answer(server: Server) -> None:
    answers = server.ask(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {BIG}\r\n\r\n".encode() + b"x" * BIG)
    assert statuses(answers) == [200]
    assert b"Connection: close" in answers


def test_a_stream_is_sent_as_it_comes(server: Server) -> None:
    with server.connect(LAST.replace(b"/ ", b"/stream ", 1)) as client:
        first = client.recv(1 << 16)
        assert b"first" in first
        assert b"second" not in first
        assert b"second" in everything(client)


END = b"\r\n\r\n0\r\n\r\n"


def test_a_connection_whose_request_ends_its_thread_is_closed(server: Server) -> None:
    for _ in range(2 * THREADS):
        assert statuses(server.ask(GET.replace(b"/ ", b"/exit ", 1))) == []
    assert statuses(server.ask(LAST)) == [200]


def test_kept_connections_come_and_go_from_threads(server: Server) -> None:
    """What the client sends while a thread answers, or right after, is not lost."""

    def ask_often(number: int) -> None:
        with server.connect() as client:
            for count in range(200):
                client.sendall(GET * (1 + (number + count) % 3))
                for _ in range(1 + (number + count) % 3):
                    answer = b""
                    while not answer.endswith(b"\r\n\r\nok"):
                        answer += client.recv(1)

    at_once(6, ask_often)


HOSTILE = {
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked" + END,
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked, chunked" + END,
    "an unknown coding": POST + b"Transfer-Encoding: xchunked" + END,
    "a space before the colon": POST + b"Content-Length : 5\r\n\r\n",
    "a folded line": POST + b"X: y\r\n Content-Length: 5\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: x\n\n",
    "a bare line feed within": b"GET / HTTP/1.1\r\nHost: x\nContent-Length: 5\r\n\r\n",
    "a bad chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
    "empty lines": b"\r\n\r\n",
    "a NUL": b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
}


@pytest.mark.parametrize("sent", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_could_be_read_in_two_ways_ends_the_connection(server: Server, sent: bytes) -> None:
    """Nothing behind it is taken for a request."""
    answers = statuses(server.ask(sent + GET))
    assert len(answers) == 1
    assert answers[0] >= 400


def test_a_stop_waits_for_requests_and_not_for_idle_connections() -> None:
    with served() as server:
        assert statuses(server.ask(LAST)) == [200]
        for sent in (b"", GET, b"G"):
            server.connect(sent)
        running = server.connect(GET.replace(b"/ ", b"/slow ", 1))
        assert statuses(server.ask(LAST)) == [200]
        server.process.send_signal(signal.SIGTERM)
        assert statuses(everything(running)) == [200]
        assert server.process.wait(PATIENCE) == 0
        server.hang_up()


def test_tls_is_refused_with_a_remedy() -> None:
    with pytest.raises(ConfigError, match="reverse proxy"):
        Worker.check_config(SimpleNamespace(is_ssl=True), None)
