"""What `jobyard up` makes sure of before it starts anything; each failure is a ConfigError of one line."""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError
from jobyard.shared.home import protect


def make_home(home: Path) -> None:
    """Create the folder, or make it this user's alone. Raises ConfigError."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = home / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"JOBYARD_HOME: can't write to {home}: {error.strerror}") from None
    protect(home)


@contextmanager
def sole_user(home: Path) -> Iterator[None]:
    """Lock HOME: two stacks on one folder would damage each other's data."""
    try:
        lock = (home / "lock").open("a+")
    except OSError as error:
        raise ConfigError(f"JOBYARD_HOME: can't write to {home / 'lock'}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise ConfigError(
                f"JOBYARD_HOME: another `jobyard up` (process {lock.read().strip()}) uses {home}; "
                "stop it, or set another folder"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def choose_ports(settings: Settings) -> Settings:
    """The same settings with real ports where there was 0."""
    if settings.port == settings.flower_port != 0:
        raise ConfigError(
            f"JOBYARD_FLOWER_PORT: should differ from JOBYARD_PORT, but both are {settings.port}"
        )
    # Both are held until both are known, or one free port could be chosen twice.
    host = settings.address()
    with (
        _listen(host, settings.port, "JOBYARD_PORT") as web,
        _listen(host, settings.flower_port, "JOBYARD_FLOWER_PORT") as flower,
    ):
        ports = {"port": web.getsockname()[1], "flower_port": flower.getsockname()[1]}
    return settings.model_copy(update=ports)


def _listen(host: str, port: int, name: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(f"{name}: {port} is in use; set another port, or 0 for a free one") from None
        if error.errno == errno.EACCES:
            raise ConfigError(f"{name}: {port} is for root only; set 1024 or above, or 0") from None
        raise ConfigError(f"JOBYARD_HOST: can't listen on {host}: {error.strerror}") from None
    return listener
