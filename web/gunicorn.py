"""gunicorn's settings: `gunicorn -c python:jobyard.web.gunicorn "jobyard.web.app:create_app()"`."""

import gc
import logging
import sys
from typing import Any, NoReturn

from gunicorn.glogging import Logger

from jobyard.hosts import host_and_port
from jobyard.shared import logs
from jobyard.shared.broker import require_at_start
from jobyard.shared.config import Settings
from jobyard.shared.database import Database
from jobyard.shared.errors import ConfigError
from jobyard.shared.home import UMASK, protect
from jobyard.shared.storage import Storage
from jobyard.web.backend import THREADS

# As the workers and the sweeper say it, so that nobody starts it again.
WRONG_SETTING = 2


class _StampedLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn's, whose lines are like all others."""

    def _set_handler(self, log: logging.Logger, output: str, fmt: object, stream: Any = None) -> None:
        super()._set_handler(log, output, logs.formatter(_settings.log_format), stream)


def _end(error: ConfigError) -> NoReturn:
    print(f"jobyard: {error.message}", file=sys.stderr)  # noqa: T201 - the line for people
    sys.exit(WRONG_SETTING)


try:
    _settings = Settings.load()
    bind = host_and_port(_settings.address(), _settings.port)
except ConfigError as error:
    _end(error)


umask = UMASK
logger_class = _StampedLogger
worker_class = "jobyard.web.server.worker.Worker"
workers = 1
threads = THREADS
timeout = 120
graceful_timeout = 5
keepalive = 30
worker_connections = 1_000
# The poller looks for the end of a head as this parser does; gunicorn also has one in C.
http_parser = "python"
# Nobody manages this gunicorn through its socket, which would lie outside HOME.
control_socket_disable = True
# The path without its query: a login link's token never reaches a log.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'
accesslog = "-" if _settings.log_level == "DEBUG" else None
loglevel = _settings.log_level.lower()


def on_starting(_arbiter: object) -> None:
    """Before the process that serves, which creates the token and takes uploads.

    HOME is made private; another database's storage and an unsupported broker are refused.
    """
    try:
        protect(_settings.home)
        database = Database(_settings.database)
        Storage(_settings.storage, database).identity.require_at_start()
        database.dispose()
        require_at_start(_settings)
    except ConfigError as error:
        _end(error)


def post_worker_init(_worker: object) -> None:
    """What the app is made of stays: the garbage collector need not look through it again and again."""
    gc.collect()
    gc.freeze()
