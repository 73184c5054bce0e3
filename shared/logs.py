"""How every process logs: a line begins with its moment, in UTC."""

import datetime
import logging
import time
from typing import Final

STAMP: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


class Formatter(logging.Formatter):
    """As "2026-01-31T23:59:59.123Z WARNING jobyard.shared.broker: queue cpu: …"."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


def stamp() -> str:
    """This moment as log lines have it."""
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def set_up(level: int | str) -> None:
    """Log to standard error, unless that was set up before."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter())
    logging.basicConfig(level=level, handlers=[handler])
