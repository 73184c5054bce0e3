"""How every process logs: a line begins with its moment, in UTC, or is JSON with all that is known of it."""

import atexit
import datetime
import itertools
import json
import logging
import os
import re
import secrets
import sys
import threading
import time
from contextvars import ContextVar
from typing import Any, Final, Literal, TextIO

from jobyard.shared.texts import encodable

LogFormat = Literal["text", "json"]

STAMP: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

# A request's id that comes from outside: it must not end a line or a header, or fill the log.
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

# What this process does now: a worker runs one job at a time, and all its threads log for that.
_process: dict[str, Any] = {}
# Of the request that this thread answers.
_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

# Of what is printed: a line that is longer becomes several.
MAX_PRINTED: Final = 1 << 16

# Ids of requests are made of this process and a number: cheaper than chance for each.
_ORIGIN: Final = secrets.token_hex(6)
_numbers = itertools.count(1)


def name_process(**fields: Any) -> None:
    """What all lines of this process are about from now on: its `worker`, and the `job` and `attempt`."""
    _process.update(fields)


def end_job() -> None:
    """The job of this process has ended, and its lines are about none."""
    _process.pop("job", None)
    _process.pop("attempt", None)


def begin_request(given: str | None) -> str:
    """The id of the request that this thread answers from now on: the one that was given, if it is one."""
    is_good = given is not None and REQUEST_ID.fullmatch(given)
    chosen = given if given is not None and is_good else f"{_ORIGIN}-{next(_numbers):x}"
    _request_id.set(chosen)
    return chosen


def request_id() -> str | None:
    """Of the request that this thread answers."""
    return _request_id.get()


class Formatter(logging.Formatter):
    """As "2026-01-31T23:59:59.123Z WARNING jobyard.shared.broker: queue cpu: …"."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")


class JsonFormatter(Formatter):
    """A line of JSON: time, level, logger, message; job, attempt, worker and request_id where they apply."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "pid": record.process,
            # None: it has no such name any more, or yet.
            **{name: value for name, value in _process.items() if value is not None},
        }
        if (asked := _request_id.get()) is not None:
            line["request_id"] = asked
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        return encodable(json.dumps(line, ensure_ascii=False, default=str))


class PrintedLines:
    """A stream whose lines become JSON: what work prints, and what Python says of errors."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._about = {"name": name, "levelname": "INFO", "levelno": logging.INFO}
        self._formatter = JsonFormatter()
        self._rest = ""
        # Its own thread may come in once more: an object that is deleted meanwhile may print something.
        self._lock = threading.RLock()
        atexit.register(self._end)
        os.register_at_fork(after_in_child=self._forked)

    def write(self, text: str) -> int:
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            while len(self._rest) > MAX_PRINTED:
                lines.append(self._rest[:MAX_PRINTED])
                self._rest = self._rest[MAX_PRINTED:]
            for line in filter(None, lines):
                record = logging.makeLogRecord({**self._about, "msg": line})
                self._stream.write(f"{self._formatter.format(record)}\n")
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def _end(self) -> None:
        if self._rest:
            self.write("\n")

    def _forked(self) -> None:
        """A thread that only the parent has may have held the lock, and what it began to print is its own."""
        self._lock = threading.RLock()
        self._rest = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def wrap_printed(format_: LogFormat) -> None:
    """Let all that this process prints from now on be JSON, if its log is. To be called after `set_up`."""
    for name in ("stdout", "stderr"):
        stream: Any = getattr(sys, name)
        if format_ == "json" and stream is not None and not isinstance(stream, PrintedLines):
            setattr(sys, name, PrintedLines(stream, name))


def formatter(format_: LogFormat) -> logging.Formatter:
    """Of the lines of a process."""
    return JsonFormatter() if format_ == "json" else Formatter()


def stamp() -> str:
    """This moment as log lines have it."""
    return f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def set_up(level: int | str, format_: LogFormat = "text") -> None:
    """Log to standard error, unless that was set up before."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(format_))
    logging.basicConfig(level=level, handlers=[handler])
