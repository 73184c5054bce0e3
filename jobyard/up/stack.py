"""Starting and stopping the stack, in order."""

import http.client
import importlib.resources
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NoReturn

import click
from honcho.environ import parse_procfile

from jobyard.hosts import host_and_port, reachable
from jobyard.shared.config import PREFIX, Settings
from jobyard.shared.errors import ConfigError, StorageFailed
from jobyard.up import redis
from jobyard.up.checks import choose_ports, make_home, sole_user
from jobyard.up.supervisor import KeepsFailing, Stopped, Supervisor

REDIS = "redis"
EARLIER_REDIS_SECONDS = 10.0

BROKER_ONLY = (REDIS, "flower")
# The addresses, and the variables by which libpq and fsspec's file systems take passwords and keys.
DATABASE_AND_STORAGE = (
    *(f"{PREFIX}{name}_URL" for name in ("DATABASE", "STORAGE")),
    *("PG", "AWS_", "AZURE_", "GOOGLE_", "GCS_", "FSSPEC_"),
)
READY_EVERY_SECONDS = 0.5


def up(settings: Settings, *, adopt: bool = False) -> int:
    """Run everything on this machine until a signal; returns the exit status.

    `adopt`: give the storage to this database, even if it belongs to another. Raises ConfigError if a
    setting is wrong, before or after the start.
    """
    make_home(settings.home)
    with sole_user(settings.home):
        settings = choose_ports(settings)
        settings.secret_token()
        commands = _commands(settings)
        environments = {name: environment(settings, name) for name in commands}
        supervisor = Supervisor(commands, environments, settings.log_format)
        try:
            with _address_file(settings):
                _run(supervisor, settings, adopt)
        except Stopped:
            return 0
        except KeepsFailing as error:
            click.echo(f"jobyard: {error.message}", err=True)
            return 1
        finally:
            supervisor.stop(last=REDIS)


def _run(supervisor: Supervisor, settings: Settings, adopt: bool) -> NoReturn:
    commands = _commands(settings)
    if REDIS in commands:
        _wait_for_earlier_redis(settings)
        supervisor.start([REDIS])
        supervisor.run_until(lambda: redis.answers(settings))
    with supervisor.interruptible():
        _migrate(settings)
        _claim_storage(settings, adopt)
    supervisor.start(name for name in commands if name != REDIS)
    supervisor.run_until(_Readiness(settings).reached)
    with suppress(OSError):  # the reader has gone
        click.echo(banner(settings))
    supervisor.run()


def banner(settings: Settings) -> str:
    """Where everything is. The login link holds the token: it is for the terminal."""
    token = settings.secret_token()
    return (
        f"\n  Jobyard is up; Ctrl-C stops it\n"
        f"  Dashboard  {web_url(settings)}/login?token={token}\n"
        f"  Flower     {flower_url(settings)}  (user: jobyard, password: the token)\n"
        f"  Token      {'JOBYARD_TOKEN' if settings.token else settings.home / 'token'}\n"
        f"  Data       {settings.home}\n"
    )


def web_url(settings: Settings) -> str:
    return f"http://{host_and_port(reachable(settings.host), settings.port)}"


def flower_url(settings: Settings) -> str:
    return f"http://{host_and_port(reachable(settings.host), settings.flower_port)}"


def _commands(settings: Settings) -> dict[str, str]:
    procfile = importlib.resources.files("jobyard.up").joinpath("Procfile").read_text()
    commands: dict[str, str] = parse_procfile(procfile).processes
    if not settings.embedded_redis:
        del commands[REDIS]
    return commands


def environment(settings: Settings, name: str) -> dict[str, str]:
    """This process' environment, with what was decided here, for the process of that name.

    Those that use neither the database nor the storage get neither's address nor password.
    """
    inherited = {
        variable: value
        for variable, value in os.environ.items()
        if name not in BROKER_ONLY or not variable.startswith(DATABASE_AND_STORAGE)
    }
    return inherited | {
        f"{PREFIX}HOME": str(settings.home),
        f"{PREFIX}PORT": str(settings.port),
        f"{PREFIX}FLOWER_PORT": str(settings.flower_port),
        f"{PREFIX}IMPORT_ROOTS": _import_roots(),
        # The Procfile says `python` and `gunicorn`: those beside this one are meant.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        # A folder called `shared` or `web` in the user's working directory must not be imported.
        "PYTHONSAFEPATH": "1",
    }


def _import_roots() -> str:
    """As given, even if that is nothing; by default the home folder of the user who starts this."""
    given = os.environ.get(f"{PREFIX}IMPORT_ROOTS")
    if given is not None:
        return given
    home = Path.home()
    return "" if home == Path(home.anchor) else str(home)


@contextmanager
def _address_file(settings: Settings) -> Iterator[None]:
    """HOME/url tells the command line where the server is, as long as it is there."""
    path = settings.home / "url"
    path.write_text(f"{web_url(settings)}\n")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _wait_for_earlier_redis(settings: Settings) -> None:
    """After a killed `up` its Redis may still be ending; two on the same files would spoil them."""
    deadline = time.monotonic() + EARLIER_REDIS_SECONDS
    while redis.answers(settings):
        if time.monotonic() > deadline:
            raise ConfigError(
                f"JOBYARD_HOME: another Redis listens on {settings.redis_socket}; "
                "stop it, or set another folder"
            )
        time.sleep(0.2)


def _migrate(settings: Settings) -> None:
    from jobyard.shared.migrate import upgrade  # SQLAlchemy takes its time: after the quick checks

    upgrade(settings)


def _claim_storage(settings: Settings, adopt: bool) -> None:
    """Check that storage and database belong together before anything uses them. Raises ConfigError."""
    from jobyard.shared.database import Database
    from jobyard.shared.storage import Storage

    database = Database(settings.database)
    try:
        storage = Storage(settings.storage, database)
        if adopt:
            storage.identity.adopt()
        storage.identity.require()
    except StorageFailed as error:
        raise ConfigError(f"can't use the storage: {error.message}") from None
    finally:
        database.dispose()


class _Readiness:
    """Asks /readyz now and then."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._next = 0.0

    def reached(self) -> bool:
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + READY_EVERY_SECONDS
        host, port = reachable(self._settings.host), self._settings.port
        connection = http.client.HTTPConnection(host, port, timeout=2.0)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
