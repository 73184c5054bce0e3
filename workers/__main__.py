"""`python -m jobyard.workers gpu | predict | cpu | sweeper | flower`: one process of Jobyard."""

import argparse
import logging
import os
import sys

from jobyard.shared import kinds, logs
from jobyard.shared.config import Settings
from jobyard.shared.errors import JobyardError
from jobyard.shared.home import protect
from jobyard.shared.kinds.base import Queue


def main() -> int:
    """Run until SIGTERM, which is 0; 2 where a setting is wrong, 1 where a worker can't continue."""
    parser = argparse.ArgumentParser(prog="python -m jobyard.workers", description=__doc__)
    parser.add_argument("role", choices=[*(queue.value for queue in Queue), "sweeper", "flower"])
    parser.add_argument("--name", help="a name to distinguish several workers of one queue on one machine")
    arguments = parser.parse_args()
    try:
        settings = Settings.load()
        return _run(settings, arguments.role, arguments.name)
    except JobyardError as error:
        print(f"jobyard: {error.message}", file=sys.stderr)  # noqa: T201 - the line for people
        return 2


def _run(settings: Settings, role: str, name: str | None) -> int:
    from jobyard.shared.broker import require_at_start
    from jobyard.workers.runtime.app import make_worker, set_up_logging

    set_up_logging(settings.log_level)
    protect(settings.home)
    require_at_start(settings)
    for problem in kinds.problems():
        logging.getLogger(__name__).error("%s", problem)
    if role == "sweeper":
        from jobyard.workers.runtime import sweeper

        return sweeper.main(settings)
    if role == "flower":
        from jobyard.workers.runtime import flower

        return flower.main(settings)
    from jobyard.shared.database import Database
    from jobyard.shared.disk import Disk
    from jobyard.shared.storage import Storage

    # Before the pool, whose children have connections of their own.
    database = Database(settings.database)
    storage = Storage(settings.storage, database)
    storage.identity.require_at_start()
    database.dispose()
    from celery import signals
    from celery.utils.nodenames import host_format

    from jobyard.workers.kinds import missing_works
    from jobyard.workers.runtime.registration import Registration

    for problem in missing_works(Queue(role)):
        logging.getLogger(__name__).error("%s", problem)
    # TensorFlow would begin each job with a page of notices; the children inherit this.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    nodename = host_format(f"{name or role}@%h")
    logs.name_process(worker=nodename)
    written = [folder for folder in (settings.home, storage.folder) if folder is not None]
    disk = Disk(written, settings.min_free_bytes)
    registration = Registration(settings.database, role, nodename, disk)
    registration.claim()
    # From when it listens until it has ended.
    signals.worker_ready.connect(lambda **_: registration.start(), weak=False)
    signals.worker_shutdown.connect(lambda **_: registration.stop(), weak=False)
    app = make_worker(settings, Queue(role))
    worker = app.Worker(
        queues=[role],
        hostname=nodename,
        loglevel=settings.log_level,
        quiet=True,  # no banner
        # Workers exchange nothing that is not in SQL.
        without_gossip=True,
        without_mingle=True,
    )
    worker.start()
    if registration.refused is not None:
        raise registration.refused
    # Celery has logged why it can't continue. It sets no code where it gives up by itself.
    return 1 if worker.exitcode is None else worker.exitcode


if __name__ == "__main__":
    sys.exit(main())
