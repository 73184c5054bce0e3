"""Flower: Celery's own view of workers and tasks, behind a password."""

import os

from jobyard.shared.broker import make_celery
from jobyard.shared.config import Settings

USER = "jobyard"


def main(settings: Settings) -> int:
    """Serve Flower on HOST:FLOWER_PORT for user `jobyard`, with the token as password."""
    # Flower reads this itself; on its command line everybody on the machine could read the token.
    os.environ["FLOWER_BASIC_AUTH"] = f"{USER}:{settings.secret_token()}"
    app = make_celery(settings)
    app.start(
        [
            "flower",
            f"--address={settings.host}",
            f"--port={settings.flower_port}",
            # It would make the workers send events of their messages, too: only jobs are of interest.
            "--enable_events=false",
            "--logging=warning",  # it would list settings and tasks that everybody knows
        ]
    )
    return 0
