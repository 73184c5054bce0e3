"""Flower: Celery's own view of workers and tasks, behind a password and read-only."""

import logging
import os
import secrets
import signal
from base64 import b64encode

from flower.app import Flower
from flower.options import options
from flower.urls import settings as flower_settings
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from jobyard.shared.broker import make_celery
from jobyard.shared.config import Settings
from jobyard.workers.runtime.flower_guard import Guard, SafeHeaders

USER = "jobyard"

# What a request may cost before it is answered. A page's longest address, that of a filtered table of tasks,
# has 4 kB, and so has the form that asks for a page of it.
MAX_HEADER_BYTES = 16 << 10
MAX_BODY_BYTES = 16 << 10
# All of a request's headers have to come within so long, also of the next one on an open connection.
HEADER_SECONDS = 20.0
BODY_SECONDS = 10.0
# Flower keeps the newest tasks in memory, about 4 kB each and more with a traceback; its default is ten times
# as many.
MAX_TASKS = 10_000


def main(settings: Settings) -> int:
    """Serve Flower on HOST:FLOWER_PORT for user `jobyard`, with the token as password."""
    # Flower's own command would run a flowerconfig.py of the working folder, take options from FLOWER_*
    # and wait an hour for a request's headers.
    flower = _application(settings)
    password = settings.secret_token()
    guard = Guard(flower, f"{USER}:{password}", _inner_authorization(), control=settings.flower_control)
    server = HTTPServer(
        guard,
        max_header_size=MAX_HEADER_BYTES,
        max_body_size=MAX_BODY_BYTES,
        idle_connection_timeout=HEADER_SECONDS,
        body_timeout=BODY_SECONDS,
    )
    server.add_sockets(bind_sockets(settings.flower_port, address=settings.host))
    for number in (signal.SIGINT, signal.SIGTERM):
        # At once, for Flower keeps nothing: Python would wait for its threads, and these for a broker that is
        # away, as long as it is.
        flower.io_loop.asyncio_loop.add_signal_handler(number, os._exit, 0)
    flower.start()
    return 0


def _application(settings: Settings) -> Flower:
    """Flower's application, which serves nothing yet."""
    options.basic_auth = [f"{USER}:{secrets.token_urlsafe(32)}"]
    options.read_only = not settings.flower_control
    # It would make the workers send events of their messages, too: only jobs are of interest.
    options.enable_events = False
    options.max_tasks = MAX_TASKS
    # Settings and tasks that everybody knows; and whatever strangers ask for.
    for name in ("flower", "kombu", "tornado"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    flower = Flower(capp=make_celery(settings), options=options, **flower_settings)
    flower.add_transform(SafeHeaders)
    return flower


def _inner_authorization() -> str:
    """The header with which the guard logs in to Flower, which never sees the token itself."""
    return "Basic " + b64encode(options.basic_auth[0].encode()).decode()
