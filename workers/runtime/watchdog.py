"""Ends a process in which no Python runs any more: C code has hung and holds the interpreter's lock."""

import faulthandler
import functools
import threading
import time

# Importing TensorFlow holds the lock for seconds, longer on a busy machine.
LEAST_SECONDS = 10.0
# A lease that no heartbeat has renewed has expired by then: the job is another worker's.
LEASES = 1.2


@functools.cache
def start(lease_seconds: float) -> None:
    """Watch over this process from now on: it exits with the tracebacks of its threads on standard error.

    faulthandler counts in a thread of its own, in C, which needs no lock.
    """
    seconds = max(LEASES * lease_seconds, LEAST_SECONDS)
    threading.Thread(target=_put_off, args=(seconds,), name="watchdog", daemon=True).start()


def _put_off(seconds: float) -> None:
    while True:
        faulthandler.dump_traceback_later(seconds, exit=True)
        time.sleep(seconds / 10)
