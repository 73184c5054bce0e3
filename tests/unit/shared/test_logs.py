"""A line of a log, and the lines that real processes write."""

import contextvars
import datetime
import json
import logging
import os
import re
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest

from jobyard.shared import logs
from jobyard.shared.logs import STAMP, Formatter, JsonFormatter, stamp
from tests.waiting import PATIENCE


def record(message: str) -> logging.LogRecord:
    made = logging.LogRecord("some.module", logging.WARNING, "file.py", 1, message, None, None)
    made.created = datetime.datetime(2026, 1, 31, 23, 59, 59, 42_000, tzinfo=datetime.UTC).timestamp()
    made.msecs = 42.0
    return made


def test_a_line_begins_with_its_moment_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert Formatter().format(record("hello")) == "2026-01-31T23:59:59.042Z WARNING some.module: hello"
    assert re.fullmatch(STAMP, stamp())


GUNICORN = ["-m", "gunicorn", "-c", "python:jobyard.web.gunicorn", "jobyard.web.app:create_app()"]
# What a worker's parent and its libraries write.
WORKER = """
import logging, warnings, billiard.util
from jobyard.workers.runtime.app import set_up_logging
set_up_logging("INFO")
warnings.warn("beware")
billiard.util.get_logger().error("a child ended")
logging.getLogger("celery.worker").info("hello")
"""
# What gunicorn itself writes.
WEB = """
from gunicorn.config import Config
from jobyard.web import gunicorn
config = Config()
config.set("logger_class", gunicorn.logger_class)
gunicorn.logger_class(config).error("can't listen")
"""


@pytest.mark.parametrize(
    "arguments",
    [["-m", "jobyard.shared.migrate"], [*GUNICORN, "--check-config"], ["-c", WORKER]],
    ids=["migrate", "web", "worker"],
)
def test_each_process_logs_like_this(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path))
    monkeypatch.setenv("JOBYARD_LOG_LEVEL", "DEBUG")
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    # A message may have more lines, which are indented.
    lines = [line for line in done.stderr.splitlines() if line and not line.startswith(" ")]
    assert all(re.match(rf"{STAMP} [A-Z]+ [\w.]+: ", line) for line in lines), done.stderr
    assert lines or arguments[1] == "gunicorn"


@pytest.mark.parametrize(
    "arguments",
    [["-m", "jobyard.shared.migrate"], ["-c", WORKER], ["-c", WEB]],
    ids=["migrate", "worker", "web"],
)
def test_each_process_logs_json_where_that_is_asked_for(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path))
    monkeypatch.setenv("JOBYARD_LOG_FORMAT", "json")
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert lines
    for line in lines:
        assert re.fullmatch(STAMP, line["time"])
        assert {"level", "logger", "message", "pid"} <= set(line)


# What plugins and Python write past the log.
PRINTING = f"""{WORKER}
import threading
print("printed", 1)
logging.error("a wrong format %d", "x")
thread = threading.Thread(target=lambda: 1 / 0)
thread.start()
thread.join()
print("no line break", end="")
raise SystemError("at last")
"""


def test_what_a_worker_prints_is_json_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBYARD_HOME", str(tmp_path))
    monkeypatch.setenv("JOBYARD_LOG_FORMAT", "json")
    done = subprocess.run([sys.executable, "-c", PRINTING], capture_output=True, text=True, timeout=60)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["logger"], line["message"]) for line in printed] == [
        ("stdout", "printed 1"),
        ("stdout", "no line break"),
    ]
    said = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert {"ZeroDivisionError: division by zero", "SystemError: at last"} <= set(said)
    assert any("a wrong format" in line for line in said)


def test_a_line_of_json_says_what_it_is_about_also_in_other_threads() -> None:
    lines: list[dict[str, Any]] = []

    def log() -> None:
        lines.append(json.loads(JsonFormatter().format(record("two\nlines \ud800"))))

    job_id = uuid.UUID(int=7)
    logs.name_process(job=job_id, attempt=2, worker="cpu@host/7")
    try:
        thread = threading.Thread(target=log)
        thread.start()
        thread.join()
    finally:
        logs.end_job()
        contextvars.Context().run(log)
        logs.name_process(worker=None)
    about = {"job": str(job_id), "attempt": 2, "worker": "cpu@host/7"}
    common = {"level": "WARNING", "logger": "some.module", "message": "two\nlines \N{REPLACEMENT CHARACTER}"}
    common |= {"time": "2026-01-31T23:59:59.042Z", "pid": os.getpid()}
    assert lines == [common | about, common | {"worker": "cpu@host/7"}]


def test_an_exception_is_in_its_line_of_json() -> None:
    made = record("failed")
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    text = JsonFormatter().format(made)
    assert "\n" not in text
    assert json.loads(text)["exception"].endswith("ValueError: why")


@pytest.mark.parametrize("bad", [None, "", "a b", "a\nb", "x" * 129, "ü"])
def test_a_request_has_the_id_that_it_brings_or_one_of_its_own(bad: str | None) -> None:
    def ids() -> None:
        assert logs.request_id() is None
        assert logs.begin_request("from-a-proxy:1") == logs.request_id() == "from-a-proxy:1"
        made = {logs.begin_request(bad) for _ in range(3)}
        assert len(made) == 3
        assert bad not in made
        assert all(logs.REQUEST_ID.fullmatch(one) for one in made)

    contextvars.Context().run(ids)


def test_a_child_prints_whatever_its_parent_was_printing_when_it_was_forked() -> None:
    code = """
import os, threading
from jobyard.shared.logs import PrintedLines

prints, may_go_on, parent = threading.Event(), threading.Event(), os.getpid()

class Slow:
    def write(self, text):
        if os.getpid() == parent:
            prints.set()
            may_go_on.wait()
        else:
            os.write(1, text.encode())

printed = PrintedLines(Slow(), "stdout")
threading.Thread(target=printed.write, args=("theirs\\nhalf",)).start()
prints.wait()
if not (pid := os.fork()):
    printed.write("ours\\n")
    os._exit(0)
os.waitpid(pid, 0)
may_go_on.set()
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, timeout=PATIENCE, capture_output=True, check=True)
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["ours"]
