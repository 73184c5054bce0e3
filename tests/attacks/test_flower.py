"""Flower: strangers get nothing but its health, and the token's owner a view that changes nothing."""

import contextlib
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from flower.urls import handlers

from jobyard.workers.runtime.flower import MAX_BODY_BYTES, MAX_HEADER_BYTES
from jobyard.workers.runtime.flower_guard import HEADERS, INLINE
from tests.acceptance.conftest import PATIENCE, Stack, until
from tests.attacks.measuring import MIB, growth

# Of a route's pattern, an address: Flower has no others.
ROUTES = sorted(
    {
        pattern.removesuffix("$")
        .replace("(.+)", "cpu@x")
        .replace("(.*)", "x")
        .replace("/?", "")
        .replace(".*", "/x")
        for pattern in (one.regex.pattern if hasattr(one, "regex") else one[0] for one in handlers)
    }
)
SLOW = 200


@pytest.fixture
def address(stack: Stack) -> str:
    (line,) = [line for line in stack.log.read_text().splitlines() if "Flower " in line]
    return line.split("Flower", 1)[1].split()[0]


@pytest.fixture
def owner(address: str, stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, auth=("jobyard", stack.token), timeout=PATIENCE) as opened:
        yield opened


def test_a_stranger_gets_the_health_check_and_nothing_else(address: str) -> None:
    assert {"/", "/metrics", "/api/workers", "/api/worker/shutdown/cpu@x", "/static/x"} <= set(ROUTES)
    with httpx.Client(base_url=address, timeout=PATIENCE) as stranger:
        for path in ROUTES:
            found = stranger.get(path)
            if path == "/healthcheck":
                assert (found.status_code, found.text) == (200, "OK")
            else:
                assert found.status_code == 401, path
                assert len(found.text) < 100
            assert stranger.post(path, content=b"{}").status_code == 401, path
            assert HEADERS.items() <= dict(_named(found)).items()


def _named(response: httpx.Response) -> Iterator[tuple[str, str]]:
    for name in HEADERS:
        yield name, response.headers.get(name, "")


def test_the_owner_can_look_and_change_nothing(owner: httpx.Client, stack: Stack) -> None:
    worker = stack.worker("cpu")
    name = f"cpu@{socket.gethostname()}"
    until(
        lambda: name in owner.get("/api/workers", params={"refresh": "true"}).json(), "the worker in Flower"
    )
    for path in (one.replace("cpu@x", name) for one in ROUTES if one != "/tasks/datatable"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            refused = owner.request(method, path, params={"terminate": "true", "n": 1, "queue": "x"})
            assert refused.status_code == 403, (method, path)
    assert "JOBYARD_FLOWER_CONTROL" in refused.text
    assert worker.is_running()
    assert stack.worker("cpu").pid == worker.pid
    assert owner.get(f"/worker/{name}").is_success


def test_its_pages_are_not_framed_and_run_no_foreign_script(owner: httpx.Client) -> None:
    for path in ("/workers", "/tasks", "/broker", "/metrics", "/static/js/flower.js", "/nope"):
        found = owner.get(path)
        assert HEADERS.items() <= dict(_named(found)).items()
        assert "server" not in found.headers
        if "/static/" not in path:
            assert found.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in found.headers["content-security-policy"]
    # The only script in a page itself is the one that the policy names.
    page = owner.get("/workers").text
    scripts = re.findall(r"<script(?![^>]* src=)[^>]*>(.*?)</script>", page, re.DOTALL)
    assert scripts == [INLINE.decode()]


def test_it_has_no_way_to_the_database(stack: Stack) -> None:
    for process in stack.processes("flower"):
        given = process.environ()
        assert not [name for name in given if name.startswith(("PG", "JOBYARD_DATABASE", "JOBYARD_STORAGE"))]


def test_no_request_of_a_stranger_costs_it_memory(address: str, stack: Stack) -> None:
    (flower,) = stack.processes("flower")
    with growth([flower]) as grown:
        for headers in (
            f"Content-Length: {95 * MIB}",
            "Transfer-Encoding: chunked",
            f"X-Long: {'x' * 2 * MAX_HEADER_BYTES}",
        ):
            with _connection(address) as connection, contextlib.suppress(OSError):
                connection.sendall(f"POST /login HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
                for _ in range(95):
                    connection.sendall(b"100000\r\n" + b"x" * MIB + b"\r\n")
        assert httpx.get(f"{address}/healthcheck", timeout=PATIENCE).is_success
    assert grown.bytes < 10 * MIB
    refused = httpx.post(address, content=b"x" * (MAX_BODY_BYTES + 1), timeout=PATIENCE)
    assert refused.status_code in (400, 401, 413)


def test_slow_strangers_keep_nobody_waiting(address: str, owner: httpx.Client) -> None:
    with contextlib.ExitStack() as opened:
        for number in range(SLOW):
            connection = opened.enter_context(_connection(address))
            connection.sendall(
                b"G" if number % 2 else b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\na"
            )
        assert httpx.get(f"{address}/healthcheck", timeout=1.0).is_success
        assert owner.get("/workers", timeout=2.0).is_success


def _connection(address: str) -> socket.socket:
    parts = urlsplit(address)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port or 80), timeout=10)
