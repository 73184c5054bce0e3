"""What is said where a program is interrupted that may have submitted a job."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

UNANSWERED: Final = (
    "The job may have been submitted: client.job('@last') or `jobyard watch @last` shows the newest one of "
    "your token, which is this one if it was created just now."
)


@dataclass
class Attempts:
    """How often a request may have reached the server: without those whose connection was refused."""

    sent: int = 0


@contextmanager
def noted() -> Iterator[Attempts]:
    """An interrupt of what submits a job has a note that the job may be there, and how to find it.

    Ctrl-C is one, and so are the end of the program and, in an event loop, the cancellation of its task.
    It has none where no attempt may have reached the server.
    """
    attempts = Attempts()
    try:
        yield attempts
    except Exception:
        raise
    except BaseException as interrupt:
        if attempts.sent:
            interrupt.add_note(UNANSWERED)
        raise
