"""What is said where a program is interrupted that may have submitted a job."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

UNANSWERED: Final = (
    "The job may have been submitted: client.job('@last') or `jobyard watch @last` shows the newest one of "
    "your token, which is this one if it was created just now."
)


@contextmanager
def noted() -> Iterator[None]:
    """An interrupt of what submits a job has a note that the job may be there, and how to find it.

    Ctrl-C is one, and so are the end of the program and, in an event loop, the cancellation of its task.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as interrupt:
        interrupt.add_note(UNANSWERED)
        raise
