"""The embedded broker: only its owner's processes reach it, and even they can't turn it into a weapon."""

import stat

import psutil
import pytest
import redis

from tests.acceptance.conftest import Stack

# What writes files, loads code, stops or empties the server, or looks at what others send.
DANGEROUS = [
    line.split()
    for line in (
        *(
            "CONFIG SET dir /",
            "CONFIG GET *",
            "MODULE LOAD x.so",
            "SAVE",
            "BGSAVE",
            "DEBUG SLEEP 1",
            "SHUTDOWN",
        ),
        *("FLUSHALL", "FLUSHDB", "KEYS *", "MONITOR", "ACL SETUSER default +@all"),
        *("REPLICAOF 127.0.0.1 1", "CLIENT KILL TYPE normal", "MIGRATE 127.0.0.1 1 x 0 1", "RESTORE x 0 x"),
    )
]


@pytest.fixture
def server(stack: Stack) -> psutil.Process:
    (found,) = [one for one in stack.family() if one.name().startswith(("valkey-server", "redis-server"))]
    return found


def test_no_network_reaches_it_and_no_other_user(stack: Stack, server: psutil.Process) -> None:
    assert server.net_connections(kind="inet") == []
    socket = (stack.home / "redis.sock").stat()
    assert stat.S_ISSOCK(socket.st_mode)
    assert stat.S_IMODE(socket.st_mode) == 0o700
    assert stat.S_IMODE((stack.home / "redis").stat().st_mode) == 0o700


@pytest.mark.parametrize("words", DANGEROUS, ids=lambda words: " ".join(words[:2]))
def test_dangerous_commands_are_refused(stack: Stack, words: list[str]) -> None:
    with redis.Redis(unix_socket_path=str(stack.home / "redis.sock")) as client:
        assert client.ping()
        with pytest.raises(redis.ResponseError, match=r"no permissions|not allowed"):
            client.execute_command(*words)


def test_it_has_no_known_vulnerabilities_to_report(stack: Stack) -> None:
    assert "known vulnerabilities" not in stack.log.read_text()
