"""`jobyard up` with a wrong setting: one clear line, status 2, and nothing is started."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobyard.shared.config import Settings
from jobyard.up.checks import choose_ports, sole_user


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def up(home: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JOBYARD_")}
    environment |= {"JOBYARD_HOME": str(home), "JOBYARD_PORT": "0", "JOBYARD_FLOWER_PORT": "0"}
    environment |= {f"JOBYARD_{name}": str(value) for name, value in settings.items()}
    return subprocess.run(
        [sys.executable, "-m", "jobyard.cli", "up"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
    )


def assert_refused(result: subprocess.CompletedProcess[str], said: str) -> None:
    assert result.returncode == 2, result.stdout + result.stderr
    assert result.stderr.startswith(f"jobyard: {said}")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["PORT", "FLOWER_PORT"])
def test_a_port_in_use(name: str, taken: int, tmp_path: Path) -> None:
    result = up(tmp_path, **{name: taken})
    assert_refused(result, f"JOBYARD_{name}: {taken} is in use; set another port, or 0 for a free one")


def test_the_same_port_twice(tmp_path: Path) -> None:
    assert_refused(up(tmp_path, PORT=8999, FLOWER_PORT=8999), "JOBYARD_FLOWER_PORT: should differ")


def test_a_host_that_is_not_this_machine(tmp_path: Path) -> None:
    assert_refused(up(tmp_path, HOST="192.0.2.1"), "JOBYARD_HOST: can't listen on 192.0.2.1")
    assert_refused(up(tmp_path, HOST="no.such.host.invalid"), "JOBYARD_HOST: there is no address")


def test_a_home_that_can_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert_refused(up(tmp_path / "file" / "home"), "JOBYARD_HOME: can't write to")


def test_a_home_that_can_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    # Root may write to any folder, but for those that the kernel makes.
    home = Path("/proc/sys") if os.geteuid() == 0 else tmp_path
    assert_refused(up(home), "JOBYARD_HOME: can't write to")


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "eighty"), ("LOG_LEVEL", "loud"), ("DATABASE_URL", "mysql://x"), ("TOKEN", "short")],
)
def test_a_wrong_setting(name: str, value: str, tmp_path: Path) -> None:
    assert_refused(up(tmp_path, **{name: value}), f"JOBYARD_{name}: ")


def test_a_database_that_can_not_be_used_ends_what_was_started(tmp_path: Path) -> None:
    result = up(tmp_path / "home", DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")
    assert result.returncode == 2
    assert result.stderr.startswith("jobyard: JOBYARD_DATABASE_URL: can't use the database")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "home" / "redis.sock").exists()
    assert not (tmp_path / "home" / "url").exists()


def test_a_home_in_use(tmp_path: Path) -> None:
    with sole_user(tmp_path):
        assert_refused(up(tmp_path), f"JOBYARD_HOME: another `jobyard up` (process {os.getpid()}) uses")


def test_free_ports_are_two_different_ones() -> None:
    settings = choose_ports(Settings(port=0, flower_port=0))
    assert settings.port > 0
    assert settings.flower_port > 0
    assert settings.port != settings.flower_port
