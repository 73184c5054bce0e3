"""Strangers without a token: however slow, large or many, they neither stop web nor cost it memory."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from jobyard.web.backend import THREADS
from tests.acceptance.conftest import Stack
from tests.attacks.measuring import MIB, growth, web

SLOW = 200
# What one request of a stranger may cost, and how soon others are answered meanwhile.
COST = 10 * MIB
HEALTHZ_SECONDS = 1.0
SUBMIT_SECONDS = 2.0

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
LOGIN = b"POST /login HTTP/1.1\r\nHost: x\r\n" + FORM
UPLOAD = b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
STYLES = b"GET /assets/any/bootstrap.css HTTP/1.1\r\nHost: x\r\n\r\n"

KINDS = {
    "nothing": b"",
    "one byte": b"G",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ",
    "half a login": LOGIN + b"Content-Length: 1000\r\n\r\ntoken=",
    "a login that is announced": LOGIN + b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
    "a login in chunks": LOGIN + CHUNKED + b"5\r\ntok",
    "half an upload": UPLOAD + b"Content-Length: 2000000000\r\n\r\n--b",
    "an upload in chunks": UPLOAD + CHUNKED + b"ffffffff\r\n--b",
    "a JSON body that stops": b"POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n{",
    "a reader that doesn't read": STYLES * 20,
}
# What is sent again and again behind that, byte by byte.
DRIPPED = {"half a head": b"x", "half a login": b"x", "half an upload": b"x", "one byte": b"E"}


class Strangers:
    """Connections that are never in a hurry."""

    def __init__(self, stack: Stack) -> None:
        self._address = _address(stack)
        self._sockets: list[tuple[str, socket.socket]] = []
        self._ended = threading.Event()
        self._drip = threading.Thread(target=self._dripping)

    def come(self, kinds: "list[str]") -> None:
        for kind in kinds:
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(self._address)
            self._sockets.append((kind, client))
            client.sendall(KINDS[kind])
        self._drip.start()

    def go(self) -> None:
        self._ended.set()
        self._drip.join()
        for _, client in self._sockets:
            client.close()

    def _dripping(self) -> None:
        while not self._ended.wait(0.1):
            for kind, client in self._sockets:
                with suppress(OSError):  # it was refused since
                    client.send(DRIPPED.get(kind, b""))


@contextmanager
def strangers(stack: Stack, kinds: "list[str]") -> Iterator[None]:
    come = Strangers(stack)
    with ExitStack() as ending:
        ending.callback(come.go)
        come.come(kinds)
        yield


def answers_others(stack: Stack) -> None:
    begun = time.monotonic()
    assert httpx.get(f"{stack.url}/healthz", timeout=180).status_code == 200
    health = time.monotonic()
    job = {"kind": "sentiment", "spec": {"texts": ["I love it"]}}
    headers = {"Authorization": f"Bearer {stack.token}"}
    submitted = httpx.post(f"{stack.url}/api/v1/jobs", json=job, headers=headers, timeout=180)
    ended = time.monotonic()
    assert submitted.status_code == 202
    assert health - begun < HEALTHZ_SECONDS
    assert ended - health < SUBMIT_SECONDS


def test_two_hundred_slow_strangers_keep_nobody_waiting(stack: Stack) -> None:
    with growth(web(stack)) as grown, strangers(stack, list(itertools.islice(itertools.cycle(KINDS), SLOW))):
        for _ in range(5):
            answers_others(stack)
            time.sleep(0.2)
    assert grown.bytes < 4 * COST


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_in_a_number_beyond_the_threads_keeps_nobody_waiting(stack: Stack, kind: str) -> None:
    with strangers(stack, 2 * THREADS * [kind]):
        for _ in range(2):
            answers_others(stack)
            time.sleep(0.1)


def test_connections_beyond_the_limit_take_the_place_of_the_oldest(stack: Stack) -> None:
    with strangers(stack, 1_050 * ["one byte"]):
        answers_others(stack)


LARGE = 24 * MIB
REQUESTS = {
    "a login form": ("/login", "application/x-www-form-urlencoded"),
    "a login as JSON": ("/login", "application/json"),
    "a login in parts": ("/login", "multipart/form-data; boundary=b"),
    "a form": ("/new/sentiment", "application/x-www-form-urlencoded"),
    "JSON": ("/api/v1/jobs", "application/json"),
    "a file": ("/api/v1/files", "multipart/form-data; boundary=b"),
    "a health check": ("/healthz", "text/plain"),
    "a style sheet": ("/static/css/jobyard.css", "text/plain"),
}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("name", REQUESTS)
def test_a_large_body_of_a_stranger_is_not_read(stack: Stack, name: str, chunked: bool) -> None:
    path, media_type = REQUESTS[name]
    headers = {"Content-Type": media_type} | ({} if chunked else {"Content-Length": str(LARGE)})

    def body() -> Iterator[bytes]:
        for _ in range(LARGE >> 16):
            yield b"a=b&" * (1 << 14)

    with growth(web(stack)) as grown, httpx.Client(base_url=stack.url, timeout=180) as stranger:
        response = stranger.post(path, content=body(), headers=headers)
    assert response.status_code == (401 if path != "/login" else 411 if chunked else 413)
    assert grown.bytes < COST


def test_many_headers_and_long_ones_are_refused(stack: Stack) -> None:
    for head, status in (
        ("".join(f"X-{number}: y\r\n" for number in range(1_000)), 431),
        ("".join(f"X-{number}: y\r\n" for number in range(100_000)), 431),
        (f"X: {'y' * 100_000}\r\n", 431),
        (f"Cookie: {'y=z; ' * 1_600}\r\n", 200),
    ):
        with growth(web(stack)) as grown, socket.create_connection(_address(stack), 30) as client:
            with suppress(ConnectionError):
                client.sendall(
                    f"GET /healthz HTTP/1.1\r\nHost: x\r\n{head}Connection: close\r\n\r\n".encode()
                )
            assert client.recv(100).startswith(f"HTTP/1.1 {status}".encode())
        assert grown.bytes < COST
    with socket.create_connection(_address(stack), 30) as client:
        client.sendall(b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 414")


def test_a_health_check_writes_nothing_to_the_storage(stack: Stack) -> None:
    def written() -> "dict[Path, int]":
        return {path: path.stat().st_mtime_ns for path in (stack.home / "storage").rglob("*")}

    before = written()
    assert httpx.get(f"{stack.url}/readyz", timeout=180).status_code == 200
    assert written() == before


def test_an_origin_that_is_no_address_is_refused(stack: Stack) -> None:
    with httpx.Client(base_url=stack.url, timeout=180) as browser:
        assert browser.get("/login", params={"token": stack.token}).status_code == 302
        for path in ("/logout", "/api/v1/jobs"):
            assert browser.post(path, headers={"Origin": "http://["}).status_code == 403
        assert browser.post("/logout", headers={"Origin": stack.url}).status_code == 303
        assert browser.get("/").status_code == 401


def _address(stack: Stack) -> tuple[str, int]:
    split = urlsplit(stack.url)
    return str(split.hostname), int(split.port or 0)
