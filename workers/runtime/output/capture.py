"""Takes what a process prints and logs while it works at a job: `sys.stdout`, `sys.stderr`, and logging.

All of it still goes where it went before. What libraries in C write to the descriptors themselves goes to the
worker's own log only.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TextIO

from jobyard.workers.runtime.output.output import Output

# What runs jobs: it logs to the worker's log, and is no part of the work.
OURS: Final = (
    "jobyard.shared",
    "jobyard.workers.runtime",
    "amqp",
    "billiard",
    "celery",
    "kombu",
    "sqlalchemy",
)
THREADS: Final = frozenset({"heartbeat", "events", "watchdog", "registration"})


class _Copying:
    """A stream of text that also adds to an output."""

    def __init__(self, stream: TextIO | None, name: str, output: Output) -> None:
        self._stream = stream
        self._name = name
        self._output = output

    def write(self, text: str) -> int:
        if self._stream is not None:
            self._stream.write(text)
        self._output.add(self._name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if self._stream is not None:
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Handler(logging.Handler):
    """Of the root logger while a job runs; a process has one."""

    output: Output | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.output is None or record.threadName in THREADS or _is_ours(record.name):
            return
        try:
            self.output.add("logging", f"{self.format(record).rstrip()}\n")
        except Exception:  # noqa: BLE001 - as handlers do: a wrong format is no error of the work
            self.handleError(record)


_HANDLER: Final = _Handler()
_HANDLER.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))


def _is_ours(name: str) -> bool:
    return name.startswith(OURS) and any(name == one or name.startswith(f"{one}.") for one in OURS)


@contextmanager
def capturing(output: Output) -> Iterator[None]:
    """Add to this output what the process prints and logs within."""
    before = sys.stdout, sys.stderr
    ours: Any = _Copying(before[0], "stdout", output), _Copying(before[1], "stderr", output)
    sys.stdout, sys.stderr = ours
    root = logging.getLogger()
    _HANDLER.output = output
    root.addHandler(_HANDLER)
    try:
        yield
    finally:
        root.removeHandler(_HANDLER)
        _HANDLER.output = None
        # The work may have put others in their place.
        if sys.stdout is ours[0]:
            sys.stdout = before[0]
        if sys.stderr is ours[1]:
            sys.stderr = before[1]
        output.close()
