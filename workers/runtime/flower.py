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

log = logging.getLogger(__name__)

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
# How often they are written to a file, for the next start.
SAVE_SECONDS = 60.0


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
    # Tornado's socket for :: would be deaf to IPv4, which web's is not; for None it opens one for each.
    address = settings.address()
    server.add_sockets(bind_sockets(settings.flower_port, address=None if address == "::" else address))
    for number in (signal.SIGINT, signal.SIGTERM):
        flower.io_loop.asyncio_loop.add_signal_handler(number, _end, flower)
    flower.start()
    return 0


def _end(flower: Flower) -> None:
    """Keep the tasks, and end at once: Python would wait for its threads, and these for a broker that is
    away, as long as it is.
    """
    try:
        if flower.options.persistent:
            flower.events.save_state()
    except OSError as error:  # the disk is full, say
        log.warning("the tasks are not kept for the next start: %s", error)
    finally:
        os._exit(0)


def _application(settings: Settings) -> Flower:
    """Flower's application, which serves nothing yet."""
    folder = settings.home / "flower"
    options.db = str(folder / "tasks")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        options.persistent = os.access(folder, os.W_OK)
    except OSError:
        options.persistent = False
    if not options.persistent:
        log.warning("tasks are not kept over a restart: can't write to %s", folder)
    options.state_save_interval = int(1_000 * SAVE_SECONDS)
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
    _forget_unended(flower)
    return flower


def _forget_unended(flower: Flower) -> None:
    """Of the tasks that were kept only those are true for certain that had ended; what runs comes again."""
    state = flower.events.state
    for task_id in [task_id for task_id, task in state.tasks.items() if not task.ready]:
        del state.tasks[task_id]
    state.rebuild_taskheap()
    state.search_engine.rebuild(state.tasks.items())


def _inner_authorization() -> str:
    """The header with which the guard logs in to Flower, which never sees the token itself."""
    return "Basic " + b64encode(options.basic_auth[0].encode()).decode()
